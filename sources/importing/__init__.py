"""A user's own exports become operational rows, through a declarative mapping (docs/importing.md).

One transaction an import: every row is evaluated and checked, staged by COPY, and taken over set-based. Rows that
cannot be are kept in app.import_rejections. What was imported before is compared by key: only what differs is written.
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
from sources.importing.expressions import Rows
from sources.importing.inputs import Input, find_inputs
from sources.importing.kinds import KINDS_OF_RECORDS
from sources.importing.loading import find_mapping, load_mapping
from sources.importing.mapping import PARTS, ImportMapping, Organization
from sources.importing.plans import FilePlan, compile_file
from sources.importing.related import Related
from sources.importing.report import FIRST_SHOWN, ImportReport
from sources.importing.rows import Progress, stage
from sources.importing.statements import history, parts, refusals
from sources.importing.statements.targets import TARGETS
from sources.importing.take_over import Counts, Target, count_vanished, delete_vanished, first_vanished, take_over
from sources.settings import Settings

__all__ = ["ImportReport", "find_mapping", "import_files"]

BLOCK_ROWS: Final = 5_000  # rows in memory at a time; 20,000 were no faster
# Columns of which a mapping may say nothing: then they stay as they are in the Hub.
OPTIONAL: Final = frozenset({"scheduled_start", "scheduled_end", "progress_pct", "cancel_reason", "cancelled_at",
                             "completed_at", "service_id", "provider_id", "total_amount", "title", "description",
                             "unit_price", "issued_at", "due_at", "paid_at", "comment", "note"})  # fmt: skip
# What may have been meant where the organisation has another time zone or currency.
ADVICE: Final = {
    "timezone": " (and the zone in which the times of the file are meant as timezone)",
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
    as_of_now: datetime,
    progress: Callable[[str], None] = lambda _: None,
) -> ImportReport:
    """Import `files` (each a path, or NAME=path) through the mapping file `mapping`, in one transaction.

    `as_of_now` is the moment that new rows carry as updated_at; `progress` is told what is being done;
    `dry_run` does it all and rolls it back; `delete_missing` deletes what an earlier import brought and the files no
    longer have; `overwrite` takes the files' word where a record was changed in the Hub too.

    Raises HubError, with nothing kept, for a mapping or file that cannot be used as a whole.
    """
    if database.source_url(settings) != database.database_url(settings):
        raise HubError("HUB_SOURCE_URL names a database that the Hub only reads: unset it to import.")
    model = load_mapping(mapping)
    inputs = find_inputs(model, mapping.name, [str(file) for file in files])
    plans = _compiled(model, mapping.name, inputs)
    try:
        with (
            database.connect(database.database_url(settings)) as connection,
            connection.transaction(force_rollback=dry_run),
        ):
            _prepare(connection, model)
            read = _stage_all(connection, inputs, plans, Progress(model.organization, as_of_now), progress)
            org_id = _organization(connection, model.organization, as_of_now)
            given = {
                "org": org_id,
                "now": as_of_now,
                "mapping": model.name,
                "files": [it.shown for it in inputs],
                "currency": model.organization.currency,
                "capacity": model.organization.capacity_hours_per_day,
                "names_lines": not _describes(model, "service"),
                "names_providers": not _describes(model, "provider"),
                "overwrite": overwrite,
                "first": FIRST_SHOWN,
            }
            counts = _take_over_all(connection, plans, given, read, progress)
            given_kinds = _complete_kinds(model, inputs)
            gone = {
                target.kind: first_vanished(connection, target, given)
                for target in TARGETS
                if target.kind in given_kinds
            }
            counts |= _vanished(connection, counts, given_kinds, given, delete=delete_missing)
            connection.execute(statements.FORGET_REJECTIONS, given)
            connection.execute(statements.INSERT_REJECTIONS, given)
            rejected = connection.execute("select count(distinct position) from refused").fetchall()[0][0]
            mapped = {record.kind for plan in plans for record in plan.records}
            return ImportReport(
                files={it.shown: it.section for it in inputs},
                formats={it.shown: it.layout.described() for it in inputs},
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
                by_reason=report.reasons(connection),
                first_rejections=report.first_rejections(connection),
                warnings={sentence: number for sentence, number in read.warnings.items() if number},
                records={kind: found for kind, found in counts.items() if found != Counts()},
                vanished={kind: refs for kind, refs in gone.items() if refs},
                first_bookings=report.first_bookings(connection, given),
                lacking=report.lacking(connection, given),
                notes=tuple(f"{it.shown}: {note}" for it in inputs for note in it.notes),
            )
    except psycopg.Error as error:
        reason = (error.diag.message_primary or str(error)).strip()
        names = ", ".join(it.shown for it in inputs)
        raise HubError(f"The database stopped the import of {names}, and nothing was kept: {reason}.") from None


def _compiled(model: ImportMapping, mapping_name: str, inputs: Sequence[Input]) -> list[FilePlan]:
    """The plan of each input, with what its expressions look up in other files read."""
    related = Related({it.section: it.header for it in inputs})
    plans = [compile_file(model, it.section, it.header, it.layout, mapping_name, related) for it in inputs]
    for it, plan in zip(inputs, plans, strict=True):
        if it.section in related.asked:
            with it.open() as table:
                while block := [record.fields for record in islice(table.records, BLOCK_ROWS) if not record.problem]:
                    columns = dict(zip(it.header, zip(*block, strict=True), strict=True))
                    related.remember(it.section, plan.key, Rows(len(block), columns), it.layout.nulls)
    return plans


def _prepare(connection: Connection, model: ImportMapping) -> None:
    """The staging tables, empty; and the lock that makes imports into one organisation wait for each other."""
    if connection.execute("select to_regclass('app.import_records')").fetchone() == (None,):
        raise HubError("The database has not all tables of the Hub yet: run `hub db migrate` first.")
    connection.execute("select pg_advisory_xact_lock(hashtext('hub import'), hashtext(%s))", [model.organization.slug])
    staging.create(connection)


def _stage_all(
    connection: Connection,
    inputs: Sequence[Input],
    plans: Sequence[FilePlan],
    read: Progress,
    progress: Callable[[str], None],
) -> Progress:
    """Evaluate the files block by block and copy them into the staging tables."""
    for it, plan in zip(inputs, plans, strict=True):
        read.digests.clear()
        with it.open() as table:
            while records := list(islice(table.records, BLOCK_ROWS)):
                for block in stage(records, it.header, plan, it.shown, read):
                    staging.copy_block(connection, block)
                progress(f"Reading {it.shown}: {read.rows_read:,} rows ...")
    for kind in KINDS_OF_RECORDS.values():
        connection.execute(sql.SQL("analyze {}").format(staging.name_of(kind)))
    return read


def _take_over_all(
    connection: Connection,
    plans: Sequence[FilePlan],
    given: dict[str, Any],
    read: Progress,
    progress: Callable[[str], None],
) -> dict[str, Counts]:
    """From the staging tables into `app`, each kind after those that it refers to."""
    for kind in KINDS_OF_RECORDS:
        if kind not in PARTS:
            _refuse(connection, kind, refusals.refuse_repeated_keys(kind), given)
    _merge_parts(connection, given, read)
    counts = {}
    for target in TARGETS:
        progress(f"Taking over records of kind {target.kind} ...")
        for refusal in refusals.REFUSALS.get(target.kind, ()):
            _refuse(connection, target.kind, refusal, given)
        counts[target.kind] = take_over(connection, target, given, kept=_kept(target, plans))
        if target.kind == "booking":
            _write_history(connection, counts["booking"], given)
    query = "select kind, count(distinct position) from refused group by kind"
    refused: dict[str, int] = dict(connection.execute(query).fetchall())
    return {kind: replace(found, rejected=refused.get(kind, 0)) for kind, found in counts.items()}


def _refuse(connection: Connection, kind: str, refusal: sql.Composed, given: dict[str, Any]) -> None:
    """Run a statement that refuses rows, and take those out of their staging table."""
    if connection.execute(refusal, given).rowcount:
        connection.execute(refusals.drop_refused(kind))


def _merge_parts(connection: Connection, given: dict[str, Any], read: Progress) -> None:
    """What all rows say of each service and person, together; rows that refer to an impossible one are refused."""
    for statement, columns in parts.MERGED.items():
        latest = sql.SQL(", ").join(sql.SQL(parts.LATEST).format(sql.Identifier(column)) for column in columns)
        connection.execute(sql.SQL(statement).format(latest=latest), given)
    for adoption in parts.ADOPT:
        connection.execute(adoption, given)
    for telling_apart, sentence in parts.TELL_APART.items():
        read.warnings[sentence] += connection.execute(telling_apart, given).rowcount
    connection.execute(parts.FAULTY_PARTS, given)
    if connection.execute("select from faulty limit 1").fetchone() is None:
        return
    for kind, part, reference in parts.REFERENCES_TO_PARTS:
        _refuse(connection, kind, refusals.refuse_faulty_part(kind, part, reference), given)
    for forgetting in parts.FORGET_FAULTY:
        connection.execute(forgetting)


def _kept(target: Target, plans: Sequence[FilePlan]) -> list[str]:
    """The columns of a table that stay as they are where the files have nothing."""
    if target.kind in PARTS:
        return list(target.columns)
    fields = [set(record.fields) for plan in plans for record in plan.records if record.kind == target.kind]
    always = set.intersection(*fields) if fields else set()
    always |= {f"{part}_id" for part in PARTS if f"{part}_name" in always}
    return [column for column in target.columns if column == "created_at" or column in OPTIONAL - always]


def _write_history(connection: Connection, counts: Counts, given: dict[str, Any]) -> None:
    if counts.new:
        connection.execute(history.INSERT_HISTORY, given)
        connection.execute("analyze app.booking_status_history")
    if counts.changed:
        for statement in history.MERGE_HISTORY:
            connection.execute(statement, given)


def _describes(model: ImportMapping, kind: str) -> bool:
    """Whether a file of the mapping has records of this kind of its own."""
    return any(kind in records.kinds() for records in model.files_by_name().values())


def _complete_kinds(model: ImportMapping, inputs: Sequence[Input]) -> set[str]:
    """The kinds of records of which every file was given, so that what is not in them has vanished."""
    given = {it.section for it in inputs}
    kinds = {name: records.kinds() for name, records in model.files_by_name().items()}
    absent = {kind for name, its_kinds in kinds.items() if name not in given for kind in its_kinds}
    return set().union(*kinds.values()) - absent


def _vanished(
    connection: Connection, counts: dict[str, Counts], kinds: set[str], given: dict[str, Any], *, delete: bool
) -> dict[str, Counts]:
    """The counts of `kinds` with what has vanished. Deletes it where that is asked for and no row was rejected."""
    may_delete = delete and connection.execute("select from refused limit 1").fetchone() is None
    found = {}
    for target in reversed(TARGETS):
        if target.kind in kinds:
            gone = count_vanished(connection, target, given)
            # A service or a person is part of other rows, and stays.
            deletes = may_delete and gone and target.table not in ("services", "profiles")
            deleted = delete_vanished(connection, target, given) if deletes else 0
            found[target.kind] = replace(counts[target.kind], vanished=gone, deleted=deleted)
    return found


def _organization(connection: Connection, given: Organization, as_of_now: datetime) -> UUID:
    """The id of the organisation, which is made where it is new.

    Raises HubError where the one that exists has another time zone or currency than the mapping.
    """
    found = connection.execute(statements.FIND_ORGANIZATION, given.model_dump()).fetchone()
    if found is None:
        made = connection.execute(statements.INSERT_ORGANIZATION, {**given.model_dump(), "now": as_of_now})
        return UUID(str(made.fetchall()[0][0]))
    org_id, *existing = found
    for name, there in zip(("timezone", "currency"), existing, strict=True):
        if there != getattr(given, name):
            raise HubError(
                f"The organisation '{given.slug}' has the {name} {there}, but the mapping says {getattr(given, name)}: "
                f"write {there} as organization.{name}{ADVICE[name]}, or another organization.slug."
            )
    return UUID(str(org_id))
