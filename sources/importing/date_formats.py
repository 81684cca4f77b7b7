"""Formats of dates and times in files, in the notation of strptime; and the formats that fit a text."""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Final

DATES: Final = (
    "%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d",
    "%d.%m.%y", "%d/%m/%y", "%m/%d/%y", "%d-%m-%y",
    "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%b %d %Y", "%B %d %Y", "%d-%b-%Y", "%d-%b-%y", "%d. %B %Y",
    "%a %d %b %Y", "%a, %d %b %Y", "%a, %b %d, %Y", "%A, %B %d, %Y", "%A, %d %B %Y", "%a %d/%m/%Y", "%a %d.%m.%Y",
    "%a, %d.%m.%Y",
)  # fmt: skip
TIMES: Final = (
    "%H:%M", "%H:%M:%S", "%I:%M %p", "%I:%M%p", "%I:%M:%S %p", "%I %p", "%I%p", "%H.%M", "%Hh%M", "%H:%M Uhr",
    "%H:%M h", "%H:%M:%S.%f", "%H:%M%z", "%H:%M:%S%z", "%H:%M:%S.%f%z", "%H:%M %z", "%H:%M:%S %z", "%H:%M:%S UTC",
)  # fmt: skip
SEPARATORS: Final = (" ", "T", ", ", " at ", " - ")  # between date and time
PATTERNS: Final = {
    "%Y": "[0-9]{4}", "%y": "[0-9]{2}", "%m": "[0-9]{1,2}", "%d": "[0-9]{1,2}", "%b": "[A-Za-z]{3}",
    "%B": "[A-Za-z]{3,9}", "%a": "[A-Za-z]{3}", "%A": "[A-Za-z]{6,9}", "%H": "[0-9]{1,2}", "%I": "[0-9]{1,2}",
    "%M": "[0-9]{2}", "%S": "[0-9]{2}", "%f": "[0-9]{1,6}", "%p": "[AaPp][Mm]", "%z": "(?:Z|[+-][0-9]{2}:?[0-9]{2})",
}  # fmt: skip


def _pattern(date_format: str) -> re.Pattern[str]:
    escaped = re.escape(date_format).replace("\\ ", " ")
    return re.compile(re.sub(r"%[A-Za-z]", lambda code: PATTERNS[str(code[0])], escaped))


_DATES: Final = {name: _pattern(name) for name in DATES}
_TIMES: Final = {name: _pattern(name) for name in TIMES}


def date_formats(text: str) -> list[str]:
    """Return the formats of a date that `text` has."""
    return [name for name, pattern in _DATES.items() if pattern.fullmatch(text) and _fits(text, name)]


def time_formats(text: str) -> list[str]:
    """Return the formats of a time of day that `text` has."""
    return [name for name, pattern in _TIMES.items() if pattern.fullmatch(text) and _fits(text, name)]


def datetime_formats(text: str) -> list[str]:
    """Return the formats of a date with a time that `text` has."""
    return [name for name in _candidates(text) if _fits(text, name)]


def _candidates(text: str) -> Iterator[str]:
    for date, date_pattern in _DATES.items():
        if found := date_pattern.match(text):
            rest = text[found.end() :]
            for separator in SEPARATORS:
                if rest.startswith(separator):
                    time_text = rest[len(separator) :]
                    times = [time for time, time_pattern in _TIMES.items() if time_pattern.fullmatch(time_text)]
                    yield from (f"{date}{separator}{time}" for time in times)


def _fits(text: str, date_format: str) -> bool:
    try:
        datetime.strptime(text, date_format)  # noqa: DTZ007 - tests only that the text can be parsed
    except ValueError:
        return False
    return True
