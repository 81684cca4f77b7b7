"""Routes of invoices."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from sources.api.problems import CHANGES, COMMON, WRITES
from sources.api.request_context import Reading, Writing, reply
from sources.operations.bookings.access import Page
from sources.operations.money import invoice_writing, invoices
from sources.operations.money.invoice_writing import DraftChanges, NewInvoice, Voiding
from sources.operations.money.invoices import Invoice, InvoiceFilter, InvoiceSummary

router = APIRouter(prefix="/v1", tags=["invoices"], responses=COMMON)


@router.get("/invoices", response_model=Page[InvoiceSummary], summary="List invoices")
async def list_invoices(context: Reading, query: Annotated[InvoiceFilter, Query()]) -> Response:
    """The newest first. Clients see their own issued invoices, providers those of their bookings, admins all."""
    return reply(await context.run(lambda tx: invoices.list_invoices(tx, query)))


@router.get("/bookings/{booking_id}/invoices", response_model=Page[InvoiceSummary], summary="List a booking's invoices")
async def list_booking_invoices(
    context: Reading, booking_id: UUID, query: Annotated[InvoiceFilter, Query()]
) -> Response:
    return reply(await context.run(lambda tx: invoices.list_invoices(tx, query, booking_id)))


@router.post(
    "/bookings/{booking_id}/invoices",
    status_code=201,
    response_model=Invoice,
    responses=WRITES,
    summary="Draft an invoice",
)
async def create_invoice(context: Writing, booking_id: UUID, body: NewInvoice) -> Response:
    """A `deposit`, `final` or `fee` invoice is computed from the booking, each once; a `custom` one needs `lines`."""
    return await context.write(
        lambda tx: invoice_writing.create_draft(tx, booking_id, body),
        status=201,
        location=lambda created: f"/v1/invoices/{created.id}",
    )


@router.get("/invoices/{invoice_id}", response_model=Invoice, summary="Read an invoice")
async def get_invoice(context: Reading, invoice_id: UUID) -> Response:
    """The invoice with its lines, payments, refunds and outstanding amount. Clients see no drafts."""
    return reply(await context.run(lambda tx: invoices.get_invoice(tx, invoice_id)))


@router.patch("/invoices/{invoice_id}", response_model=Invoice, responses=CHANGES, summary="Change a draft invoice")
async def change_invoice(context: Writing, invoice_id: UUID, body: DraftChanges) -> Response:
    return await context.write(lambda tx: invoice_writing.change_draft(tx, invoice_id, body, context.if_match))


@router.post("/invoices/{invoice_id}/issue", response_model=Invoice, responses=WRITES, summary="Issue a draft invoice")
async def issue_invoice(context: Writing, invoice_id: UUID) -> Response:
    """The invoice gets the organisation's next number; after that it changes by payments only."""
    return await context.write(lambda tx: invoice_writing.issue_invoice(tx, invoice_id, context.if_match))


@router.post("/invoices/{invoice_id}/void", response_model=Invoice, responses=WRITES, summary="Void an invoice")
async def void_invoice(context: Writing, invoice_id: UUID, body: Voiding) -> Response:
    """Only if it has no payments, or all are refunded. Its number is not used again."""
    return await context.write(lambda tx: invoice_writing.void_invoice(tx, invoice_id, body, context.if_match))
