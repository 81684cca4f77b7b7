"""Events of payment processors: each is recorded and applied once, in whatever order they arrive.

A transaction first locks the payment that its event is about, then the booking and the invoice like every operation.
"""

import logging
from datetime import datetime
from decimal import Decimal
from typing import Final, Literal
from uuid import UUID

import asyncpg
from pydantic import BaseModel, Field

from sources.operations import transaction
from sources.operations.errors import Refusal
from sources.operations.money.invoice_writing import lock_invoice, update_status
from sources.operations.money.payments import insert_money, update_after_payment
from sources.operations.transaction import Pool, System, Tx
from sources.payment_processors import stripe
from sources.payment_processors.interface import Failed, Paid, ProcessorEvent, Refund, Refunds
from sources.row_values import PaymentStatus

log = logging.getLogger("hub.payments")

NO_ORGANIZATION: Final = UUID(int=0)  # of an event that does not name its organisation
READERS: Final = {stripe.Stripe.name: stripe.read_event}

Outcome = Literal["applied", "waiting", "ignored", "repeated"]


class Receipt(BaseModel):
    """The result of an event."""

    status: Outcome = Field(
        description="`applied`: it changed a payment or refund; `waiting`: it is applied when its payment arrives; "
        "`ignored`: it changes nothing; `repeated`: it was received before."
    )


LOCK_REF: Final = "select pg_advisory_xact_lock(hashtextextended($1, 0))"
FIND_ORGANIZATION: Final = "select * from app.organization_of_payment($1, $2)"
INSERT_EVENT: Final = """
insert into app.processor_events (org_id, processor, event_id, event_type, object_ref, status, payload)
values ($1, $2, $3, $4, $5, 'ignored', $6)
on conflict (processor, event_id) do nothing
returning id
"""
UPDATE_EVENT: Final = "update app.processor_events set status = $3 where org_id = $1 and id = $2"
ADOPT: Final = "select app.adopt_processor_events($1, $2)"
SELECT_WAITING: Final = """
select id, payload from app.processor_events
where org_id = $1 and processor = $2 and object_ref = $3 and status = 'waiting' order by created_at, id
"""
SELECT_PAYMENT: Final = """
select id, invoice_id, status, amount, currency, method, exists (
    select from app.profiles as person
    where person.org_id = payments.org_id and person.id = payments.announced_by and person.role = 'admin'
) as is_announced_by_admin
from app.payments as payments
where org_id = $1 and processor = $2 and processor_ref = $3 and kind = 'payment'
"""
# What the processor reported: a refund that was ordered here may be carried out in other amounts, or never.
SELECT_REFUNDED: Final = """
select coalesce(sum(amount), 0) as refunded from app.payments
where org_id = $1 and refund_of = $2 and processor_ref is not null and status <> 'failed'
"""
SELECT_INVOICE: Final = "select id from app.invoices where org_id = $1 and id = $2"
COMPLETE_PAYMENT: Final = """
update app.payments set status = 'succeeded', invoice_id = $3, booking_id = $4, amount = $5, currency = $6,
    paid_at = $7, failure_reason = null
where org_id = $1 and id = $2
"""
# Refunds of a payment in every status: those named by the processor, and those without a name yet.
SELECT_REFUNDS: Final = """
select id, processor_ref, status, amount from app.payments
where org_id = $1 and refund_of = $2 and processor = $3 order by created_at, id
"""
UPDATE_REFUND: Final = """
update app.payments set processor_ref = $3, amount = $4, status = $5, failure_reason = $6,
    paid_at = case when $5 = 'succeeded' then coalesce(paid_at, $7) end
where org_id = $1 and id = $2
"""
# A processor may report the total refunded amount without its refunds. The part of it that no reported refund covers
# is one row, with the reference of their source and this suffix.
UNNAMED: Final = "/refunds"
# An event changes the status of a refund only to a higher rank: an older event that arrives late changes nothing.
RANK: Final[dict[PaymentStatus, int]] = {"pending": 0, "succeeded": 1, "failed": 2}


async def receive(pool: Pool, event: ProcessorEvent, *, at: datetime, timeout_ms: int) -> Receipt:
    """Record a verified event and apply it, once.

    Raises Refusal unavailable, and conflict where an event about a known payment cannot be right (another currency,
    more refunded than paid) or it is not known whose invoice it pays; the processor then repeats the event.
    """
    org_id = event.org_id
    if org_id is None:
        found = await transaction.run(
            pool, System(NO_ORGANIZATION), lambda tx: _find_or_record(tx, event), at=at, timeout_ms=timeout_ms
        )
        if isinstance(found, Receipt):
            return found
        org_id = found
    return await transaction.run(pool, System(org_id), lambda tx: _record(tx, event), at=at, timeout_ms=timeout_ms)


