"""The text of bookings whose clients will probably not come."""

from typing import Final

from insights.findings import Finding
from insights.narrative import phrases
from sources import formatting

RECOMMENDATION: Final = "Remind their clients, and ask them to confirm."


def describe(finding: Finding) -> phrases.Text:
    """Return title, summary and recommendation."""
    count, day = int(finding["value"]), formatting.long_day(finding["service_day"])
    bookings = formatting.counted(finding["bookings"], "booking")
    verb = "is" if count == 1 else "are"
    sentences = [
        f"Of the {bookings} on {day}{phrases.at_organization(finding)}, {count} {verb} likely to be missed: "
        f"usually {formatting.percent(finding['usual_rate'])} of bookings are, "
        f"and of that day's about {finding['expected_missed']:g} in all.",
        _worth(finding),
    ]
    title = (
        f"No-shows: {formatting.counted(count, 'booking')} at risk on {formatting.short_day(finding['service_day'])}"
    )
    return title, phrases.joined(sentences), RECOMMENDATION


def _worth(finding: Finding) -> str:
    if not finding["at_risk"]:
        return ""
    return f"{formatting.money(finding['at_risk'], phrases.currency(finding))} of revenue is at risk."
