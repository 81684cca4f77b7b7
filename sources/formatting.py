"""Formatting of figures, dates and names in English texts. Pages, digest, alerts and insights share this one.

Figures and money follow the locale of the organisation (`in_locale`); the names of days and months are English, as the
texts around them are.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date
from decimal import Decimal
from typing import Final

from babel import Locale
from babel.dates import format_date
from babel.numbers import format_currency, format_decimal, format_percent, get_currency_precision

from sources.row_values import DEFAULT_LOCALE, LOCALES

LANGUAGE: Final = "en"  # of all texts
_locale: Final = ContextVar[str]("locale", default=DEFAULT_LOCALE)

MISSING: Final = "–"  # in place of a figure that is not known

Number = Decimal | float

# Unit (of marts.dim_metric) -> the size from which on cents and tenths are not shown: they are less than 1% of it.
WHOLE_FROM: Final[dict[str, int]] = {
    "money": 100, "count": 10, "hours": 100, "days": 100, "score": 100, "share": 100,
}  # fmt: skip

SHARE_DIGITS: Final = 3  # tenths of a percentage point

# The least base of a percentage. One booking changes a count of ten by ten points; with a smaller base the percentage
# would reflect a single booking. Hours are entered in quarters: five hours are twenty of them. An amount of money needs
# 100 units of a currency with cents (10,000 of its smallest coin, so that yen and dinar are treated alike): that is
# less than one ordinary booking of most services.
# Days are means, of which one is a fifth of five. Shares and scores have none: their points are not told in percent.
LEAST_BASE: Final[dict[str, int]] = {"count": 10, "hours": 5, "days": 5, "score": 100, "share": 100}
LEAST_BASE_COINS: Final = 10_000
# The largest change shown as a percentage, as a multiple of the base: 4,000% is harder to read than the two figures.
MAX_RATIO: Final = 10


@contextmanager
def in_locale(locale: str) -> Iterator[None]:
    """Format figures and money by `locale`, one of LOCALES, inside this context."""
    token = _locale.set(locale)
    try:
        yield
    finally:
        _locale.reset(token)


def use_locale(locale: str) -> None:
    """Format figures and money by `locale`, one of LOCALES, for the rest of the task, such as a request."""
    _locale.set(locale)


def locale_choices() -> list[tuple[str, str]]:
    """Return each locale that an organisation can choose, with its name and an example."""
    choices = []
    for locale in LOCALES:
        example = format_decimal(1234.5, "#,##0.00", locale=locale)
        choices.append((locale, f"{Locale.parse(locale).get_display_name(LANGUAGE)}: {example}"))
    return sorted(choices, key=lambda choice: choice[1])


def locale_in_use() -> str:
    """Return the locale by which figures and money are formatted now."""
    return _locale.get()


def separators() -> tuple[str, str]:
    """Return what stands before the decimals and what between the thousands, e.g. a point and a comma."""
    symbols = Locale.parse(_locale.get()).number_symbols["latn"]
    return symbols["decimal"], symbols["group"]


def rounded(value: Number, unit: str, currency: str | None = None) -> float:
    """Round `value` as `figure` shows it, so that differences agree with the figures around them."""
    number = float(value)
    digits = _coin_digits(currency) if unit == "money" else SHARE_DIGITS if unit == "share" else 1
    whole = round(abs(number), digits) >= WHOLE_FROM[unit]
    return round(number, 0 if whole else digits) + 0.0  # avoids minus zero


def figure(value: Number, unit: str, currency: str | None = None) -> str:
    """Format `value` in its unit, money in the ISO 4217 `currency`: €12,345, €12.50, 12 h, 3 days, 12.5%, 12."""
    shown = rounded(value, unit, currency)
    if unit == "share":
        return format_percent(shown, _percent_with_tenths(), locale=_locale.get())
    if unit != "money":
        number = format_decimal(shown, locale=_locale.get())
        suffixes = {"hours": " h", "days": " day" if shown == 1 else " days"}
        return number + suffixes.get(unit, "")
    whole = abs(shown) >= WHOLE_FROM[unit]
    if currency is None:
        return format_decimal(shown, "#,##0" if whole else "#,##0.00", locale=_locale.get())
    if whole:
        return format_currency(shown, currency, _whole_money(), locale=_locale.get(), currency_digits=False)
    return format_currency(shown, currency, locale=_locale.get())


def money(amount: Number, currency: str | None) -> str:
    """Format `amount` in `currency` (ISO 4217), e.g. €12,345 or €12.50."""
    return figure(amount, "money", currency)


def figure_or_dash(value: Number | None, unit: str, currency: str | None = None) -> str:
    """Format a figure as `figure` does; a dash where it is not known."""
    return MISSING if value is None else figure(value, unit, currency)


def exact_money(amount: Number, currency: str) -> str:
    """Format `amount` to the smallest coin of `currency`, e.g. €12,345.00: invoices and payments are told exactly."""
    return format_currency(amount, currency, locale=_locale.get())


def percent(share: float) -> str:
    """Format `share` as a percentage, e.g. 25%."""
    return format_percent(share, locale=_locale.get())


def is_small(base: Number, unit: str, currency: str | None = None) -> bool:
    """Return True if `base` is too small for a meaningful percentage."""
    least = LEAST_BASE_COINS / 10 ** _coin_digits(currency) if unit == "money" else LEAST_BASE[unit]
    return abs(float(base)) < least


def change(value: Number, base: Number, unit: str, currency: str | None = None) -> str | None:
    """Format the difference of `value` and `base` as a percentage, e.g. 25%; None if a percentage would mislead."""
    size, difference = abs(float(base)), abs(float(value) - float(base))
    opposite_signs = float(value) * float(base) < 0  # a fall of more than the base is not a share of it
    if is_small(base, unit, currency) or difference > MAX_RATIO * size or opposite_signs:
        return None
    return "under 1%" if difference < 0.005 * size else percent(difference / size)


def against_usual(value: Number, usual: Number, unit: str, currency: str | None = None) -> str:
    """Compare `value` with the usual figure, in words; with a percentage unless it would mislead."""
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
    """Format the usual figure without false precision: an average of counts as a whole number."""
    if unit != "count":
        return f"about {figure(usual, unit, currency)}"
    return f"about {figure(round(usual), unit)}" if usual >= 1 else "fewer than 1"


def long_day(day: date) -> str:
    """Format `day` with its weekday, e.g. Monday, 4 May 2026."""
    return format_date(day, "EEEE, d MMMM y", locale=LANGUAGE)


def date_words(day: date) -> str:
    """Format `day` as a date, e.g. 4 May 2026."""
    return format_date(day, "d MMMM y", locale=LANGUAGE)


def short_day(day: date) -> str:
    """Format `day` in short, e.g. Mon 4 May."""
    return format_date(day, "EEE d MMM", locale=LANGUAGE)


def day_month(day: date) -> str:
    """Format `day` without the year, e.g. 4 May."""
    return format_date(day, "d MMM", locale=LANGUAGE)


def period(start: date, grain: str) -> str:
    """Format the period of `grain` that begins on `start`, e.g. Mon 4 May 2026, May 2026, Q2 2026."""
    patterns = {"day": "EEE d MMM y", "week": "'Week of' d MMM y", "month": "MMMM y", "quarter": "QQQ y", "year": "y"}
    return format_date(start, patterns[grain], locale=LANGUAGE)


def short_period(start: date, grain: str) -> str:
    """Format the period of `grain` that begins on `start` in short, e.g. 4 May, May 2026, Q2 2026."""
    patterns = {"day": "d MMM", "week": "d MMM", "month": "MMM y", "quarter": "QQQ y", "year": "y"}
    return format_date(start, patterns[grain], locale=LANGUAGE)


def count(number: int) -> str:
    """Format a whole number, e.g. 1,234."""
    return format_decimal(number, locale=_locale.get())


def counted(number: int, singular: str) -> str:
    """Format a number of things, e.g. 1 booking, 2 bookings."""
    return f"{count(number)} {singular}{'' if number == 1 else 's'}"


def listed(items: list[str]) -> str:
    """Join `items` to a list, e.g. Ana, Ben and Cleo."""
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def label(name: str) -> str:
    """Format a name of the warehouse as a label: booked_revenue is Booked revenue."""
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def _whole_money() -> str:
    """Return the locale's pattern of money without its decimals."""
    return str(Locale.parse(_locale.get()).currency_formats["standard"].pattern).replace(".00", "")


def _percent_with_tenths() -> str:
    return str(Locale.parse(_locale.get()).percent_formats[None].pattern).replace("0", "0.#")


def _coin_digits(currency: str | None) -> int:
    """Return the number of decimals of the currency: 2 for the euro, 0 for the yen."""
    return get_currency_precision(currency) if currency else 2
