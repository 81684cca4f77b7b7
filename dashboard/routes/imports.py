"""The check of an export before it is imported: a drafted mapping, and the rows that would be rejected.

Nothing is stored: the API's role of the database may not write as an import does, so `hub import` does that.
"""

import asyncio
import os
import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from fastapi import APIRouter, Response
from starlette.datastructures import FormData, UploadFile

from dashboard.access import Admin, SentForm, Visitor
from dashboard.forms import Rejected
from dashboard.rendering import PageRoute, page
from dashboard.routes.settings import SECTIONS
from sources.importing import checking
from sources.importing.checking import FileCheck
from sources.importing.mapping import Organization
from sources.operations.errors import Refusal

router = APIRouter(route_class=PageRoute, include_in_schema=False, tags=["pages"])

PATH: Final = "/settings/import"
MAX_WAIT_S: Final = 60
MAX_FILES: Final = 10
MAX_CHECKS: Final = 2  # at once, in one process of the server
_PLAIN: Final = re.compile(r"[^\w.() -]")
_running: set[str] = set()  # the folders of the checks


@router.get(PATH)
async def ask_for_files(visitor: Admin) -> Response:
    return _show(visitor, None, None)


# The visitor first: only an admin's upload is read.
@router.post(PATH)
async def check_export(visitor: Admin, form: SentForm) -> Response:
    """Check the files of the form, by its mapping or by one that is drafted."""
    files = [file for file in form.getlist("files") if isinstance(file, UploadFile) and file.filename]
    if not files:
        return _show(visitor, None, Rejected("Choose the file that your booking system exported."))
    if len(files) > MAX_FILES:
        return _show(visitor, None, Rejected(f"Choose at most {MAX_FILES} files."))
    if len(_running) >= MAX_CHECKS:
        raise Refusal("unavailable", "busy", "Other files are being checked. Send the form again in a minute.")
    with TemporaryDirectory(prefix="hub_check_") as folder:
        _running.add(folder)
        try:
            await _store(visitor, form, files, Path(folder))
            check = await _check(folder)
        finally:
            _running.discard(folder)
    if check is None:
        return _show(visitor, None, Rejected("The files are too large to be checked here: use hub import --dry-run."))
    return _show(visitor, check, None)


def _show(visitor: Visitor, check: FileCheck | None, rejected: Rejected | None) -> Response:
    return page(
        visitor, "settings_import.html.j2", status=422 if rejected else 200, sections=SECTIONS, section="import",
        rejected=rejected, check=check,
    )  # fmt: skip


async def _store(visitor: Visitor, form: FormData, files: list[UploadFile], folder: Path) -> None:
    """Write what the check reads into its folder."""
    organization = Organization(
        name=visitor.organization, slug=visitor.slug, timezone=visitor.timezone, currency=visitor.currency,
        country=visitor.country,
    )  # fmt: skip
    (folder / checking.ORGANIZATION).write_text(organization.model_dump_json(), encoding="utf-8")
    mapping = str(form.get("mapping", "")).strip()
    if mapping and form.get("uses_mapping"):
        (folder / checking.MAPPING).write_text(mapping.replace("\r\n", "\n") + "\n", encoding="utf-8")
    (folder / checking.FILES).mkdir()
    for file in files:
        name = _PLAIN.sub("_", Path(str(file.filename)).name)[-100:].lstrip(".") or "export"
        (folder / checking.FILES / name).write_bytes(await file.read())


async def _check(folder: str) -> FileCheck | None:
    """Check the files of the folder in a process of their own; return None where its limits are too narrow."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-m", checking.__name__, cwd=folder, env={"PATH": os.defpath},
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        text, _ = await asyncio.wait_for(process.communicate(), MAX_WAIT_S)
    except TimeoutError:
        return None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return FileCheck.model_validate_json(text) if process.returncode == 0 else None
