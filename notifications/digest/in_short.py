"""The first sentences of the digest: what happened that matters, what comes, and what to do."""

from typing import Final

from notifications import insight_wording
from notifications.digest.facts import Digest, KeyFigure, Outlook, Row
from notifications.digest.figures import compared, key_figure
from sources import formatting

SEVERE: Final = ("critical", "high")  # severities whose advice is repeated while they are open
NAMING_DIMENSIONS: Final = ("service", "provider", "client_group", "channel")
MAIN_SHARE: Final = 0.5  # of the difference: a driver with less of it does not explain it
SHOWN_WHEN_CALM: Final = ("Realized revenue", "Bookings created")  # labels of the figures of an ordinary day


def sentences(digest: Digest) -> list[str]:
    """Return at most three sentences; the second is left out where nothing is known of the coming days."""
    return [_what_happened(digest), *_what_comes(digest), _what_to_do(digest)]


def _what_happened(digest: Digest) -> str:
    currency = digest.organization.currency
    if digest.urgent:
        return f"{_in_a_sentence(digest.urgent[0], currency)}{_others(len(digest.urgent) - 1)}."
    nothing = "Nothing unusual" if not digest.earlier_insights else "Nothing new"
    figures = [key for key in digest.key_figures if key.metric.label in SHOWN_WHEN_CALM]
    words = "; ".join(_figure(key, currency) for key in reversed(figures))
    calm = f"{nothing}: {words}" if words else nothing
    if not digest.earlier_insights:
        return f"{calm}."
    return f"{calm}. Still open: {digest.earlier_insights[0]['title']}{_others(len(digest.earlier_insights) - 1)}."


def _figure(key: KeyFigure, currency: str) -> str:
    label, words = key_figure(key, currency)
    return f"{label[:1].lower()}{label[1:]} {words}"


def _in_a_sentence(row: Row, currency: str) -> str:
    """Return an insight as a clause: its title, which says since when, its money, and its main driver."""
    prefix = "It grew: " if row["has_worsened"] else ""
    return f"{prefix}{row['title']}{_money(row, currency)}{_main_driver(row)}"


def _money(row: Row, currency: str) -> str:
    """Return the money of an anomaly of a count or of hours; the title of one of money has it."""
    if row["kind"] != "anomaly" or row["impact"] is None or row["unit"] in (None, "money"):
        return ""
    return f", about {formatting.money(abs(row['impact']), currency)}"


def _main_driver(row: Row) -> str:
    """Return the member with most of the difference, if it has enough of it and its name says what it is."""
    drivers = [
        driver for driver in row["drivers"]
        if set(str(driver.get("dimension")).split(" and ")) <= set(NAMING_DIMENSIONS)
    ]  # fmt: skip
    if not drivers or row["value"] is None or row["expected"] is None:
        return ""
    main = max(drivers, key=lambda driver: abs(float(driver.get("contribution") or 0)))
    difference = float(row["value"] - row["expected"])
    part = float(main.get("contribution") or 0)
    return f", mostly {main['member_name']}" if difference and part / difference >= MAIN_SHARE else ""


def _others(number: int) -> str:
    return f" ({formatting.counted(number, 'other')} below)" if number > 0 else ""


def _what_comes(digest: Digest) -> list[str]:
    return [_outlook(digest.outlooks[0], digest.organization.currency)] if digest.outlooks else []


def _outlook(outlook: Outlook, currency: str) -> str:
    booked = f"{formatting.money(outlook.on_hand, currency)} is booked so far" if outlook.on_hand is not None else ""
    if outlook.forecast is None:
        return f"The next {outlook.days} days: {booked}."
    forecast = f"{formatting.money(outlook.forecast, currency)} of revenue is forecast"
    change = compared(outlook.forecast, outlook.before, f"in the {outlook.days} days before", currency)
    expected = ", ".join(filter(None, [forecast, change]))
    return f"The next {outlook.days} days: {'; '.join(filter(None, [expected, booked]))}."


def _what_to_do(digest: Digest) -> str:
    """Return the advice of the first new insight, or of a severe one that is still open."""
    severe = [row for row in digest.earlier_insights if row["severity"] in SEVERE]
    steps = [insight_wording.first_step(row) for row in (*digest.urgent, *severe)]
    first = next((step for step in steps if step), "")
    if first:
        return f"To do first: {first}"
    return "Nothing new needs to be done today." if digest.earlier_insights else "Nothing needs to be done today."
