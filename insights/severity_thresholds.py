"""Thresholds and severities of insights: how large a finding must be to be reported, and how severe it is."""

from collections.abc import Mapping
from typing import Final

from sources.insight_values import Severity

# The least share of the business's usual daily revenue that a day lost or gained, for each severity of an anomaly; the
# same for totals and members. Half a day's revenue is worth a call to the owner; less than a tenth is within the
# ordinary spread of days. The money of several days is divided by the square root of their number.
ANOMALY_SHARES: Final[Mapping[Severity, float]] = {"critical": 0.50, "high": 0.25, "medium": 0.10, "low": 0.0}
# A difference of this share of the figure's own usual day matters to the owner although its money is small: a total is
# then of severity medium at the least.
LARGE_EFFECT: Final = 0.30
# The severities of anomalies that open an event: of one day, and of several. Among some hundred series of members only
# the most severe ones of one day do; a new level of a member is hardly chance.
ANOMALY_SEVERITIES: Final[Mapping[str, tuple[Severity, ...]]] = {
    "total": ("critical", "high", "medium"),
    "member": ("critical", "high"),
}
LASTING_SEVERITIES: Final[Mapping[str, tuple[Severity, ...]]] = {
    "total": ("critical", "high", "medium"),
    "member": ("critical", "high", "medium"),
}

# The least change of the revenue forecast against as many days before; a smaller one is not reported.
FORECAST_CHANGE: Final = 0.15
FORECAST_HIGH_FALL: Final = -0.40  # a fall of this share or more is of severity high

# The least share of all available hours that is beyond capacity, for each severity of an overload; a smaller one is not
# reported.
WORKLOAD_SHARES: Final[Mapping[Severity, float]] = {"high": 0.25, "medium": 0.10}
