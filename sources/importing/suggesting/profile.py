"""Profile of a column: the kind of its values (dates, amounts, e-mail addresses, ...) and their frequencies."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from sources.importing.date_formats import date_formats, datetime_formats, time_formats
from sources.importing.reading import Layout
from sources.importing.suggesting.words import lists, plain

MAX_VALUES: Final = 400  # different values of a column that decide its kind
MOST: Final = 0.8  # the least share of values of a kind for the column to be of that kind
NULLS: Final = frozenset({"", "-", "--", "n/a", "N/A", "NA", "null", "NULL", "None", "nan", "NaN", "k.A.", "#N/A"})
EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+(?:[;,]\s*[^@\s]+@[^@\s]+\.[^@\s]+)*")
PHONE: Final = re.compile(r"\+?\(?[0-9][0-9 ()/.\-]{5,18}[0-9]")
LINK: Final = re.compile(r"(?:https?://|www\.)\S+")
CURRENCY_BEFORE: Final = r"(?:[A-Z]{3}|[A-Z]{0,2}[^\w\s.,'+\-]|Fr\.|kr)?"
CURRENCY_AFTER: Final = r"(?:[A-Z]{3}|[^\w\s.,]|kr|zł|,-)?"
NUMBER: Final = re.compile(rf"([+-]?){CURRENCY_BEFORE}\s*([+-]?[0-9][0-9.,'’\s]*?)\s*{CURRENCY_AFTER}")
DURATION_VALUE: Final = re.compile(
    r"(?:[0-9]{1,3}\s*(?:h|hrs?|hours?|std|stunden?|horas?|heures?)\.?)?\s*"
    r"(?:[0-9]{1,4}\s*(?:m|mins?|minutes?|minuten|minutos)?\.?)?",
    re.IGNORECASE,
)
FORMATS: Final = {"date": date_formats, "datetime": datetime_formats, "time": time_formats}
KINDS: Final = ("boolean", "email", "link", "datetime", "date", "time", "number", "duration", "phone")


@dataclass(frozen=True)
class ColumnProfile:
    """The values of a column in the sample. For dates and times, `formats` has the number of values per format."""

    name: str
    cells: Sequence[str | None]  # None: null
    values: Mapping[str, int]  # the number of occurrences of each value, most frequent first
    kind: str  # of most values: one of KINDS, text, or empty
    formats: Mapping[str, int]
    nulls: frozenset[str]  # the texts of this column that mean null

    @property
    def filled(self) -> int:
        return sum(self.values.values())

    @property
    def complete(self) -> bool:
        return self.filled == len(self.cells)

    @property
    def unique(self) -> bool:
        return bool(self.cells) and len(self.values) == len(self.cells)


def profile_column(name: str, cells: Iterable[str], layout: Layout) -> ColumnProfile:
    """Return the profile of the column `name`."""
    stripped = [cell.strip() for cell in cells]
    cells_or_none = [None if cell in NULLS else cell for cell in stripped]
    values = dict(Counter(cell for cell in cells_or_none if cell is not None).most_common())
    sample = list(values)[:MAX_VALUES]
    kind = _kind(sample, layout)
    formats = (
        Counter(date_format for value in sample for date_format in FORMATS[kind](value))
        if kind in FORMATS
        else Counter()
    )
    return ColumnProfile(
        name, cells_or_none, values, kind, formats, frozenset(cell for cell in set(stripped) & NULLS if cell)
    )


def _kind(values: Sequence[str], layout: Layout) -> str:
    if not values:
        return "empty"
    if len(values) <= 2 and all(as_boolean(value) is not None for value in values):
        return "boolean"
    kinds = Counter(_kind_of(value, layout) for value in values)
    if kinds["datetime"] and kinds["datetime"] + kinds["date"] >= MOST * len(values):
        return "datetime"  # a workbook shows a time at midnight as a date only
    kind, count = kinds.most_common(1)[0]
    return kind if count >= MOST * len(values) else "text"


def _kind_of(value: str, layout: Layout) -> str:
    if EMAIL.fullmatch(value):
        return "email"
    if LINK.match(value):
        return "link"
    is_number = amount(value, layout) is not None
    if not value.isdigit():  # 20250301 is a number rather than a date, and 12.50 not a time
        for kind, formats_of in FORMATS.items():
            if formats_of(value) and not (kind == "time" and is_number):
                return kind
    if is_number:
        return "number"
    if DURATION_VALUE.fullmatch(value):
        return "duration"
    return "phone" if PHONE.fullmatch(value) else "text"


def as_boolean(value: str) -> bool | None:
    """Return `value` as a boolean; None if it is neither a yes nor a no."""
    word = plain(value) or value
    return next((answer for answer, words in lists("words")["truth"].items() if word in words.split()), None)


def amount(value: str, layout: Layout) -> Decimal | None:
    """Return the number in `value`, which may have a currency; None if there is none."""
    found = NUMBER.fullmatch(value)
    if not found:
        return None
    number = found[2].replace(layout.thousands, "") if layout.thousands else found[2]
    number = found[1] + re.sub(r"[\s’]", "", number)
    if not re.fullmatch(rf"[+-]?[0-9]+({re.escape(layout.decimal)}[0-9]+)?", number):
        return None
    return Decimal(number.replace(layout.decimal, "."))


def best_format(profile: ColumnProfile, *, day_first: bool) -> str | None:
    """Return the format that fits most values; if the order of day and month is ambiguous, the one of `day_first`."""
    usual = ("%d/%m", "%d-%m", "%d.%m") if day_first else ("%m/%d", "%m-%d")
    return max(
        profile.formats,
        key=lambda date_format: (
            profile.formats[date_format],
            any(order in date_format for order in usual),
            "%Y" in date_format,
        ),
        default=None,
    )
