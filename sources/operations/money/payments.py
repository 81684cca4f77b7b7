"""Payments and refunds of invoices. The booking and the invoice are locked first, so that sums are never outdated."""

from decimal import Decimal
from typing import Annotated, Final, Literal
from uuid import UUID

import asyncpg
from pydantic import ConfigDict, Field

from sources.operations.bookings.access import demand_staff, demand_status
from sources.operations.bookings.status_changes import take_automatic_transition
from sources.operations.errors import Refusal, not_found
from sources.operations.field_types import Line, Moment, Note, Request
from sources.operations.money.invoice_writing import SELECT_PAID, lock_invoice, update_status
from sources.operations.money.invoices import PAYMENT_COLUMNS, Payment, as_payment
from sources.operations.transaction import Tx
from sources.payment_processors import PROCESSORS
from sources.payment_processors.manual import Manual
from sources.row_values import PaymentKind, PaymentStatus

Method = Literal["cash", "transfer", "card", "other"]
Amount = Annotated[Decimal, Field(gt=0, max_digits=12, decimal_places=2, examples=["150.00"])]

PAYABLE: Final = ("issued", "part_paid", "overdue")


class NewPayment(Request):
    """A payment of an invoice. An admin records money that was received; a client or a provider announces it.

    Where the organisation sets `providers_record_payments`, a provider records it as well.
    """

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"amount": "150.00", "method": "transfer", "reference": "2026-05-04/17"}]}
    )

    amount: Amount
    method: Method = "card"
    processor: Literal["manual", "stripe"] = Field("manual", description="stripe: its events settle the payment.")
    reference: Line | None = Field(
        None, description="Unique within the processor; for stripe the payment intent, pi_..."
    )
    note: Note | None = None


class Settlement(Request):
    """The result of a pending payment or refund."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "succeeded"}]})

    status: Literal["succeeded", "failed"]
    reason: Note | None = Field(None, description="The reason of a failure.")


class NewRefund(Request):
    """A refund of a payment, in full or in part."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"amount": "50.00", "reason": "One session was cancelled."}]}
    )

    amount: Amount | None = Field(None, description="By default all that is not refunded yet.")
    reason: Note
    method: Method | None = Field(None, description="By default the method of the payment.")
    reference: Line | None = None


INSERT_PAYMENT: Final = f"""
insert into app.payments (
    org_id, invoice_id, booking_id, kind, status, amount, currency, method, processor, processor_ref, refund_of, note,
    failure_reason, paid_at, created_at, announced_by
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
returning {PAYMENT_COLUMNS}
"""  # noqa: S608  constants of this package
SELECT_PROVIDERS_RECORD: Final = """
select coalesce(settings -> 'providers_record_payments' = 'true', false) as are_allowed
from app.organizations where id = $1
"""
SELECT_PAYMENT: Final = """
select id, invoice_id, booking_id, kind, status, amount, currency, method, processor
from app.payments where org_id = $1 and id = $2
"""
UPDATE_STATUS: Final = f"""
update app.payments set status = $3, failure_reason = $4, paid_at = $5
where org_id = $1 and id = $2 returning {PAYMENT_COLUMNS}
"""  # noqa: S608  constants of this package
# Pending refunds count as refunded; refunds that name no payment reduce the payments of the invoice as a whole.
SELECT_REFUNDABLE: Final = """
select least(
    (select amount from app.payments where org_id = $1 and id = $3)
    - coalesce((
        select sum(amount) from app.payments where org_id = $1 and refund_of = $3 and status <> 'failed'
    ), 0),
    coalesce((
        select sum(signed_amount) from app.payments
        where org_id = $1 and invoice_id = $2
            and (status = 'succeeded' or (kind = 'refund' and status = 'pending'))
    ), 0)
) as refundable
"""


async def record_payment(tx: Tx, invoice_id: UUID, request: NewPayment) -> Payment:
    """Record a payment; one that succeeded may confirm the booking.

    Raises Refusal: not_found, conflict where the invoice is not open, overpaid, or the reference exists already.
    """
    booking, invoice = await lock_invoice(tx, invoice_id)
    demand_status(invoice["status"], PAYABLE, "invoice", "pay it")
    await _demand_outstanding(tx, invoice, request.amount)
    status = PROCESSORS[request.processor].payment_status(request.reference, is_received=await _may_confirm_receipt(tx))
    row = await insert_money(
        tx, invoice, "payment", status, request.amount, request.method, processor=request.processor,
        reference=request.reference, note=request.note,
    )  # fmt: skip
    if status == "succeeded":
        await update_after_payment(tx, booking, invoice)
    return as_payment(row)


async def _demand_outstanding(tx: Tx, invoice: asyncpg.Record, amount: Decimal) -> None:
    paid = (await tx.one(SELECT_PAID, tx.org_id, invoice["id"]))["paid"]
    outstanding = invoice["total_amount"] - paid
    if amount > outstanding:
        raise Refusal(
            "conflict", "overpaid", f"Only {outstanding:.2f} {invoice['currency']} is outstanding.", field="amount"
        )


async def _may_confirm_receipt(tx: Tx) -> bool:
    """Return True if the caller may state that money was received.

    A provider earns it: another person confirms it, unless the organisation's settings allow otherwise.
    """
    if tx.caller.role == "provider":
        return bool((await tx.one(SELECT_PROVIDERS_RECORD, tx.org_id))["are_allowed"])
    return tx.caller.role == "admin"


