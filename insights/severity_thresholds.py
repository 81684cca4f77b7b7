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
# A difference of this many bookings is ordinary: two clients more or fewer on a day need no cause.
ORDINARY_BOOKINGS: Final = 2
# The severities of anomalies that open an event: of one day, and of several. Among some hundred series of members only
# the most severe ones of one day do; a new level of a member is hardly chance. Minor ones say little to act on:
# bookings by their weekday or lead time, and fewer of what is bad.
ANOMALY_SEVERITIES: Final[Mapping[str, tuple[Severity, ...]]] = {
    "total": ("critical", "high", "medium"),
    "member": ("critical", "high"),
    "minor": ("critical",),
}
LASTING_SEVERITIES: Final[Mapping[str, tuple[Severity, ...]]] = {
    "total": ("critical", "high", "medium"),
    "member": ("critical", "high", "medium"),
    "minor": ("critical",),
}

# The least change of the revenue forecast against as many days before; a smaller one is not reported.
FORECAST_CHANGE: Final = 0.15
FORECAST_HIGH_FALL: Final = -0.40  # a fall of this share or more is of severity high

# The least share of all available hours that is beyond capacity, for each severity of an overload; a smaller one is not
# reported.
WORKLOAD_SHARES: Final[Mapping[Severity, float]] = {"high": 0.25, "medium": 0.10}

# The least difference of what is on hand from the same moment of the last year; within it, one large booking or a
# moved holiday makes the difference. It must leave its usual range too, whose spread (of the logarithms of weekly
# ratios) is at least PACE_LEAST_SPREAD: steadier ratios come from few bookings.
PACE_CHANGE: Final = 0.15
PACE_HIGH_FALL: Final = -0.40  # a fall of this share or more is of severity high
PACE_LEAST_SPREAD: Final = 0.05

# Overdue invoices are reported if they leave the usual range of their own weekly sums, exceed its middle by a half
# (an owner does not act on less), and are at least a twentieth of what is invoiced in four weeks.
OVERDUE_GROWTH: Final = 1.5
OVERDUE_SHARE: Final = 0.05
OVERDUE_HIGH_SHARE: Final = 0.50  # of four weeks' invoices, beyond what is usual: severity high

# Finished work without an invoice is reported from a twentieth of the quarter's finished work on, and if twice the
# share of the year before is not invoiced: a business may never invoice some of it.
UNBILLED_SHARE: Final = 0.05
UNBILLED_GROWTH: Final = 2.0

# Milestones that will probably be late are reported if their expected number leaves the usual range of the past
# fortnights, exceeds its middle by a third, and is at least MILESTONES_LEAST: some are late in every business.
MILESTONES_LEAST: Final = 3.0
MILESTONES_GROWTH: Final = 4 / 3

# Regular clients who are missed are reported if there are more of them than usual (a half more, and at least
# MISSED_LEAST), or if single ones among them bring a twentieth of a year's revenue.
MISSED_LEAST: Final = 3
MISSED_GROWTH: Final = 1.5
MISSED_SHARE: Final = 0.05

# Bookings are named as likely no-shows from this probability on, if it is also this many times the usual one: one in
# four is worth a reminder, and where one in four never comes, only the outstanding ones are.
NO_SHOW_LEAST: Final = 0.25
NO_SHOW_LIFT: Final = 2.0

# The hours beyond capacity must also exceed those of each of the last four weeks by a half: a team that works long
# days every week does not need to be told. Of 16 Fridays of the two sample businesses (seed 7) it then opens on three,
# by a factor of 2.4 to 5.4 (a campaign, an absent provider); by a quarter, on two more with factors of 1.3 and 1.4.
WORKLOAD_GROWTH: Final = 1.5