async def _find_or_record(tx: Tx, event: ProcessorEvent) -> UUID | Receipt:
    """Return the organisation of the payment, if it exists; otherwise record the event until the payment arrives."""
    if event.ref is not None:
        await _lock_ref(tx, event)
        found = await tx.one(FIND_ORGANIZATION, event.processor, event.ref)
        if found["org_id"] is not None:
            org_id: UUID = found["org_id"]
            return org_id
        if found["is_announced"] and isinstance(event.change, Paid):
            raise _unassigned(event)
    return await _record(tx, event)


async def _lock_ref(tx: Tx, event: ProcessorEvent) -> None:
    await tx.execute(LOCK_REF, f"{event.processor}:{event.ref}")


async def _record(tx: Tx, event: ProcessorEvent) -> Receipt:
    await _lock_ref(tx, event)
    inserted = await tx.row(
        INSERT_EVENT, tx.org_id, event.processor, event.event_id, event.event_type, event.ref, event.payload
    )
    if inserted is None:
        return Receipt(status="repeated")
    outcome = await _apply(tx, event)
    await tx.execute(UPDATE_EVENT, tx.org_id, inserted["id"], outcome)
    return Receipt(status=outcome)


async def _apply(tx: Tx, event: ProcessorEvent) -> Outcome:
    if event.ref is None:
        return "ignored"
    match event.change:
        case Paid() as paid:
            return await _apply_payment(tx, event, event.ref, paid)
        case Failed() as failed:
            return await _apply_failure(tx, event, failed)
        case Refunds() as refunds:
            return await _apply_refunds(tx, event, event.ref, refunds)
        case _:
            return "ignored"


async def _apply_payment(tx: Tx, event: ProcessorEvent, ref: str, paid: Paid) -> Outcome:
    """Record a payment that succeeded, whatever the status of the invoice: the money was received."""
    payment = await tx.row(SELECT_PAYMENT, tx.org_id, event.processor, ref)
    if payment is not None and payment["status"] == "succeeded":
        return "ignored"
    if event.invoice_id is None and payment is not None and not payment["is_announced_by_admin"]:
        raise _unassigned(event)
    locked = await _lock_invoice_of(tx, event, payment)
    if locked is not None:
        _demand_currency(paid.currency, locked[1]["currency"])
    if locked is None or paid.amount <= 0:
        log.warning(
            "payment_without_invoice", extra={"processor": event.processor, "event_id": event.event_id, "ref": ref}
        )
        return "ignored"
    booking, invoice = locked
    moment = min(event.at, tx.at)
    if payment is None:
        await insert_money(
            tx, invoice, "payment", "succeeded", paid.amount, "card", processor=event.processor, reference=ref,
            paid_at=moment,
        )  # fmt: skip
    else:
        await tx.execute(
            COMPLETE_PAYMENT, tx.org_id, payment["id"], invoice["id"], invoice["booking_id"], paid.amount,
            paid.currency, moment,
        )  # fmt: skip
    await _apply_waiting(tx, event.processor, ref)
    await update_after_payment(tx, booking, invoice)
    return "applied"


def _unassigned(event: ProcessorEvent) -> Refusal:
    """A client or provider may announce any reference: it does not prove that the payment is theirs."""
    log.warning("payment_unassigned", extra={"processor": event.processor, "event_id": event.event_id})
    return Refusal(
        "conflict", "payment_unassigned", "The event names no invoice, and no admin of one organisation announced its "
        "payment: set the metadata org_id and invoice_id.",
    )  # fmt: skip


def _demand_currency(given: str, wanted: str) -> None:
    if given != wanted:
        raise Refusal("conflict", "currency_mismatch", f"The event is in {given}, and what it is about in {wanted}.")


async def _lock_invoice_of(
    tx: Tx, event: ProcessorEvent, payment: asyncpg.Record | None
) -> tuple[asyncpg.Record, asyncpg.Record] | None:
    """Lock the booking and the invoice that the event names, or else those of the announced payment; return both."""
    invoice_id = event.invoice_id or (payment["invoice_id"] if payment else None)
    if invoice_id is None or await tx.row(SELECT_INVOICE, tx.org_id, invoice_id) is None:
        return None
    return await lock_invoice(tx, invoice_id)


async def _apply_waiting(tx: Tx, processor: str, ref: str) -> None:
    """Apply the events that arrived before the payment itself."""
    await tx.execute(ADOPT, processor, ref)
    for row in await tx.rows(SELECT_WAITING, tx.org_id, processor, ref):
        outcome = await _apply(tx, READERS[processor](row["payload"]))
        await tx.execute(UPDATE_EVENT, tx.org_id, row["id"], outcome)


