"""Writing invoices: draft, change, issue under numbers without gaps, and void."""

from decimal import Decimal
from typing import Annotated, Final
from uuid import UUID

import asyncpg
from pydantic import ConfigDict, Field, model_validator

from sources import lifecycle
from sources.operations.bookings.access import demand_staff, demand_status, demand_version
from sources.operations.bookings.status_changes import lock_booking
from sources.operations.errors import Refusal, not_found
from sources.operations.field_types import Line, Moment, Note, Request
from sources.operations.money.balance import PAID_OF_INVOICE, derived_status
from sources.operations.money.invoices import Invoice, get_invoice
from sources.operations.transaction import Tx
from sources.row_values import InvoiceKind

DUE_AFTER_DAYS: Final[dict[str, int]] = {"deposit": 7, "final": 15, "fee": 15, "custom": 15}
MAX_LINES: Final = 100


class NewLine(Request):
    """A line of an invoice. A negative price is a deduction. Quantity and price are limited so that amounts fit."""

    description: Line
    quantity: Annotated[Decimal, Field(gt=0, max_digits=7, decimal_places=2, examples=["1.5"])] = Decimal(1)
    unit_price: Annotated[Decimal, Field(max_digits=9, decimal_places=2, examples=["80.00"])]


Lines = Annotated[list[NewLine], Field(min_length=1, max_length=MAX_LINES)]


class NewInvoice(Request):
    """A draft: with the given lines, or computed from the booking (`deposit`, `final`, `fee`)."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"kind": "final"},
                {"lines": [{"description": "Workshop", "quantity": "1.5", "unit_price": "80.00"}]},
            ]
        }
    )

    kind: InvoiceKind = "custom"
    lines: Lines | None = Field(None, description="Only of a custom invoice; the lines of other kinds are computed.")
    due_at: Moment | None = Field(
        None, description="By default 7 days (deposit) or 15 days after the invoice is issued."
    )

    @model_validator(mode="after")
    def _has_lines_or_kind(self) -> "NewInvoice":
        if (self.kind == "custom") != (self.lines is not None):
            raise ValueError("a custom invoice needs `lines`, and no other kind takes them")
        return self


class DraftChanges(Request):
    """The changes of a draft; a field that is absent is kept."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"lines": [{"description": "Workshop", "unit_price": "120.00"}]}]}
    )

    lines: Lines | None = Field(None, description="Replaces all lines.")
    due_at: Moment | None = None


class Voiding(Request):
    """The reason why an invoice becomes void."""

    reason: Note = Field(examples=["Issued to the wrong client."])


SELECT_BOOKING_OF: Final = """
select booking_id from app.invoices where org_id = $1 and id = $2 and (not $3 or issued_at is not null)
"""
LOCK_INVOICE: Final = """
select id, booking_id, client_id, kind, status, total_amount, currency, due_at, row_version::text as version
from app.invoices where org_id = $1 and id = $2 for update
"""
SELECT_PAID: Final = f"""
select {PAID_OF_INVOICE} as paid from app.invoices as invoices where invoices.org_id = $1 and invoices.id = $2
"""  # noqa: S608  constants of this package
SELECT_BILLABLE: Final = """
select bookings.status, bookings.client_id, bookings.offered_amount, bookings.total_amount, bookings.deposit_amount,
    coalesce(bookings.cancellation_fee, 0) as cancellation_fee, bookings.currency, services.name as service_name
from app.bookings as bookings
join app.services as services on services.org_id = bookings.org_id and services.id = bookings.service_id
where bookings.org_id = $1 and bookings.id = $2
"""
SELECT_VALID: Final = """
select id, kind, status, invoice_number, total_amount
from app.invoices where org_id = $1 and booking_id = $2 and status <> 'void' order by id
"""
SELECT_ISSUED_TOTAL: Final = """
select coalesce(sum(total_amount), 0)::numeric(14, 2) as issued
from app.invoices where org_id = $1 and booking_id = $2 and status not in ('void', 'draft')
"""
INSERT_INVOICE: Final = """
insert into app.invoices (org_id, booking_id, client_id, kind, status, total_amount, currency, due_at, created_at)
values ($1, $2, $3, $4, 'draft', 0, $5, $6, $7) returning id
"""
DELETE_LINES: Final = "delete from app.invoice_lines where org_id = $1 and invoice_id = $2"
INSERT_LINES: Final = """
insert into app.invoice_lines (org_id, invoice_id, position, description, quantity, unit_price, amount)
select $1, $2, lines.position, lines.description, lines.quantity, lines.unit_price,
    round(lines.quantity * lines.unit_price, 2)
from unnest($3::text[], $4::numeric[], $5::numeric[])
    with ordinality as lines (description, quantity, unit_price, position)
"""
UPDATE_TOTAL: Final = """
update app.invoices set due_at = $3, total_amount = (
    select coalesce(sum(amount), 0) from app.invoice_lines where org_id = $1 and invoice_id = $2
) where org_id = $1 and id = $2
"""
# The number series is the last lock of the transaction, so that others wait for it as briefly as possible.
ISSUE: Final = """
update app.invoices set status = 'issued', issued_at = $3,
    due_at = coalesce(due_at, $3::timestamptz + make_interval(days => $4)),
    invoice_number = app.next_invoice_number()
where org_id = $1 and id = $2
"""
# Writes the row even where the status stays: a payment changes the invoice, and so its version.
UPDATE_STATUS: Final = f"""
update app.invoices as invoices set status = {derived_status("$3")}
where invoices.org_id = $1 and invoices.id = any($2::uuid[])
"""  # noqa: S608  constants of this package
VOID: Final = "update app.invoices set status = 'void', void_reason = $3 where org_id = $1 and id = any($2::uuid[])"


