"""Imports of exports: files are checked by a mapping, kept, imported on request by a run, and reported."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Final
from uuid import UUID

from fastapi import APIRouter, Request, Response
from starlette.datastructures import FormData, UploadFile

from dashboard import import_checks
from dashboard.access import Admin, SentForm, Visitor
from dashboard.downloads import Rows, csv_stream, inert
from dashboard.forms import Rejected, attempt, id_of
from dashboard.import_checks import TOO_LARGE
from dashboard.rendering import PageRoute, leads_to, page
from dashboard.routes.settings import SECTIONS
from sources.errors import HubError
from sources.importing import demand_own_source
from sources.importing.checking import FileCheck
from sources.operations import imports
from sources.operations.errors import not_found
from sources.operations.imports import Import, RejectedValue
from sources.operations.transaction import Tx

router = APIRouter(route_class=PageRoute, include_in_schema=False, tags=["pages"])

PATH: Final = "/settings/import"
SHOWN_VALUES: Final = 200  # rejected ones, on the page of an import
BATCH_VALUES: Final = 20_000  # of its CSV, in memory at a time
DRAFTED: Final = "A mapping was drafted from the files, and they were checked with it."
CHECKED_AGAIN: Final = "The mapping was changed, and the files were checked with it. Read what was found, then import."


@router.get(PATH)
async def ask_for_files(visitor: Admin, request: Request) -> Response:
    return await _show_all(visitor, None, like=id_of(request.query_params, "like"))


# The visitor first: only an admin's upload is read.
@router.post(PATH)
async def check_export(visitor: Admin, form: SentForm) -> Response:
    """Check the files of the form, by the mapping of an earlier import or by one that is drafted, and keep them."""
    try:
        demand_own_source(visitor.context.request.app.state.settings)
    except HubError as error:
        return await _show_all(visitor, Rejected(str(error)))
    uploads = [file for file in form.getlist("files") if isinstance(file, UploadFile) and file.filename]
    files = await import_checks.sent_files(uploads)
    if isinstance(files, Rejected):
        return await _show_all(visitor, files)
    like = id_of(form, "like")
    mapping = (await visitor.run(lambda tx: imports.get_import(tx, like))).mapping if like else ""
    findings = await import_checks.check_files(visitor, files, mapping)
    if findings is None:
        return await _show_all(visitor, TOO_LARGE)
    if not findings.mapping:
        return await _show_all(visitor, Rejected(findings.problem))
    kept = await attempt(visitor, form, lambda tx: imports.keep_check(tx, files, findings))
    return await _show_all(visitor, kept) if isinstance(kept, Rejected) else leads_to(path_of(kept))


@router.get("/settings/imports/{import_id}")
async def read_import(visitor: Admin, import_id: UUID) -> Response:
    return await _show(visitor, import_id, None)


@router.post("/settings/imports/{import_id}")
async def decide(visitor: Admin, form: SentForm, import_id: UUID) -> Response:
    """Check the files again with the mapping of the form or a drafted one, ask for their import, or discard them."""
    decision = str(form.get("decision", ""))
    if decision == "discard":
        discarded = await attempt(visitor, form, lambda tx: imports.discard_check(tx, import_id))
        return await _shown_or(visitor, import_id, discarded, leads_to(PATH, "The files were discarded."))
    job = await visitor.run(lambda tx: imports.get_import(tx, import_id))
    if job.state != "checked":  # the form was sent twice
        return leads_to(path_of(import_id))
    if decision == "draft":
        return await _check_again(visitor, form, import_id, "", DRAFTED)
    mapping = str(form.get("mapping", job.mapping)).replace("\r\n", "\n").strip()
    if mapping != job.mapping.strip():
        return await _check_again(visitor, form, import_id, mapping + "\n", CHECKED_AGAIN)
    if decision != "import":
        return leads_to(path_of(import_id), "The mapping is the one that the files were checked with.")
    asked = await attempt(visitor, form, lambda tx: imports.request_import(tx, import_id))
    return await _shown_or(visitor, import_id, asked, leads_to(path_of(import_id)))


@router.get("/settings/imports/{import_id}/rejected.csv")
async def download_rejected(visitor: Admin, import_id: UUID) -> Response:
    """Every value of the files that no import has accepted."""

    job = await visitor.run(lambda tx: imports.get_import(tx, import_id))
    if job.report is None:
        raise not_found("list of rejected rows")
    report = job.report

    async def batches() -> AsyncIterator[Rows]:
        last: RejectedValue | None = None
        while values := await visitor.run(
            partial(imports.list_rejected, report=report, limit=BATCH_VALUES, after=last)
        ):
            yield [
                (inert(one.file_name), one.row_number, one.field, inert(one.value or ""), inert(one.message))
                for one in values
            ]
            last = values[-1]

    return csv_stream("rejected_rows.csv", ("file", "line", "field", "value", "reason"), batches())


def path_of(import_id: UUID) -> str:
    """Return the path of the page of an import."""
    return f"/settings/imports/{import_id}"


async def _check_again(visitor: Visitor, form: FormData, import_id: UUID, mapping: str, notice: str) -> Response:
    """Check the kept files with another mapping; an empty one is drafted."""
    files = await visitor.run(lambda tx: imports.files_of(tx, import_id))
    findings = await import_checks.check_files(visitor, files, mapping)
    if findings is None:
        return await _show(visitor, import_id, TOO_LARGE)
    if not findings.mapping:
        return await _show(visitor, import_id, Rejected(findings.problem))
    found: FileCheck = findings
    changed = await attempt(visitor, form, lambda tx: imports.change_check(tx, import_id, found))
    return await _shown_or(visitor, import_id, changed, leads_to(path_of(import_id), notice))


async def _shown_or(visitor: Visitor, import_id: UUID, outcome: Rejected | None, accepted: Response) -> Response:
    """Return the page of the import with why a form was rejected, else `accepted`."""
    return await _show(visitor, import_id, outcome) if outcome else accepted


async def _show_all(visitor: Visitor, rejected: Rejected | None, like: UUID | None = None) -> Response:
    listed = await visitor.run(imports.list_imports)
    mappings = {one.mapping: one for one in reversed(listed) if one.state == "done"}  # the latest import of each
    return page(
        visitor, "settings_import.html.j2", status=422 if rejected else 200, sections=SECTIONS, section="import",
        rejected=rejected, imports=listed, mappings=list(reversed(mappings.values())), like=like,
    )  # fmt: skip


async def _show(visitor: Visitor, import_id: UUID, rejected: Rejected | None) -> Response:
    async def read(tx: Tx) -> tuple[Import, list[RejectedValue]]:
        job = await imports.get_import(tx, import_id)
        return job, await imports.list_rejected(tx, job.report, SHOWN_VALUES + 1) if job.report else []

    job, values = await visitor.run(read)
    return page(
        visitor, "settings_import_one.html.j2", status=422 if rejected else 200, sections=SECTIONS, section="import",
        rejected=rejected, job=job, findings=job.findings, report=job.report, values=values[:SHOWN_VALUES],
        has_more=len(values) > SHOWN_VALUES,
    )  # fmt: skip
