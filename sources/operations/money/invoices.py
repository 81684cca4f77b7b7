"""Reading invoices: with their lines, payments and outstanding amounts."""

from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import asyncpg
from pydantic import BaseModel, ConfigDict, Field

from sources.operations.bookings.access import Page, demand_booking, page_of
from sources.operations.errors import not_found
from sources.operations.field_types import Moment, Money, Named
from sources.operations.money.balance import PAID_OF_INVOICE
from sources.operations.transaction import Tx
from sources.row_values import InvoiceKind, InvoiceStatus, PaymentKind, PaymentStatus


class InvoiceLine(BaseModel):
    """One line of an invoice."""

    position: int
    description: str
    quantity: Decimal
    unit_price: Money
    amount: Money


class Payment(BaseModel):
    """A payment or a refund; `amount` is positive for both."""

    id: UUID
    invoice_id: UUID
    booking_id: UUID
    kind: PaymentKind
    status: PaymentStatus
    amount: Money
    currency: str
    method: str
    processor: str
    reference: str | None
    refund_of: UUID | None = Field(description="The payment that is refunded.")
    note: str | None
    failure_reason: str | None
    paid_at: Moment | None
    created_at: Moment


class InvoiceSummary(BaseModel):
    """An invoice in a list."""

    id: UUID
    booking_id: UUID
    client: Named
    kind: InvoiceKind
    invoice_number: str | None = Field(
        description="Assigned when the invoice is issued; without gaps within the organisation."
    )
    status: InvoiceStatus
    total_amount: Money
    paid_amount: Money = Field(description="Payments less refunds, those that succeeded.")
    outstanding_amount: Money = Field(description="The amount still to be paid; 0 for a draft or void invoice.")
    currency: str
    issued_at: Moment | None
    due_at: Moment | None
    void_reason: str | None
    created_at: Moment
    version: str = Field(description="The ETag; it differs after every change.")


class Invoice(InvoiceSummary):
    """An invoice with its lines and payments."""

    lines: list[InvoiceLine]
    payments: list[Payment]


COLUMNS: Final = """
    invoices.id, invoices.booking_id, invoices.client_id, clients.full_name as client_name, invoices.kind,
    invoices.invoice_number, invoices.status, invoices.total_amount, payments.paid as paid_amount,
    app.outstanding_amount(
        invoices.status, invoices.total_amount, payments.paid
    )::numeric(14, 2) as outstanding_amount,
    invoices.currency, invoices.issued_at, invoices.due_at, invoices.void_reason, invoices.created_at,
    invoices.row_version::text as version"""
JOINS: Final = f"""
    left join app.profiles as clients on clients.org_id = invoices.org_id and clients.id = invoices.client_id
    cross join lateral (select {PAID_OF_INVOICE} as paid) as payments"""
# A client sees no invoices that were never issued. $3: true if the caller is a client.
SELECT_INVOICE: Final = f"""
select {COLUMNS} from app.invoices as invoices {JOINS}
where invoices.org_id = $1 and invoices.id = $2 and (not $3 or invoices.issued_at is not null)
"""  # noqa: S608  constants of this file
SELECT_LINES: Final = """
select position, description, quantity, unit_price, amount
from app.invoice_lines where org_id = $1 and invoice_id = $2 order by position
"""
PAYMENT_COLUMNS: Final = """
    id, invoice_id, booking_id, kind, status, amount, currency, method, processor, processor_ref as reference,
    refund_of, note, failure_reason, paid_at, created_at"""
SELECT_PAYMENTS: Final = f"""
select {PAYMENT_COLUMNS} from app.payments where org_id = $1 and invoice_id = $2 order by created_at, id
"""  # noqa: S608  constants of this file


async def get_invoice(tx: Tx, invoice_id: UUID) -> Invoice:
    """Return the invoice with its lines and payments. Raises Refusal not_found; a client sees issued invoices only."""
    row = await tx.row(SELECT_INVOICE, tx.org_id, invoice_id, tx.caller.role == "client")
    if row is None:
        raise not_found("invoice")
    lines = await tx.rows(SELECT_LINES, tx.org_id, invoice_id)
    payments = await tx.rows(SELECT_PAYMENTS, tx.org_id, invoice_id)
    return Invoice.model_construct(
        **_summary(row),
        lines=[InvoiceLine.model_construct(**dict(line)) for line in lines],
        payments=[as_payment(payment) for payment in payments],
    )


def as_payment(row: asyncpg.Record) -> Payment:
    """Convert a row of PAYMENT_COLUMNS into a payment."""
    return Payment.model_construct(**dict(row))


def _summary(row: asyncpg.Record) -> dict[str, Any]:
    values = dict(row)
    values["client"] = Named.model_construct(id=values.pop("client_id"), name=values.pop("client_name") or "")
    return values


# Filter -> its condition; {} is the number of the parameter that has the value of the filter.
FILTERS: Final = {
    "booking_id": "invoices.booking_id = ${}",
    "client_id": "invoices.client_id = ${}",
    "provider_id": "invoices.booking_id in (select id from app.bookings where org_id = $1 and provider_id = ${})",
    "status": "invoices.status = ${}",
    "due_from": "invoices.due_at >= ${}",
    "due_until": "invoices.due_at < ${}",
    "after": "invoices.id < ${}",
}


class InvoiceFilter(BaseModel):
    """The filters and the page of a list of invoices."""

    model_config = ConfigDict(extra="forbid")

    status: InvoiceStatus | None = None
    client_id: UUID | None = None
    due_from: Moment | None = Field(None, description="Due at this moment or later.")
    due_until: Moment | None = Field(None, description="Due before this moment.")
    after: UUID | None = Field(None, description="`next` of the previous page.")
    limit: int = Field(50, ge=1, le=200)


async def list_invoices(tx: Tx, query: InvoiceFilter, booking_id: UUID | None = None) -> Page[InvoiceSummary]:
    """Return a page of the invoices that the caller may see, the newest first; with `booking_id` only of that booking.

    Raises Refusal not_found where the caller does not see the booking.
    """
    if booking_id is not None:
        await demand_booking(tx, booking_id)
    filters: dict[str, object] = {"booking_id": booking_id, **query.model_dump(exclude={"limit"})}
    # Row security demands the same, but only an explicit condition uses an index.
    role, person = tx.caller.role, tx.caller.profile_id
    conditions = ["invoices.org_id = $1"]
    values: list[object] = [tx.org_id]
    if role == "client":
        conditions.append("invoices.issued_at is not null")
        if filters["client_id"] not in (None, person):
            return page_of([], [], query.limit)
        filters["client_id"] = person
    elif role == "provider":
        filters["provider_id"] = person
    for name, condition in FILTERS.items():
        if filters.get(name) is not None:
            values.append(filters[name])
            conditions.append(condition.format(len(values)))
    # The page is read first, and then the payments of its invoices alone.
    statement = f"""
        with page as materialized (
            select invoices.* from app.invoices as invoices
            where {" and ".join(conditions)} order by invoices.id desc limit {query.limit + 1}
        )
        select {COLUMNS} from page as invoices {JOINS} order by invoices.id desc
    """  # noqa: S608  constants of this file, and a number
    rows = await tx.rows(statement, *values)
    items = [InvoiceSummary.model_construct(**_summary(row)) for row in rows]
    return page_of(items, [invoice.id for invoice in items], query.limit)
