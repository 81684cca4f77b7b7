"""The text of an anomaly."""

from datetime import date
from typing import Final

from insights.facts import ABSENT
from insights.findings import BY_TIME, WORK, Finding
from insights.narrative import absence, phrases
from sources import formatting

# Recommendation by metric and direction: a new metric adds two lines.
RECOMMENDATIONS: Final = {
    ("bookings_created", "up"): "Check that there is capacity for the extra bookings and confirm them soon.",
    ("bookings_created", "down"): "Check that the booking page and its channels work, then follow up open quotes.",
    ("bookings_completed", "up"): "Invoice the completed bookings and ask their clients for reviews.",
    ("bookings_completed", "down"): "Look for bookings that wait on a provider, a client or an approval.",
    (
        "bookings_cancelled",
        "up",
    ): "Read the reasons given for cancelling and call the clients whose dates can be saved.",
    ("bookings_cancelled", "down"): "Check that cancellations are being recorded; if they are, no action is needed.",
    ("booked_revenue", "up"): "Check whether one large booking made the difference, and that it can be delivered.",
    ("booked_revenue", "down"): "Review prices, availability and open quotes where the revenue is missing.",
    ("realized_revenue", "up"): "Check that the extra work is invoiced and its providers are not overloaded.",
    ("realized_revenue", "down"): "Look for postponed, cancelled or missed services on this day and offer new dates.",
    ("invoiced_revenue", "up"): "Check for duplicate or early invoices before the payments fall due.",
    ("invoiced_revenue", "down"): "Look for delivered bookings that have not been invoiced.",
    ("collected_revenue", "up"): "Match the payments to their invoices and check for double payments.",
    ("collected_revenue", "down"): "Check the payment processor for failures and remind clients of overdue invoices.",
    ("failed_payments", "up"): "Check the payment processor's status and ask the affected clients to pay again.",
    ("failed_payments", "down"): "Check that payments are still being attempted; if they are, no action is needed.",
    ("booked_hours", "up"): "Check that the providers are not overloaded and the extra work is invoiced.",
    ("booked_hours", "down"): "Look for postponed, cancelled or missed services on these days and offer new dates.",
    ("revenue_on_hand", "up"): "Check that capacity covers the coming weeks.",
    (
        "revenue_on_hand",
        "down",
    ): "Find out what was called off or not booked, and invite past clients to the free days.",
    ("cancellation_rate", "up"): "Read the reasons given for cancelling and call the clients whose dates can be saved.",
    ("cancellation_rate", "down"): "Check that cancellations are being recorded; if they are, no action is needed.",
    ("no_show_rate", "up"): "Check that reminders go out, then call the clients who missed their bookings.",
    ("no_show_rate", "down"): "Check that missed bookings are being recorded; if they are, no action is needed.",
    ("average_booking_value", "up"): "Check whether dearer services or changed prices made the difference.",
    ("average_booking_value", "down"): "Check prices and discounts of the services that are booked for less.",
    ("on_time_rate", "up"): "Find out what went well, and whether it can be repeated.",
    (
        "on_time_rate",
        "down",
    ): "Ask the providers of late deliveries what holds them up, and tell the clients new dates.",
    ("tracked_hours", "up"): "Check the load of the providers and move work where it is too high.",
    (
        "tracked_hours",
        "down",
    ): "Check that time tracking works, then ask the providers to enter their hours; if none worked, find out why.",
}

# For a metric that is not in the table, by whether the direction is good.
GENERAL_RECOMMENDATIONS: Final = {
    True: "Find out what went well here, and whether it can be repeated.",
    False: "Find out what changed here on this day, and correct it.",
}

