"""Figures, days and names as people read them (English). The only formatter: digest, alerts and insights share it."""

from datetime import date
from decimal import Decimal
from typing import Final, Literal

from babel.dates import format_date
from babel.numbers import format_currency, format_decimal, format_percent, get_currency_precision

LOCALE: Final = "en_US"

Number = Decimal | float
Unit = Literal["money", "count", "hours"]  # as marts.dim_metric.unit has them

# From these sizes on, cents and tenths are not worth reading: they are less than one part in a hundred.
WHOLE_FROM: Final[dict[str, int]] = {"money": 100, "count": 10, "hours": 100}

# No percentage of less than this. One booking moves a count of ten by ten points: of a smaller one a percentage says
# what a single booking did. Hours are entered in quarters: five hours are twenty of them. An amount of money needs 100
# units of a currency with cents (10,000 of its smallest coin, so that yen and dinar are treated alike): that is less
# than one ordinary booking of most services.
LEAST_BASE: Final[dict[str, int]] = {"count": 10, "hours": 5}
LEAST_BASE_COINS: Final = 10_000
# No percentage of more than this many times the base: 4,000% is harder to read than the two figures.
MOST_TIMES: Final = 10


def rounded(value: Number, unit: str, currency: str | None = None) -> float:
    """`value` as `figure` will show it, so that differences agree with the figures around them."""
    number = float(value)
    digits = _coin_digits(currency) if unit == "money" else 1
    whole = round(abs(number), digits) >= WHOLE_FROM[unit]
    return round(number, 0 if whole else digits) + 0.0  # never minus zero


def figure(value: Number, unit: str, currency: str | None = None) -> str:
    """`value` in its unit: money (in `currency`, ISO 4217, e.g. €12,345 or €12.50), hours or a count."""
    shown = rounded(value, unit, currency)
    if unit != "money":
        number = format_decimal(shown, "#,##0.#", locale=LOCALE)
        return f"{number} h" if unit == "hours" else number
    whole = abs(shown) >= WHOLE_FROM[unit]
    if currency is None:
        return format_decimal(shown, "#,##0" if whole else "#,##0.00", locale=LOCALE)
    if whole:
        return format_currency(shown, currency, "¤#,##0", locale=LOCALE, currency_digits=False)
    return format_currency(shown, currency, locale=LOCALE)


def money(amount: Number, currency: str | None) -> str:
    """`amount` in `currency` (ISO 4217), e.g. €12,345 or €12.50."""
    return figure(amount, "money", currency)


def percent(share: float) -> str:
    """E.g. 25%."""
    return format_percent(share, locale=LOCALE)


def is_small(base: Number, unit: str, currency: str | None = None) -> bool:
    """Whether `base` is too small for a percentage of it to mean anything."""
    least = LEAST_BASE_COINS / 10 ** _coin_digits(currency) if unit == "money" else LEAST_BASE[unit]
    return abs(float(base)) < least


def change(value: Number, base: Number, unit: str, currency: str | None = None) -> str | None:
    """By how much `value` differs from `base`, e.g. 25%; None where a percentage would mislead."""
    size, apart = abs(float(base)), abs(float(value) - float(base))
    other_side = float(value) * float(base) < 0  # a fall of more than the whole is no share of it
    if is_small(base, unit, currency) or apart > MOST_TIMES * size or other_side:
        return None
    return "under 1%" if apart < 0.005 * size else percent(apart / size)


def against_usual(value: Number, usual: Number, unit: str, currency: str | None = None) -> str:
    """How `value` compares with the usual figure, in words; a percentage only where it does not mislead."""
    shown, shown_usual = rounded(value, unit, currency), rounded(usual, unit, currency)
    if shown == shown_usual:
        return "as usual"
    if shown_usual == 0:
        return "usually none"
    share = change(shown, shown_usual, unit, currency)
    if share == "under 1%":
        return f"as usual ({figure(usual, unit, currency)})"
    if share is None or shown == 0:
        return f"usually {_about(usual, unit, currency)}"
    return f"{share} {'above' if shown > shown_usual else 'below'} the usual {figure(usual, unit, currency)}"


def _about(usual: Number, unit: str, currency: str | None) -> str:
    """The usual figure without pretended precision: an average of counts is told as a whole number."""
    if unit != "count":
        return f"about {figure(usual, unit, currency)}"
    return f"about {figure(round(usual), unit)}" if usual >= 1 else "fewer than 1"


def long_day(day: date) -> str:
    """E.g. Monday, 4 May 2026."""
    return format_date(day, "EEEE, d MMMM y", locale=LOCALE)


def date_words(day: date) -> str:
    """E.g. 4 May 2026."""
    return format_date(day, "d MMMM y", locale=LOCALE)


def short_day(day: date) -> str:
    """E.g. Mon 4 May."""
    return format_date(day, "EEE d MMM", locale=LOCALE)


def day_month(day: date) -> str:
    """E.g. 4 May."""
    return format_date(day, "d MMM", locale=LOCALE)


def counted(number: int, singular: str) -> str:
    """E.g. 1 booking, 2 bookings."""
    return f"{number:,} {singular}{'' if number == 1 else 's'}"


def listed(items: list[str]) -> str:
    """E.g. Ana, Ben and Cleo."""
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def label(name: str) -> str:
    """A name of the warehouse as a label: booked_revenue is Booked revenue."""
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def _coin_digits(currency: str | None) -> int:
    """Digits behind the point of the currency: 2 of the euro, 0 of the yen."""
    return get_currency_precision(currency) if currency else 2
