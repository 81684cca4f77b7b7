"""Reading any table file: text tables, workbooks, and both within gzip and zip.

What the mapping's Format does not say (separator, encoding, header, decimal sign) is found in the file, and stands in
the table's Layout. A file is read as a stream; what is wrong with it as a whole is a HubError that says what to do.
"""

import codecs
import gzip
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final, cast

from python_calamine import CalamineWorkbook

from sources.errors import HubError
from sources.importing.reading.encodings import Opener
from sources.importing.reading.layout import Format, Layout
from sources.importing.reading.table import Record, Table
from sources.importing.reading.text import BROKEN_PACKING, TextPart, open_text
from sources.importing.reading.workbooks import open_workbook, sheet_names, sheet_table

__all__ = ["Format", "Layout", "Record", "Table", "open_table", "open_tables"]

ZIP: Final = b"PK\x03\x04"
GZIP: Final = b"\x1f\x8b"
OLD_OFFICE: Final = b"\xd0\xcf\x11\xe0"
TABLE_SUFFIXES: Final = (".csv", ".tsv", ".tab")
# What is no table, by its first bytes, and what to do about it.
NO_TABLES: Final = {
    b"%PDF": "a PDF: export the table as CSV or .xlsx instead",
    b"BZh": "packed by bzip2: unpack it first",
    b"\xfd7zXZ": "packed by xz: unpack it first",
    b"7z\xbc\xaf": "packed by 7-Zip: unpack it first",
    b"Rar!": "packed by RAR: unpack it first",
    b"\x28\xb5\x2f\xfd": "packed by zstd: unpack it first",
    b"\x89PNG": "a picture: export the table as CSV or .xlsx instead",
    b"\xff\xd8\xff": "a picture: export the table as CSV or .xlsx instead",
    b"PAR1": "a Parquet file: export the table as CSV or .xlsx instead",
    b"SQLite format 3": "a database: export its tables as CSV",
    b"{": "JSON: export the table as CSV or .xlsx instead",
    b"[{": "JSON: export the table as CSV or .xlsx instead",
    b"<": "a web page or XML, whatever its name: open it in a spreadsheet and save it as .xlsx or CSV",
}

Openers = dict[str, Callable[[], AbstractContextManager[Table]]]


@contextmanager
def open_table(path: Path, form: Format) -> Iterator[Table]:
    """The one table of the file at `path`; where it holds several, the one that `form.table` names.

    Raises HubError, with what to do, where there is no such table or the file cannot be read.
    """
    with _opened(path, form) as openers:
        known = ", ".join(f"'{name}'" for name in openers)
        if form.table is None and len(openers) > 1:
            raise HubError(f"{path.name} holds several tables: write format.table in the mapping, one of {known}.")
        name = form.table or next(iter(openers))
        if len(openers) > 1 and name not in openers:
            raise HubError(
                f"{path.name} holds no table '{name}': correct format.table in the mapping to one of {known}."
            )
        with (openers[name] if len(openers) > 1 else next(iter(openers.values())))() as table:
            yield table


@contextmanager
def open_tables(path: Path, form: Format) -> Iterator[dict[str, Table]]:
    """All tables of the file at `path`, by name: the sheets of a workbook, the files in a zip, or the one table."""
    with _opened(path, form) as openers, ExitStack() as stack:
        yield {name: stack.enter_context(opener()) for name, opener in openers.items()}


@contextmanager
def _opened(path: Path, form: Format) -> Iterator[Openers]:
    """What opens each table of the file."""
    plain = partial(_plain, path)
    start = _first_bytes(plain, path)
    if start.startswith(ZIP) and not _is_workbook(path):
        yield {name: partial(open_text, part, form) for name, part in _zipped(path).items()}
    elif start.startswith((ZIP, OLD_OFFICE)):
        with open_workbook(path) as workbook:
            names = sheet_names(workbook)
            if not names:
                raise HubError(f"{path.name} is empty: there is nothing on its sheets. Export it again.")
            yield {name: partial(_open_sheet, workbook, name, path.name, form) for name in names}
    elif start.startswith(GZIP):
        part = TextPart(path.name, partial(_gunzipped, path), "gzip")
        _refuse_no_table(path.name, _first_bytes(part.open, path))
        yield {path.name: partial(open_text, part, form)}
    elif path.suffix.lower() == ".gz":
        raise HubError(f"{path.name} is not a whole gzip file: fetch it again, or correct its name.")
    else:
        _refuse_no_table(path.name, start)
        yield {path.name: partial(open_text, TextPart(path.name, plain), form)}


@contextmanager
def _open_sheet(workbook: CalamineWorkbook, name: str, file_name: str, form: Format) -> Iterator[Table]:
    yield sheet_table(workbook, name, file_name, form)


def _first_bytes(opener: Opener, path: Path) -> bytes:
    try:
        with opener() as binary:
            return binary.read(512)
    except BROKEN_PACKING as error:
        raise HubError(f"{path.name} is not a whole gzip file: {error}. Fetch it again.") from None
    except OSError as error:
        raise HubError(f"The file {path} cannot be read: {error.strerror or error}.") from None


def _plain(path: Path) -> BinaryIO:
    return path.open("rb")


def _gunzipped(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path))


def _refuse_no_table(name: str, start: bytes) -> None:
    plain = start.removeprefix(codecs.BOM_UTF8).lstrip()
    for mark, what in NO_TABLES.items():
        if plain.startswith(mark):
            raise HubError(f"{name} is {what}.")
    if plain.startswith((ZIP, OLD_OFFICE)):
        raise HubError(f"{name} holds a packed file or a workbook: unpack it first.")


def _is_workbook(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as packed:
            return any(name in packed.namelist() for name in ("[Content_Types].xml", "content.xml"))
    except zipfile.BadZipFile as error:
        raise HubError(f"{path.name} is not a whole zip file or workbook: {error}. Fetch it again.") from None


def _zipped(path: Path) -> dict[str, TextPart]:
    """The tables in a zip file, by name."""
    with zipfile.ZipFile(path) as packed:
        members = [member for member in packed.infolist() if not Path(member.filename).name.startswith(".")]
    members = [member for member in members if not member.filename.startswith("__MACOSX/")]
    tables = [m for m in members if m.filename.lower().endswith(TABLE_SUFFIXES)] or [
        m for m in members if m.filename.lower().endswith(".txt")
    ]
    if not tables:
        inside = ", ".join(member.filename for member in members[:10]) or "nothing"
        raise HubError(f"{path.name} holds no .csv, .tsv or .txt file but {inside}: unpack it first.")
    if any(member.flag_bits & 1 for member in tables):
        raise HubError(f"{path.name} is protected by a password: unpack it first.")
    return {
        member.filename: TextPart(f"{path.name}: {member.filename}", partial(_unzipped, path, member.filename), "zip")
        for member in tables
    }


def _unzipped(path: Path, member: str) -> BinaryIO:
    with zipfile.ZipFile(path) as packed:
        return cast(BinaryIO, packed.open(member))
