"""Invoices and payments for tests, events in Stripe's format, and the check that all sums agree."""

from decimal import Decimal
from itertools import count
from typing import Any, Final, Literal
from uuid import UUID

from sources.operations.money.invoice_writing import NewInvoice, create_draft, issue_invoice
from sources.operations.money.invoices import Invoice, InvoiceSummary, Payment, get_invoice
from sources.operations.money.payments import NewPayment, record_payment
from sources.operations.transaction import Tx
from tests.sources.business import NORTH, Business
from tests.sources.operations.work.helpers import booking_in

CREATED: Final = 1_750_000_000
_events = count(1)

# Invoices of an organisation whose status does not match their payments.
DISAGREEMENTS: Final = """
select i.id, i.status, i.total_amount, p.paid from app.invoices as i
cross join lateral (
    select coalesce(sum(case kind when 'refund' then -amount else amount end), 0) as paid
    from app.payments where invoice_id = i.id and status = 'succeeded'
) as p
where i.status not in ('draft', 'void') and i.status <> case
    when p.paid >= i.total_amount then 'paid' when i.due_at < now() then 'overdue'
    when p.paid > 0 then 'part_paid' else 'issued' end
"""


def draft_of(business: Business, booking_id: UUID, total: str = "100.00", who: str = "provider") -> Invoice:
    """Create a draft with one line of `total`."""
    request = NewInvoice.model_validate({"lines": [{"description": "Work", "unit_price": total}]})
    return business.run(who, lambda tx: create_draft(tx, booking_id, request))


def issued(business: Business, total: str = "100.00", booking_id: UUID | None = None) -> Invoice:
    """Issue an invoice of `total`, by default of a new booking in progress at this price."""
    made = draft_of(business, booking_id or booking_in(business, "in_progress", total), total)
    return business.run("provider", lambda tx: issue_invoice(tx, made.id, None))


async def pay(tx: Tx, invoice_id: UUID, amount: str, **fields: Any) -> Payment:
    """Record a payment."""
    return await record_payment(tx, invoice_id, NewPayment.model_validate({"amount": amount, **fields}))


def read(business: Business, invoice_id: UUID, who: str = "admin") -> Invoice:
    """Return the invoice as `who` sees it."""
    return business.run(who, lambda tx: get_invoice(tx, invoice_id))


def state(invoice: InvoiceSummary) -> tuple[str, str]:
    """Return the status and the paid amount."""
    return invoice.status, str(invoice.paid_amount)


def event(event_type: str, subject: dict[str, Any], event_id: str | None = None) -> dict[str, Any]:
    """Return an event in Stripe's format."""
    return {
        "id": event_id or f"evt_{next(_events)}", "object": "event", "type": event_type, "created": CREATED,
        "data": {"object": subject},
    }  # fmt: skip


def intent(ref: str, minor: int, invoice_id: UUID | None, *, currency: str = "eur", **fields: Any) -> dict[str, Any]:
    """Return a payment intent; `invoice_id` None: without metadata."""
    return {
        "id": ref, "object": "payment_intent", "amount": minor, "amount_received": minor, "currency": currency,
        "metadata": {"org_id": str(NORTH.id), "invoice_id": str(invoice_id)} if invoice_id else {}, **fields,
    }  # fmt: skip


def charge(ref: str, minor: int, invoice_id: UUID | None, *, refunded: int = 0, **fields: Any) -> dict[str, Any]:
    """Return the charge of the intent `ref`, with the total refunded so far."""
    return {
        "id": ref.replace("pi_", "ch_"), "object": "charge", "payment_intent": ref, "amount": minor,
        "amount_captured": minor, "amount_refunded": refunded, "captured": True, "currency": "eur",
        "metadata": {"org_id": str(NORTH.id), "invoice_id": str(invoice_id)} if invoice_id else {}, **fields,
    }  # fmt: skip


def refund(
    name: str, ref: str, minor: int, status: Literal["pending", "succeeded", "failed"] = "succeeded"
) -> dict[str, Any]:
    """Return a refund of the intent `ref`; Stripe gives it no metadata."""
    return {
        "id": name, "object": "refund", "payment_intent": ref, "charge": ref.replace("pi_", "ch_"), "amount": minor,
        "currency": "eur", "status": status, "metadata": {},
    }  # fmt: skip


def paid_of(business: Business, invoice_id: UUID) -> Decimal:
    """Return the payments less refunds of an invoice, read by SQL."""
    row = business.connection.execute(
        "select coalesce(sum(case kind when 'refund' then -amount else amount end), 0) from app.payments "
        "where invoice_id = %s and status = 'succeeded'",
        [invoice_id],
    ).fetchone()
    assert row
    return Decimal(row[0])
