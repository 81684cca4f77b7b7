"""Thresholds and severities of insights: how large a finding must be to be reported, and how severe it is."""

from collections.abc import Mapping
from typing import Final

from sources.insight_values import Severity

# The least share of the business's usual daily revenue that a day lost or gained, for each severity of an anomaly; the
# same for totals and members. Half a day's revenue is worth a call to the owner; less than a tenth is within the
# ordinary spread of days.
ANOMALY_SHARES: Final[Mapping[Severity, float]] = {"critical": 0.50, "high": 0.25, "medium": 0.10, "low": 0.0}
# The severities of anomalies that open an event, by dimension. About 0.7 of 100 ordinary days are flagged: among some
# hundred member series only the most severe open one.
ANOMALY_SEVERITIES: Final[Mapping[str, tuple[Severity, ...]]] = {
    "total": ("critical", "high", "medium"),
    "service": ("critical", "high"),
    "provider": ("critical", "high"),
}

# The least change of the revenue forecast against as many days before; a smaller one is not reported.
FORECAST_CHANGE: Final = 0.15
FORECAST_HIGH_FALL: Final = -0.40  # a fall of this share or more is of severity high

# The least share of all available hours that is beyond capacity, for each severity of an overload; a smaller one is not
# reported.
WORKLOAD_SHARES: Final[Mapping[Severity, float]] = {"high": 0.25, "medium": 0.10}
