"""Functions of the expression language of import mappings, each of single cells.

Numbers are read as `Decimal` from the text of the cell, so that money is exact.
A cell that cannot be read or computed raises CellError.
"""

import ast
import re
import unicodedata
from calendar import month_name
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow
from typing import Final, Literal
from zoneinfo import ZoneInfo

from sources.importing.date_formats import date_formats, datetime_formats

ValueType = Literal["text", "number", "date", "instant", "truth", "null"]
Value = str | Decimal | date | datetime | bool | None

MAX_DIGITS: Final = 30  # of a number in a cell; EXACT then holds the product of any two of them
EXACT: Final = Context(prec=60, traps=[Inexact, InvalidOperation, DivisionByZero, Overflow])
# A quotient may have no end (1/3), so it is rounded to 34 digits.
DIVISION: Final = Context(prec=34, traps=[InvalidOperation, DivisionByZero, Overflow])
MONTHS: Final = [name.lower() for name in month_name[1:]]  # English: the process never sets a locale
ISO_MOMENT: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2}(:[0-9]{2})?)?")
HOURS_AND_MINUTES: Final = re.compile(
    r"(?:([0-9]+(?:[.,][0-9]+)?)\s*(?:h|hrs?|hours?|std|stunden?|horas?|heures?|ore|uur)\.?)?\s*"
    r"(?:([0-9]+)\s*(?:m|min|mins|minutes?|minuten|minutos|minuti)?\.?)?",
    re.IGNORECASE,
)
CURRENCY_OF_AMOUNT: Final = re.compile(
    r"^(?:[A-Z]{3}(?=[ 0-9+-])|[A-Z]{1,2}(?=\$)|Fr\.|kr)|(?:(?<=[ 0-9])[A-Z]{3}|kr|zł|,-)$"
)  # the code or symbol of the currency, before or after the number
TYPE_NAMES: Final[Mapping[ValueType, str]] = {
    "text": "text",
    "number": "a number",
    "date": "a date",
    "instant": "a point in time",
    "truth": "a condition",
    "null": "null",
}


