"""The lifecycle of a booking as data: its statuses, and every transition with who may take it and what it requires.

The only definition: the API, the import, the sample business, the automatic transitions, the constraints in
sources/tables, dbt (dagster_project/warehouse/variables.py) and docs/lifecycle.md are derived from it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal

from sources.row_values import ACTING_ROLES, PersonRole

Group = Literal["pending", "ongoing", "completed", "cancelled"]
Work = Literal["none", "begun", "resting", "over"]
Waiting = Literal["client", "payment", "provider"]
EndColumn = Literal["completed_at", "cancelled_at"]
Role = Literal[PersonRole, "system"]
Billable = Literal["nothing", "price", "fee"]


@dataclass(frozen=True)
class Status:
    """One status of a booking, with every property that other code asks for."""

    name: str
    group: Group
    holds_time: bool = True  # an exclusive booking keeps its provider's time from other exclusive bookings
    approvable: bool = False  # approvals of the booking as a whole may be requested and decided
    workable: bool = False  # time may be entered, and tasks and milestones may be worked on
    needs_provider: bool = False  # the provider may be replaced, but not removed
    work: Work = "none"  # resting: begun, and interrupted; over: nothing is left to do
    waits_for: Waiting = "provider"  # if it is ongoing and overdue; payment: only while an invoice is past due
    end_column: EndColumn | None = None  # the column of a booking that must hold the moment of this end
    count: str = ""  # the column of the analytics views that counts the bookings that ended like this
    billable: Billable = "price"  # the most that all invoices may be: the agreed price, or the cancellation fee


# A status is added here, with the transitions that lead to it and from it, and with a migration for the constraints
# of the database: sources/migrations/helpers.py. The pending statuses are in order of time, on which the sample
# business relies.
RECORDS: Final = (
    Status("draft", "pending", holds_time=False, billable="nothing"),
    Status("requested", "pending", approvable=True, billable="nothing"),
    Status("under_review", "pending", approvable=True, billable="nothing"),
    Status("quoted", "pending", approvable=True, billable="nothing"),
    Status("approved", "pending", approvable=True),
    Status("awaiting_payment", "pending"),
    Status("confirmed", "ongoing", workable=True, waits_for="payment"),
    Status("scheduled", "ongoing", workable=True, needs_provider=True, waits_for="payment"),
    Status("in_progress", "ongoing", workable=True, needs_provider=True, work="begun"),
    Status("on_hold", "ongoing", needs_provider=True, work="resting", waits_for="payment"),
    Status("awaiting_client", "ongoing", workable=True, needs_provider=True, work="resting", waits_for="client"),
    Status("revision_requested", "ongoing", workable=True, needs_provider=True, work="begun"),
    Status("delivered", "ongoing", needs_provider=True, work="over", waits_for="client"),
    Status("disputed", "ongoing", needs_provider=True, work="over"),
    Status("completed", "completed", work="over", end_column="completed_at"),
    Status(
        "cancelled",
        "cancelled",
        holds_time=False,
        work="over",
        end_column="cancelled_at",
        count="cancellations",
        billable="fee",
    ),
    Status("no_show", "cancelled", holds_time=False, work="over", end_column="cancelled_at", count="no_shows"),
    Status("declined", "cancelled", holds_time=False, work="over", count="declined", billable="nothing"),
    Status("expired", "cancelled", holds_time=False, work="over", count="expired", billable="nothing"),
    Status("refunded", "cancelled", holds_time=False, work="over", count="refunded", billable="nothing"),
)


def _names(condition: Callable[[Status], bool]) -> tuple[str, ...]:
    return tuple(status.name for status in RECORDS if condition(status))


STATUSES: Final = _names(lambda _: True)
INITIAL: Final = ("draft", "requested")  # a new booking has one of these

PENDING: Final = _names(lambda status: status.group == "pending")
ONGOING: Final = _names(lambda status: status.group == "ongoing")
COMPLETED: Final = _names(lambda status: status.group == "completed")
CANCELLED: Final = _names(lambda status: status.group == "cancelled")
GROUPS: Final[Mapping[Group, tuple[str, ...]]] = {
    "pending": PENDING, "ongoing": ONGOING, "completed": COMPLETED, "cancelled": CANCELLED,
}  # fmt: skip
GROUP_OF: Final[Mapping[str, Group]] = {status.name: status.group for status in RECORDS}
FIRM: Final = ONGOING + COMPLETED  # agreed between client and provider, and not cancelled
NOT_CANCELLED: Final = PENDING + FIRM

HOLDS_TIME: Final = _names(lambda status: status.holds_time)
APPROVABLE: Final = _names(lambda status: status.approvable)
WORKABLE: Final = _names(lambda status: status.workable)
NEEDS_PROVIDER: Final = _names(lambda status: status.needs_provider)
UNDELIVERED: Final = _names(lambda status: status.work != "over")  # may still be planned and moved
MOVABLE_BY_CLIENT: Final = _names(lambda status: status.work == "none")  # providers and admins move begun work
ANSWERABLE: Final = _names(lambda status: status.work in ("begun", "resting"))  # a client may judge milestones
WORK_RESTING: Final = _names(lambda status: status.work == "resting")
WORK_OVER: Final = _names(lambda status: status.work == "over")
PRICE_BILLABLE: Final = _names(lambda status: status.billable == "price")  # the price is agreed
FEE_BILLABLE: Final = _names(lambda status: status.billable == "fee")
WAITS_FOR_CLIENT: Final = _names(lambda status: status.waits_for == "client")
WAITS_FOR_PAYMENT: Final = _names(lambda status: status.waits_for == "payment")
END_COLUMNS: Final[Mapping[str, EndColumn]] = {
    status.name: status.end_column for status in RECORDS if status.end_column
}
COUNTS: Final[Mapping[str, str]] = {status.count: status.name for status in RECORDS if status.count}

# Transitions after a delay: the days for which a booking may stay in its status without an answer.
EXPIRES_AFTER_DAYS: Final = 14
COMPLETES_AFTER_DAYS: Final = 7

# A booking may start, by an action or by its first time entry, this long before the start that its client knows.
STARTS_BEFORE_HOURS: Final = 24

# The requirements of transitions, each with the error message where it is missing.
REQUIREMENTS: Final[Mapping[str, str]] = {
    "reason": "a reason is required: say why in `reason`",
    "amount": "a price is required: give `total_amount`",
    "schedule": "a start and an end are required: reschedule the booking first",
    "provider": "a provider is required: assign one first",
    "price_accepted": "the client has not accepted the price: quote it, and let the client accept the quote",
    "quote_named": "say what is accepted: `total_amount`, and `deposit_amount` if one is due, or give If-Match",
    "for_the_client": "the client accepts a quote; an admin who has not quoted it may do so for them, with a `reason`",
    "start_near": f"it starts at most {STARTS_BEFORE_HOURS} hours before the start that its client knows",
    "start_passed": "the scheduled start has not passed yet",
    "deposit_paid": "the deposit has not been paid in full",
    "no_deposit_due": "a deposit is due: ask for the payment first",
    "approvals_given": "an approval is still pending or was rejected",
    "milestones_approved": "a milestone has not been approved yet",
}


@dataclass(frozen=True)
class Transition:
    """One action that takes a booking from any of `sources` to `target`, for the roles in `by`.

    A client or a provider acts on bookings of their own only.
    """

    action: str
    sources: tuple[str, ...]
    target: str
    by: tuple[Role, ...]
    requires: tuple[str, ...] = ()
    automatic: str = ""  # the event or the delay after which the system takes it
    accepts_price: bool = False  # taken by the client, or by an admin for them, it accepts the price as it stands


_CLIENT: Final[tuple[Role, ...]] = ("client", "admin")
_PROVIDER: Final[tuple[Role, ...]] = ("provider", "admin")
_ANYONE: Final[tuple[Role, ...]] = ACTING_ROLES

TRANSITIONS: Final = (
    # from request to confirmation
    Transition("submit", ("draft",), "requested", _ANYONE, accepts_price=True),
    Transition("review", ("requested", "quoted"), "under_review", _PROVIDER),
    Transition("quote", ("requested", "under_review"), "quoted", _PROVIDER, ("amount",)),
    Transition("approve", ("requested", "under_review"), "approved", _PROVIDER, ("price_accepted", "approvals_given")),
    Transition("accept_quote", ("quoted",), "approved", _CLIENT, ("quote_named", "for_the_client"), accepts_price=True),
    Transition("decline", ("requested", "under_review"), "declined", _PROVIDER, ("reason",)),
    Transition("decline_quote", ("quoted",), "declined", _CLIENT, ("reason",)),
    Transition("return", ("quoted", "approved"), "under_review", ("system",), ("reason",), "an approval is rejected"),
    Transition("request_payment", ("approved",), "awaiting_payment", _PROVIDER, ("price_accepted", "approvals_given")),
    Transition(
        "confirm", ("approved",), "confirmed", _PROVIDER, ("price_accepted", "approvals_given", "no_deposit_due")
    ),
    Transition(
        "confirm",
        ("awaiting_payment",),
        "confirmed",
        _PROVIDER,
        ("price_accepted", "deposit_paid"),
        "the deposit is paid",
    ),
    Transition("schedule", ("confirmed",), "scheduled", _PROVIDER, ("schedule", "provider"), "it is rescheduled"),
    Transition("expire", ("requested",), "expired", ("system",), (), f"{EXPIRES_AFTER_DAYS} days without an answer"),
    # delivery
    Transition(
        "start",
        ("confirmed", "scheduled"),
        "in_progress",
        _PROVIDER,
        ("provider", "start_near"),
        "the first time entry",
    ),
    Transition("hold", ("in_progress", "revision_requested"), "on_hold", _PROVIDER, ("reason",)),
    Transition("await_client", ("in_progress", "revision_requested"), "awaiting_client", _PROVIDER, ("reason",)),
    Transition("resume", ("on_hold", "awaiting_client", "revision_requested"), "in_progress", _PROVIDER),
    Transition("respond", ("awaiting_client",), "in_progress", _CLIENT),
    Transition(
        "deliver", ("in_progress",), "delivered", _PROVIDER, ("milestones_approved",), "every milestone is approved"
    ),
    Transition(
        "request_revision", ("delivered",), "revision_requested", _CLIENT, ("reason",), "a milestone is rejected"
    ),
    Transition("rework", ("in_progress",), "revision_requested", ("system",), ("reason",), "a milestone is rejected"),
    # the end
    Transition("accept", ("delivered",), "completed", _CLIENT, (), f"{COMPLETES_AFTER_DAYS} days without an answer"),
    Transition(
        "dispute",
        ("in_progress", "on_hold", "awaiting_client", "revision_requested", "delivered"),
        "disputed",
        _CLIENT,
        ("reason",),
    ),
    Transition("settle", ("disputed",), "completed", ("admin",), ("reason",)),
    Transition("refund", ("disputed",), "refunded", ("admin",), ("reason",)),
    Transition("no_show", ("confirmed", "scheduled", "in_progress"), "no_show", _PROVIDER, ("start_passed",)),
    Transition("cancel", (*PENDING, "confirmed", "scheduled"), "cancelled", _ANYONE, ("reason",)),
    Transition(
        "cancel",
        ("in_progress", "on_hold", "awaiting_client", "revision_requested"),
        "cancelled",
        _PROVIDER,
        ("reason",),
    ),
)

ACTIONS: Final = tuple(dict.fromkeys(transition.action for transition in TRANSITIONS))


class TransitionRefusedError(Exception):
    """A transition that is not possible, with the reason as a sentence.

    `code`: unknown_action, wrong_status, not_allowed or requirement_missing.
    """

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


def decide(action: str, status: str, role: Role, met: frozenset[str]) -> Transition:
    """Return the transition that `action` takes from `status`, for a caller with `role` who may see the booking.

    `met`: the names of the REQUIREMENTS that are met. Raises TransitionRefusedError. The caller's right to see the
    booking is checked before: a booking of somebody else does not exist for a client or a provider.
    """
    if action not in ACTIONS:
        raise TransitionRefusedError(
            "unknown_action", f"There is no action {action!r}; there are {', '.join(ACTIONS)}."
        )
    transition = _by_action_and_status().get((action, status))
    if transition is None:
        possible = sorted({source for each in TRANSITIONS if each.action == action for source in each.sources})
        raise TransitionRefusedError(
            "wrong_status",
            f"The action {action!r} is not possible for a booking that is {words(status)}; "
            f"it is possible for one that is {' or '.join(map(words, possible))}.",
        )
    if role not in transition.by and not (role == "system" and transition.automatic):
        raise TransitionRefusedError(
            "not_allowed", f"A {role} may not {words(action)} a booking that is {words(status)}."
        )
    for requirement in transition.requires:
        if requirement not in met:
            raise TransitionRefusedError(
                "requirement_missing",
                f"The booking cannot become {words(transition.target)}: {REQUIREMENTS[requirement]}.",
            )
    return transition


def actions_from(status: str, role: Role) -> tuple[str, ...]:
    """Return the actions that `role` may take on a booking in `status`, if their requirements are met."""
    return tuple(each.action for each in TRANSITIONS if status in each.sources and role in each.by)


def is_step(before: str | None, after: str) -> bool:
    """Return True if a single transition leads from `before` (None: a new booking) to `after`."""
    if before is None:
        return after in INITIAL
    return any(before in each.sources and after == each.target for each in TRANSITIONS)


@cache
def leads_to(before: str, after: str) -> bool:
    """Return True if a chain of transitions leads from `before` to `after`, as in a history that lacks steps."""
    reached, newest = {before}, {before}
    while newest:
        newest = {each.target for each in TRANSITIONS if newest.intersection(each.sources)} - reached
        reached |= newest
    return after in reached


def words(name: str) -> str:
    """Return the name of a status or an action as words."""
    return name.replace("_", " ")


@cache
def _by_action_and_status() -> dict[tuple[str, str], Transition]:
    return {(each.action, source): each for each in TRANSITIONS for source in each.sources}


def diagram() -> str:
    """Return the lifecycle as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", *(f"    [*] --> {status}" for status in INITIAL)]
    for transition in TRANSITIONS:
        label = words(transition.action) + (f" (auto: {transition.automatic})" if transition.automatic else "")
        lines += [f"    {source} --> {transition.target}: {label}" for source in transition.sources]
    lines += [f"    {status} --> [*]" for status in (*COMPLETED, *CANCELLED)]
    return "\n".join(lines) + "\n"
