"""The values that insights and their deliveries may take; the database, the API, rules and channels derive theirs."""

from typing import Final, Literal, get_args

InsightKind = Literal[
    "anomaly",
    "forecast",
    "workload",
    "milestone",
    "revenue",
    "pipeline",
    "pace",
    "receivable",
    "retention",
    "no_show",
]
Severity = Literal["critical", "high", "medium", "low"]  # the most severe first
InsightStatus = Literal["open", "acknowledged", "resolved", "dismissed"]
# Why a message is sent: an insight was opened, has grown or is resolved, a daily digest or a dashboard is due, or a
# channel is tested.
InsightOccasion = Literal["opened", "worsened", "resolved"]
Occasion = Literal[InsightOccasion, "digest", "dashboard", "test"]
# Why a person dismisses an insight, and what a person may say about one.
DismissalReason = Literal["expected", "wrong", "not_interesting", "known_event"]
FeedbackReason = Literal[DismissalReason, "useful", "not_useful"]
DeliveryState = Literal["pending", "sending", "sent", "failed", "dead"]
AttemptOutcome = Literal["sent", "failed", "dead"]

INSIGHT_KINDS: Final[tuple[InsightKind, ...]] = get_args(InsightKind)
SEVERITIES: Final[tuple[Severity, ...]] = get_args(Severity)
INSIGHT_STATUSES: Final[tuple[InsightStatus, ...]] = get_args(InsightStatus)
DISMISSAL_REASONS: Final[tuple[DismissalReason, ...]] = get_args(DismissalReason)
FEEDBACK_REASONS: Final[tuple[FeedbackReason, ...]] = get_args(FeedbackReason)
INSIGHT_OCCASIONS: Final[tuple[InsightOccasion, ...]] = get_args(InsightOccasion)  # in their order in time
OCCASIONS: Final[tuple[Occasion, ...]] = get_args(Occasion)
DELIVERY_STATES: Final[tuple[DeliveryState, ...]] = get_args(DeliveryState)
WAITING_STATES: Final[tuple[DeliveryState, ...]] = ("pending", "sending", "failed")  # neither sent nor dead
ATTEMPT_OUTCOMES: Final[tuple[AttemptOutcome, ...]] = get_args(AttemptOutcome)

# The coming days of which the workload is reported, by insights and the digest.
WORKLOAD_DAYS: Final = 7

# The dimension of insights that ask a person about one booking; the member is the booking.
BOOKING_QUESTION: Final = "booking"
