"""Payments and refunds: on an invoice whose booking is locked first, so that they always sum."""

from decimal import Decimal
from typing import Annotated, Final, Literal
from uuid import UUID

import asyncpg
from pydantic import ConfigDict, Field

from sources.operations.children import demand_staff, demand_status
from sources.operations.errors import Refusal, not_found
from sources.operations.invoices import PAYMENT_COLUMNS, Payment, as_payment
from sources.operations.invoicing import SELECT_PAID, lock_invoice, refresh
from sources.operations.steps import take_automatic_step
from sources.operations.transaction import Tx
from sources.operations.values import Line, Moment, Note, Request
from sources.payment_processors import PROCESSORS
from sources.payment_processors.interface import MoneyStatus
from sources.payment_processors.manual import Manual

Method = Literal["cash", "transfer", "card", "other"]
Amount = Annotated[Decimal, Field(gt=0, max_digits=12, decimal_places=2, examples=["150.00"])]

PAYABLE: Final = ("issued", "part_paid", "overdue")


class NewPayment(Request):
    """A payment of an invoice. Staff record money that came; a client announces it, and staff settle it."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"amount": "150.00", "method": "transfer", "reference": "2026-05-04/17"}]}
    )

    amount: Amount
    method: Method = "card"
    processor: Literal["manual", "stripe"] = Field("manual", description="stripe: its events tell how it went.")
    reference: Line | None = Field(None, description="Unique with the provider; of stripe the payment intent, pi_...")
    note: Note | None = None


class Settlement(Request):
    """How a pending payment or refund went."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "succeeded"}]})

    status: Literal["succeeded", "failed"]
    reason: Note | None = Field(None, description="Why it failed.")


