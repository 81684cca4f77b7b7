"""What the first rows of a table show: where the header is, and how numbers and dates are written."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from statistics import median
from typing import Final, cast

from sources.importing.reading.layout import DateOrder, Format

Rows = Sequence[tuple[int, Sequence[str]]]  # the line on which each begins, and its cells

HEADER_SHARE: Final = 0.6  # a header names at least this share of the columns that a usual row fills
SIGNS: Final = r"[^\w.,'+\-]{0,3}|[A-Z]{3}|[A-Z]{0,2}\$|kr\.?|zł|Fr\.?"  # of a currency
AMOUNT: Final = re.compile(rf"(?:{SIGNS})\s*([+-]?[0-9][0-9.,'’\s]*)\s*(?:{SIGNS})", re.ASCII)
WHOLE: Final = re.compile(r"[0-9]*|[0-9]{1,3}([.,'’\s])[0-9]{3}(\1[0-9]{3})*")
GROUPED: Final = re.compile(r"[1-9][0-9]{0,2}([.,'’\s])[0-9]{3}(\1[0-9]{3})*")
SHORT_DATE: Final = re.compile(r"([0-9]{1,4})([./-])([0-9]{1,2})\2([0-9]{2,4})(?![0-9])")
DATA: Final = re.compile(r"[+-]?[0-9][0-9.,:/ -]*%?|[0-9]{1,4}[./-][0-9]{1,2}[./-][0-9]{1,4}.*|[^@\s]+@[^@\s]+\.\w+")


def header_position(rows: Rows) -> int:
    """The position of the header in `rows`: the first row that names the columns, below titles and blank lines."""
    filled = [[cell.strip() for cell in cells if cell.strip()] for _, cells in rows]
    used = [position for position, cells in enumerate(filled) if cells]
    if not used:
        return 0
    width = Counter(len(rows[position][1]) for position in used).most_common(1)[0][0]
    usual = median(len(filled[position]) for position in used if len(rows[position][1]) == width)

    def names_columns(position: int) -> bool:
        cells = filled[position]
        return (
            len(cells) >= HEADER_SHARE * usual
            and len(set(cells)) == len(cells)
            and not any(DATA.fullmatch(cell) for cell in cells)
        )

    good = [position for position in used if names_columns(position)]
    as_wide = [position for position in good if len(rows[position][1]) == width]
    return (as_wide or good or used)[0]


def number_marks(cells: Iterable[str], form: Format) -> tuple[str, str]:
    """The decimal sign and the thousands separator: those of `form`, or what `cells` show.

    A point or comma before exactly three digits can be either, and decides nothing by itself.
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
    if form.decimal is not None:
        decimal: str = form.decimal
    elif decimals:
        decimal = decimals.most_common(1)[0][0]
    else:  # a thousands separator leaves the other mark
        decimal = "," if groups["."] > groups[","] else "."
    if form.thousands is not None:
        return (decimal if decimal != form.thousands else "," if form.thousands == "." else "."), form.thousands
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
    """The order of day, month and year in `cells`; None where nothing decides it."""
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
        elif mark == ".":  # no one writes the month first with points
            votes["day first"] += 1
    return cast(DateOrder, votes.most_common(1)[0][0]) if votes else None
