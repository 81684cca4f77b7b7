"""Events of payment providers: each is recorded and counted once, whatever the order in which they come.

A transaction first locks the payment that its event speaks of, then booking and invoice as everybody does.
"""

import logging
from datetime import datetime
from decimal import Decimal
from typing import Final, Literal
from uuid import UUID

import asyncpg
from pydantic import BaseModel, Field

from sources.operations import transaction
from sources.operations.invoicing import lock_invoice, refresh
from sources.operations.payments import insert_money, money_came
from sources.operations.transaction import Pool, System, Tx
from sources.payment_processors import stripe
from sources.payment_processors.interface import Failed, Paid, ProcessorEvent, Refund, Refunds

log = logging.getLogger("hub.payments")

NOBODY: Final = UUID(int=0)  # the organisation of an event that does not tell whose it is
READERS: Final = {stripe.Stripe.name: stripe.read_event}

Outcome = Literal["applied", "waiting", "ignored", "repeated"]


class Receipt(BaseModel):
    """What became of an event."""

    status: Outcome = Field(
        description="`waiting`: for the payment that it speaks of; `ignored`: nothing to do here; "
        "`repeated`: received before, nothing was done."
    )


LOCK_REF: Final = "select pg_advisory_xact_lock(hashtextextended($1, 0))"
FIND_ORGANIZATION: Final = "select app.organization_of_payment($1, $2) as org_id"
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
select id, invoice_id, status, amount, method from app.payments
where org_id = $1 and processor = $2 and processor_ref = $3 and kind = 'payment'
"""
SELECT_INVOICE: Final = "select id from app.invoices where org_id = $1 and id = $2"
COMPLETE_PAYMENT: Final = """
update app.payments set status = 'succeeded', invoice_id = $3, booking_id = $4, amount = $5, currency = $6,
    paid_at = $7, failure_reason = null
where org_id = $1 and id = $2
"""
# Refunds of a payment: `named` by the provider, whether or not they went well, and those without a name yet.
SELECT_REFUNDS: Final = """
select id, processor_ref, status, amount from app.payments
where org_id = $1 and refund_of = $2 and processor = $3 order by created_at, id
"""
UPDATE_REFUND: Final = """
update app.payments set processor_ref = $3, amount = $4, status = $5, failure_reason = $6,
    paid_at = case when $5 = 'succeeded' then coalesce(paid_at, $7) end