async def lock_invoice(tx: Tx, invoice_id: UUID) -> tuple[asyncpg.Record, asyncpg.Record]:
    """Lock the booking of an invoice and then the invoice; return both. Raises Refusal not_found."""
    found = await tx.row(SELECT_BOOKING_OF, tx.org_id, invoice_id, tx.caller.role == "client")
    if found is None:
        raise not_found("invoice")
    booking = await lock_booking(tx, found["booking_id"])
    return booking, await tx.one(LOCK_INVOICE, tx.org_id, invoice_id)


async def create_draft(tx: Tx, booking_id: UUID, request: NewInvoice) -> Invoice:
    """Create a draft for a booking. Raises Refusal: forbidden, not_found, conflict if there is nothing to invoice."""
    demand_staff(tx, "write invoices")
    await lock_booking(tx, booking_id)
    _check_due(tx, request.due_at)
    invoice_id = await insert_draft(tx, booking_id, request.kind, request.lines, request.due_at)
    return await get_invoice(tx, invoice_id)


async def insert_draft(
    tx: Tx, booking_id: UUID, kind: InvoiceKind, lines: list[NewLine] | None = None, due_at: Moment | None = None
) -> UUID:
    """Write a draft for a locked booking, with `lines` or computed ones; return its id. Raises Refusal conflict."""
    billable = await tx.one(SELECT_BILLABLE, tx.org_id, booking_id)
    if lines is None:
        lines = _computed_lines(kind, billable, await tx.rows(SELECT_VALID, tx.org_id, booking_id))
    inserted = await tx.one(
        INSERT_INVOICE, tx.org_id, booking_id, billable["client_id"], kind, billable["currency"], due_at, tx.at
    )
    invoice_id: UUID = inserted["id"]
    await _write_lines(tx, invoice_id, lines, due_at)
    return invoice_id


def _computed_lines(kind: InvoiceKind, billable: asyncpg.Record, valid: list[asyncpg.Record]) -> list[NewLine]:
    name = billable["service_name"]
    if kind != "fee" and billable["status"] in lifecycle.CANCELLED:
        raise Refusal("conflict", "wrong_status", f"A booking that is {billable['status']} gets a fee invoice only.")
    if any(invoice["kind"] == kind for invoice in valid):
        raise Refusal("conflict", "already_invoiced", f"The booking has a {kind} invoice already; void it first.")
    issued = [invoice for invoice in valid if invoice["status"] != "draft"]
    rest = billable["total_amount"] - sum(invoice["total_amount"] for invoice in issued)
    lines = {
        "deposit": [("Deposit: " + name, min(billable["deposit_amount"], rest))],
        "fee": [("Cancellation fee: " + name, billable["cancellation_fee"])],
        "final": [
            (name, billable["total_amount"]),
            *((_deducted(invoice), -invoice["total_amount"]) for invoice in issued),
        ],
    }[kind]
    if sum(amount for _, amount in lines) <= 0:
        raise Refusal("conflict", "nothing_to_invoice", f"There is nothing to invoice as {kind}.")
    return [
        NewLine.model_construct(description=description, quantity=Decimal(1), unit_price=amount)
        for description, amount in lines
    ]


def _deducted(invoice: asyncpg.Record) -> str:
    noun = "the deposit" if invoice["kind"] == "deposit" else "an invoice"
    number = invoice["invoice_number"]  # null: imported without one
    return f"Less {noun}" + (f", {number}" if number else "")


