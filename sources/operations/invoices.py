"""Invoices as they are read: with their lines, and what was paid."""

from decimal import Decimal
from typing import Any, Final, Literal
from uuid import UUID

import asyncpg
from pydantic import BaseModel, ConfigDict, Field

from sources.operations.children import Page, page_of, see_booking
from sources.operations.errors import not_found
from sources.operations.transaction import Tx
from sources.operations.values import Moment, Money, Named
from sources.payment_processors.interface import MoneyStatus

InvoiceKind = Literal["deposit", "final", "fee", "custom"]
InvoiceStatus = Literal["draft", "issued", "part_paid", "paid", "overdue", "void"]


class InvoiceLine(BaseModel):
    """One line of an invoice."""

    position: int
    description: str
    quantity: Decimal
    unit_price: Money
    amount: Money


class Payment(BaseModel):
    """Money that came, or went back; `amount` is positive for both."""

    id: UUID
    invoice_id: UUID
    booking_id: UUID
    kind: Literal["payment", "refund"]
    status: MoneyStatus
    amount: Money
    currency: str
    method: str
    processor: str
    reference: str | None
    refund_of: UUID | None = Field(description="The payment that a refund gives back.")
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
    invoice_number: str | None = Field(description="Given when it is issued; without gaps in the organisation.")
    status: InvoiceStatus
    total_amount: Money
    paid_amount: Money = Field(description="Payments less refunds that succeeded.")
    outstanding_amount: Money = Field(description="What is still to be paid; of drafts and void ones 0.")
    currency: str
    issued_at: Moment | None
    due_at: Moment | None
    void_reason: str | None
    created_at: Moment
    version: str = Field(description="Changes with every change; the ETag.")


class Invoice(InvoiceSummary):
    """An invoice with its lines, and what was paid for it."""

    lines: list[InvoiceLine]
    payments: list[Payment]


COLUMNS: Final = """
    i.id, i.booking_id, i.client_id, c.full_name as client_name, i.kind, i.invoice_number, i.status, i.total_amount,
    p.paid as paid_amount,
    (
        case when i.status in ('draft', 'void') then 0 else greatest(i.total_amount - p.paid, 0) end
    )::numeric(14, 2) as outstanding_amount,
    i.currency, i.issued_at, i.due_at, i.void_reason, i.created_at, i.row_version::text as version"""
# What was paid is summed where it is read, never stored: it cannot differ from the payments.
JOINS: Final = """
    left join app.profiles as c on c.org_id = i.org_id and c.id = i.client_id
    cross join lateral (
        select coalesce(sum(case it.kind when 'refund' then -it.amount else it.amount end), 0)::numeric(14, 2) as paid
        from app.payments as it where it.org_id = i.org_id and it.invoice_id = i.id and it.status = 'succeeded'
    ) as p"""
# A client sees no drafts, and none that never was issued. $3: whether a client asks.
SELECT_INVOICE: Final = f"""
select {COLUMNS} from app.invoices as i {JOINS}
where i.org_id = $1 and i.id = $2 and (not $3 or i.issued_at is not null)
"""  # noqa: S608  constants of this file
SELECT_LINES: Final = """
select position, description, quantity, unit_price, amount
from app.invoice_lines where org_id = $1 and invoice_id = $2 order by position
"""
PAYMENT_COLUMNS: Final = """
    id, invoice_id, booking_id, kind, status, amount, currency, method, processor, processor_ref as reference, refund_of,
    note, failure_reason, paid_at, created_at"""
SELECT_PAYMENTS: Final = f"""
select {PAYMENT_COLUMNS} from app.payments where org_id = $1 and invoice_id = $2 order by created_at, id
"""  # noqa: S608  constants of this file


async def get_invoice(tx: Tx, invoice_id: UUID) -> Invoice:
    """The invoice with its lines and payments. Raises Refusal not_found; a client sees issued ones only."""
    row = await tx.row(SELECT_INVOICE, tx.org_id, invoice_id, tx.caller.role == "client")
    if row is None:
        raise not_found("invoice")
    lines = await tx.rows(SELECT_LINES, tx.org_id, invoice_id)
    payments = await tx.rows(SELECT_PAYMENTS, tx.org_id, invoice_id)
    return Invoice.model_construct(
        **_summary(row),
        lines=[InvoiceLine.model_construct(**dict(it)) for it in lines],
        payments=[as_payment(it) for it in payments],
    )


def as_payment(row: asyncpg.Record) -> Payment:
    """A row of PAYMENT_COLUMNS."""
    return Payment.model_construct(**dict(row))


def _summary(row: asyncpg.Record) -> dict[str, Any]:
    values = dict(row)
    values["client"] = Named.model_construct(id=values.pop("client_id"), name=values.pop("client_name") or "")
    return values


# Each filter of a list, for one more parameter.
FILTERS: Final = {
    "booking_id": "i.booking_id = ${}",
    "client_id": "i.client_id = ${}",
    "provider_id": "i.booking_id in (select b.id from app.bookings as b where b.org_id = $1 and b.provider_id = ${})",
    "status": "i.status = ${}",
    "due_from": "i.due_at >= ${}",
    "due_until": "i.due_at < ${}",
    "after": "i.id < ${}",
}


class InvoiceFilter(BaseModel):
    """What a list is narrowed to."""

    model_config = ConfigDict(extra="forbid")

    status: InvoiceStatus | None = None
    client_id: UUID | None = None
    due_from: Moment | None = Field(None, description="Due at that moment or later.")
    due_until: Moment | None = Field(None, description="Due before that moment.")
    after: UUID | None = Field(None, description="The `next` of the page before.")
    limit: int = Field(50, ge=1, le=200)


async def list_invoices(tx: Tx, wanted: InvoiceFilter, booking_id: UUID | None = None) -> Page[InvoiceSummary]:
    """A page of invoices that the caller may see, the newest first; `booking_id`: of that booking (or not_found)."""
    if booking_id is not None:
        await see_booking(tx, booking_id)
    given: dict[str, object] = {"booking_id": booking_id, **wanted.model_dump(exclude={"limit"})}
    # What row security demands anyway, said so that an index finds it.
    role, person = tx.caller.role, tx.caller.profile_id
    conditions = ["i.org_id = $1"]
    values: list[object] = [tx.org_id]
    if role == "client":
        conditions.append("i.issued_at is not null")
        if given["client_id"] not in (None, person):
            return page_of([], [], wanted.limit)
        given["client_id"] = person
    elif role == "provider":
        given["provider_id"] = person
    for name, condition in FILTERS.items():
        if given.get(name) is not None:
            values.append(given[name])
            conditions.append(condition.format(len(values)))
    # The page first, and then what was paid of each invoice on it.
    query = f"""
        with page as materialized (
            select i.* from app.invoices as i
            where {" and ".join(conditions)} order by i.id desc limit {wanted.limit + 1}
        )
        select {COLUMNS} from page as i {JOINS} order by i.id desc
    """  # noqa: S608  constants of this file, and a number
    rows = await tx.rows(query, *values)
    items = [InvoiceSummary.model_construct(**_summary(it)) for it in rows]
    return page_of(items, [it.id for it in items], wanted.limit)
