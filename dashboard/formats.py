"""What templates format with: figures, money, days and times, all by sources.formatting."""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from babel.dates import format_datetime, format_time, format_timedelta

from sources import formatting

MISSING: Final = "–"


def figure(value: Decimal | float | None, unit: str, currency: str | None = None) -> str:
    """Format a figure in its unit; a dash where it is not known."""
    return MISSING if value is None else formatting.figure(value, unit, currency)


def money(value: Decimal | float | None, currency: str | None) -> str:
    """Format an amount as `figure` does; a dash where it is not known."""
    return figure(value, "money", currency)


def exact_money(value: Decimal | float | None, currency: str) -> str:
    """Format an amount to its smallest coin, as on an invoice; a dash where it is not known."""
    return MISSING if value is None else formatting.exact_money(value, currency)


def local_time(at: datetime | None, timezone: str) -> str:
    """Format a moment in a time zone, e.g. Mon 4 May 2026, 14:30; a dash where there is none."""
    if at is None:
        return MISSING
    return format_datetime(at.astimezone(ZoneInfo(timezone)), "EEE d MMM y, HH:mm", locale=formatting.LOCALE)


def clock_time(at: datetime | None, timezone: str) -> str:
    """Format the time of day of a moment in a time zone, e.g. 14:30."""
    return MISSING if at is None else format_time(at.astimezone(ZoneInfo(timezone)), "HH:mm", locale=formatting.LOCALE)


def time_since(at: datetime, now: datetime) -> str:
    """Format how long ago or ahead a moment is, e.g. 3 hours ago."""
    return format_timedelta(at - now, add_direction=True, locale=formatting.LOCALE)


def input_time(at: datetime | None, timezone: str) -> str:
    """Format a moment for an input of the type datetime-local."""
    return at.astimezone(ZoneInfo(timezone)).strftime("%Y-%m-%dT%H:%M") if at else ""


def _or_missing(format_day: Callable[[date], str]) -> Callable[[date | None], str]:
    return lambda day: MISSING if day is None else format_day(day)


FILTERS: Final[Mapping[str, Any]] = {
    "figure": figure,
    "money": money,
    "exact_money": exact_money,
    "local_time": local_time,
    "clock_time": clock_time,
    "time_since": time_since,
    "input_time": input_time,
    "long_day": _or_missing(formatting.long_day),
    "date_words": _or_missing(formatting.date_words),
    "short_day": _or_missing(formatting.short_day),
    "day_month": _or_missing(formatting.day_month),
    "percent": lambda share: MISSING if share is None else formatting.figure(share, "share"),
    "label": formatting.label,
    "listed": formatting.listed,
}  # fmt: skip
FUNCTIONS: Final[Mapping[str, Any]] = {"counted": formatting.counted, "change": formatting.change}
