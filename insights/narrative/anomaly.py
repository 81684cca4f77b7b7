"""The text of an anomaly."""

from typing import Final

from insights.findings import Finding
from insights.narrative import phrases

# Recommendation by metric and direction: a new metric adds two lines.
RECOMMENDATIONS: Final = {
    ("bookings_created", "up"): "Check that providers have capacity for the extra bookings and confirm them soon.",
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
    ("tracked_hours", "up"): "Check the load of the providers and move work where it is too high.",
    ("tracked_hours", "down"): "Ask the providers whether hours were not entered or work has stopped.",
}

# For a metric that is not in the table, by whether the direction is good.
GENERAL_RECOMMENDATIONS: Final = {
    True: "Find out what went well here, and whether it can be repeated.",
    False: "Find out what changed here on this day, and correct it.",
}

# Added to an anomaly that lasts longer than one day, by pattern.
PATTERNS: Final = {
    "level_shift": "The days before were {side} than expected too: this looks like a new level, not one odd day.",
    "trend_break": "It has drifted {side} than expected for about two weeks.",
}

MISSING_RECOMMENDATION: Final = (
    "Check that the source still delivers this figure, load the day again, and look at later days with care."
)


def describe(finding: Finding) -> phrases.Text:
    """Return title, summary and recommendation."""
    if finding.get("pattern") == "missing":
        return _missing(finding)
    value, expected = phrases.rounded(finding, finding["value"]), phrases.rounded(finding, finding["expected"])
    subject = phrases.subject(finding)
    shown, short = phrases.amount(finding, value), phrases.short_comparison(finding, value, expected)
    title = f"{phrases.capitalised(subject)}: {shown}, {short}"
    sentences = [
        f"On {phrases.day(finding)}, {subject}{phrases.at_organization(finding)} came to {shown}, "
        f"{phrases.comparison(finding, value, expected)}.",
        phrases.range_of(finding, "The usual range for such a day is"),
        _pattern(finding, value, expected),
        phrases.drivers(finding),
    ]
    return title, phrases.joined(sentences), _recommendation(finding)


def _missing(finding: Finding) -> phrases.Text:
    subject, expected = phrases.subject(finding), phrases.rounded(finding, finding["expected"])
    verb = "were" if finding["unit"] == "count" and expected not in (0, 1) else "was"
    expectation = f"{phrases.amount(finding, expected) if expected else 'nothing'} {verb} expected"
    summary = (
        f"For {phrases.day(finding)}, no figure was recorded for {subject}{phrases.at_organization(finding)}, "
        f"where {expectation}."
    )
    return f"{phrases.capitalised(subject)}: no figure was recorded", summary, MISSING_RECOMMENDATION


def _pattern(finding: Finding, value: float, expected: float) -> str:
    """Return the sentence about an anomaly that lasts longer than one day; empty for others."""
    sentence = PATTERNS.get(str(finding.get("pattern")), "") if value != expected else ""
    return sentence.format(side="higher" if value > expected else "lower")


def _recommendation(finding: Finding) -> str:
    of_metric = RECOMMENDATIONS.get((str(finding.get("metric")), str(finding.get("direction"))))
    return of_metric or GENERAL_RECOMMENDATIONS[finding.get("direction") == finding.get("good_direction")]