async def settle_payment(tx: Tx, payment_id: UUID, request: Settlement) -> Payment:
    """Record the result of a pending payment or refund that no processor settles.

    Raises Refusal: forbidden, not_found, conflict.
    """
    demand_staff(tx, "settle payments")
    booking, invoice, payment = await lock_payment(tx, payment_id)
    demand_status(payment["status"], ("pending",), "payment", "settle it")
    if payment["kind"] == "refund" and tx.caller.role == "provider":
        raise Refusal("forbidden", "not_allowed", "A provider may not settle refunds.")
    if PROCESSORS[payment["processor"]].settles:
        raise Refusal("conflict", "settled_by_processor", f"Only an event of {payment['processor']} settles it.")
    has_succeeded = request.status == "succeeded"
    if has_succeeded and not await _may_confirm_receipt(tx):
        raise Refusal("forbidden", "not_allowed", "A provider may not confirm the receipt of their own payment.")
    if has_succeeded and payment["kind"] == "payment":
        demand_status(invoice["status"], PAYABLE, "invoice", "pay it")
        await _demand_outstanding(tx, invoice, payment["amount"])
    reason = None if has_succeeded else request.reason or "not received"
    row = await tx.one(UPDATE_STATUS, tx.org_id, payment_id, request.status, reason, tx.at if has_succeeded else None)
    if has_succeeded and payment["kind"] == "payment":
        await update_after_payment(tx, booking, invoice)
    else:
        await update_status(tx, [invoice["id"]])
    return as_payment(row)


async def refund_payment(tx: Tx, payment_id: UUID, request: NewRefund) -> Payment:
    """Refund a payment; where a processor moves the money, the refund is pending until the processor reports it.

    Raises Refusal: forbidden, not_found, conflict where the refund exceeds the payment.
    """
    if tx.caller.role != "admin":
        raise Refusal("forbidden", "not_allowed", f"A {tx.caller.role} may not refund payments.")
    _, invoice, payment = await lock_payment(tx, payment_id)
    if (payment["kind"], payment["status"]) != ("payment", "succeeded"):
        raise Refusal("conflict", "not_paid", "Only a payment that succeeded can be refunded.")
    refundable = (await tx.one(SELECT_REFUNDABLE, tx.org_id, invoice["id"], payment_id))["refundable"]
    amount = request.amount or refundable
    if amount <= 0 or amount > refundable:
        raise Refusal(
            "conflict", "refund_too_large", f"Only {max(refundable, Decimal(0)):.2f} {payment['currency']} of the "
            "payment can still be refunded.", field="amount",
        )  # fmt: skip
    row = await order_refund(
        tx, invoice, payment, amount, request.reason, method=request.method, reference=request.reference
    )
    await update_status(tx, [invoice["id"]])
    return as_payment(row)


async def lock_payment(tx: Tx, payment_id: UUID) -> tuple[asyncpg.Record, asyncpg.Record, asyncpg.Record]:
    """Lock the booking and the invoice of a payment; return both and the payment. Raises Refusal not_found."""
    found = await tx.row(SELECT_PAYMENT, tx.org_id, payment_id)
    if found is None:
        raise not_found("payment")
    booking, invoice = await lock_invoice(tx, found["invoice_id"])
    return booking, invoice, await tx.one(SELECT_PAYMENT, tx.org_id, payment_id)


async def order_refund(
    tx: Tx, invoice: asyncpg.Record, payment: asyncpg.Record, amount: Decimal, reason: str, *,
    method: Method | None = None, reference: str | None = None,
) -> asyncpg.Record:  # fmt: skip
    """Write a refund by the processor of the payment; the invoice is locked, and `amount` is refundable."""
    return await insert_money(
        tx, invoice, "refund", PROCESSORS[payment["processor"]].refund_status(), amount, method or payment["method"],
        processor=payment["processor"], reference=reference, refund_of=payment["id"], note=reason,
    )  # fmt: skip


async def insert_money(
    tx: Tx, invoice: asyncpg.Record, kind: PaymentKind, status: PaymentStatus, amount: Decimal,
    method: str, *, processor: str = Manual.name, reference: str | None = None, refund_of: UUID | None = None,
    note: str | None = None, failure_reason: str | None = None, paid_at: Moment | None = None,
) -> asyncpg.Record:  # fmt: skip
    """Write a payment or a refund of a locked invoice; return a row of PAYMENT_COLUMNS."""
    moment = (paid_at or tx.at) if status == "succeeded" else None
    return await tx.one(
        INSERT_PAYMENT, tx.org_id, invoice["id"], invoice["booking_id"], kind, status, amount, invoice["currency"],
        method, processor, reference, refund_of, note, failure_reason, moment, tx.at, tx.caller.profile_id,
    )  # fmt: skip


async def update_after_payment(tx: Tx, booking: asyncpg.Record, invoice: asyncpg.Record) -> None:
    """Update a locked booking and invoice after a payment that succeeded: a paid deposit confirms the booking."""
    await update_status(tx, [invoice["id"]])
    await take_automatic_transition(tx, invoice["booking_id"], booking, "confirm", "deposit paid")
