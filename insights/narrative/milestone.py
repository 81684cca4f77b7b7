"""The text of milestones that will probably be late."""

from typing import Final

from insights.findings import Finding
from insights.narrative import phrases
from sources import formatting

RECOMMENDATION: Final = "Ask the providers what is missing, and tell the clients in time where a date will not be kept."


def describe(finding: Finding) -> phrases.Text:
    """Return title, summary and recommendation."""
    value, usual = int(finding["value"]), int(finding["expected"])
    days, due = phrases.days(finding["horizon"]), formatting.counted(finding["milestones"], "milestone")
    sentences = [
        f"In the {days} after {phrases.day(finding)}, {due} fall due{phrases.at_organization(finding)}: by how such "
        f"milestones slipped before, about {value} of them will be late, where {usual} in {days} are usual.",
        _worth(finding),
    ]
    title = f"Milestones: about {value} of {finding['milestones']} will be late in the next {days}"
    return title, phrases.joined(sentences), RECOMMENDATION


def _worth(finding: Finding) -> str:
    if not finding["amount"]:
        return ""
    amount = formatting.money(finding["amount"], phrases.currency(finding))
    return f"The bookings most at risk are {formatting.counted(finding['bookings'], 'booking')} worth {amount}."
