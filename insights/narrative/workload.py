"""The text of providers who have more work than hours."""

from typing import Final

import pandas as pd

from insights.findings import Finding
from insights.narrative import phrases
from sources import formatting

# Where no booking can be moved: what is beyond is only expected, or nobody who does the service has free hours.
NO_MOVE_RECOMMENDATION: Final = (
    "Nobody who does these services has the hours free: offer the next clients later days, or find help for these ones."
)


def describe(finding: Finding) -> phrases.Text:
    """Return title, summary and recommendation."""
    days, providers = phrases.days(finding["horizon"]), formatting.counted(int(finding["providers"]), "provider")
    value, available = phrases.rounded(finding, finding["value"]), phrases.rounded(finding, finding["expected"])
    beyond, usual = (phrases.rounded(finding, finding[name]) for name in ("beyond", "usual_beyond"))
    first_day = formatting.long_day(pd.Timestamp(finding["first_day"]).date())
    sentences = [
        f"In the {days} after {phrases.day(finding)}, {providers}{phrases.at_organization(finding)} "
        f"will have more work than hours, from {first_day} on: {phrases.amount(finding, beyond)} are beyond their "
        f"available time, {_usual(finding, usual)}.",
        f"In total, {phrases.amount(finding, value)} are expected "
        f"and {phrases.amount(finding, available)} are available.",
        _overloaded_providers(finding),
    ]
    title = f"Workload: {providers} will overload in the next {days}"
    return title, phrases.joined(sentences), _recommendation(finding)


def _usual(finding: Finding, usual: float) -> str:
    if not usual:
        return "and none were in any of the last four weeks"
    return f"and at most {phrases.amount(finding, usual)} were in each of the last four weeks"


def _overloaded_providers(finding: Finding) -> str:
    """Return the sentence that names the overloaded providers with their hours, the most overloaded first."""
    providers = [
        f"{driver['member_name']} ({phrases.amount(finding, phrases.rounded(finding, driver['value']))} expected, "
        f"{phrases.amount(finding, phrases.rounded(finding, driver['expected']))} available)"
        for driver in sorted(finding["drivers"], key=lambda each: -float(each["contribution"]))
    ]
    return f"Most overloaded: {formatting.listed(providers)}." if providers else ""


def _recommendation(finding: Finding) -> str:
    if not finding["moves"]:
        return NO_MOVE_RECOMMENDATION
    moved = phrases.amount(finding, phrases.rounded(finding, finding["moved_hours"]))
    count = formatting.counted(int(finding["moves"]), "booking")
    return f"Ask the clients of {count} ({moved}) for another provider or day."
