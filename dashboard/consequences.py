"""What an action on a booking would do, said before: the action is taken, looked at, and taken back."""

import hashlib
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from dashboard.formats import exact_money
from sources import lifecycle
from sources.lifecycle import Transition
from sources.operations.bookings import booking as bookings
from sources.operations.bookings import transitions
from sources.operations.bookings.booking import Booking
from sources.operations.bookings.transitions import TransitionRequest
from sources.operations.errors import Refusal
from sources.operations.money import invoices
from sources.operations.money.invoices import Invoice, InvoiceFilter
from sources.operations.transaction import Tx

MOST_INVOICES: Final = 50
REASON: Final = "Trial of the consequences."


@dataclass(frozen=True, slots=True)
class Consequences:
    """The sentences of what an action would do; `refused`: why it is not possible now."""

    transition: Transition | None
    sentences: list[str]
    refused: str = ""

    @property
    def seen(self) -> str:
        """Return what is the same as long as the sentences are."""
        return hashlib.sha256("\n".join([*self.sentences, self.refused]).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class _Money:
    """The booking and its invoices at one moment of the trial."""

    booking: Booking
    invoices: dict[object, Invoice]


class _TakenBack(Exception):
    """Ends the trial, so that nothing of it is kept."""


async def demand_seen(tx: Tx, booking_id: UUID, action: str, seen: str) -> None:
    """Raise Refusal conflict if `action` would do something else than the person has `seen`: a fee rises with time."""
    found = await of_action(tx, await bookings.get_booking(tx, booking_id), action)
    if not found.refused and found.seen != seen:
        raise Refusal("conflict", "consequences_changed", "What happens has changed meanwhile. Read it again.")


async def of_action(tx: Tx, booking: Booking, action: str) -> Consequences:
    """Return what `action` would do to the booking. A quote is not tried: its price is not known yet."""
    transition = next(
        (each for each in lifecycle.TRANSITIONS if each.action == action and booking.status in each.sources), None
    )
    if transition is None or action not in booking.actions:
        return Consequences(None, [], f"This is not possible for a booking that is {lifecycle.words(booking.status)}.")
    becomes = f"The booking becomes {lifecycle.words(transition.target)}."
    if action == "quote":
        return Consequences(transition, [becomes, "The price binds both sides when the client accepts it."])
    try:
        before, after = await _tried(tx, booking, transition)
    except Refusal as refusal:
        return Consequences(transition, [], str(refusal))
    return Consequences(transition, [becomes, *_sentences(before, after, transition)])


async def _tried(tx: Tx, booking: Booking, transition: Transition) -> tuple[_Money, _Money]:
    request = TransitionRequest(
        action=transition.action,
        reason=REASON if {"reason", "for_the_client"} & {*transition.requires} else None,
    )
    before = after = _Money(booking, await _invoices(tx, booking))
    try:
        async with tx.connection.transaction():
            changed = await transitions.transition_booking(tx, booking.id, request, booking.version)
            after = _Money(changed, await _invoices(tx, booking))
            raise _TakenBack
    except _TakenBack:
        return before, after


async def _invoices(tx: Tx, booking: Booking) -> dict[object, Invoice]:
    listed = await invoices.list_invoices(tx, InvoiceFilter(limit=MOST_INVOICES), booking.id)
    return {invoice.id: await invoices.get_invoice(tx, invoice.id) for invoice in listed.items}


def _sentences(before: _Money, after: _Money, transition: Transition) -> list[str]:
    booking, sentences = after.booking, []
    if transition.accepts_price:
        sentences.append(f"The price of {exact_money(booking.total_amount, booking.currency)} binds both sides.")
    if booking.cancellation_fee:
        sentences.append(f"A cancellation fee of {exact_money(booking.cancellation_fee, booking.currency)} is due.")
    elif transition.action == "cancel":
        sentences.append("No cancellation fee is due.")
    for invoice in after.invoices.values():
        sentences += _of_invoice(before.invoices.get(invoice.id), invoice)
    held, holds = (status in lifecycle.HOLDS_TIME for status in (before.booking.status, booking.status))
    if held and not holds and booking.scheduled_start and booking.provider:
        sentences.append(f"The time of {booking.provider.name} is free again.")
    return sentences


def _of_invoice(before: Invoice | None, after: Invoice) -> list[str]:
    """Return what becomes of one invoice: it is new, void, or money of it goes back."""
    name, amount = after.invoice_number or "A draft", exact_money(after.total_amount, after.currency)
    sentences = []
    if before is None:
        sentences.append(f"A {after.kind} invoice over {amount} is {after.status}.")
    elif before.status != after.status and after.status == "void":
        sentences.append(f"{name} over {amount} becomes void.")
    known = {payment.id for payment in before.payments} if before else set()
    for payment in after.payments:
        if payment.kind == "refund" and payment.id not in known:
            sentences.append(f"{exact_money(payment.amount, payment.currency)} is refunded ({payment.status}).")
    return sentences
