"""What the values of a column look like: dates, amounts, e-mail addresses, few or all different."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from sources.importing.date_formats import date_formats, datetime_formats, time_formats
from sources.importing.reading import Layout
from sources.importing.suggesting.words import lists, plain

LOOKED_AT: Final = 400  # different values of a column that decide what it looks like
MOST: Final = 0.8  # the share of values that makes a column one of a kind
NULLS: Final = frozenset({"", "-", "--", "n/a", "N/A", "NA", "null", "NULL", "None", "nan", "NaN", "k.A.", "#N/A"})
EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+(?:[;,]\s*[^@\s]+@[^@\s]+\.[^@\s]+)*")
PHONE: Final = re.compile(r"\+?\(?[0-9][0-9 ()/.\-]{5,18}[0-9]")
LINK: Final = re.compile(r"(?:https?://|www\.)\S+")
BEFORE: Final = r"(?:[A-Z]{3}|[A-Z]{0,2}[^\w\s.,'+\-]|Fr\.|kr)?"  # a currency
AFTER: Final = r"(?:[A-Z]{3}|[^\w\s.,]|kr|zł|,-)?"
NUMBER: Final = re.compile(rf"([+-]?){BEFORE}\s*([+-]?[0-9][0-9.,'’\s]*?)\s*{AFTER}")
DURATION: Final = re.compile(
    r"(?:[0-9]{1,3}\s*(?:h|hrs?|hours?|std|stunden?|horas?|heures?)\.?)?\s*"
    r"(?:[0-9]{1,4}\s*(?:m|mins?|minutes?|minuten|minutos)?\.?)?",
    re.IGNORECASE,
)
FORMS: Final = {"day": date_formats, "moment": datetime_formats, "clock": time_formats}
KINDS: Final = ("truth", "email", "link", "moment", "day", "clock", "number", "length", "phone")


@dataclass(frozen=True)
class ColumnProfile:
    """A column as its sample shows it. `forms` has, for a day, moment or clock time, how many values a form reads."""

    name: str
    cells: Sequence[str | None]  # None: nothing there
    values: Mapping[str, int]  # the different values, most frequent first, with how often they occur
    kind: str  # of most values: one of KINDS, text, or nothing
    forms: Mapping[str, int]
    nulls: frozenset[str]  # the texts of this column that stand for nothing

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
    stripped = [cell.strip() for cell in cells]
    kept = [None if cell in NULLS else cell for cell in stripped]
    values = dict(Counter(cell for cell in kept if cell is not None).most_common())
    looked_at = list(values)[:LOOKED_AT]
    kind = _kind(looked_at, layout)
    forms = Counter(form for value in looked_at for form in FORMS[kind](value)) if kind in FORMS else Counter()
    return ColumnProfile(name, kept, values, kind, forms, frozenset(cell for cell in set(stripped) & NULLS if cell))


def _kind(values: Sequence[str], layout: Layout) -> str:
    if not values:
        return "nothing"
    if len(values) <= 2 and all(truth(value) is not None for value in values):
        return "truth"
    kinds = Counter(_kind_of(value, layout) for value in values)
    if kinds["moment"] and kinds["moment"] + kinds["day"] >= MOST * len(values):
        return "moment"  # at midnight a workbook shows the day alone
    kind, count = kinds.most_common(1)[0]
    return kind if count >= MOST * len(values) else "text"


def _kind_of(value: str, layout: Layout) -> str:
    if EMAIL.fullmatch(value):
        return "email"
    if LINK.match(value):
        return "link"
    is_number = amount(value, layout) is not None
    if not value.isdigit():  # 20250301 is a number first, and 12.50 no time
        for kind, forms_of in FORMS.items():
            if forms_of(value) and not (kind == "clock" and is_number):
                return kind
    if is_number:
        return "number"
    if DURATION.fullmatch(value):
        return "length"
    return "phone" if PHONE.fullmatch(value) else "text"


def truth(value: str) -> bool | None:
    """What `value` says as an answer to yes or no; None where it is none."""
    word = plain(value) or value
    return next((answer for answer, words in lists("words")["truth"].items() if word in words.split()), None)


def amount(value: str, layout: Layout) -> Decimal | None:
    """The number in `value`, perhaps with a currency; None where there is none."""
    found = NUMBER.fullmatch(value)
    if not found:
        return None
    number = found[2].replace(layout.thousands, "") if layout.thousands else found[2]
    number = found[1] + re.sub(r"[\s’]", "", number)
    if not re.fullmatch(rf"[+-]?[0-9]+({re.escape(layout.decimal)}[0-9]+)?", number):
        return None
    return Decimal(number.replace(layout.decimal, "."))


def best_format(profile: ColumnProfile, *, day_first: bool) -> str | None:
    """The form that reads most values; where the order of day and month is open, the usual one of the file."""
    usual = ("%d/%m", "%d-%m", "%d.%m") if day_first else ("%m/%d", "%m-%d")
    return max(
        profile.forms,
        key=lambda form: (profile.forms[form], any(order in form for order in usual), "%Y" in form),
        default=None,
    )