# Where one dimension explains a fall of bookings, what to check first.
PLACES: Final = {
    "service": "Check that {} can be booked: its page, its free times and its price; then follow up its open quotes.",
    "channel": "Check that {} still works and is visible, then follow up its open quotes.",
    "client_group": "Ask the largest clients among {} whether they tried to book, and why they book less.",
    "provider": "Check whether {} has free times to book, and offer colleagues until then.",
}
# Where the work of one provider is missing.
PROVIDER_RECOMMENDATION: Final = (
    "Ask {} whether the work has stopped; if it has, tell the clients and move their bookings to a colleague."
)
# Where it is known that the provider is absent.
ABSENT_RECOMMENDATION: Final = "Move the bookings of {} to colleagues, or offer their clients other days."
# Where invoices repeat others.
REPEATED_RECOMMENDATION: Final = "Void the invoices that were issued twice, and tell their clients before they pay."
# Where nothing at all was done on the days.
CLOSED_RECOMMENDATION: Final = (
    "If you were closed, enter the closure in the calendar, so that it is expected; "
    "if not, find out why no work is recorded."
)
# Where prices explain more or less money than expected.
PRICE_RECOMMENDATION: Final = (
    "Check that the changed prices are meant; if they are, watch whether as many clients book as before."
)
# Where a change is spread over all, what usually causes it.
COMMON_CAUSES: Final = {
    ("failed_payments", "up"): "That points to the payment processor rather than to single clients.",
    ("collected_revenue", "down"): "That points to the way of payment, or to payments that are not recorded.",
    ("bookings_created", "up"): "That points to a campaign, a mention or an event.",
    ("bookings_created", "down"): "That points to the booking page or the telephone, or to demand as a whole.",
    ("bookings_cancelled", "up"): "That points to one event or message that made clients of all kinds call off.",
    ("no_show_rate", "up"): "That points to reminders that were not sent, or to an event of those days.",
    ("invoiced_revenue", "up"): "That points to invoices that were sent twice or early.",
    (
        "tracked_hours",
        "down",
    ): "The other figures of the work show nothing unusual, so the hours were probably not recorded.",
}
# What happened, where a figure counts events: the thing, and the verb of one and of several.
EVENTS: Final = {
    "bookings_created": ("booking", "was created", "were created"),
    "bookings_completed": ("booking", "was completed", "were completed"),
    "bookings_cancelled": ("booking", "was cancelled", "were cancelled"),
    "failed_payments": ("payment", "failed", "failed"),
}
# Added to an anomaly that lasts longer than one day, by pattern.
PATTERNS: Final = {
    "level_shift": "This looks like a new level, not one odd day.",
    "trend_break": "It has drifted {side} over this time, little by little.",
}
LONG_DAYS: Final = 4  # after fewer days it is too early to speak of a new level
SPLIT_SHARE: Final = 0.5  # of the change: one part of it then tells what happened
LEAST_PART: Final = 0.1  # of the change: smaller parts are not worth a word
MISSING_RECOMMENDATION: Final = (
    "Check that the source still delivers this figure, load the day again, and look at later days with care."
)


def describe(finding: Finding) -> phrases.Text:
    """Return title, summary and recommendation."""
    if finding.get("pattern") == "missing":
        return _missing(finding)
    if "absence" in finding:
        return absence.describe(finding)
    value, expected = phrases.rounded(finding, finding["value"]), phrases.rounded(finding, finding["expected"])
    subject = phrases.subject(finding)
    shown, short = phrases.amount(finding, value), phrases.short_comparison(finding, value, expected)
    since = _since(finding)
    when = f" since {formatting.day_month(since)}" if since else _earlier_day(finding)
    opening = f"From {formatting.long_day(since)} to {phrases.day(finding)}" if since else f"On {phrases.day(finding)}"
    # A common cause is guessed only where none is known.
    is_known = finding.get("repeated") or _is_price(finding) or _is_closed(finding)
    sentences = [
        f"{opening}, {subject}{phrases.at_organization(finding)} came to {shown}, "
        f"{phrases.comparison(finding, value, expected)}.",
        phrases.money_of(finding),
        phrases.range_of(finding, "The usual range for such a day is"),
        _pattern(finding, value, expected),
        phrases.drivers({**finding, "spread_over": []} if is_known else finding),
        "" if is_known else _common_cause(finding),
        _split(finding),
    ]
    title = f"{_event(finding, value) or f'{phrases.capitalised(subject)}: {shown}'}{when}, {short}"
    if finding.get("repeated"):
        title = _repeated_title(finding, value, expected, when)
    return title, phrases.joined(sentences), _recommendation(finding)


def _event(finding: Finding, value: float) -> str:
    """Return what happened, as in '3 bookings for Massage were created'; empty where the figure counts no events."""
    if finding.get("metric") not in EVENTS:
        return ""
    thing, one, several = EVENTS[finding["metric"]]
    number = phrases.amount(finding, value) if value else "No"
    things, verb = (thing, one) if value == 1 else (f"{thing}s", several)
    return f"{number} {things}{phrases.of_member(finding)} {verb}"


def _repeated_title(finding: Finding, value: float, expected: float, when: str) -> str:
    """Return the title of invoices that repeat others: how many, since when, and the money of the summary."""
    repeated = finding["repeated"]
    verb = "repeats" if repeated == 1 else "repeat"
    invoices = formatting.counted(finding["invoices"], "invoice")
    too_much = phrases.difference(finding, value, expected)
    return f"{formatting.count(repeated)} of {invoices} {verb} another one{when}: {too_much} too much"


def _since(finding: Finding) -> date | None:
    """Return the first day of an anomaly of several days; None of one day and of what stands on a day."""
    started_on = finding.get("started_on")
    is_stock = finding.get("kind_of_metric") == "stock"
    return started_on if started_on and started_on < finding["day"] and not is_stock else None


