"""Figures of the digest in words, each beside what it is compared with."""

from decimal import Decimal

from notifications.digest.facts import KeyFigure, Outlook
from sources import formatting


def key_figure(key: KeyFigure, currency: str) -> tuple[str, str]:
    """Return the label of a figure of the day, and its value against the usual one and that of a year before."""
    unit = key.metric.unit
    words = [formatting.figure(key.value, unit, currency)]
    if key.usual is not None:
        words.append(formatting.against_usual(key.value, key.usual, unit, currency))
    if key.year_ago is not None:
        words.append(f"a year ago {formatting.figure(key.year_ago, unit, currency)}")
    return key.metric.label, ", ".join(words)


def outlook_fact(outlook: Outlook, currency: str) -> tuple[str, str]:
    """Return the label of an outlook, and its forecast, what it is compared with, and what is booked."""
    period = f"next {outlook.days} days"
    booked = None if outlook.on_hand is None else formatting.money(outlook.on_hand, currency)
    if outlook.forecast is None or outlook.lower is None or outlook.upper is None:
        return f"Booked, {period}", booked or ""
    lower, upper = (formatting.money(bound, currency) for bound in (outlook.lower, outlook.upper))
    bases = ((outlook.before, f"in the {outlook.days} days before"), (outlook.year_ago, "a year ago"))
    comparisons = [compared(outlook.forecast, base, name, currency) for base, name in bases]
    parts = [
        f"{formatting.money(outlook.forecast, currency)} forecast (80% range {lower} to {upper})",
        ", ".join(filter(None, comparisons)),
        f"{booked} already booked{_cancelled_part(outlook)}" if booked else "",
    ]
    return f"Revenue, {period}", "; ".join(filter(None, parts))


def _cancelled_part(outlook: Outlook) -> str:
    is_below = outlook.on_hand is not None and outlook.forecast is not None and outlook.on_hand > outlook.forecast
    return ", part of which is usually cancelled" if is_below else ""


def compared(value: Decimal, base: Decimal | None, name: str, currency: str) -> str:
    """Compare an amount with a base, as in '12% less than a year ago (€5,900)'; empty where there is no base."""
    if base is None:
        return ""
    shown = formatting.money(base, currency)
    share = formatting.change(value, base, "money", currency)
    if share is None:
        return f"{shown} {name}"
    if share == "under 1%":
        return f"as {name} ({shown})"
    return f"{share} {'more' if value > base else 'less'} than {name} ({shown})"
