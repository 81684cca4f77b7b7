"""Rules: one entry for each kind of insight that is found in the figures of the warehouse."""

from collections.abc import Mapping
from typing import Final

from insights.anomalies import anomaly_findings
from insights.findings import Rule
from insights.forecasts import forecast_findings
from insights.workload import workload_findings
from sources.insight_values import InsightKind

# Insights of kind `pipeline` are not among them: they come from failures of the Hub itself and from questions.
RULES: Final[Mapping[InsightKind, Rule]] = {
    "anomaly": anomaly_findings,
    "forecast": forecast_findings,
    "workload": workload_findings,
}
