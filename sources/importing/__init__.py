"""Import of a user's own exports: a declarative mapping turns files into operational rows (docs/importing.md).

An import is one transaction: every row is evaluated and checked, staged by COPY, and upserted by set-based SQL.
Rejected rows go to app.import_rejections. Records of an earlier import are compared by key, and only differences are
written.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg import Connection, sql

from sources import database
from sources.errors import HubError
from sources.importing import report, staging, statements
from sources.importing.compiled_mapping import FilePlan, compile_file
from sources.importing.expressions import Rows
from sources.importing.input_files import Input, match_files
from sources.importing.lookups import Lookups
from sources.importing.mapping import MASTER_KINDS, ImportMapping, Organization
from sources.importing.mapping_files import find_mapping, load_mapping
from sources.importing.record_kinds import RECORD_KINDS
from sources.importing.report import FIRST_SHOWN, ImportReport
from sources.importing.rows import Progress, stage
from sources.importing.statements import history, master_data, rejections
from sources.importing.statements.target_tables import TARGETS
from sources.importing.upsert import Counts, Target, count_missing, delete_missing_records, first_missing, upsert
from sources.settings import Settings

__all__ = ["BLOCK_ROWS", "ImportReport", "compile_inputs", "demand_own_source", "find_mapping", "import_files"]

BLOCK_ROWS: Final = 5_000  # rows in memory at a time; 20,000 were no faster
# Columns that keep the Hub's value where the mapping has no value for them.
OPTIONAL: Final = frozenset({"scheduled_start", "scheduled_end", "progress_pct", "cancel_reason", "cancelled_at",
                             "completed_at", "service_id", "provider_id", "total_amount", "title", "channel",
                             "description", "unit_price", "issued_at", "due_at", "paid_at", "comment",
                             "note"})  # fmt: skip
# Additional advice where the organisation has another time zone or currency than the mapping.
ADVICE: Final = {
    "timezone": " (and the time zone of the file's times as timezone)",
    "currency": " (and convert the amounts)",
}


def import_files(
    settings: Settings,
    mapping: Path,
    files: Sequence[str | Path],
    *,
    dry_run: bool = False,
    delete_missing: bool = False,
    overwrite: bool = False,
    organization: str | None = None,
    as_of_now: datetime,
    progress: Callable[[str, int], object] = lambda _step, _rows_read: None,
    before_commit: Callable[[Connection, ImportReport], object] = lambda _connection, _report: None,
) -> ImportReport:
    """Import `files` (each a path, or NAME=path) through the mapping file `mapping`, in one transaction.

    `as_of_now` becomes updated_at of the new rows; `progress` receives a sentence for each step and the number of rows
    read; `before_commit` is called in the transaction of the import; `organization` is the slug that the mapping has to
    name; `dry_run` rolls everything back; `delete_missing` deletes records of an earlier import that the files no
    longer have; `overwrite` replaces records that were also changed in the Hub.

    Raises HubError, with nothing written, for a mapping or file that cannot be used as a whole.
    """
    demand_own_source(settings)
    model = load_mapping(mapping, organization)
    inputs = match_files(model, mapping.name, [str(file) for file in files])
    plans = compile_inputs(model, mapping.name, inputs)
    try:
        with (
            database.connect(database.database_url(settings)) as connection,
            connection.transaction(force_rollback=dry_run),
        ):
            _prepare(connection, model)
            read = _stage_all(connection, inputs, plans, Progress(model.organization, as_of_now), progress)
            parameters = {
                "org": _organization_id(connection, model.organization, as_of_now),
                "now": as_of_now,
                "mapping": model.name,
                "files": [table.title for table in inputs],
                "currency": model.organization.currency,
                "capacity": model.organization.capacity_hours_per_day,
                "lines_name_services": not _has_own_records(model, "service"),
                "rows_name_providers": not _has_own_records(model, "provider"),
                "overwrite": overwrite,
                "first": FIRST_SHOWN,
            }
            counts = _upsert_all(connection, plans, parameters, read, progress)
            complete_kinds = _complete_kinds(model, inputs)
            missing = {
                target.kind: first_missing(connection, target, parameters)
                for target in TARGETS
                if target.kind in complete_kinds
            }
            counts |= _count_missing(connection, counts, complete_kinds, parameters, delete=delete_missing)
            connection.execute(statements.DELETE_OLD_REJECTIONS, parameters)
            connection.execute(statements.INSERT_REJECTIONS, parameters)
            rejected = connection.execute("select count(distinct position) from rejections").fetchall()[0][0]
            mapped = {record.kind for plan in plans for record in plan.records}
            result = ImportReport(
                files={table.title: table.section for table in inputs},
                formats={table.title: table.layout.description() for table in inputs},
                mapping=model.name,
                organization=model.organization.slug,
                timezone=model.organization.timezone,
                dry_run=dry_run,
                rows_read=read.rows_read,
                imported=sum(counts[kind].new for kind in mapped),
                changed=sum(counts[kind].changed for kind in mapped),
                already_there=sum(counts[kind].same for kind in mapped),
                kept=sum(counts[kind].kept for kind in mapped),
                rejected=rejected,
                left_out={kind: number for kind, number in read.left_out.items() if number},
                by_reason=report.count_reasons(connection),
                first_rejections=report.first_rejections(connection),
                warnings={sentence: number for sentence, number in read.warnings.items() if number},
                records={kind: found for kind, found in counts.items() if found != Counts()},
                vanished={kind: refs for kind, refs in missing.items() if refs},
                first_bookings=report.first_bookings(connection, parameters),
                lacking=report.data_gaps(connection, parameters),
                notes=tuple(f"{table.title}: {note}" for table in inputs for note in table.notes),
            )
            before_commit(connection, result)
            return result
    except psycopg.Error as error:
        reason = (error.diag.message_primary or str(error)).strip()
        names = ", ".join(table.title for table in inputs)
        raise HubError(f"The database stopped the import of {names}, and nothing was written: {reason}.") from None


def demand_own_source(settings: Settings) -> None:
    """Raise HubError where the operational tables are on another server, which the Hub only reads."""
    if database.source_url(settings) != database.database_url(settings):
        raise HubError("HUB_SOURCE_URL names a database that the Hub only reads: unset it to import.")


def compile_inputs(model: ImportMapping, mapping_name: str, inputs: Sequence[Input]) -> list[FilePlan]:
    """Return the plan of each input, and read the columns that its expressions look up in other files."""
    lookups = Lookups({table.section: table.header for table in inputs})
    plans = [compile_file(model, table.section, table.header, table.layout, mapping_name, lookups) for table in inputs]
    for table, plan in zip(inputs, plans, strict=True):
        if table.section in lookups.values:
            with table.open() as opened:
                while block := [record.fields for record in islice(opened.records, BLOCK_ROWS) if not record.problem]:
                    columns = dict(zip(table.header, zip(*block, strict=True), strict=True))
                    lookups.add(table.section, plan.key, Rows(len(block), columns), table.layout.nulls)
    return plans


def _prepare(connection: Connection, model: ImportMapping) -> None:
    """Create empty staging tables, and take the lock that lets imports into one organisation run one after another."""
    if connection.execute("select to_regclass('app.import_records')").fetchone() == (None,):
        raise HubError("The database does not have all tables of the Hub yet: run `hub db migrate` first.")
    connection.execute("select pg_advisory_xact_lock(hashtext('hub import'), hashtext(%s))", [model.organization.slug])
    staging.create(connection)


def _stage_all(
    connection: Connection,
    inputs: Sequence[Input],
    plans: Sequence[FilePlan],
    read: Progress,
    progress: Callable[[str, int], object],
) -> Progress:
    """Evaluate the files block by block and copy them into the staging tables."""
    for table, plan in zip(inputs, plans, strict=True):
        read.digests.clear()
        with table.open() as opened:
            while records := list(islice(opened.records, BLOCK_ROWS)):
                for block in stage(records, table.header, plan, table.title, read):
                    staging.copy_block(connection, block)
                progress(f"Reading {table.title}: {read.rows_read:,} rows ...", read.rows_read)
    for kind in RECORD_KINDS.values():
        connection.execute(sql.SQL("analyze {}").format(staging.table_name(kind)))
    return read


def _upsert_all(
    connection: Connection,
    plans: Sequence[FilePlan],
    parameters: dict[str, Any],
    read: Progress,
    progress: Callable[[str, int], object],
) -> dict[str, Counts]:
    """Upsert the staging tables into `app`, each kind after the kinds that it refers to."""
    for kind in RECORD_KINDS:
        if kind not in MASTER_KINDS:
            _reject(connection, kind, rejections.reject_repeated_keys(kind), parameters)
    _merge_master_data(connection, parameters, read)
    counts = {}
    for target in TARGETS:
        progress(f"Writing records of kind {target.kind} ...", read.rows_read)
        for statement in rejections.REJECTIONS.get(target.kind, ()):
            _reject(connection, target.kind, statement, parameters)
        counts[target.kind] = upsert(connection, target, parameters, optional=_optional_columns(target, plans))
        if target.kind == "booking":
            _write_history(connection, counts["booking"], parameters)
    query = "select kind, count(distinct position) from rejections group by kind"
    rejected: dict[str, int] = dict(connection.execute(query).fetchall())
    return {kind: replace(found, rejected=rejected.get(kind, 0)) for kind, found in counts.items()}


def _reject(connection: Connection, kind: str, statement: sql.Composed, parameters: dict[str, Any]) -> None:
    """Run a statement that rejects rows of a kind, and delete those from their staging table."""
    if connection.execute(statement, parameters).rowcount:
        connection.execute(rejections.delete_rejected(kind))


def _merge_master_data(connection: Connection, parameters: dict[str, Any], read: Progress) -> None:
    """Merge what all rows contain about each service and person; reject rows that refer to an invalid one."""
    for statement in (*master_data.MERGE, *master_data.ADOPT):
        connection.execute(statement, parameters)
    for warning, statement in master_data.RESOLVE_DUPLICATES:
        read.warnings[warning] += connection.execute(statement, parameters).rowcount
    connection.execute(master_data.FIND_INVALID, parameters)
    if connection.execute("select from invalid_master_data limit 1").fetchone() is None:
        return
    for kind, master_kind, reference in master_data.REFERENCES:
        _reject(connection, kind, rejections.reject_invalid_reference(kind, master_kind, reference), parameters)
    for statement in master_data.DELETE_INVALID:
        connection.execute(statement)


def _optional_columns(target: Target, plans: Sequence[FilePlan]) -> list[str]:
    """Return the columns of a table that keep the Hub's value where the files have none."""
    if target.kind in MASTER_KINDS:
        return list(target.columns)
    fields = [set(record.fields) for plan in plans for record in plan.records if record.kind == target.kind]
    always = set.intersection(*fields) if fields else set()
    always |= {f"{kind}_id" for kind in MASTER_KINDS if f"{kind}_name" in always}
    return [column for column in target.columns if column == "created_at" or column in OPTIONAL - always]


