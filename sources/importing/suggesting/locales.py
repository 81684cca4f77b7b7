"""Guesses of the language, currency, time zone and country of a business from its file."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from zoneinfo import available_timezones

from sources.importing.suggesting.matching import Matches
from sources.importing.suggesting.profile import ColumnProfile
from sources.importing.suggesting.words import lists, plain

MAX_VALUES: Final = 200  # different values of a column that are searched


@dataclass(frozen=True)
class Locale:
    """The guessed locale of a business, with the evidence for its currency and time zone."""

    language: str
    currency: str
    timezone: str
    country: str
    why_currency: str
    why_timezone: str

    @property
    def day_first(self) -> bool:
        """True if 05/06 is usually the fifth of June in this country."""
        return self.country not in ("US", "PH")


def guess_locale(columns: Sequence[ColumnProfile], matches: Matches) -> Locale:
    """Guess the locale from the words, the currency signs and the time zones in the file."""
    language = _language(columns)
    currency, why = _currency(columns, matches, language)
    zones = _zones(columns)
    by_language = lists("locales")["currencies"].get(currency, {})
    timezone, country = by_language.get(language) or next(iter(by_language.values()), ("UTC", ""))
    if zones:
        return Locale(language, currency, zones.most_common(1)[0][0], "", why, "from the time zones in the file")
    return Locale(language, currency, timezone, country, why, "from the language and the currency")


def _zones(columns: Sequence[ColumnProfile]) -> Counter[str]:
    """Return the time zones in the cells, with their number of occurrences."""
    zones = available_timezones()
    cells = (cell for column in columns if column.kind == "text" for cell in column.values.items())
    return Counter({value: count for value, count in cells if "/" in value and value in zones})


def _language(columns: Sequence[ColumnProfile]) -> str:
    text = " ".join(plain(part) for column in columns for part in (column.name, *_values_if_few(column)))
    scores = {
        language: sum(len(re.findall(rf"\b{word}", text)) > 0 for word in words.split())
        for language, words in lists("locales")["languages"].items()
    }
    best = max(scores, key=lambda language: scores[language])
    return best if scores[best] >= 3 else "en"


def _values_if_few(column: ColumnProfile) -> Iterable[str]:
    return column.values if len(column.values) <= 20 else ()


def _currency(columns: Sequence[ColumnProfile], matches: Matches, language: str) -> tuple[str, str]:
    currencies = lists("locales")["currencies"]
    if "currency" in matches:
        codes = Counter({code.upper(): count for code, count in matches["currency"].column.values.items()})
        code, _ = codes.most_common(1)[0]
        others = ", ".join(other for other in codes if other != code)
        return code, "as the most frequent in the file" + (f"; rows in {others} are rejected" if others else "")
    amounts = [matches["amount"].column] if "amount" in matches else []
    texts = [text for column in amounts for text in (*list(column.values)[:MAX_VALUES], column.name)]
    texts += [column.name for column in columns]
    for text in texts:
        for code in re.findall(r"\b[A-Z]{3}\b", text):
            if code in currencies:
                return code, "from the code in the file"
        for sign in sorted(lists("locales")["signs"], key=len, reverse=True):
            if sign in text and not (sign.isalpha() or (sign == "Fr." and not re.search(r"[0-9]", text))):
                return lists("locales")["signs"][sign], f"from the sign {sign}"
    return lists("locales")["usual"][language], "from the language, as the file has no currency"
