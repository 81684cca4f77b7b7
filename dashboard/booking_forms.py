"""The forms of a booking's page: for each the model of its fields, and the operation that it runs, as the API does."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel
from starlette.datastructures import FormData

from sources.operations.bookings import extras, scheduling, transitions
from sources.operations.bookings.extras import ExtraDecision, NewExtra
from sources.operations.bookings.scheduling import BookingChange, Reschedule
from sources.operations.bookings.transitions import TransitionRequest
from sources.operations.communication import messages, reviews
from sources.operations.communication.messages import NewMessage, ReadUpTo
from sources.operations.communication.reviews import NewReview
from sources.operations.errors import not_found
from sources.operations.field_types import Request
from sources.operations.money import invoice_writing, payments
from sources.operations.money.invoice_writing import DraftChanges, NewInvoice, Voiding
from sources.operations.money.payments import NewPayment, NewRefund, Settlement
from sources.operations.transaction import Tx
from sources.operations.work import approvals, milestones, tasks, time_entries
from sources.operations.work.approvals import ApprovalRequest, Decision
from sources.operations.work.milestones import MilestoneChange, MilestoneStep, NewMilestone
from sources.operations.work.tasks import NewTask, TaskChange
from sources.operations.work.time_entries import NewTimeEntry, NewTimer, TimeEntryChange

LINES: Final = 3  # of an invoice that a form takes
LEVELS: Final = 3  # of approval


class Nothing(Request):
    """A form without fields."""


@dataclass(frozen=True, slots=True)
class Of:
    """What a form is about: the booking, one of its rows (a milestone, say), and the version that was shown."""

    booking: UUID
    row: UUID | None
    version: str | None

    @property
    def item(self) -> UUID:
        """The row. Raises Refusal not_found where the form names none."""
        if self.row is None:
            raise not_found("part of the booking")
        return self.row


@dataclass(frozen=True, slots=True)
class BookingForm:
    """`nested` makes the values of fields that are lists of models. `notice` is shown when the form was accepted."""

    model: type[BaseModel]
    operation: Callable[[Tx, Of, Any], Awaitable[object]]
    notice: str
    nested: Callable[[FormData], dict[str, Any]] = lambda form: {}


def _lines(form: FormData) -> dict[str, Any]:
    """Return the lines of an invoice that have a description or a price."""
    lines = [
        {
            name: form[f"{name}-{line}"]
            for name in ("description", "quantity", "unit_price")
            if form.get(f"{name}-{line}")
        }
        for line in range(1, LINES + 1)
    ]
    written = [line for line in lines if line.keys() & {"description", "unit_price"}]
    return {"lines": written} if written else {}


def _levels(form: FormData) -> dict[str, Any]:
    """Return the levels of approval: each names a role, or a person by id."""
    chosen = [str(form.get(f"level-{level}", "")) for level in range(1, LEVELS + 1)]
    return {"levels": [{"approver_id" if "-" in value else "role": value} for value in chosen if value]}


FORMS: Final[dict[str, BookingForm]] = {
    "transition": BookingForm(
        TransitionRequest,
        lambda tx, of, body: transitions.transition_booking(tx, of.booking, body, of.version),
        "Done.",
    ),
    "reschedule": BookingForm(
        Reschedule,
        lambda tx, of, body: scheduling.reschedule_booking(tx, of.booking, body, of.version),
        "The booking has its new time.",
    ),
    "change": BookingForm(
        BookingChange, lambda tx, of, body: scheduling.change_booking(tx, of.booking, body, of.version), "Saved."
    ),
    "milestone": BookingForm(
        NewMilestone,
        lambda tx, of, body: milestones.create_milestone(tx, of.booking, body),
        "The milestone is added.",
    ),
    "milestone-change": BookingForm(
        MilestoneChange, lambda tx, of, body: milestones.edit_milestone(tx, of.item, body, of.version), "Saved."
    ),
    "milestone-step": BookingForm(
        MilestoneStep, lambda tx, of, body: milestones.step_milestone(tx, of.item, body, of.version), "Done."
    ),
    "milestone-approvals": BookingForm(
        ApprovalRequest,
        lambda tx, of, body: approvals.request_milestone_approvals(tx, of.item, body),
        "The approvals are requested.",
        _levels,
    ),
    "task": BookingForm(NewTask, lambda tx, of, body: tasks.create_task(tx, of.item, body), "The task is added."),
    "task-change": BookingForm(
        TaskChange, lambda tx, of, body: tasks.edit_task(tx, of.item, body, of.version), "Saved."
    ),
    "approvals": BookingForm(
        ApprovalRequest,
        lambda tx, of, body: approvals.request_booking_approvals(tx, of.booking, body),
        "The approvals are requested.",
        _levels,
    ),
    "approval-decision": BookingForm(
        Decision, lambda tx, of, body: approvals.decide_approval(tx, of.item, body), "Your decision is recorded."
    ),
    "timer": BookingForm(
        NewTimer, lambda tx, of, body: time_entries.start_timer(tx, of.booking, body), "The timer is running."
    ),
    "timer-stop": BookingForm(
        Nothing, lambda tx, of, body: time_entries.stop_timer(tx, of.item), "The timer has stopped."
    ),
    "time": BookingForm(
        NewTimeEntry, lambda tx, of, body: time_entries.create_time_entry(tx, of.booking, body), "The hours are added."
    ),
    "time-change": BookingForm(
        TimeEntryChange, lambda tx, of, body: time_entries.edit_time_entry(tx, of.item, body), "Saved."
    ),
    "time-delete": BookingForm(
        Nothing, lambda tx, of, body: time_entries.delete_time_entry(tx, of.item), "The hours are deleted."
    ),
    "extra": BookingForm(
        NewExtra,
        lambda tx, of, body: extras.propose_extra(tx, of.booking, body),
        "The extra is proposed: the other side decides on it.",
    ),
    "extra-decision": BookingForm(
        ExtraDecision, lambda tx, of, body: extras.decide_extra(tx, of.item, body), "Your decision is recorded."
    ),
    "invoice": BookingForm(
        NewInvoice,
        lambda tx, of, body: invoice_writing.create_draft(tx, of.booking, body),
        "The draft is made: issue it when it is right.",
        _lines,
    ),
    "invoice-change": BookingForm(
        DraftChanges,
        lambda tx, of, body: invoice_writing.change_draft(tx, of.item, body, of.version),
        "Saved.",
        _lines,
    ),
    "invoice-issue": BookingForm(
        Nothing,
        lambda tx, of, body: invoice_writing.issue_invoice(tx, of.item, of.version),
        "The invoice is issued.",
    ),
    "invoice-void": BookingForm(
        Voiding,
        lambda tx, of, body: invoice_writing.void_invoice(tx, of.item, body, of.version),
        "The invoice is void.",
    ),
    "payment": BookingForm(
        NewPayment, lambda tx, of, body: payments.record_payment(tx, of.item, body), "The payment is recorded."
    ),
    "payment-settle": BookingForm(
        Settlement, lambda tx, of, body: payments.settle_payment(tx, of.item, body), "Recorded."
    ),
    "payment-refund": BookingForm(
        NewRefund, lambda tx, of, body: payments.refund_payment(tx, of.item, body), "The refund is recorded."
    ),
    "message": BookingForm(
        NewMessage, lambda tx, of, body: messages.post_message(tx, of.booking, body), "Your message is sent."
    ),
    "messages-read": BookingForm(
        ReadUpTo, lambda tx, of, body: messages.mark_read(tx, of.booking, body), "Marked as read."
    ),
    "review": BookingForm(
        NewReview, lambda tx, of, body: reviews.review_booking(tx, of.booking, body), "Thank you for your review."
    ),
}  # fmt: skip
