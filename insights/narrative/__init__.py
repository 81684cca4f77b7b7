"""The texts of insights: title, summary and recommendation in plain English; one module per kind."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from insights.findings import Finding
from insights.narrative import (
    anomaly,
    forecast,
    milestone,
    no_show,
    pace,
    pipeline,
    receivable,
    retention,
    workload,
)
from insights.narrative.phrases import Text
from insights.organizations import Organization
from sources.insight_values import InsightKind

DESCRIBERS: Final[Mapping[InsightKind, Callable[[Finding], Text]]] = {
    "anomaly": anomaly.describe,
    "forecast": forecast.describe,
    "workload": workload.describe,
    "pipeline": pipeline.describe,
    "pace": pace.describe,
    "receivable": receivable.describe,
    "milestone": milestone.describe,
    "retention": retention.describe,
    "no_show": no_show.describe,
}


def with_texts(organization: Organization, findings: Sequence[Finding]) -> list[Finding]:
    """Return the organisation's findings with title, summary and recommendation; equal findings get equal texts.

    A finding has kind, metric, label (as in 'booked revenue'), unit (count, money, hours), dimension, member_name, day,
    value, expected, lower, upper, direction (up, down), good_direction, pattern (of an anomaly, as
    `ml.anomalies.detect` names it), drivers (a list of mappings with member_name, dimension, value, expected,
    contribution). Of a forecast: horizon (days), previous (the actual sum of as many days before; `value` is the
    forecast sum) and overloading (True if some provider will have more work than hours in WORKLOAD_DAYS). Of a
    workload: horizon, providers (how many will overload), beyond (hours beyond capacity) and first_day (of an
    overload); value is the expected and expected the available hours. Of a pipeline finding: detail. Keys that do not
    apply may be absent or None. effects, facts and actions are empty lists where a finding has none.
    Raises ValueError for an unknown kind.
    """
    return [_with_text(finding, organization) for finding in findings]


def _with_text(finding: Finding, organization: Organization) -> Finding:
    kind = finding["kind"]
    if kind not in DESCRIBERS:
        raise ValueError(f"kind {kind!r} is not one of {', '.join(DESCRIBERS)}")
    whole: dict[str, Any] = {"pattern": None, "effects": [], "facts": [], "actions": [], **finding}
    of_organization = {
        "organization": organization.name,
        "currency": organization.currency,
        "as_of": organization.as_of,
    }
    title, summary, recommendation = DESCRIBERS[kind]({**whole, **of_organization})
    return {**whole, "title": title, "summary": summary, "recommendation": recommendation}
