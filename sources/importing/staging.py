"""Staging tables: temporary tables with the evaluated rows of the files, before anything is written to `app`."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import fields
from io import StringIO
from operator import attrgetter
from typing import Any, Final

from psycopg import Connection, sql

from sources.importing.record_kinds import RECORD_KINDS, RecordKind
from sources.importing.rows import Block, Rejection

REJECTION_COLUMNS: Final = [field.name for field in fields(Rejection)]
# Tables filled a moment ago have no statistics: no plan may choose nested loops over them.
_NO_NESTED_LOOPS: Final = "set local enable_nestloop = off"
_CREATE_REJECTIONS: Final = """
create temporary table rejections (
    position bigint, file text, row_number bigint, row_key text, external_ref text, kind text, field text, value text,
    reason text, message text, booking text
) on commit drop
"""


def create(connection: Connection) -> None:
    """Create the empty staging tables."""
    connection.execute(_NO_NESTED_LOOPS)
    connection.execute(_CREATE_REJECTIONS)
    for kind in RECORD_KINDS.values():
        columns = sql.SQL(", ").join(
            sql.SQL("{} " + kind.sql_type(column)).format(sql.Identifier(column)) for column in kind.staged
        )
        connection.execute(sql.SQL("create temporary table {} ({}) on commit drop").format(table_name(kind), columns))


def table_name(kind: RecordKind) -> sql.Identifier:
    """Return the name of the staging table of a kind of record."""
    return sql.Identifier(f"staged_{kind.name}")


def copy_block(connection: Connection, block: Block) -> None:
    """Copy the records and the rejections of a block into the staging tables."""
    rows = zip(*(block.columns[column] for column in block.kind.staged), strict=True)
    _copy(connection, table_name(block.kind), block.kind.staged, rows)
    if block.rejections:
        rejections = map(attrgetter(*REJECTION_COLUMNS), block.rejections)
        _copy(connection, sql.Identifier("rejections"), REJECTION_COLUMNS, rejections)


def _copy(connection: Connection, table: sql.Identifier, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """COPY `rows` as CSV, which Python writes several times as fast as psycopg adapts values; null is an empty cell."""
    statement = sql.SQL("copy {} ({}) from stdin (format csv)").format(
        table, sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    with connection.cursor().copy(statement) as copy:
        copy.write(text.getvalue())
