"""Figures, days and names as people read them (English; money in the organisation's currency)."""

from datetime import date
from decimal import Decimal
from typing import Final

from babel.dates import format_date
from babel.numbers import format_currency, format_decimal

LOCALE: Final = "en"
WHOLE_UNITS_FROM: Final = 100  # below, cents and tenths are worth reading

Number = Decimal | float


def money(amount: Number, currency: str) -> str:
    """`amount` in `currency` (ISO 4217), e.g. €12,345 or €12.50."""
    if not -WHOLE_UNITS_FROM < amount < WHOLE_UNITS_FROM:
        return format_currency(amount, currency, "¤#,##0", locale=LOCALE, currency_digits=False)
    return format_currency(amount, currency, locale=LOCALE)


def figure(value: Number, metric: str, currency: str | None) -> str:
    """`value` of a metric of kpi_daily in its unit: money, hours or a count."""
    if metric.endswith("_revenue"):
        return money(value, currency) if currency else _number(value)
    return f"{_number(value)} h" if metric.endswith("_hours") else _number(value)


def _number(value: Number) -> str:
    return format_decimal(value, "#,##0.#" if -WHOLE_UNITS_FROM < value < WHOLE_UNITS_FROM else "#,##0", locale=LOCALE)


def against_usual(value: Number, usual: Number | None, shown_usual: str) -> str:
    """How `value` compares with `usual` in words; a percentage only where there is something to divide by."""
    if usual is None:
        return "no earlier week to compare with"
    if usual == 0:
        return "as usual" if value == 0 else "usually none"
    percent = round(100 * (float(value) - float(usual)) / abs(float(usual)))
    if percent == 0:
        return f"as usual ({shown_usual})"
    return f"{abs(percent):,} % {'above' if percent > 0 else 'below'} the usual {shown_usual}"


def long_day(day: date) -> str:
    """E.g. Monday, 4 May 2026."""
    return format_date(day, "EEEE, d MMMM y", locale=LOCALE)


def short_day(day: date) -> str:
    """E.g. Mon 4 May."""
    return format_date(day, "EEE d MMM", locale=LOCALE)


def counted(number: int, singular: str) -> str:
    """E.g. 1 booking, 2 bookings."""
    return f"{number:,} {singular}{'' if number == 1 else 's'}"


def label(metric: str) -> str:
    """The name of a metric as a label: booked_revenue is Booked revenue."""
    words = metric.replace("_", " ").strip()
    return words[:1].upper() + words[1:]
