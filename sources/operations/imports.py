"""Imports that admins ask for: files that are checked and kept, the request to import them, and its result."""

from typing import Final
from uuid import UUID

import asyncpg
from pydantic import BaseModel

from sources.importing.checking import FileCheck
from sources.importing.report import ImportSummary
from sources.operations.errors import Refusal, not_found
from sources.operations.field_types import Moment
from sources.operations.transaction import Tx
from sources.tables.imports import ImportState

MOST_BYTES: Final = 100_000_000  # of the files of an organisation that are kept at a time
LISTED: Final = 50


class Import(BaseModel):
    """An import. `findings`: what the check of its files found; `report`: what the import did, once it is done.

    `requested_by`: who sent the files, and then who asked for the import. `step` says what a running one does.
    """

    id: UUID
    state: ImportState
    file_names: list[str]
    mapping: str
    findings: FileCheck
    requested_by: str
    created_at: Moment
    requested_at: Moment | None
    started_at: Moment | None
    finished_at: Moment | None
    step: str | None
    rows_read: int
    report: ImportSummary | None
    error: str | None


class RejectedValue(BaseModel):
    """A value that no import has accepted yet, and where it is."""

    id: UUID
    file_name: str
    row_number: int
    field: str
    value: str | None
    message: str


class ImportFile(BaseModel):
    """A file as it was sent."""

    name: str
    content: bytes


FROM_JOBS: Final = """
select jobs.id, jobs.state, jobs.file_names, jobs.mapping, jobs.findings, jobs.created_at, jobs.requested_at,
    jobs.started_at, jobs.finished_at, jobs.step, jobs.rows_read, jobs.report, jobs.error,
    coalesce(people.full_name, '') as requested_by
from app.import_jobs as jobs
left join app.profiles as people on people.org_id = jobs.org_id and people.id = jobs.requested_by
where jobs.org_id = $1
"""
SELECT_JOB: Final = f"{FROM_JOBS} and jobs.id = $2"
SELECT_JOBS: Final = f"{FROM_JOBS} order by jobs.id desc limit $2"
LOCK_KEPT: Final = "select pg_advisory_xact_lock(hashtext('hub import files'), hashtext($1::uuid::text))"
COUNT_KEPT: Final = "select coalesce(sum(octet_length(content)), 0) as bytes from app.import_files where org_id = $1"
INSERT_JOB: Final = """
insert into app.import_jobs (org_id, requested_by, file_names, mapping, findings, created_at, updated_at)
values ($1, $2, $3, $4, $5, $6, $6)
returning id
"""
INSERT_FILE: Final = "insert into app.import_files (org_id, job_id, name, content) values ($1, $2, $3, $4)"
SELECT_FILES: Final = "select name, content from app.import_files where org_id = $1 and job_id = $2 order by name"
UPDATE_CHECK: Final = (
    "update app.import_jobs set mapping = $3, findings = $4 where org_id = $1 and id = $2 returning id"
)
REQUEST: Final = "select app.request_import($1, $2) as is_requested"
DELETE_CHECK: Final = "delete from app.import_jobs where org_id = $1 and id = $2 returning id"
SELECT_REJECTED: Final = """
select id, file_name, row_number, field, value, message from app.import_rejections
where org_id = $1 and mapping = $2 and file_name = any($3)
    and ($5::text is null or (file_name, row_number, field, id) > ($5, $6::bigint, $7::text, $8::uuid))
order by file_name, row_number, field, id
limit $4
"""


