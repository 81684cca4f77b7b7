"""Effects of a booking's status change on its invoices and payments, in the same transaction."""

from decimal import Decimal
from typing import Final
from uuid import UUID

import asyncpg

from sources.lifecycle import PRICE_BILLABLE
from sources.operations.money.balance import PAID_OF_INVOICE
from sources.operations.money.invoice_writing import (
    LOCK_INVOICE,
    SELECT_VALID,
    VOID,
    insert_draft,
    issue_draft,
    update_status,
)
from sources.operations.money.payments import insert_money, order_refund
from sources.operations.transaction import Tx
from sources.row_values import InvoiceKind

# Final status of a booking that ended before work was due -> statuses of its unpaid invoices that become void.
UNPAID_VOID: Final = {
    "declined": ["draft", "issued", "overdue"],
    "expired": ["draft", "issued", "overdue"],
    "no_show": ["draft"],
}
CREDIT: Final = "credit"  # the method of money that is not given back and pays another invoice

VOID_UNPAID: Final = f"""
update app.invoices as invoices set status = 'void', void_reason = $3
where invoices.org_id = $1 and invoices.booking_id = any($2::uuid[]) and invoices.status = any($4::text[])
    and {PAID_OF_INVOICE} = 0
"""  # noqa: S608  constants of this package
LOCK_INVOICES: Final = """
select id, booking_id, kind, status, currency, invoice_number
from app.invoices where org_id = $1 and booking_id = $2 order by id for update
"""
# The payments of a booking and what is kept of each. Pending refunds count as given back; `unassigned` are the refunds
# of the invoice that name no payment. Payments without an invoice are left out: they were imported, and their source
# decides on refunds.
SELECT_KEPT: Final = """
select payments.id, payments.invoice_id, payments.method, payments.processor,
    payments.amount - coalesce((
        select sum(refunds.amount) from app.payments as refunds
        where refunds.org_id = $1 and refunds.refund_of = payments.id and refunds.status <> 'failed'
    ), 0) as kept,
    coalesce((
        select sum(refunds.amount) from app.payments as refunds
        where refunds.org_id = $1 and refunds.invoice_id = payments.invoice_id and refunds.kind = 'refund'
            and refunds.refund_of is null and refunds.status <> 'failed'
    ), 0) as unassigned
from app.payments as payments
where payments.org_id = $1 and payments.booking_id = $2 and payments.kind = 'payment'
    and payments.status = 'succeeded' and payments.invoice_id is not null
order by payments.paid_at, payments.id
"""
SELECT_FEE: Final = "select coalesce(cancellation_fee, 0) as fee from app.bookings where org_id = $1 and id = $2"


async def apply(tx: Tx, booking_id: UUID, booking: asyncpg.Record, status: str) -> None:
    """Update the invoices and payments of a booking after its change to `status`.

    `booking` is its locked row from before the change (of status_changes.lock_booking).
    """
    if status == "awaiting_payment" and booking["deposit_amount"] > 0:
        await _invoice_deposit(tx, booking_id, booking)
    elif status == "cancelled":
        fee = (await tx.one(SELECT_FEE, tx.org_id, booking_id))["fee"]
        await _settle(tx, booking_id, fee, "The booking was cancelled.")
    elif status == "refunded":
        await _settle(tx, booking_id, Decimal(0), "The booking was refunded.")
    elif status == "under_review" and booking["status"] in PRICE_BILLABLE:
        await _settle(tx, booking_id, Decimal(0), "The booking is under review again.")
    elif status in UNPAID_VOID:
        await void_unpaid(tx, [booking_id], status)


async def void_unpaid(tx: Tx, booking_ids: list[UUID], status: str) -> None:
    """Void the unpaid invoices of locked bookings that have ended in `status`, one of UNPAID_VOID."""
    reason = "The booking is " + status.replace("_", " ") + "."
    await tx.execute(VOID_UNPAID, tx.org_id, booking_ids, reason, UNPAID_VOID[status])


async def _invoice_deposit(tx: Tx, booking_id: UUID, booking: asyncpg.Record) -> None:
    invoices = await tx.rows(SELECT_VALID, tx.org_id, booking_id)
    existing = next((invoice for invoice in invoices if invoice["kind"] == "deposit"), None)
    issued = sum(invoice["total_amount"] for invoice in invoices if invoice["status"] != "draft")
    if issued >= booking["total_amount"]:
        return  # such as by a final invoice: its payment is the deposit
    if existing is not None and existing["status"] != "draft":
        return
    if existing is not None:  # its lines may be others
        await tx.execute(VOID, tx.org_id, [existing["id"]], "The computed deposit is issued in its place.")
    await _issue_new(tx, booking_id, "deposit")


async def _issue_new(tx: Tx, booking_id: UUID, kind: InvoiceKind) -> UUID:
    invoice_id = await insert_draft(tx, booking_id, kind)
    await issue_draft(tx, await tx.one(LOCK_INVOICE, tx.org_id, invoice_id))
    return invoice_id


async def _settle(tx: Tx, booking_id: UUID, fee: Decimal, reason: str) -> None:
    """Void every invoice, refund the payments beyond the fee, and issue a fee invoice, paid by the amount kept."""
    invoices = {invoice["id"]: invoice for invoice in await tx.rows(LOCK_INVOICES, tx.org_id, booking_id)}
    credit = await _refund_beyond(tx, booking_id, invoices, fee, reason)
    open_ids = [invoice["id"] for invoice in invoices.values() if invoice["status"] != "void"]
    await tx.execute(VOID, tx.org_id, open_ids, reason)
    if fee > 0:
        fee_id = await _issue_new(tx, booking_id, "fee")
        if credit > 0:
            invoice = await tx.one(LOCK_INVOICE, tx.org_id, fee_id)
            await insert_money(tx, invoice, "payment", "succeeded", credit, CREDIT, note="Kept from earlier payments.")
            await update_status(tx, [fee_id])


async def _refund_beyond(
    tx: Tx, booking_id: UUID, invoices: dict[UUID, asyncpg.Record], fee: Decimal, reason: str
) -> Decimal:
    """Refund every payment of a booking: up to `fee` in all as a credit, the rest to the client. Return the credit."""
    credit = Decimal(0)
    unassigned: dict[UUID, Decimal] = {}
    for payment in await tx.rows(SELECT_KEPT, tx.org_id, booking_id):
        invoice = invoices[payment["invoice_id"]]
        returned = min(payment["kept"], unassigned.setdefault(invoice["id"], payment["unassigned"]))
        unassigned[invoice["id"]] -= returned
        kept = payment["kept"] - returned
        part = min(kept, fee - credit)
        if part > 0:
            await insert_money(
                tx, invoice, "refund", "succeeded", part, CREDIT, refund_of=payment["id"], note="Kept as the fee."
            )
            credit += part
        if kept > part:
            await order_refund(tx, invoice, payment, kept - part, reason)
    return credit
