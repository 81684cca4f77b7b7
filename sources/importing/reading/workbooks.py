"""Reading of the sheets of a workbook (.xlsx, .xlsb, .xls, .ods) as text.

A typed cell is converted to text that the mapping's functions read: a date to 2025-12-24, a time to 2025-12-24
09:30:00, a number to one with the decimal sign of the layout and no thousands, an error of a formula to an empty cell.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, Final
from zipfile import BadZipFile, ZipFile

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, PasswordError, SheetVisibleEnum, ZipError

from sources.errors import HubError
from sources.importing.reading import detection
from sources.importing.reading.table import Record, Table, check_row, column_names
from sources.importing.reading.table_format import Format, Layout

SAMPLE_ROWS: Final = 1_000
# Bytes of the unpacked sheets. The reader keeps a whole sheet in memory, at about 1.5 times its unpacked size; 150 MB
# are about 300,000 rows of twelve columns.
MAX_SIZE: Final = 150 * 1024 * 1024
ERRORS: Final = frozenset(
    {
        "#N/A",
        "#NAME?",
        "#REF!",
        "#VALUE!",
        "#DIV/0!",
        "#NULL!",
        "#NUM!",
        "#SPILL!",
        "#CALC!",
        "#GETTING_DATA",
        "Err:502",
    }
)
Cell = Any  # int, float, str, bool, date, datetime, time, timedelta


@contextmanager
def open_workbook(path: Path) -> Iterator[CalamineWorkbook]:
    """Open the workbook at `path`. Raises HubError if it is protected by a password, too large or damaged."""
    size = _unpacked_size(path)
    if size > MAX_SIZE:
        raise HubError(
            f"{path.name} has {size // 2**20:,} MB when unpacked; the limit of a workbook is {MAX_SIZE // 2**20} MB: "
            "save the sheet as CSV, which has no limit."
        )
    try:
        workbook = CalamineWorkbook.from_path(path)
    except PasswordError:
        raise HubError(f"{path.name} is protected by a password: save it without one.") from None
    except (CalamineError, ZipError, ValueError, OSError) as error:
        raise HubError(
            f"{path.name} is not a complete workbook ({error}): open it and save it again, or as CSV."
        ) from None
    with workbook:
        yield workbook


def _unpacked_size(path: Path) -> int:
    """Return the unpacked size of the workbook. Raises HubError if a part of it is damaged."""
    try:
        with ZipFile(path) as packed:
            size = sum(member.file_size for member in packed.infolist())
            damaged = packed.testzip() if size <= MAX_SIZE else None
    except BadZipFile:  # an .xls is not a zip file, and has at most 65,536 rows
        return 0
    if damaged is not None:
        raise HubError(
            f"{path.name} is not a complete workbook ({damaged} is damaged): open it and save it again, or as CSV."
        )
    return size


def sheet_names(workbook: CalamineWorkbook) -> list[str]:
    """Return the visible sheets that are not empty."""
    visible = [sheet.name for sheet in workbook.sheets_metadata if sheet.visible == SheetVisibleEnum.Visible]
    return [name for name in visible if len(visible) == 1 or workbook.get_sheet_by_name(name).height]


def sheet_table(workbook: CalamineWorkbook, name: str, file_name: str, file_format: Format) -> Table:
    """Return the table on the sheet `name`. Raises HubError if the sheet is empty."""
    sheet = workbook.get_sheet_by_name(name)
    sample = list(islice(_numbered(sheet), SAMPLE_ROWS))
    # Only text cells can have more than one number or date format.
    texts = [cell for _, cells in sample for cell in cells if isinstance(cell, str) and cell not in ERRORS]
    decimal, thousands = detection.number_format(texts, file_format)
    rows = [(line, as_texts(cells, decimal)) for line, cells in sample]
    if not rows:
        raise HubError(f"{file_name}: the sheet '{name}' is empty. Export it again, or name another in format.table.")
    header_line = file_format.header or rows[detection.header_position(rows)][0]
    names = next((cells for line, cells in rows if line == header_line), None)
    if names is None:
        raise HubError(f"{file_name} has no row {header_line}: correct format.header in the mapping, or leave it out.")
    header, notes = column_names(names)
    layout = Layout(
        header=header_line,
        decimal=decimal,
        thousands=thousands,
        date_order=file_format.date_order or detection.date_order(texts),
        nulls=frozenset(file_format.nulls),
        given=frozenset(file_format.model_fields_set),
    )
    if rows[-1][0] <= header_line:
        notes.append("It has a header and no rows.")
    return Table(name, header, _records(sheet, header_line, len(header), decimal), layout, tuple(notes))


def _numbered(sheet: CalamineSheet) -> Iterator[tuple[int, Sequence[Cell]]]:
    """Yield the rows that are not empty, each with its number in the spreadsheet."""
    for number, cells in enumerate(sheet.iter_rows(), (sheet.start or (0, 0))[0] + 1):
        if any(cell != "" for cell in cells):
            yield number, cells


def _records(sheet: CalamineSheet, header_line: int, width: int, decimal: str) -> Iterator[Record]:
    for number, cells in _numbered(sheet):
        if number > header_line:
            yield check_row(number, as_texts(cells, decimal), width)


def as_texts(cells: Sequence[Cell], decimal: str) -> list[str]:
    return [_as_text(cell, decimal) for cell in cells]


def _as_text(cell: Cell, decimal: str) -> str:
    match cell:
        case str():
            text = "" if cell in ERRORS else cell
        case bool():
            text = "TRUE" if cell else "FALSE"
        case int() | float():
            # A spreadsheet holds 15 significant digits: 0.30000000000000004 is shown as 0.3.
            text = format(Decimal(f"{cell:.15g}"), "f").replace(".", decimal)
        case datetime():
            text = (cell + timedelta(microseconds=500_000)).replace(microsecond=0).isoformat(" ")
        case timedelta():
            minutes, seconds = divmod(round(cell.total_seconds()), 60)
            text = f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}"
        case _:  # a date, a time
            text = cell.isoformat()
    return text
