"""What templates format with: figures, money, days and times, all by sources.formatting."""

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import uuid4
from zoneinfo import ZoneInfo

from babel.dates import format_datetime, format_time, format_timedelta

from sources import formatting
from sources.page_paths import page_of

NOTABLE: Final = 0.02  # the least change that is good or bad, as a share of what it is compared with


def money(value: Decimal | float | None, currency: str | None) -> str:
    """Format an amount as `formatting.figure` does; a dash where it is not known."""
    return formatting.figure_or_dash(value, "money", currency)


def exact_money(value: Decimal | float | None, currency: str) -> str:
    """Format an amount to its smallest coin, as on an invoice; a dash where it is not known."""
    return formatting.MISSING if value is None else formatting.exact_money(value, currency)


def local_time(at: datetime | None, timezone: str) -> str:
    """Format a moment in a time zone, e.g. Mon 4 May 2026, 14:30; a dash where there is none."""
    if at is None:
        return formatting.MISSING
    return format_datetime(at.astimezone(ZoneInfo(timezone)), "EEE d MMM y, HH:mm", locale=formatting.LANGUAGE)


def clock_time(at: datetime | None, timezone: str) -> str:
    """Format the time of day of a moment in a time zone, e.g. 14:30."""
    return (
        formatting.MISSING
        if at is None
        else format_time(at.astimezone(ZoneInfo(timezone)), "HH:mm", locale=formatting.LANGUAGE)
    )


def time_since(at: datetime, now: datetime) -> str:
    """Format how long ago or ahead a moment is, e.g. 3 hours ago."""
    return format_timedelta(at - now, add_direction=True, locale=formatting.LANGUAGE)


def input_time(at: datetime | None, timezone: str) -> str:
    """Format a moment for an input of the type datetime-local."""
    return at.astimezone(ZoneInfo(timezone)).strftime("%Y-%m-%dT%H:%M") if at else ""


def choices(values: Iterable[str]) -> list[tuple[str, str]]:
    """Return the options of a select: each value with its label."""
    return [(value, formatting.label(value)) for value in values]


def compared(figure: Any, words: tuple[str, str, str], currency: str) -> list[tuple[str, str]]:
    """Return the comparisons of a key figure as (sentence, tone): with the period before, last year and the target.

    `figure` has value, previous, year_ago, target, unit and good_direction; `words` names the last two of its three
    periods. What is not known is not compared.
    """
    if figure.value is None:
        return [("not known yet", "")]
    bases = [(figure.previous, words[1]), (figure.year_ago, words[2])]
    sentences = [_comparison(figure, base, f"than {name}", currency) for base, name in bases if base is not None]
    if figure.target is not None:
        shown = formatting.figure(figure.target, figure.unit, currency)
        is_met = figure.value >= figure.target if figure.good_direction == "up" else figure.value <= figure.target
        sentences.append((f"target {shown}: {'met' if is_met else 'not met yet'}", "good" if is_met else ""))
    return sentences


def _comparison(figure: Any, base: Decimal, than: str, currency: str) -> tuple[str, str]:
    value, shown = (formatting.rounded(number, figure.unit, currency) for number in (figure.value, base))
    if value == shown:
        return f"as much as {than.removeprefix('than ')}", ""
    is_more = value > shown
    is_much = abs(value - shown) >= NOTABLE * abs(shown)
    tone = ("good" if is_more == (figure.good_direction == "up") else "bad") if is_much else ""
    if figure.unit == "share":
        points = formatting.figure(abs(value - shown) * 100, "score")
        return f"{points} points {'more' if is_more else 'less'} {than}", tone
    share = formatting.change(value, shown, figure.unit, currency)
    size = share or formatting.figure(abs(value - shown), figure.unit, currency)
    return f"{size} {'more' if is_more else 'less'} {than}", tone


def _or_missing(format_day: Callable[[date], str]) -> Callable[[date | None], str]:
    return lambda day: formatting.MISSING if day is None else format_day(day)


FILTERS: Final[Mapping[str, Any]] = {
    "figure": formatting.figure_or_dash,
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
    "month_words": _or_missing(lambda day: formatting.short_period(day, "month")),
    "percent": lambda share: formatting.MISSING if share is None else formatting.figure(share, "share"),
    "whole_percent": lambda share: formatting.percent(float(share)),
    "label": formatting.label,
    "listed": formatting.listed,
}  # fmt: skip
FUNCTIONS: Final[Mapping[str, Any]] = {
    "counted": formatting.counted,
    "change": formatting.change,
    "choices": choices,
    "pairs": lambda rows: [(row.id, row.name) for row in rows],
    "same": lambda values: [(value, value) for value in values],
    "compared": compared,
    "new_key": lambda: str(uuid4()),
    "page_of": page_of,
}
