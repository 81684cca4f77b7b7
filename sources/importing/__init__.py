"""A user's own CSV export becomes operational rows, through a declarative mapping (docs/importing.md).

One transaction a file: every row is evaluated and checked, staged by COPY, and inserted set-based. Rows that
cannot be are kept in app.import_rejections. Running the same file again adds nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from itertools import islice
from operator import attrgetter
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg import Connection, sql

from sources import database
from sources.errors import HubError
from sources.importing import statements
from sources.importing.mapping import (
    KINDS,
    ImportMapping,
    Organization,
    Plan,
    compile_mapping,
    find_mapping,
    load_mapping,
)
from sources.importing.reading import Record, open_table
from sources.importing.rows import STAGED, Block, Rejection, Seen, stage
from sources.settings import Settings

__all__ = ["ImportReport", "find_mapping", "import_file"]

BLOCK_ROWS: Final = 5_000  # rows in memory at a time; 20,000 were no faster
FIRST_SHOWN: Final = 10  # rejections that the report shows
REFUSED: Final = [field.name for field in fields(Rejection)]
SQL_TYPES: Final = {"text": "text", "number": "numeric", "instant": "timestamptz"}
# In the order of their references. Each table is analyzed once it is filled: foreign keys are checked by planned
# queries, and with the statistics of an empty table those read all of the organisation for each row that refers
# to it (40,060 bookings: over ten minutes instead of seconds).
INSERTS: Final = {
    "services": statements.INSERT_SERVICES,
    "profiles": statements.INSERT_PROFILES,
    "bookings": statements.INSERT_BOOKINGS,
    "booking_status_history": statements.INSERT_HISTORY,
}


@dataclass(frozen=True)
class ImportReport:
    """What became of a file: rows_read = imported + already_there + rejected.

    `by_reason` counts the rejections by field and reason; a row with two faults counts twice there.
    `created` counts the new rows of each table. A dry run reports what would have been.
    """

    file: str
    mapping: str
    organization: str
    dry_run: bool
    rows_read: int
    imported: int
    already_there: int
    rejected: int
    by_reason: dict[str, int]
    first_rejections: tuple[Rejection, ...]
    created: dict[str, int]


def import_file(
    settings: Settings,
    mapping: Path,
    file: Path,
    *,
    dry_run: bool = False,
    as_of_now: datetime,
    progress: Callable[[int], None] | None = None,
) -> ImportReport:
    """Import `file` (CSV, or .gz of it) through the mapping file `mapping`, in one transaction.

    `as_of_now` is the moment that new rows carry as updated_at; `progress` is called with the rows read so far;
    `dry_run` does it all and rolls it back.

    Raises HubError, with nothing kept, for a mapping or file that cannot be used as a whole.
    """
    if database.source_url(settings) != database.database_url(settings):
        raise HubError("HUB_SOURCE_URL names a database that the Hub only reads: unset it to import.")
    model = load_mapping(mapping)
    try:
        with (
            open_table(file, model.format) as table,
            database.connect(database.database_url(settings)) as connection,
        ):
            plan = compile_mapping(model, table.header, table.layout, mapping.name)
            with connection.transaction(force_rollback=dry_run):
                _prepare(connection, model)
                rows_read = _stage_all(connection, table.records, table.header, model, plan, progress=progress)
                return _settle(connection, model, file.name, rows_read=rows_read, as_of_now=as_of_now, dry_run=dry_run)
    except psycopg.Error as error:
        reason = (error.diag.message_primary or str(error)).strip()
        raise HubError(f"The database stopped the import of {file.name}, and nothing was kept: {reason}.") from None


def _prepare(connection: Connection, model: ImportMapping) -> None:
    """The staging tables, empty; and the lock that makes imports into one organisation wait for each other."""
    if connection.execute("select to_regclass('app.import_rejections')").fetchone() == (None,):
        raise HubError("The database has no tables of the Hub yet: run `hub db migrate` first.")
    connection.execute("select pg_advisory_xact_lock(hashtext('hub import'), hashtext(%s))", [model.organization.slug])
    columns = [
        sql.SQL("{} " + SQL_TYPES[KINDS.get(column, ("text", ""))[0]]).format(sql.Identifier(column))
        for column in STAGED
    ]
    connection.execute(sql.SQL(statements.STAGING).format(sql.SQL(", ").join(columns)))


def _stage_all(
    connection: Connection,
    records: Iterator[Record],
    header: list[str],
    model: ImportMapping,
    plan: Plan,
    *,
    progress: Callable[[int], None] | None,
) -> int:
    """Evaluate the file block by block and copy it into the staging tables; the number of rows read."""
    seen = Seen()
    rows_read = 0
    while block := list(islice(records, BLOCK_ROWS)):
        _copy_block(connection, stage(block, header, model, plan, seen))
        rows_read += len(block)
        if progress:
            progress(rows_read)
    connection.execute("analyze staged; analyze staged_events")
    return rows_read


def _copy_block(connection: Connection, block: Block) -> None:
    _copy(connection, "staged", ("row_number", "row_key", *STAGED), block.rows)
    _copy(connection, "staged_events", ("row_key", "position", "to_status", "changed_at"), block.events)
    _copy(connection, "refused", REFUSED, map(attrgetter(*REFUSED), block.rejections))


def _copy(connection: Connection, table: str, columns: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
    statement = sql.SQL("copy {} ({}) from stdin").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with connection.cursor().copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


def _settle(
    connection: Connection,
    model: ImportMapping,
    file_name: str,
    *,
    rows_read: int,
    as_of_now: datetime,
    dry_run: bool,
) -> ImportReport:
    """From the staging tables into `app`."""
    org_id, is_new = _organization(connection, model.organization, as_of_now)
    given = {
        "org": org_id,
        "now": as_of_now,
        "mapping": model.name,
        "file": file_name,
        "first": FIRST_SHOWN,
    }
    for statement in (statements.ADOPT_SERVICES, statements.ADOPT_PROFILES, statements.MARK_KNOWN):
        connection.execute(statement, given)
    for clash in statements.REFUSE_CLASHES:
        connection.execute(clash, given)
    connection.execute(statements.MARK_REFUSED)
    created = {"organizations": int(is_new)}
    for table, statement in INSERTS.items():
        created[table] = connection.execute(statement, given).rowcount
        connection.execute(sql.SQL("analyze {}").format(sql.Identifier("app", table)))
    connection.execute(statements.FORGET_REJECTIONS, given)
    connection.execute(statements.INSERT_REJECTIONS, given)
    already_there, rejected = connection.execute(statements.COUNT_FATES).fetchall()[0]
    first = connection.execute(statements.FIRST_REJECTIONS, given).fetchall()
    return ImportReport(
        file=file_name,
        mapping=model.name,
        organization=model.organization.slug,
        dry_run=dry_run,
        rows_read=rows_read,
        imported=created["bookings"],
        already_there=already_there,
        rejected=rejected,
        by_reason=dict(connection.execute(statements.COUNT_REASONS).fetchall()),
        first_rejections=tuple(Rejection(*row) for row in first),
        created=created,
    )


def _organization(connection: Connection, given: Organization, as_of_now: datetime) -> tuple[UUID, bool]:
    """The id of the organisation, and whether it was made now.

    Raises HubError where the one that exists has another time zone or currency than the mapping.
    """
    found = connection.execute(statements.FIND_ORGANIZATION, given.model_dump()).fetchone()
    if found is None:
        made = connection.execute(statements.INSERT_ORGANIZATION, {**given.model_dump(), "now": as_of_now})
        return made.fetchall()[0][0], True
    org_id, *existing = found
    for name, there in zip(("timezone", "currency"), existing, strict=True):
        if there != getattr(given, name):
            raise HubError(
                f"The organisation '{given.slug}' has the {name} {there}, but the mapping says "
                f"{getattr(given, name)}: correct organization.{name} or use another slug."
            )
    return org_id, False
