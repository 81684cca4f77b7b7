"""Routes of payments and refunds."""

from uuid import UUID

from fastapi import APIRouter, Response

from sources.api.problems import COMMON, WRITES
from sources.api.request_context import Writing
from sources.operations.money import payments
from sources.operations.money.invoices import Payment
from sources.operations.money.payments import NewPayment, NewRefund, Settlement

router = APIRouter(prefix="/v1", tags=["payments"], responses=COMMON)


@router.post(
    "/invoices/{invoice_id}/payments",
    status_code=201,
    response_model=Payment,
    responses=WRITES,
    summary="Record a payment of an invoice",
)
async def record_payment(context: Writing, invoice_id: UUID, body: NewPayment) -> Response:
    """A payment that staff record succeeds at once; one that a client announces is pending until staff settle it.

    With the processor `stripe` it is pending until Stripe's event arrives. A deposit paid in full confirms the booking.
    """
    return await context.write(lambda tx: payments.record_payment(tx, invoice_id, body), status=201)


@router.post(
    "/payments/{payment_id}/settlement", response_model=Payment, responses=WRITES, summary="Settle a pending payment"
)
async def settle_payment(context: Writing, payment_id: UUID, body: Settlement) -> Response:
    """Providers and admins record if an announced payment was received; admins, if a pending refund was sent."""
    return await context.write(lambda tx: payments.settle_payment(tx, payment_id, body))


@router.post(
    "/payments/{payment_id}/refunds",
    status_code=201,
    response_model=Payment,
    responses=WRITES,
    summary="Refund a payment",
)
async def refund_payment(context: Writing, payment_id: UUID, body: NewRefund) -> Response:
    """For admins, in full or in part, never more than was paid.

    The refund of a Stripe payment is pending until Stripe's event arrives.
    """
    return await context.write(lambda tx: payments.refund_payment(tx, payment_id, body), status=201)
