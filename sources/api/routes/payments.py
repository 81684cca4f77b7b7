"""Payments and refunds."""

from uuid import UUID

from fastapi import APIRouter, Response

from sources.api.context import Writing
from sources.api.problems import COMMON, WRITES
from sources.operations import payments
from sources.operations.invoices import Payment
from sources.operations.payments import NewPayment, NewRefund, Settlement

router = APIRouter(prefix="/v1", tags=["payments"], responses=COMMON)


@router.post(
    "/invoices/{invoice_id}/payments",
    status_code=201,
    response_model=Payment,
    responses=WRITES,
    summary="Pay an invoice",
)
async def record_payment(context: Writing, invoice_id: UUID, body: NewPayment) -> Response:
    """Staff record money that came, and it counts at once; a client announces it: pending until staff settle it.

    With the provider `stripe` it is pending until Stripe's event comes. A deposit paid in full confirms the booking.
    """
    return await context.write(lambda tx: payments.record_payment(tx, invoice_id, body), status=201)


@router.post(
    "/payments/{payment_id}/settlement", response_model=Payment, responses=WRITES, summary="Settle a pending payment"
)
async def settle_payment(context: Writing, payment_id: UUID, body: Settlement) -> Response:
    """Providers and admins say whether announced money came; admins, whether a pending refund went out."""
    return await context.write(lambda tx: payments.settle_payment(tx, payment_id, body))


@router.post(
    "/payments/{payment_id}/refunds",
    status_code=201,
    response_model=Payment,
    responses=WRITES,
    summary="Give a payment back",
)
async def refund_payment(context: Writing, payment_id: UUID, body: NewRefund) -> Response:
    """By admins, whole or in part, never more than was paid. Of a Stripe payment it is pending until Stripe tells."""
    return await context.write(lambda tx: payments.refund_payment(tx, payment_id, body), status=201)