class CellError(Exception):
    """A cell that cannot be used: the kind of reason, and a sentence."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason, self.message = reason, message


class MappingError(Exception):
    """An error of the mapping itself; the caller adds the field of the mapping to the message."""


@dataclass(frozen=True)
class Dialect:
    """The decimal sign, the thousands separator and the nulls of a file, and the time zone of its times."""

    zone: ZoneInfo
    decimal: str = "."
    thousands: str = ""
    nulls: frozenset[str] = frozenset({""})


def as_text(value: Value) -> str:
    if isinstance(value, Decimal):
        return format(value.normalize(EXACT), "f")
    return value.isoformat() if isinstance(value, date) else str(value)


def _plus_days(day: date, days: Decimal) -> date:
    return day + timedelta(days=_whole(days))


def _whole(value: str | Decimal) -> int:
    if isinstance(value, str) and re.fullmatch(r"\s*-?[0-9]{1,9}\s*", value):
        return int(value)
    if isinstance(value, Decimal) and value == value.to_integral_value():
        return int(value)
    raise CellError("not a whole number", f"'{as_text(value)}' is not a whole number.")


OPERATIONS: Final[Mapping[tuple[type[ast.operator], ValueType, ValueType], tuple[ValueType, Callable[..., Value]]]] = {
    (ast.Add, "number", "number"): ("number", EXACT.add),
    (ast.Sub, "number", "number"): ("number", EXACT.subtract),
    (ast.Mult, "number", "number"): ("number", EXACT.multiply),
    (ast.Div, "number", "number"): ("number", DIVISION.divide),
    (ast.Add, "date", "number"): ("date", _plus_days),
    (ast.Sub, "date", "number"): ("date", lambda day, days: _plus_days(day, -days)),
    (ast.Sub, "date", "date"): ("number", lambda later, earlier: Decimal((later - earlier).days)),
}


def _date(year: str | Decimal, month: str | Decimal, day: str | Decimal) -> date:
    name = month.strip().lower() if isinstance(month, str) else ""
    found = [number for number, full_name in enumerate(MONTHS, 1) if name in (full_name, full_name[:3])]
    try:
        return date(_whole(year), found[0] if found else _whole(month), _whole(day))
    except (ValueError, CellError):
        shown = " ".join(as_text(part) for part in (year, month, day))
        raise CellError("no such day", f"'{shown}' (year, month, day) is not a day.") from None


def _parse(value: str, pattern: str) -> datetime:
    """Parse `value` by the strptime `pattern`, or as an ISO date or time such as 2025-12-24 09:30.

    ISO is unambiguous, and the cells of a workbook are converted to it.
    """
    plain = value.strip()
    try:
        return datetime.strptime(plain, pattern)  # noqa: DTZ007 - the caller adds the zone
    except ValueError:
        pass
    try:
        if ISO_MOMENT.fullmatch(plain):
            return datetime.fromisoformat(plain)
    except ValueError:
        pass
    fitting = " or ".join(f"'{other}'" for other in (*date_formats(plain), *datetime_formats(plain)))
    hint = f"; it looks like {fitting}" if fitting else ""
    raise CellError("not in the date format", f"'{value}' is not a date of the form '{pattern}'{hint}.") from None


def _check_pattern(pattern: str) -> None:
    try:
        datetime.strptime(datetime(2020, 12, 31, tzinfo=UTC).strftime(pattern), pattern)  # noqa: DTZ007
    except (ValueError, re.error):
        raise MappingError(f"'{pattern}' is not a date format such as '%Y-%m-%d'") from None


def _check_hour(hour: str) -> None:
    if not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", hour):
        raise MappingError(f"'{hour}' is not an hour such as '15:00'")


def _number(value: str | Decimal, dialect: Dialect) -> Decimal:
    if isinstance(value, Decimal):
        return value
    plain = value.strip()
    if dialect.thousands:
        group = re.escape(dialect.thousands)
        if re.match(rf"[+-]?[0-9]{{1,3}}({group}[0-9]{{3}})+(?![0-9{group}])", plain):
            plain = plain.replace(dialect.thousands, "")
    if not re.fullmatch(rf"[+-]?[0-9]+({re.escape(dialect.decimal)}[0-9]+)?", plain):
        raise CellError("not a number", f"'{value}' is not a number with '{dialect.decimal}' as decimal mark.")
    if sum(map(str.isdigit, plain)) > MAX_DIGITS:
        raise CellError("number too long", f"'{value}' has more than {MAX_DIGITS} digits.")
    return Decimal(plain.replace(dialect.decimal, "."))


def _money(value: str | Decimal, dialect: Dialect) -> Decimal:
    if isinstance(value, str):
        value = CURRENCY_OF_AMOUNT.sub("", value.strip())
        value = "".join(character for character in value if unicodedata.category(character) not in ("Sc", "Zs"))
    amount = _number(value, dialect)
    if amount != amount.quantize(Decimal("0.01"), context=DIVISION):
        raise CellError("more than two decimals", f"'{as_text(amount)}' has more than two decimals.")
    return amount


def _minutes(value: str | Decimal, dialect: Dialect) -> Decimal:
    """Return the minutes of a duration: 90, 1:30, 1:30:00, 90 min, 1 h, 1h 30m. A number alone is minutes."""
    if isinstance(value, Decimal):
        return value
    clock = re.fullmatch(r"([0-9]{1,3}):([0-5][0-9])(?::[0-5][0-9])?", value.strip())
    if clock:
        return Decimal(int(clock[1]) * 60 + int(clock[2]))
    units = HOURS_AND_MINUTES.fullmatch(value.strip())
    if units and (units[1] or units[2]):
        hours, minutes = (_number(part, dialect) if part else Decimal(0) for part in units.groups())
        return hours * 60 + minutes
    raise CellError("not a duration", f"'{value}' is not a duration such as 90, 1:30, 90 min or 1h 30m.")


def _plus_minutes(start: datetime, duration: str | Decimal, dialect: Dialect) -> datetime:
    return start + timedelta(minutes=float(_minutes(duration, dialect)))


def _round_money(value: Decimal) -> Decimal:
    return value.quantize(Decimal("0.01"), rounding=ROUND_HALF_UP, context=DIVISION)


@dataclass(frozen=True)
class Function:
    """A function of the language: the types that each argument may have, and the type of its result."""

    takes: tuple[tuple[ValueType, ...], ...]
    gives: ValueType
    apply: Callable[..., Value]
    variadic: bool = False  # then `takes` has one entry, which applies to every argument
    check_last: Callable[[str], None] | None = None  # the last argument is a text in quotes that passes this


def functions(dialect: Dialect) -> Mapping[str, Function]:
    """Return the functions by name, as they read files of a `dialect`."""
    text: tuple[ValueType, ...] = ("text",)
    figure: tuple[ValueType, ...] = ("text", "number")
    anything: tuple[ValueType, ...] = ("text", "number", "date", "instant", "truth")

    def at(day: date, hour: str) -> datetime:
        return datetime.combine(day, time.fromisoformat(hour), dialect.zone).astimezone(UTC)

    def parse_time(value: str, pattern: str) -> datetime:
        parsed = _parse(value, pattern)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=dialect.zone)).astimezone(UTC)

    return {
        "date": Function((figure, figure, figure), "date", _date),
        "parse_date": Function(
            (text, text), "date", lambda value, pattern: _parse(value, pattern).date(), check_last=_check_pattern
        ),
        "parse_time": Function((text, text), "instant", parse_time, check_last=_check_pattern),
        "at": Function((("date",), text), "instant", at, check_last=_check_hour),
        "minutes": Function((figure,), "number", lambda value: _minutes(value, dialect)),
        "plus_minutes": Function(
            (("instant",), figure), "instant", lambda start, duration: _plus_minutes(start, duration, dialect)
        ),
        "number": Function((figure,), "number", lambda value: _number(value, dialect)),
        "money": Function((figure,), "number", lambda value: _money(value, dialect)),
        "round_money": Function((("number",),), "number", _round_money),
        "text": Function((anything,), "text", as_text),
        "concat": Function((anything,), "text", lambda *parts: "".join(map(as_text, parts)), variadic=True),
        "lower": Function((text,), "text", str.lower),
        "upper": Function((text,), "text", str.upper),
        "trim": Function((text,), "text", str.strip),
    }
