"""Rules, one entry for each kind of insight that is found in the figures; and the findings of all of them together."""

from collections.abc import Mapping
from typing import Final

import psycopg

from insights.anomalies import anomaly_findings
from insights.drivers import explained
from insights.findings import Finding, Rule
from insights.forecasts import forecast_findings
from insights.incidents import combined, metric_tree
from insights.milestones import milestone_findings
from insights.narrative import with_texts
from insights.no_shows import no_show_findings
from insights.organizations import Organization
from insights.pace import pace_findings
from insights.receivables import receivable_findings
from insights.retention import retention_findings
from insights.workload import workload_findings
from sources.insight_values import InsightKind

# Insights of kind `pipeline` are not among them: they come from failures of the Hub itself and from questions.
RULES: Final[Mapping[InsightKind, Rule]] = {
    "anomaly": anomaly_findings,
    "forecast": forecast_findings,
    "workload": workload_findings,
    "pace": pace_findings,
    "receivable": receivable_findings,
    "milestone": milestone_findings,
    "retention": retention_findings,
    "no_show": no_show_findings,
}


def current_findings(
    connection: psycopg.Connection, organization: Organization
) -> tuple[list[Finding], list[InsightKind]]:
    """Return the findings of every rule, combined to incidents and with their texts, and the kinds that were judged.

    The data allow no judgement of the other kinds.
    """
    by_kind = {kind: rule(connection, organization) for kind, rule in RULES.items()}
    found = [finding for of_kind in by_kind.values() for finding in of_kind or []]
    incidents = explained(connection, organization, combined(organization, found, metric_tree(connection)))
    return with_texts(organization, incidents), [kind for kind, of_kind in by_kind.items() if of_kind is not None]