where org_id = $1 and id = $2
"""
UNNAMED: Final = "/refunds"  # ends the reference of what was refunded in total beyond the refunds known by name
RANK: Final = {"pending": 0, "succeeded": 1, "failed": 2}  # a refund only goes on: what is older tells nothing new


async def receive(pool: Pool, event: ProcessorEvent, *, at: datetime, timeout_ms: int) -> Receipt:
    """Record a verified event and do what it says, once. Raises Refusal unavailable; then the provider repeats it."""
    org_id = event.org_id
    if org_id is None:
        found = await transaction.run(
            pool, System(NOBODY), lambda tx: _find_or_keep(tx, event), at=at, timeout_ms=timeout_ms
        )
        if isinstance(found, Receipt):
            return found
        org_id = found
    return await transaction.run(pool, System(org_id), lambda tx: _record(tx, event), at=at, timeout_ms=timeout_ms)


async def _find_or_keep(tx: Tx, event: ProcessorEvent) -> UUID | Receipt:
    """The organisation of a known payment; else the event is kept until the payment comes."""
    if event.ref is not None:
        await _lock_ref(tx, event)
        known = await tx.one(FIND_ORGANIZATION, event.processor, event.ref)
        if known["org_id"] is not None:
            org_id: UUID = known["org_id"]
            return org_id
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
    match event.news:
        case Paid() as paid:
            return await _take(tx, event, event.ref, paid)
        case Failed() as failed:
            return await _note_failure(tx, event, failed)
        case Refunds() as refunds:
            return await _refund(tx, event, event.ref, refunds)
        case _:
            return "ignored"


async def _take(tx: Tx, event: ProcessorEvent, ref: str, paid: Paid) -> Outcome:
    """A payment that succeeded counts, whatever the invoice has become meanwhile: the money is there."""
    payment = await tx.row(SELECT_PAYMENT, tx.org_id, event.processor, ref)
    if payment is not None and payment["status"] == "succeeded":
        return "ignored"
    locked = await _lock_invoice_of(tx, event, payment)
    if locked is None or locked[1]["currency"] != paid.currency or paid.amount <= 0:
        log.warning(
            "a payment fits no invoice", extra={"processor": event.processor, "event_id": event.event_id, "ref": ref}
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
    await money_came(tx, booking, invoice)
    return "applied"


async def _lock_invoice_of(
    tx: Tx, event: ProcessorEvent, payment: asyncpg.Record | None
) -> tuple[asyncpg.Record, asyncpg.Record] | None:
    """Booking and invoice, locked: of the invoice that the event names, else of the payment as it was announced."""
    invoice_id = event.invoice_id or (payment["invoice_id"] if payment else None)
    if invoice_id is None or await tx.row(SELECT_INVOICE, tx.org_id, invoice_id) is None:
        return None
    return await lock_invoice(tx, invoice_id)


async def _apply_waiting(tx: Tx, processor: str, ref: str) -> None:
    """What came before the payment itself."""
    await tx.execute(ADOPT, processor, ref)
    for row in await tx.rows(SELECT_WAITING, tx.org_id, processor, ref):
        outcome = await _apply(tx, READERS[processor](row["payload"]))
        await tx.execute(UPDATE_EVENT, tx.org_id, row["id"], outcome)


async def _note_failure(tx: Tx, event: ProcessorEvent, failed: Failed) -> Outcome:
    """A failed attempt is a row of its own: the payment may have succeeded before, or may succeed later."""
    announced = await tx.row(SELECT_PAYMENT, tx.org_id, event.processor, event.ref)
    known = await tx.row(SELECT_PAYMENT, tx.org_id, event.processor, failed.ref)
    locked = None if known else await _lock_invoice_of(tx, event, announced)
    if locked is None or locked[1]["currency"] != failed.currency or failed.amount <= 0:
        return "ignored"
    await insert_money(
        tx, locked[1], "payment", "failed", failed.amount, "card", processor=event.processor, reference=failed.ref,
        failure_reason=failed.reason,
    )  # fmt: skip
    return "applied"


async def _refund(tx: Tx, event: ProcessorEvent, ref: str, refunds: Refunds) -> Outcome:
    payment = await tx.row(SELECT_PAYMENT, tx.org_id, event.processor, ref)
    if payment is None or payment["status"] != "succeeded":
        return "waiting"
    _, invoice = await lock_invoice(tx, payment["invoice_id"])
    for refund in refunds.named:
        await _refund_by_name(tx, event, invoice, payment, refund)
    if refunds.in_total > 0:
        await _refund_in_total(tx, event, invoice, payment, refunds)
    await refresh(tx, [invoice["id"]])
    return "applied"


async def _refund_by_name(
    tx: Tx, event: ProcessorEvent, invoice: asyncpg.Record, payment: asyncpg.Record, refund: Refund
) -> None:
    """Write one refund; it may be what was ordered here, or a part of what was only known in total."""
    rows = await tx.rows(SELECT_REFUNDS, tx.org_id, payment["id"], event.processor)
    known = next((it for it in rows if it["processor_ref"] == refund.ref), None)
    if known is not None:
        if RANK[refund.status] > RANK[known["status"]]:
            await _rewrite(tx, event, known, refund)
        return
    unnamed = next((it for it in rows if _is_unnamed(it)), None)
    ordered = None if unnamed else _ordered(rows, refund.amount)
    rest = unnamed["amount"] - refund.amount if unnamed else Decimal(0)
    if unnamed is not None and rest > 0:
        await _rewrite(tx, event, unnamed, Refund(unnamed["processor_ref"], rest, "succeeded", None))
    elif taken := unnamed or ordered:
        await _rewrite(tx, event, taken, refund)
        return
    await insert_money(
        tx, invoice, "refund", refund.status, refund.amount, payment["method"], processor=event.processor,
        reference=refund.ref, refund_of=payment["id"], failure_reason=refund.failure_reason,
        paid_at=min(event.at, tx.at),
    )  # fmt: skip


async def _refund_in_total(
    tx: Tx, event: ProcessorEvent, invoice: asyncpg.Record, payment: asyncpg.Record, refunds: Refunds
) -> None:
    """What was refunded beyond the refunds known by name stands in one row, until their names come."""
    rows = await tx.rows(SELECT_REFUNDS, tx.org_id, payment["id"], event.processor)
    unnamed = next((it for it in rows if _is_unnamed(it)), None)
    # Failed ones as well: the total may be of a time when they had not failed yet.
    named = sum((it["amount"] for it in rows if it["processor_ref"] and it is not unnamed), Decimal(0))
    beyond = refunds.in_total - named
    if beyond <= (unnamed["amount"] if unnamed else 0):
        return
    whole = Refund(refunds.source + UNNAMED, beyond, "succeeded", None)
    if taken := unnamed or _ordered(rows, beyond):
        await _rewrite(tx, event, taken, whole)
        return
    await insert_money(
        tx, invoice, "refund", "succeeded", beyond, payment["method"], processor=event.processor, reference=whole.ref,
        refund_of=payment["id"], paid_at=min(event.at, tx.at),
    )  # fmt: skip


def _is_unnamed(row: asyncpg.Record) -> bool:
    return str(row["processor_ref"] or "").endswith(UNNAMED)


def _ordered(rows: list[asyncpg.Record], amount: Decimal) -> asyncpg.Record | None:
    """A refund that was ordered here, which the provider has not told of yet."""
    return next(
        (it for it in rows if it["processor_ref"] is None and it["amount"] == amount and it["status"] != "failed"), None
    )


async def _rewrite(tx: Tx, event: ProcessorEvent, row: asyncpg.Record, refund: Refund) -> None:
    await tx.execute(
        UPDATE_REFUND, tx.org_id, row["id"], refund.ref, refund.amount, refund.status, refund.failure_reason,
        min(event.at, tx.at),
    )  # fmt: skip
