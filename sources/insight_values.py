"""The values that insights and their deliveries may take; the database, the API, rules and channels derive theirs."""

from typing import Final, Literal, get_args

InsightKind = Literal["anomaly", "forecast", "workload", "milestone", "revenue", "pipeline"]
Severity = Literal["critical", "high", "medium", "low"]  # the most severe first
InsightStatus = Literal["open", "acknowledged", "resolved", "dismissed"]
# Why a message is sent: an insight was opened or resolved, or the daily digest is due.
InsightOccasion = Literal["opened", "resolved"]
Occasion = Literal[InsightOccasion, "digest"]
DeliveryState = Literal["pending", "sending", "sent", "failed", "dead"]
AttemptOutcome = Literal["sent", "failed", "dead"]

INSIGHT_KINDS: Final[tuple[InsightKind, ...]] = get_args(InsightKind)
SEVERITIES: Final[tuple[Severity, ...]] = get_args(Severity)
INSIGHT_STATUSES: Final[tuple[InsightStatus, ...]] = get_args(InsightStatus)
OCCASIONS: Final[tuple[Occasion, ...]] = get_args(Occasion)
DELIVERY_STATES: Final[tuple[DeliveryState, ...]] = get_args(DeliveryState)
WAITING_STATES: Final[tuple[DeliveryState, ...]] = ("pending", "sending", "failed")  # neither sent nor dead
ATTEMPT_OUTCOMES: Final[tuple[AttemptOutcome, ...]] = get_args(AttemptOutcome)

# The coming days of which the workload is reported, by insights and the digest.
WORKLOAD_DAYS: Final = 7

# The dimension of insights that ask a person about one booking; the member is the booking.
BOOKING_QUESTION: Final = "booking"
