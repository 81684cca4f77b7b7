"""Detection, from the first rows of a table, of the delimiter, the header, the number format and the order of dates."""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from statistics import median
from typing import Final, cast

from sources.importing.reading.table_format import DELIMITERS, DateOrder, Format

Rows = Sequence[tuple[int, Sequence[str]]]  # the first line of each row, and its cells

HEADER_SHARE: Final = 0.6  # a header fills at least this share of the columns that a typical row fills
DIFFERENT: Final = 0.5  # the least share of different names in a header: some exports repeat a column
DATA_SHARE: Final = 0.3  # at least this share of the cells of a data row are dates, numbers and addresses
CURRENCY_MARK: Final = r"[^\w.,'+\-]{0,3}|[A-Z]{3}|[A-Z]{0,2}\$|kr\.?|zł|Fr\.?"  # its sign or code
AMOUNT: Final = re.compile(rf"(?:{CURRENCY_MARK})\s*([+-]?[0-9][0-9.,'’\s]*)\s*(?:{CURRENCY_MARK})", re.ASCII)
WHOLE: Final = re.compile(r"[0-9]*|[0-9]{1,3}([.,'’\s])[0-9]{3}(\1[0-9]{3})*")
GROUPED: Final = re.compile(r"[1-9][0-9]{0,2}([.,'’\s])[0-9]{3}(\1[0-9]{3})*")
SHORT_DATE: Final = re.compile(r"([0-9]{1,4})([./-])([0-9]{1,2})\2([0-9]{2,4})(?![0-9])")
DATA: Final = re.compile(r"[+-]?[0-9][0-9.,:/ -]*%?|[0-9]{1,4}[./-][0-9]{1,2}[./-][0-9]{1,4}.*|[^@\s]+@[^@\s]+\.\w+")


def declared_delimiter(sample: Sequence[str]) -> tuple[int, str | None]:
    """Return the number of lines and the delimiter of a first line `sep=;`, which some spreadsheets write."""
    first = sample[0].strip().strip('"') if sample else ""
    if first.lower().startswith("sep=") and len(first) == 5:
        return 1, first[4]
    return (1, "\t") if first.lower() == "sep=" else (0, None)


def find_delimiter(sample: Sequence[str]) -> str:
    """Return the delimiter that splits most rows into the same number of fields, and into many."""

    def score(delimiter: str) -> float:
        widths = Counter(len(cells) for _, cells in rows_of(sample, delimiter, 0) if any(cells))
        if not widths:
            return 0.0
        width, count = max(widths.items(), key=lambda item: (item[1], item[0]))
        return (count / widths.total()) ** 3 * (width - 1)

    return max(DELIMITERS, key=score)


def rows_of(sample: Sequence[str], delimiter: str, skipped: int) -> list[tuple[int, list[str]]]:
    """Return the rows of the sample, each with its line, without those after an unclosed quote."""
    reader = csv.reader(sample, delimiter=delimiter)
    rows = []
    while True:
        line = reader.line_num + 1 + skipped
        try:
            rows.append((line, next(reader)))
        except StopIteration:
            return rows
        except csv.Error:
            continue


def header_position(rows: Rows) -> int:
    """Return the position of the header in `rows`: the first row of column names, below titles and blank lines."""
    filled = [[cell.strip() for cell in cells if cell.strip()] for _, cells in rows]
    used = [position for position, cells in enumerate(filled) if cells]
    if not used:
        return 0
    width = Counter(len(rows[position][1]) for position in used).most_common(1)[0][0]
    typical = median(len(filled[position]) for position in used if len(rows[position][1]) == width)

    def names_columns(position: int) -> bool:
        cells = filled[position]
        return (
            len(cells) >= HEADER_SHARE * typical
            and len(set(cells)) >= DIFFERENT * len(cells)
            and not any(DATA.fullmatch(cell) for cell in cells)
        )

    headers = [position for position in used if names_columns(position)]
    full_width = [position for position in headers if len(rows[position][1]) == width]
    return (full_width or headers or used)[0]


def looks_like_data(cells: Sequence[str]) -> bool:
    """Return True if a row that should be the header has dates, numbers and addresses instead."""
    filled = [cell.strip() for cell in cells if cell.strip()]
    return sum(DATA.fullmatch(cell) is not None for cell in filled) >= DATA_SHARE * len(filled)


def number_format(cells: Iterable[str], file_format: Format) -> tuple[str, str]:
    """Return the decimal sign and the thousands separator: those of `file_format`, else those of `cells`.

    A point before exactly three digits can be either, and is used only if other cells decide; a comma there separates
    thousands.
    """
    decimals: Counter[str] = Counter()
    groups: Counter[str] = Counter()
    unclear: Counter[str] = Counter()
    for number in _numbers(cells):
        *before, last = re.findall(r"[.,'’\s]", number)
        if GROUPED.fullmatch(number):
            (groups if before or last not in ".," else unclear)[last] += 1
        elif last in ".," and last not in before and WHOLE.fullmatch(number[: number.rindex(last)]):
            decimals[last] += 1
            groups.update(set(before))
    if file_format.decimal is not None:
        decimal: str = file_format.decimal
    elif decimals:
        decimal = decimals.most_common(1)[0][0]
    else:  # the decimal sign is the mark that does not separate thousands
        decimal = "," if groups["."] > groups[","] else "."
    if file_format.thousands is not None:
        if decimal == file_format.thousands:
            decimal = "," if decimal == "." else "."
        return decimal, file_format.thousands
    groups.update({mark: count for mark, count in unclear.items() if decimals or groups or mark == ","})
    found = [mark for mark, _ in groups.most_common() if mark != decimal]
    thousands = found[0] if found else ""
    return decimal, {"’": "'"}.get(thousands, " " if thousands.isspace() else thousands)


def _numbers(cells: Iterable[str]) -> Iterator[str]:
    for cell in cells:
        found = AMOUNT.fullmatch(cell.strip())
        number = found[1].strip().lstrip("+-") if found else ""
        if re.search(r"[.,'’\s]", number):
            yield number


def date_order(cells: Iterable[str]) -> DateOrder | None:
    """Return the order of day, month and year in `cells`; None if it is ambiguous."""
    votes: Counter[str] = Counter()
    for cell in cells:
        found = SHORT_DATE.match(cell.strip())
        if found is None:
            continue
        first, mark, second, third = found.groups()
        if len(first) == 4:
            votes["year first"] += 1
        elif len(third) in (2, 4) and int(first) > 12 >= int(second):
            votes["day first"] += 1
        elif len(third) in (2, 4) and int(second) > 12 >= int(first):
            votes["month first"] += 1
        elif mark == ".":  # with points the month is never first
            votes["day first"] += 1
    return cast(DateOrder, votes.most_common(1)[0][0]) if votes else None