class NewRefund(Request):
    """Give a payment back, whole or in part."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"amount": "50.00", "reason": "One session fell out."}]})

    amount: Amount | None = Field(None, description="By default all of it that was not given back yet.")
    reason: Note
    method: Method | None = Field(None, description="By default that of the payment.")
    reference: Line | None = None


INSERT_PAYMENT: Final = f"""
insert into app.payments (
    org_id, invoice_id, booking_id, kind, status, amount, currency, method, processor, processor_ref, refund_of, note,
    failure_reason, paid_at, created_at
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
returning {PAYMENT_COLUMNS}
"""  # noqa: S608  constants of this package
SELECT_PAYMENT: Final = """
select id, invoice_id, booking_id, kind, status, amount, currency, method, processor
from app.payments where org_id = $1 and id = $2
"""
UPDATE_STATUS: Final = f"""
update app.payments set status = $3, failure_reason = $4, paid_at = $5
where org_id = $1 and id = $2 returning {PAYMENT_COLUMNS}
"""  # noqa: S608  constants of this package
# What is under way counts as given back; refunds that name no payment were recorded on the invoice as a whole.
SELECT_REFUNDABLE: Final = """
select least(
    (select amount from app.payments where org_id = $1 and id = $3)
    - coalesce((
        select sum(amount) from app.payments where org_id = $1 and refund_of = $3 and status <> 'failed'
    ), 0),
    coalesce((
        select sum(case kind when 'refund' then -amount else amount end) from app.payments
        where org_id = $1 and invoice_id = $2
            and (status = 'succeeded' or (kind = 'refund' and status = 'pending'))
    ), 0)
) as refundable
"""


async def record_payment(tx: Tx, invoice_id: UUID, request: NewPayment) -> Payment:
    """Record a payment; one that counts may confirm the booking.

    Raises Refusal: not_found, conflict where the invoice is not open, overpaid, or the reference is known.
    """
    booking, invoice = await lock_invoice(tx, invoice_id)
    demand_status(invoice["status"], PAYABLE, "invoice", "pay it")
    await _demand_room(tx, invoice, request.amount)
    status = PROCESSORS[request.processor].take(tx.caller.role, request.reference)
    row = await insert_money(
        tx, invoice, "payment", status, request.amount, request.method, processor=request.processor,
        reference=request.reference, note=request.note,
    )  # fmt: skip
    if status == "succeeded":
        await money_came(tx, booking, invoice)
    return as_payment(row)


async def _demand_room(tx: Tx, invoice: asyncpg.Record, amount: Decimal) -> None:
    paid = (await tx.one(SELECT_PAID, tx.org_id, invoice["id"]))["paid"]
    outstanding = invoice["total_amount"] - paid
    if amount > outstanding:
        raise Refusal(
            "conflict", "overpaid", f"Only {outstanding:.2f} {invoice['currency']} is outstanding.", field="amount"
        )


async def settle_payment(tx: Tx, payment_id: UUID, request: Settlement) -> Payment:
    """Say how a pending payment or refund went. Raises Refusal: forbidden, not_found, conflict."""
    demand_staff(tx, "settle payments")
    booking, invoice, payment = await lock_payment(tx, payment_id)
    demand_status(payment["status"], ("pending",), "payment", "settle it")
    if payment["kind"] == "refund" and tx.caller.role == "provider":
        raise Refusal("forbidden", "not_allowed", "A provider may not settle refunds.")
    has_come = request.status == "succeeded"
    if has_come and payment["kind"] == "payment":
        demand_status(invoice["status"], PAYABLE, "invoice", "pay it")
        await _demand_room(tx, invoice, payment["amount"])
    reason = None if has_come else request.reason or "not received"
    row = await tx.one(UPDATE_STATUS, tx.org_id, payment_id, request.status, reason, tx.at if has_come else None)
    if has_come and payment["kind"] == "payment":
        await money_came(tx, booking, invoice)
    else:
        await refresh(tx, [invoice["id"]])
    return as_payment(row)


async def refund_payment(tx: Tx, payment_id: UUID, request: NewRefund) -> Payment:
    """Give a payment back; where a provider moves the money, the refund is pending until that tells of it.

    Raises Refusal: forbidden, not_found, conflict where more would go back than came.
    """
    if tx.caller.role != "admin":
        raise Refusal("forbidden", "not_allowed", f"A {tx.caller.role} may not give money back.")
    _, invoice, payment = await lock_payment(tx, payment_id)
    if (payment["kind"], payment["status"]) != ("payment", "succeeded"):
        raise Refusal("conflict", "not_paid", "Only a payment that succeeded can be given back.")
    refundable = (await tx.one(SELECT_REFUNDABLE, tx.org_id, invoice["id"], payment_id))["refundable"]
    amount = request.amount or refundable
    if amount <= 0 or amount > refundable:
        raise Refusal(
            "conflict", "refund_too_large", f"Only {max(refundable, Decimal(0)):.2f} {payment['currency']} of the "
            "payment can still be given back.", field="amount",
        )  # fmt: skip
    row = await give_back(
        tx, invoice, payment, amount, request.reason, method=request.method, reference=request.reference
    )
    await refresh(tx, [invoice["id"]])
    return as_payment(row)


async def lock_payment(tx: Tx, payment_id: UUID) -> tuple[asyncpg.Record, asyncpg.Record, asyncpg.Record]:
    """The booking and the invoice of a payment, locked, and the payment. Raises Refusal not_found."""
    found = await tx.row(SELECT_PAYMENT, tx.org_id, payment_id)
    if found is None:
        raise not_found("payment")
    booking, invoice = await lock_invoice(tx, found["invoice_id"])
    return booking, invoice, await tx.one(SELECT_PAYMENT, tx.org_id, payment_id)


async def give_back(
    tx: Tx, invoice: asyncpg.Record, payment: asyncpg.Record, amount: Decimal, reason: str, *,
    method: Method | None = None, reference: str | None = None,
) -> asyncpg.Record:  # fmt: skip
    """Refund a part of a payment by the provider that took it; the invoice is locked, `amount` is allowed."""
    return await insert_money(
        tx, invoice, "refund", PROCESSORS[payment["processor"]].give_back(), amount, method or payment["method"],
        processor=payment["processor"], reference=reference, refund_of=payment["id"], note=reason,
    )  # fmt: skip


async def insert_money(
    tx: Tx, invoice: asyncpg.Record, kind: Literal["payment", "refund"], status: MoneyStatus, amount: Decimal,
    method: str, *, processor: str = Manual.name, reference: str | None = None, refund_of: UUID | None = None,
    note: str | None = None, failure_reason: str | None = None, paid_at: Moment | None = None,
) -> asyncpg.Record:  # fmt: skip
    """Write a payment or a refund on a locked invoice; a row of PAYMENT_COLUMNS."""
    moment = (paid_at or tx.at) if status == "succeeded" else None
    return await tx.one(
        INSERT_PAYMENT, tx.org_id, invoice["id"], invoice["booking_id"], kind, status, amount, invoice["currency"],
        method, processor, reference, refund_of, note, failure_reason, moment, tx.at,
    )  # fmt: skip


async def money_came(tx: Tx, booking: asyncpg.Record, invoice: asyncpg.Record) -> None:
    """What follows from a payment that succeeded, on a locked booking and invoice: a paid deposit confirms."""
    await refresh(tx, [invoice["id"]])
    await take_automatic_step(tx, invoice["booking_id"], booking, "confirm", "deposit paid")