async def keep_check(tx: Tx, files: list[ImportFile], findings: FileCheck) -> UUID:
    """Keep checked files with their mapping for a day, and return the id of the import that may be asked for.

    Raises Refusal: forbidden, conflict (too_many).
    """
    _demand_rights(tx)
    await tx.execute(LOCK_KEPT, tx.org_id)
    kept = (await tx.one(COUNT_KEPT, tx.org_id))["bytes"]
    if kept + sum(len(file.content) for file in files) > MOST_BYTES:
        raise Refusal(
            "conflict", "too_many",
            f"The Hub keeps at most {MOST_BYTES // 1_000_000} MB of files that wait to be imported. Import or discard "
            "what was checked before, and send the files again.",
        )  # fmt: skip
    inserted = await tx.one(
        INSERT_JOB, tx.org_id, tx.caller.profile_id, [file.name for file in files], findings.mapping, _kept(findings),
        tx.at,
    )  # fmt: skip
    for file in files:
        await tx.execute(INSERT_FILE, tx.org_id, inserted["id"], file.name, file.content)
    job_id: UUID = inserted["id"]
    return job_id


async def files_of(tx: Tx, job_id: UUID) -> list[ImportFile]:
    """Return the files of an import; none once it has ended. Raises Refusal forbidden."""
    _demand_rights(tx)
    return [ImportFile.model_construct(**dict(row)) for row in await tx.rows(SELECT_FILES, tx.org_id, job_id)]


async def change_check(tx: Tx, job_id: UUID, findings: FileCheck) -> None:
    """Keep the mapping of a new check of the same files, and what it found.

    Raises Refusal: forbidden, conflict (wrong_state): the import was asked for, or the files are not kept any more.
    """
    _demand_rights(tx)
    if await tx.row(UPDATE_CHECK, tx.org_id, job_id, findings.mapping, _kept(findings)) is None:
        raise _not_open()


async def request_import(tx: Tx, job_id: UUID) -> None:
    """Ask for the import of checked files. Raises Refusal: forbidden, conflict (wrong_state)."""
    _demand_rights(tx)
    if not (await tx.one(REQUEST, job_id, tx.at))["is_requested"]:
        raise _not_open()


async def discard_check(tx: Tx, job_id: UUID) -> None:
    """Forget checked files. Raises Refusal: forbidden, conflict (wrong_state)."""
    _demand_rights(tx)
    if await tx.row(DELETE_CHECK, tx.org_id, job_id) is None:
        raise _not_open()


async def get_import(tx: Tx, job_id: UUID) -> Import:
    """Return an import. Raises Refusal: forbidden, not_found."""
    _demand_rights(tx)
    row = await tx.row(SELECT_JOB, tx.org_id, job_id)
    if row is None:
        raise not_found("import")
    return _as_import(row)


async def list_imports(tx: Tx) -> list[Import]:
    """Return the last imports, the latest first. Raises Refusal forbidden."""
    _demand_rights(tx)
    return [_as_import(row) for row in await tx.rows(SELECT_JOBS, tx.org_id, LISTED)]


async def list_rejected(
    tx: Tx, report: ImportSummary, limit: int, after: RejectedValue | None = None
) -> list[RejectedValue]:
    """Return values of the files of a report that neither this nor a later import accepted: the first `limit`.

    `after`: one of them; those that follow it are returned.
    """
    _demand_rights(tx)
    place = (after.file_name, after.row_number, after.field, after.id) if after else (None, None, None, None)
    rows = await tx.rows(SELECT_REJECTED, tx.org_id, report.mapping, list(report.files), limit, *place)
    return [RejectedValue.model_construct(**dict(row)) for row in rows]


def _kept(findings: FileCheck) -> dict[str, object]:
    return findings.model_dump(mode="json", exclude={"mapping"})


def _not_open() -> Refusal:
    return Refusal(
        "conflict", "wrong_state",
        "These files wait for no decision any more: their import was asked for, or they were discarded.",
    )  # fmt: skip


def _demand_rights(tx: Tx) -> None:
    if tx.caller.role != "admin" or tx.caller.profile_id is None:
        raise Refusal("forbidden", "not_allowed", "Imports are for the admins of the organisation.")


def _as_import(row: asyncpg.Record) -> Import:
    return Import.model_validate(dict(row))
