"""The forms in which files write days and times, as strptime knows them; and which of them fit a text."""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Final

DAYS: Final = (
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
BETWEEN: Final = (" ", "T", ", ", " at ", " - ")
PATTERNS: Final = {
    "%Y": "[0-9]{4}", "%y": "[0-9]{2}", "%m": "[0-9]{1,2}", "%d": "[0-9]{1,2}", "%b": "[A-Za-z]{3}",
    "%B": "[A-Za-z]{3,9}", "%a": "[A-Za-z]{3}", "%A": "[A-Za-z]{6,9}", "%H": "[0-9]{1,2}", "%I": "[0-9]{1,2}",
    "%M": "[0-9]{2}", "%S": "[0-9]{2}", "%f": "[0-9]{1,6}", "%p": "[AaPp][Mm]", "%z": "(?:Z|[+-][0-9]{2}:?[0-9]{2})",
}  # fmt: skip


def _pattern(form: str) -> re.Pattern[str]:
    escaped = re.escape(form).replace("\\ ", " ")
    return re.compile(re.sub(r"%[A-Za-z]", lambda code: PATTERNS[str(code[0])], escaped))


_DAYS: Final = {form: _pattern(form) for form in DAYS}
_TIMES: Final = {form: _pattern(form) for form in TIMES}


def day_forms(text: str) -> list[str]:
    """The forms of a day that `text` has."""
    return [form for form, pattern in _DAYS.items() if pattern.fullmatch(text) and _reads(text, form)]


def clock_forms(text: str) -> list[str]:
    """The forms of a time of day that `text` has."""
    return [form for form, pattern in _TIMES.items() if pattern.fullmatch(text) and _reads(text, form)]


def moment_forms(text: str) -> list[str]:
    """The forms of a day with a time that `text` has."""
    return [form for form in _moment_candidates(text) if _reads(text, form)]


def _moment_candidates(text: str) -> Iterator[str]:
    for day, pattern in _DAYS.items():
        if found := pattern.match(text):
            rest = text[found.end() :]
            for between in BETWEEN:
                if rest.startswith(between):
                    times = [time for time, pattern in _TIMES.items() if pattern.fullmatch(rest[len(between) :])]
                    yield from (f"{day}{between}{time}" for time in times)


def _reads(text: str, form: str) -> bool:
    try:
        datetime.strptime(text, form)  # noqa: DTZ007 - only whether it can be read
    except ValueError:
        return False
    return True
