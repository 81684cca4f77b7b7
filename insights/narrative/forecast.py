"""The text of a changed forecast."""

from typing import Final

from insights.findings import Finding
from insights.narrative import phrases
from sources import formatting

FORECAST_RECOMMENDATIONS: Final = {
    "up": "Check that capacity covers the days ahead.",
    "down": "Fill the free days ahead: follow up open quotes and invite past clients.",
    "level": "No action is needed.",
}


def describe(finding: Finding) -> phrases.Text:
    """Return title, summary and recommendation."""
    value, days = phrases.rounded(finding, finding["value"]), phrases.days(finding["horizon"])
    subject = phrases.subject(finding)
    title = f"{phrases.capitalised(subject)}: {phrases.amount(finding, value)} forecast for the next {days}"
    before = f"in the {days} before"
    summary = f"For the {days} after {phrases.day(finding)}, the forecast of {subject}"
    summary += f"{phrases.at_organization(finding)} is {phrases.amount(finding, value)}"
    trend = "level"
    if finding.get("previous"):
        previous = phrases.rounded(finding, finding["previous"])
        trend = "level" if value == previous else "up" if value > previous else "down"
        summary += f", {phrases.comparison(finding, value, previous, before)}"
        share = formatting.change(value, previous, finding["unit"], phrases.currency(finding))
        if share and value != previous:
            title += f", {share} {phrases.more_or_less(finding, value, previous)} than {before}"
    sentences = [f"{summary}.", phrases.range_of(finding, "The likely range is"), phrases.drivers(finding)]
    is_overloaded = trend == "down" and finding.get("overloading") is True
    recommendation = phrases.NOT_MORE_BOOKINGS if is_overloaded else FORECAST_RECOMMENDATIONS[trend]
    return title, phrases.joined(sentences), recommendation
