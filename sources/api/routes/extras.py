"""Routes of extras: amounts beyond the price of a booking."""

from uuid import UUID

from fastapi import APIRouter, Response

from sources.api.problems import COMMON, WRITES
from sources.api.request_context import Reading, Writing, reply
from sources.operations.bookings import extras
from sources.operations.bookings.access import All
from sources.operations.bookings.extras import Extra, ExtraDecision, NewExtra

router = APIRouter(prefix="/v1", tags=["bookings"], responses=COMMON)


@router.get("/bookings/{booking_id}/extras", response_model=All[Extra], summary="List a booking's extras")
async def list_extras(context: Reading, booking_id: UUID) -> Response:
    return reply(await context.run(lambda tx: extras.list_extras(tx, booking_id)))


@router.post(
    "/bookings/{booking_id}/extras", status_code=201, response_model=Extra, responses=WRITES, summary="Propose an extra"
)
async def propose_extra(context: Writing, booking_id: UUID, body: NewExtra) -> Response:
    """The other side accepts it; then it belongs to the total of the booking and can be invoiced."""
    return await context.write(lambda tx: extras.propose_extra(tx, booking_id, body), status=201)


@router.post(
    "/extras/{extra_id}/decision", response_model=Extra, responses=WRITES, summary="Accept or decline an extra"
)
async def decide_extra(context: Writing, extra_id: UUID, body: ExtraDecision) -> Response:
    """Client and staff accept what the other side proposed. Both may decline, also to withdraw their own."""
    return await context.write(lambda tx: extras.decide_extra(tx, extra_id, body))
