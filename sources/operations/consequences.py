"""What a step of a booking means for its money, in the same transaction as the step."""

from decimal import Decimal
from typing import Final
from uuid import UUID

import asyncpg

from sources.operations.invoices import InvoiceKind
from sources.operations.invoicing import LOCK_INVOICE, SELECT_OTHERS, VOID, draft, issue, refresh
from sources.operations.payments import give_back, insert_money
from sources.operations.transaction import Tx

# Of each booking that ended before anything was due: which of its invoices become void, where nothing was paid.
UNPAID_VOID: Final = {
    "declined": ["draft", "issued", "overdue"],
    "expired": ["draft", "issued", "overdue"],
    "no_show": ["draft"],
}
KEPT: Final = "credit"  # the method of money that stays with us and pays another invoice

VOID_UNPAID: Final = """
update app.invoices as i set status = 'void', void_reason = $3
where i.org_id = $1 and i.booking_id = any($2::uuid[]) and i.status = any($4::text[])
    and coalesce((
        select sum(case p.kind when 'refund' then -p.amount else p.amount end) from app.payments as p
        where p.org_id = $1 and p.invoice_id = i.id and p.status = 'succeeded'
    ), 0) = 0
"""
LOCK_INVOICES: Final = """
select id, booking_id, kind, status, currency, invoice_number
from app.invoices where org_id = $1 and booking_id = $2 order by id for update
"""
# Refunds under way count; those that name no payment were recorded on the invoice as a whole (`loose`).
# A payment without an invoice was imported: whether it is given back stands in its source.
SELECT_KEPT: Final = """
select p.id, p.invoice_id, p.method, p.processor,
    p.amount - coalesce((
        select sum(r.amount) from app.payments as r
        where r.org_id = $1 and r.refund_of = p.id and r.status <> 'failed'
    ), 0) as kept,
    coalesce((
        select sum(r.amount) from app.payments as r
        where r.org_id = $1 and r.invoice_id = p.invoice_id and r.kind = 'refund' and r.refund_of is null
            and r.status <> 'failed'
    ), 0) as loose
from app.payments as p
where p.org_id = $1 and p.booking_id = $2 and p.kind = 'payment' and p.status = 'succeeded'
    and p.invoice_id is not null
order by p.paid_at, p.id
"""
SELECT_FEE: Final = "select coalesce(cancellation_fee, 0) as fee from app.bookings where org_id = $1 and id = $2"


async def follow(tx: Tx, booking_id: UUID, booking: asyncpg.Record, status: str) -> None:
    """Bring the invoices and payments of a booking in step with the `status` that it has just taken.

    `booking` is its locked row as it was before the step (of steps.lock_booking).
    """
    if status == "awaiting_payment" and booking["deposit_amount"] > 0:
        await _ask_for_deposit(tx, booking_id)
    elif status == "cancelled":
        fee = (await tx.one(SELECT_FEE, tx.org_id, booking_id))["fee"]
        await _close(tx, booking_id, fee, "The booking was cancelled.")
    elif status == "refunded":
        await _close(tx, booking_id, Decimal(0), "The booking was refunded.")
    elif status in UNPAID_VOID:
        await void_unpaid(tx, [booking_id], status)


async def void_unpaid(tx: Tx, booking_ids: list[UUID], status: str) -> None:
    """Make those invoices of locked bookings void that a booking in `status`, of UNPAID_VOID, owes no more."""
    reason = "The booking is " + status.replace("_", " ") + "."
    await tx.execute(VOID_UNPAID, tx.org_id, booking_ids, reason, UNPAID_VOID[status])


async def _ask_for_deposit(tx: Tx, booking_id: UUID) -> None:
    others = await tx.rows(SELECT_OTHERS, tx.org_id, booking_id)
    existing = next((it for it in others if it["kind"] == "deposit"), None)
    if existing is None:
        await _issue_new(tx, booking_id, "deposit")
    elif existing["status"] == "draft":
        await issue(tx, existing["id"], "deposit")


async def _issue_new(tx: Tx, booking_id: UUID, kind: InvoiceKind) -> UUID:
    invoice_id = await draft(tx, booking_id, kind)
    await issue(tx, invoice_id, kind)
    return invoice_id


async def _close(tx: Tx, booking_id: UUID, fee: Decimal, reason: str) -> None:
    """Of what was paid keep the fee at most, give the rest back, and owe the fee alone: every other invoice is void."""
    invoices = {it["id"]: it for it in await tx.rows(LOCK_INVOICES, tx.org_id, booking_id)}
    credit = await _give_back(tx, booking_id, invoices, fee, reason)
    open_ids = [it["id"] for it in invoices.values() if it["status"] != "void"]
    await tx.execute(VOID, tx.org_id, open_ids, reason)
    if fee > 0:
        fee_id = await _issue_new(tx, booking_id, "fee")
        if credit > 0:
            invoice = await tx.one(LOCK_INVOICE, tx.org_id, fee_id)
            await insert_money(
                tx, invoice, "payment", "succeeded", credit, KEPT, note="Kept from what was paid before."
            )
            await refresh(tx, [fee_id])


async def _give_back(
    tx: Tx, booking_id: UUID, invoices: dict[UUID, asyncpg.Record], fee: Decimal, reason: str
) -> Decimal:
    """Refund every payment: up to `fee` to ourselves, as a credit, and the rest to the client; the credit."""
    credit = Decimal(0)
    loose: dict[UUID, Decimal] = {}
    for payment in await tx.rows(SELECT_KEPT, tx.org_id, booking_id):
        invoice = invoices[payment["invoice_id"]]
        returned = min(payment["kept"], loose.setdefault(invoice["id"], payment["loose"]))
        loose[invoice["id"]] -= returned
        kept = payment["kept"] - returned
        part = min(kept, fee - credit)
        if part > 0:
            await insert_money(
                tx, invoice, "refund", "succeeded", part, KEPT, refund_of=payment["id"], note="Kept as the fee."
            )
            credit += part
        if kept > part:
            await give_back(tx, invoice, payment, kept - part, reason)
    return credit