async def _apply_failure(tx: Tx, event: ProcessorEvent, failed: Failed) -> Outcome:
    """Record a failed attempt as a row of its own: the payment may have succeeded before, or may succeed later."""
    announced = await tx.row(SELECT_PAYMENT, tx.org_id, event.processor, event.ref)
    recorded = await tx.row(SELECT_PAYMENT, tx.org_id, event.processor, failed.ref)
    locked = None if recorded else await _lock_invoice_of(tx, event, announced)
    if locked is None or locked[1]["currency"] != failed.currency or failed.amount <= 0:
        return "ignored"
    await insert_money(
        tx, locked[1], "payment", "failed", failed.amount, "card", processor=event.processor, reference=failed.ref,
        failure_reason=failed.reason,
    )  # fmt: skip
    return "applied"


async def _apply_refunds(tx: Tx, event: ProcessorEvent, ref: str, refunds: Refunds) -> Outcome:
    payment = await tx.row(SELECT_PAYMENT, tx.org_id, event.processor, ref)
    if payment is None or payment["status"] != "succeeded":
        return "waiting"
    _demand_currency(refunds.currency, payment["currency"])
    _, invoice = await lock_invoice(tx, payment["invoice_id"])
    for refund in refunds.named:
        await _apply_named_refund(tx, event, invoice, payment, refund)
    if refunds.total > 0:
        await _apply_refund_total(tx, event, invoice, payment, refunds)
    if (await tx.one(SELECT_REFUNDED, tx.org_id, payment["id"]))["refunded"] > payment["amount"]:
        raise Refusal("conflict", "refund_too_large", "More is refunded than was paid.")
    await update_status(tx, [invoice["id"]])
    return "applied"


async def _apply_named_refund(
    tx: Tx, event: ProcessorEvent, invoice: asyncpg.Record, payment: asyncpg.Record, refund: Refund
) -> None:
    """Write one refund; it may be a refund ordered here, or a part of an amount that is recorded in total only."""
    rows = await tx.rows(SELECT_REFUNDS, tx.org_id, payment["id"], event.processor)
    recorded = next((row for row in rows if row["processor_ref"] == refund.ref), None)
    if recorded is not None:
        if RANK[refund.status] > RANK[recorded["status"]]:
            await _update_refund(tx, event, recorded, refund)
        return
    unnamed = next((row for row in rows if _is_unnamed(row)), None)
    ordered = None if unnamed else _ordered(rows, refund.amount)
    rest = unnamed["amount"] - refund.amount if unnamed else Decimal(0)
    if unnamed is not None and rest > 0:
        await _update_refund(tx, event, unnamed, Refund(unnamed["processor_ref"], rest, "succeeded", None))
    elif row := unnamed or ordered:
        await _update_refund(tx, event, row, refund)
        return
    await insert_money(
        tx, invoice, "refund", refund.status, refund.amount, payment["method"], processor=event.processor,
        reference=refund.ref, refund_of=payment["id"], failure_reason=refund.failure_reason,
        paid_at=min(event.at, tx.at),
    )  # fmt: skip


async def _apply_refund_total(
    tx: Tx, event: ProcessorEvent, invoice: asyncpg.Record, payment: asyncpg.Record, refunds: Refunds
) -> None:
    """Record the amount refunded beyond the named refunds in one row, until events name its refunds."""
    rows = await tx.rows(SELECT_REFUNDS, tx.org_id, payment["id"], event.processor)
    unnamed = next((row for row in rows if _is_unnamed(row)), None)
    # Failed refunds count: the total may be from before they failed.
    named = sum((row["amount"] for row in rows if row["processor_ref"] and row is not unnamed), Decimal(0))
    beyond = refunds.total - named
    if beyond <= (unnamed["amount"] if unnamed else 0):
        return
    whole = Refund(refunds.source + UNNAMED, beyond, "succeeded", None)
    if row := unnamed or _ordered(rows, beyond):
        await _update_refund(tx, event, row, whole)
        return
    await insert_money(
        tx, invoice, "refund", "succeeded", beyond, payment["method"], processor=event.processor, reference=whole.ref,
        refund_of=payment["id"], paid_at=min(event.at, tx.at),
    )  # fmt: skip


def _is_unnamed(row: asyncpg.Record) -> bool:
    return str(row["processor_ref"] or "").endswith(UNNAMED)


def _ordered(rows: list[asyncpg.Record], amount: Decimal) -> asyncpg.Record | None:
    """Return the refund that was ordered here, if there is one that the processor has not reported yet."""
    return next(
        (row for row in rows if row["processor_ref"] is None and row["amount"] == amount and row["status"] != "failed"),
        None,
    )


async def _update_refund(tx: Tx, event: ProcessorEvent, row: asyncpg.Record, refund: Refund) -> None:
    await tx.execute(
        UPDATE_REFUND, tx.org_id, row["id"], refund.ref, refund.amount, refund.status, refund.failure_reason,
        min(event.at, tx.at),
    )  # fmt: skip
