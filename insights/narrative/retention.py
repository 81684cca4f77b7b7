"""The text of regular clients who would have come again by now."""

from insights.findings import Finding
from insights.narrative import phrases
from sources import formatting


def describe(finding: Finding) -> phrases.Text:
    """Return title, summary and recommendation."""
    count, usual = int(finding["value"]), int(finding["expected"])
    clients = formatting.counted(count, "regular client")
    verb = "is" if count == 1 else "are"
    sentences = [
        f"At the end of {phrases.day(finding)}, {clients}{phrases.at_organization(finding)} would have come again by "
        f"now by their own rhythm and have no booking ahead{_usual(finding, usual)}.",
        _worth(finding),
    ]
    return f"Clients: {clients} {verb} overdue", phrases.joined(sentences), _recommendation(count)


def _recommendation(count: int) -> str:
    return "Call and offer a date." if count == 1 else "Call them and offer a date, those of most value first."


def _usual(finding: Finding, usual: int) -> str:
    return f", where {usual} are usual" if finding["upper"] is not None else ""


def _worth(finding: Finding) -> str:
    if not finding["yearly_amount"]:
        return ""
    amount = formatting.money(finding["yearly_amount"], phrases.currency(finding))
    share = finding["revenue_share"]
    part = f", {formatting.percent(share)} of all revenue" if share is not None and share >= 0.005 else ""
    subject = "That client" if int(finding["value"]) == 1 else "They"
    return f"{subject} brought {amount} in the last year{part}."