async def _write_lines(tx: Tx, invoice_id: UUID, lines: list[NewLine], due_at: Moment | None) -> None:
    await tx.execute(
        INSERT_LINES, tx.org_id, invoice_id, [line.description for line in lines], [line.quantity for line in lines],
        [line.unit_price for line in lines],
    )  # fmt: skip
    await tx.execute(UPDATE_TOTAL, tx.org_id, invoice_id, due_at)


def _check_due(tx: Tx, due_at: Moment | None) -> None:
    if due_at is not None and due_at <= tx.at:
        raise Refusal("invalid", "due_in_past", "The due date has already passed.", field="due_at")


async def change_draft(tx: Tx, invoice_id: UUID, request: DraftChanges, expected: str | None) -> Invoice:
    """Replace the lines of a draft, or its due date. Raises Refusal: forbidden, not_found, conflict, stale."""
    demand_staff(tx, "write invoices")
    _, invoice = await lock_invoice(tx, invoice_id)
    demand_version(invoice, expected, "invoice")
    demand_status(invoice["status"], ("draft",), "invoice", "change it")
    _check_due(tx, request.due_at)
    if request.lines is not None:
        await tx.execute(DELETE_LINES, tx.org_id, invoice_id)
    await _write_lines(tx, invoice_id, request.lines or [], request.due_at or invoice["due_at"])
    return await get_invoice(tx, invoice_id)


async def issue_invoice(tx: Tx, invoice_id: UUID, expected: str | None) -> Invoice:
    """Issue a draft under the next number. Raises Refusal: forbidden, not_found, conflict, stale."""
    demand_staff(tx, "issue invoices")
    _, invoice = await lock_invoice(tx, invoice_id)
    demand_version(invoice, expected, "invoice")
    demand_status(invoice["status"], ("draft",), "invoice", "issue it")
    if invoice["total_amount"] <= 0:
        raise Refusal("conflict", "nothing_to_invoice", "An invoice must have a total above 0 to be issued.")
    await issue_draft(tx, invoice)
    return await get_invoice(tx, invoice_id)


async def issue_draft(tx: Tx, invoice: asyncpg.Record) -> None:
    """Issue a locked draft (of LOCK_INVOICE) of a locked booking under the next number.

    Raises Refusal conflict not_agreed where the invoices of the booking would exceed what both sides agreed to.
    """
    invoice_id, kind = invoice["id"], invoice["kind"]
    billable = await tx.one(SELECT_BILLABLE, tx.org_id, invoice["booking_id"])
    issued = (await tx.one(SELECT_ISSUED_TOTAL, tx.org_id, invoice["booking_id"]))["issued"]
    rest = _agreed(billable) - issued
    if invoice["total_amount"] > rest:
        raise Refusal(
            "conflict", "not_agreed",
            f"Only {max(rest, Decimal(0)):.2f} {billable['currency']} of what was agreed is left to invoice. "
            "Propose the rest to the client as an extra.",
        )  # fmt: skip
    await tx.execute(ISSUE, tx.org_id, invoice_id, tx.at, DUE_AFTER_DAYS[kind])
    await update_status(tx, [invoice_id])


def _agreed(billable: asyncpg.Record) -> Decimal:
    """Return the most that the invoices of a booking may be together, by its status and the consent of the client."""
    if billable["status"] in lifecycle.PRICE_BILLABLE and billable["offered_amount"] is None:
        return Decimal(billable["total_amount"])
    return Decimal(billable["cancellation_fee"] if billable["status"] in lifecycle.FEE_BILLABLE else 0)


async def update_status(tx: Tx, invoice_ids: list[UUID]) -> None:
    """Derive the status of locked invoices from their payments and due dates."""
    await tx.execute(UPDATE_STATUS, tx.org_id, invoice_ids, tx.at)


async def void_invoice(tx: Tx, invoice_id: UUID, request: Voiding, expected: str | None) -> Invoice:
    """Void an invoice whose payments are all refunded. Raises Refusal: forbidden, not_found, conflict, stale."""
    demand_staff(tx, "void invoices")
    _, invoice = await lock_invoice(tx, invoice_id)
    demand_version(invoice, expected, "invoice")
    if invoice["status"] == "void":
        raise Refusal("conflict", "wrong_status", "The invoice is already void.")
    if (await tx.one(SELECT_PAID, tx.org_id, invoice_id))["paid"] > 0:
        raise Refusal("conflict", "money_received", "The invoice has payments: refund them first.")
    await tx.execute(VOID, tx.org_id, [invoice_id], request.reason)
    return await get_invoice(tx, invoice_id)
