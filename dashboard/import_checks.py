"""The check of files before they are imported, in a process of its own: people may send anything."""

import asyncio
import os
import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from starlette.datastructures import UploadFile

from dashboard.access import Visitor
from dashboard.forms import Rejected
from sources.importing import checking
from sources.importing.checking import FileCheck
from sources.importing.mapping import Organization
from sources.operations.errors import Refusal
from sources.operations.imports import ImportFile

MAX_WAIT_S: Final = 60
MAX_FILES: Final = 10
MAX_CHECKS: Final = 2  # at once, in one process of the server
TOO_LARGE: Final = Rejected("The files are too large to be checked here: use hub import --dry-run.")
_PLAIN: Final = re.compile(r"[^\w.() -]")
_running: set[str] = set()  # the folders of the checks


async def sent_files(uploads: list[UploadFile]) -> list[ImportFile] | Rejected:
    """Return the files of a form, with names that are safe in a folder, or why they are not accepted."""
    if not uploads:
        return Rejected("Choose the file that your booking system exported.")
    if len(uploads) > MAX_FILES:
        return Rejected(f"Choose at most {MAX_FILES} files.")
    files: dict[str, ImportFile] = {}
    for upload in uploads:
        name = _PLAIN.sub("_", Path(str(upload.filename)).name)[-100:].lstrip(".") or "export"
        if name in files:
            return Rejected(f"Two files are named {name}. Rename one of them.")
        files[name] = ImportFile(name=name, content=await upload.read())
    return list(files.values())


async def check_files(visitor: Visitor, files: list[ImportFile], mapping: str) -> FileCheck | None:
    """Check files by `mapping`, the text of one, or by one that is drafted where it is empty.

    None: the limits of the process are too narrow for them. Raises Refusal unavailable (busy).
    """
    if len(_running) >= MAX_CHECKS:
        raise Refusal("unavailable", "busy", "Other files are being checked. Send the form again in a minute.")
    with TemporaryDirectory(prefix="hub_check_") as folder:
        _running.add(folder)
        try:
            _write(visitor, files, mapping, Path(folder))
            return await _run(folder)
        finally:
            _running.discard(folder)


def _write(visitor: Visitor, files: list[ImportFile], mapping: str, folder: Path) -> None:
    """Write what the check reads into its folder."""
    organization = Organization(
        name=visitor.organization, slug=visitor.slug, timezone=visitor.timezone, currency=visitor.currency,
        country=visitor.country,
    )  # fmt: skip
    (folder / checking.ORGANIZATION).write_text(organization.model_dump_json(), encoding="utf-8")
    if mapping:
        (folder / checking.MAPPING).write_text(mapping, encoding="utf-8")
    (folder / checking.FILES).mkdir()
    for file in files:
        (folder / checking.FILES / file.name).write_bytes(file.content)


async def _run(folder: str) -> FileCheck | None:
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