def _write_history(connection: Connection, counts: Counts, parameters: dict[str, Any]) -> None:
    if counts.new:
        connection.execute(history.INSERT_HISTORY, parameters)
        connection.execute("analyze app.booking_status_history")
    if counts.changed:
        for statement in history.MERGE_HISTORY:
            connection.execute(statement, parameters)


def _has_own_records(model: ImportMapping, kind: str) -> bool:
    """Return True if a file of the mapping has records of this kind of its own."""
    return any(kind in records.kinds() for records in model.files_by_name().values())


def _complete_kinds(model: ImportMapping, inputs: Sequence[Input]) -> set[str]:
    """Return the kinds of records of which every file was read, so that a record not found there is missing."""
    read = {table.section for table in inputs}
    kinds = {name: records.kinds() for name, records in model.files_by_name().items()}
    incomplete = {kind for name, its_kinds in kinds.items() if name not in read for kind in its_kinds}
    return set().union(*kinds.values()) - incomplete


def _count_missing(
    connection: Connection, counts: dict[str, Counts], kinds: set[str], parameters: dict[str, Any], *, delete: bool
) -> dict[str, Counts]:
    """Return the counts of `kinds` with the missing records; delete these if `delete` and no row was rejected."""
    may_delete = delete and connection.execute("select from rejections limit 1").fetchone() is None
    found = {}
    for target in reversed(TARGETS):
        if target.kind in kinds:
            missing = count_missing(connection, target, parameters)
            # Services and people are never deleted: other rows refer to them.
            deletes = may_delete and missing and target.table not in ("services", "profiles")
            deleted = delete_missing_records(connection, target, parameters) if deletes else 0
            found[target.kind] = replace(counts[target.kind], vanished=missing, deleted=deleted)
    return found


def _organization_id(connection: Connection, organization: Organization, as_of_now: datetime) -> UUID:
    """Return the id of the organisation; insert the organisation if it does not exist.

    Raises HubError where the existing one has another time zone or currency than the mapping.
    """
    found = connection.execute(statements.FIND_ORGANIZATION, organization.model_dump()).fetchone()
    if found is None:
        parameters = {**organization.model_dump(), "now": as_of_now}
        return UUID(str(connection.execute(statements.INSERT_ORGANIZATION, parameters).fetchall()[0][0]))
    org_id, *existing = found
    for name, value in zip(("timezone", "currency"), existing, strict=True):
        mapped = getattr(organization, name)
        if value != mapped:
            raise HubError(
                f"The organisation '{organization.slug}' has the {name} {value}, but the mapping has {mapped}: "
                f"write {value} as organization.{name}{ADVICE[name]}, or another organization.slug."
            )
    return UUID(str(org_id))
