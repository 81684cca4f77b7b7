"""The text of a failure of the Hub itself."""

from typing import Final

from insights.findings import Finding
from insights.narrative import phrases

PIPELINE_RECOMMENDATION: Final = (
    "Open the run's log, fix the cause and run it again; until then figures may be out of date."
)


def describe(finding: Finding) -> phrases.Text:
    """Return title, summary and recommendation."""
    label = finding["label"] if finding.get("label") else "a step failed"
    detail = str(finding["detail"]).strip() if finding.get("detail") else "No detail was recorded."
    if detail[-1:] not in ".!?":
        detail += "."
    organization = f" ({finding['organization']})" if finding.get("organization") else ""
    return f"Pipeline: {label}{organization}", phrases.capitalised(detail), PIPELINE_RECOMMENDATION
