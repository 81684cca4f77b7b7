"""Reading of table files: text tables, workbooks, and both within gzip and zip.

Properties that the mapping's Format leaves out (delimiter, encoding, header, decimal sign) are detected in the file;
the table's Layout has the result. A file is read as a stream; a file that cannot be read raises HubError with advice.
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
from sources.importing.reading.delimited_text import BROKEN_ARCHIVE, TextPart, open_text
from sources.importing.reading.encodings import Opener
from sources.importing.reading.table import Record, Table
from sources.importing.reading.table_format import Format, Layout
from sources.importing.reading.workbooks import open_workbook, sheet_names, sheet_table

__all__ = ["Format", "Layout", "Record", "Table", "open_table", "open_tables"]

ZIP: Final = b"PK\x03\x04"
GZIP: Final = b"\x1f\x8b"
OLD_OFFICE: Final = b"\xd0\xcf\x11\xe0"
TABLE_SUFFIXES: Final = (".csv", ".tsv", ".tab")
# Files that are not tables, by their first bytes, with advice.
OTHER_FILES: Final = {
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
def open_table(path: Path, file_format: Format) -> Iterator[Table]:
    """Open the single table of the file at `path`; of several, the one that `file_format.table` names.

    Raises HubError, with advice, where there is no such table or the file cannot be read.
    """
    with _openers(path, file_format) as openers:
        names = ", ".join(f"'{name}'" for name in openers)
        if file_format.table is None and len(openers) > 1:
            raise HubError(f"{path.name} holds several tables: write format.table in the mapping, one of {names}.")
        name = file_format.table or next(iter(openers))
        if len(openers) > 1 and name not in openers:
            raise HubError(
                f"{path.name} holds no table '{name}': correct format.table in the mapping to one of {names}."
            )
        with (openers[name] if len(openers) > 1 else next(iter(openers.values())))() as table:
            yield table


@contextmanager
def open_tables(path: Path, file_format: Format) -> Iterator[dict[str, Table]]:
    """Open all tables of the file at `path`, by name: the sheets of a workbook, the files in a zip, or one table."""
    with _openers(path, file_format) as openers, ExitStack() as stack:
        yield {name: stack.enter_context(opener()) for name, opener in openers.items()}


@contextmanager
def _openers(path: Path, file_format: Format) -> Iterator[Openers]:
    """Yield a function for each table of the file that opens it."""
    plain = partial(_plain, path)
    start = _first_bytes(plain, path)
    if start.startswith(ZIP) and not _is_workbook(path):
        yield {name: partial(open_text, part, file_format) for name, part in _zipped(path).items()}
    elif start.startswith((ZIP, OLD_OFFICE)):
        with open_workbook(path) as workbook:
            names = sheet_names(workbook)
            if not names:
                raise HubError(f"{path.name} is empty: its sheets have no cells. Export it again.")
            yield {name: partial(_open_sheet, workbook, name, path.name, file_format) for name in names}
    elif start.startswith(GZIP):
        part = TextPart(path.name, partial(_gunzipped, path), "gzip")
        _refuse_other_file(path.name, _first_bytes(part.open, path))
        yield {path.name: partial(open_text, part, file_format)}
    elif path.suffix.lower() == ".gz":
        raise HubError(f"{path.name} is not a complete gzip file: download it again, or correct its name.")
    else:
        _refuse_other_file(path.name, start)
        yield {path.name: partial(open_text, TextPart(path.name, plain), file_format)}


@contextmanager
def _open_sheet(workbook: CalamineWorkbook, name: str, file_name: str, file_format: Format) -> Iterator[Table]:
    yield sheet_table(workbook, name, file_name, file_format)


def _first_bytes(opener: Opener, path: Path) -> bytes:
    try:
        with opener() as binary:
            return binary.read(512)
    except BROKEN_ARCHIVE as error:
        raise HubError(f"{path.name} is not a complete gzip file: {error}. Download it again.") from None
    except OSError as error:
        raise HubError(f"The file {path} cannot be read: {error.strerror or error}.") from None


def _plain(path: Path) -> BinaryIO:
    return path.open("rb")


def _gunzipped(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path))


def _refuse_other_file(name: str, start: bytes) -> None:
    plain = start.removeprefix(codecs.BOM_UTF8).lstrip()
    for signature, description in OTHER_FILES.items():
        if plain.startswith(signature):
            raise HubError(f"{name} is {description}.")
    if plain.startswith((ZIP, OLD_OFFICE)):
        raise HubError(f"{name} holds a packed file or a workbook: unpack it first.")


def _is_workbook(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as packed:
            return any(name in packed.namelist() for name in ("[Content_Types].xml", "content.xml"))
    except zipfile.BadZipFile as error:
        raise HubError(f"{path.name} is not a complete zip file or workbook: {error}. Download it again.") from None


def _zipped(path: Path) -> dict[str, TextPart]:
    """Return the tables in a zip file, by name."""
    with zipfile.ZipFile(path) as packed:
        members = [member for member in packed.infolist() if not Path(member.filename).name.startswith(".")]
    members = [member for member in members if not member.filename.startswith("__MACOSX/")]
    tables = [member for member in members if member.filename.lower().endswith(TABLE_SUFFIXES)] or [
        member for member in members if member.filename.lower().endswith(".txt")
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