def _earlier_day(finding: Finding) -> str:
    """Return the day of an anomaly that is over, for its title; empty for one of the last day."""
    is_over = finding.get("as_of") is not None and finding["day"] < finding["as_of"]
    return f" on {formatting.short_day(finding['day'])}" if is_over else ""


def _missing(finding: Finding) -> phrases.Text:
    subject, expected = phrases.subject(finding), phrases.rounded(finding, finding["expected"])
    verb = phrases.was(finding, expected) if expected else "was"
    expectation = f"{phrases.amount(finding, expected) if expected else 'nothing'} {verb} expected"
    summary = (
        f"For {phrases.day(finding)}, no figure was recorded for {subject}{phrases.at_organization(finding)}, "
        f"where {expectation}."
    )
    return f"{phrases.capitalised(subject)}: no figure was recorded", summary, MISSING_RECOMMENDATION


def _pattern(finding: Finding, value: float, expected: float) -> str:
    """Return the sentence about an anomaly that lasts longer than one day; empty for others."""
    is_long = finding.get("length", LONG_DAYS) >= LONG_DAYS
    sentence = PATTERNS.get(str(finding.get("pattern")), "") if value != expected and is_long else ""
    return sentence.format(side="higher" if value > expected else "lower")


def _split(finding: Finding) -> str:
    """Return the sentence of volume, price and mix, or of rate and mix; empty where there is nothing to tell."""
    names = {
        "volume": "the number of bookings",
        "price": "prices",
        "rate": "the services' own figures",
        "mix": "the mix of services",
    }
    parts = finding.get("split") or {}
    change = abs(sum(parts.values()))
    if "rate" in parts and abs(parts["mix"]) < SPLIT_SHARE * change:
        return ""  # that a ratio changed by itself needs no word
    told = [
        f"{'+' if part > 0 else '−'}{phrases.difference(finding, abs(part), 0.0)} by {names[name]}"
        for name, part in parts.items()
        if phrases.rounded(finding, part) and abs(part) >= LEAST_PART * change
    ]
    return f"Of the difference: {formatting.listed(told)}." if len(told) > 1 else ""


def _common_cause(finding: Finding) -> str:
    """Return the sentence of the usual causes of a change of no single member; empty where none are known."""
    causes = COMMON_CAUSES.get((str(finding.get("metric")), str(finding.get("direction"))), "")
    is_work_done = finding.get("metric") == "tracked_hours" and any(
        effect["metric"] in WORK for effect in finding.get("effects", ())
    )
    is_common = finding.get("spread_over") and not finding["drivers"]
    is_by_time = finding["drivers"] and all(driver["dimension"] in BY_TIME for driver in finding["drivers"])
    return causes if (is_common or is_by_time) and not is_work_done and finding["dimension"] == "total" else ""


def _recommendation(finding: Finding) -> str:
    metric, direction = str(finding.get("metric")), str(finding.get("direction"))
    if finding.get("repeated") or _is_price(finding):
        return REPEATED_RECOMMENDATION if finding.get("repeated") else PRICE_RECOMMENDATION
    if metric in ("bookings_created", "booked_revenue") and direction == "down":
        own = [{"dimension": finding["dimension"], "member_name": finding.get("member_name")}]
        for place in own + [driver for driver in finding["drivers"] if driver["contribution"] < 0]:
            if advice := PLACES.get(str(place["dimension"]).split(" and ")[0]):
                return advice.format(place["member_name"])
    if metric in WORK and direction == "down" and finding["dimension"] == "provider":
        is_absent = any(fact.startswith(ABSENT.format(finding["member_name"])) for fact in finding.get("facts", ()))
        advice = ABSENT_RECOMMENDATION if is_absent else PROVIDER_RECOMMENDATION
        return advice.format(finding["member_name"])
    if _is_closed(finding):
        return CLOSED_RECOMMENDATION
    if (metric, direction) == ("revenue_on_hand", "down") and finding.get("overloading"):
        return phrases.NOT_MORE_BOOKINGS
    of_metric = RECOMMENDATIONS.get((metric, direction))
    return of_metric or GENERAL_RECOMMENDATIONS[direction == finding.get("good_direction")]


def _is_closed(finding: Finding) -> bool:
    """Return True if nothing at all was done on the days: which members did less then says nothing."""
    is_work = finding.get("metric") in WORK and finding["metric"] != "tracked_hours"
    return is_work and finding["dimension"] == "total" and not finding["value"]


def _is_price(finding: Finding) -> bool:
    """Return True if changed prices are most of the change."""
    parts = finding.get("split") or {}
    change = sum(parts.values())
    price = parts.get("price", parts.get("rate", 0.0) if finding["unit"] == "money" else 0.0)
    return bool(change) and price / change >= SPLIT_SHARE
