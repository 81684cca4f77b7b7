"""The life of a booking as data: its statuses, every transition, who may take it and what it requires.

The one place that decides. The API, the importer, the simulator and the automatic transitions all ask here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal

PENDING: Final = ("draft", "requested", "under_review", "quoted", "approved", "awaiting_payment")
ONGOING: Final = (
    "confirmed",
    "scheduled",
    "in_progress",
    "on_hold",
    "awaiting_client",
    "revision_requested",
    "delivered",
    "disputed",
)
COMPLETED: Final = ("completed",)
CANCELLED: Final = ("declined", "cancelled", "no_show", "refunded", "expired")

STATUSES: Final = PENDING + ONGOING + COMPLETED + CANCELLED
FIRST: Final = ("draft", "requested")  # what a booking begins as

# In these statuses an exclusive booking holds its provider's time.
HOLDS_TIME: Final = tuple(status for status in STATUSES if status not in ("draft", *CANCELLED))
# What is neither delivered nor over: still to be planned and moved.
UNDELIVERED: Final = tuple(status for status in PENDING + ONGOING if status not in ("delivered", "disputed"))

Role = Literal["client", "provider", "admin", "system"]

# What a transition may require, and what is said where it is missing.
REQUIREMENTS: Final[Mapping[str, str]] = {
    "reason": "a reason is required: say why in `reason`",
    "amount": "a price is required: give `total_amount`",
    "schedule": "a start and an end are required: reschedule the booking first",
    "provider": "a provider is required: assign one first",
    "start_passed": "the scheduled start has not passed yet",
    "deposit_paid": "the deposit has not been paid in full",
    "no_deposit_due": "a deposit is due: ask for the payment first",
    "approvals_given": "an approval is still pending or was rejected",
    "milestones_approved": "a milestone has not been approved yet",
}


@dataclass(frozen=True)
class Transition:
    """One named step from any of `sources` to `target`, by the roles in `by` (client, provider: own bookings)."""

    action: str
    sources: tuple[str, ...]
    target: str
    by: tuple[Role, ...]
    requires: tuple[str, ...] = ()
    automatic: str = ""  # the event, or the time, at which the system takes it


_CLIENT: Final[tuple[Role, ...]] = ("client", "admin")
_PROVIDER: Final[tuple[Role, ...]] = ("provider", "admin")
_ANYONE: Final[tuple[Role, ...]] = ("client", "provider", "admin")

TRANSITIONS: Final = (
    # from the request to the confirmation
    Transition("submit", ("draft",), "requested", _ANYONE),
    Transition("review", ("requested", "quoted"), "under_review", _PROVIDER),
    Transition("quote", ("requested", "under_review"), "quoted", _PROVIDER, ("amount",)),
    Transition("approve", ("requested", "under_review"), "approved", _PROVIDER, ("approvals_given",)),
    Transition("accept_quote", ("quoted",), "approved", _CLIENT),
    Transition("decline", ("requested", "under_review"), "declined", _PROVIDER, ("reason",)),
    Transition("decline_quote", ("quoted",), "declined", _CLIENT, ("reason",)),
    Transition("return", ("quoted", "approved"), "under_review", ("system",), ("reason",), "an approval is rejected"),
    Transition("request_payment", ("approved",), "awaiting_payment", _PROVIDER, ("approvals_given",)),
    Transition("confirm", ("approved",), "confirmed", _PROVIDER, ("approvals_given", "no_deposit_due")),
    Transition("confirm", ("awaiting_payment",), "confirmed", _PROVIDER, ("deposit_paid",), "the deposit is paid"),
    Transition(
        "schedule", ("confirmed",), "scheduled", _PROVIDER, ("schedule", "provider"), "it is given its time anew"
    ),
    Transition("expire", ("requested",), "expired", ("system",), (), "14 days without an answer"),
    # delivery
    Transition("start", ("confirmed", "scheduled"), "in_progress", _PROVIDER, ("provider",), "the first time entry"),
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
    Transition("accept", ("delivered",), "completed", _CLIENT, (), "7 days without an answer"),
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

# Transitions by time: how many days a status may stay unanswered.
EXPIRES_AFTER_DAYS: Final = 14
COMPLETES_AFTER_DAYS: Final = 7


class TransitionRefusedError(Exception):
    """`code`: unknown_action, wrong_status, not_allowed or requirement_missing; the message is a sentence."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


def decide(action: str, status: str, role: Role, met: frozenset[str]) -> Transition:
    """The transition that `action` takes from `status`, for a caller of `role` who may see the booking.

    `met`: the names of REQUIREMENTS that hold. Raises TransitionRefusedError. Whether a client or a provider may see
    the booking at all is decided before: others' bookings do not exist for them.
    """
    if action not in ACTIONS:
        raise TransitionRefusedError(
            "unknown_action", f"There is no action {action!r}; there are {', '.join(ACTIONS)}."
        )
    transition = _by_action_and_status().get((action, status))
    if transition is None:
        possible = sorted({source for it in TRANSITIONS if it.action == action for source in it.sources})
        raise TransitionRefusedError(
            "wrong_status",
            f"A booking that is {words(status)} does not take {action!r}; one that is "
            f"{' or '.join(words(it) for it in possible)} does.",
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
    """What a caller of `role` may try on a booking in `status`, requirements left aside."""
    return tuple(it.action for it in TRANSITIONS if status in it.sources and role in it.by)


def is_step(before: str | None, after: str) -> bool:
    """Whether one transition leads from `before` (None: nothing yet) to `after`."""
    if before is None:
        return after in FIRST
    return any(before in it.sources and after == it.target for it in TRANSITIONS)


@cache
def leads_to(before: str, after: str) -> bool:
    """Whether a chain of transitions leads from `before` to `after`: what a record that skips steps must obey."""
    reached, edge = {before}, {before}
    while edge:
        edge = {it.target for it in TRANSITIONS for source in it.sources if source in edge} - reached
        reached |= edge
    return after in reached


def words(name: str) -> str:
    """A status or an action in words."""
    return name.replace("_", " ")


@cache
def _by_action_and_status() -> dict[tuple[str, str], Transition]:
    return {(it.action, source): it for it in TRANSITIONS for source in it.sources}


def diagram() -> str:
    """The life of a booking as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", *(f"    [*] --> {status}" for status in FIRST)]
    for it in TRANSITIONS:
        label = words(it.action) + (f" (auto: {it.automatic})" if it.automatic else "")
        lines += [f"    {source} --> {it.target}: {label}" for source in it.sources]
    lines += [f"    {status} --> [*]" for status in (*COMPLETED, *CANCELLED)]
    return "\n".join(lines) + "\n"
