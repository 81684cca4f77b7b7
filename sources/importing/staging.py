"""The staging tables: what has been read of the files, before any of it touches `app`."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import fields
from io import StringIO
from operator import attrgetter
from typing import Any, Final

from psycopg import Connection, sql

from sources.importing.kinds import KINDS_OF_RECORDS, Kind
from sources.importing.rows import Block, Rejection

REFUSED: Final = [field.name for field in fields(Rejection)]
# The statistics may know nothing of tables that were filled a moment ago: no plan may loop over them.
_PREPARE: Final = "set local enable_nestloop = off"
_REFUSED: Final = """
create temporary table refused (
    position bigint, file text, row_number bigint, row_key text, external_ref text, kind text, field text, value text,
    reason text, message text, booking text
) on commit drop
"""


def create(connection: Connection) -> None:
    """Make the staging tables, empty."""
    connection.execute(_PREPARE)
    connection.execute(_REFUSED)
    for kind in KINDS_OF_RECORDS.values():
        columns = sql.SQL(", ").join(
            sql.SQL("{} " + kind.sql_type(column)).format(sql.Identifier(column)) for column in kind.staged
        )
        connection.execute(sql.SQL("create temporary table {} ({}) on commit drop").format(name_of(kind), columns))


def name_of(kind: Kind) -> sql.Identifier:
    """The staging table of a kind of record."""
    return sql.Identifier(f"staged_{kind.name}")


def copy_block(connection: Connection, block: Block) -> None:
    """Add a block to the staging tables."""
    rows = zip(*(block.columns[column] for column in block.kind.staged), strict=True)
    _copy(connection, name_of(block.kind), block.kind.staged, rows)
    if block.rejections:
        _copy(connection, sql.Identifier("refused"), REFUSED, map(attrgetter(*REFUSED), block.rejections))


def _copy(connection: Connection, table: sql.Identifier, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """COPY as CSV, which Python writes several times as fast as psycopg adapts values. Null is an empty field."""
    statement = sql.SQL("copy {} ({}) from stdin (format csv)").format(
        table, sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    with connection.cursor().copy(statement) as copy:
        copy.write(text.getvalue())
