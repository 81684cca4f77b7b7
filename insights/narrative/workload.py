"""The text of providers who have more work than hours."""

from typing import Final

import pandas as pd

from insights.findings import Finding
from insights.narrative import phrases
from sources import formatting

WORKLOAD_RECOMMENDATION: Final = (
    "Move bookings to days or colleagues with free hours, before their clients have to wait."
)


def describe(finding: Finding) -> phrases.Text:
    """Return title, summary and recommendation."""
    days, providers = phrases.days(finding["horizon"]), formatting.counted(int(finding["providers"]), "provider")
    value, available = phrases.rounded(finding, finding["value"]), phrases.rounded(finding, finding["expected"])
    beyond = phrases.amount(finding, phrases.rounded(finding, finding["beyond"]))
    first_day = formatting.long_day(pd.Timestamp(finding["first_day"]).date())
    sentences = [
        f"In the {days} after {phrases.day(finding)}, {providers}{phrases.at_organization(finding)} "
        f"will have more work than hours, from {first_day} on: {beyond} are beyond their available time.",
        f"In total, {phrases.amount(finding, value)} are expected "
        f"and {phrases.amount(finding, available)} are available.",
        _overloaded_providers(finding),
    ]
    return f"Workload: {providers} will overload in the next {days}", phrases.joined(sentences), WORKLOAD_RECOMMENDATION


def _overloaded_providers(finding: Finding) -> str:
    """Return the sentence that names the overloaded providers with their hours, the most overloaded first."""
    providers = [
        f"{driver['member_name']} ({phrases.amount(finding, phrases.rounded(finding, driver['value']))} expected, "
        f"{phrases.amount(finding, phrases.rounded(finding, driver['expected']))} available)"
        for driver in sorted(finding["drivers"], key=lambda each: -float(each["contribution"]))
    ]
    return f"Most overloaded: {formatting.listed(providers)}." if providers else ""
