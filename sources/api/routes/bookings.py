"""Bookings."""

from uuid import UUID

from fastapi import APIRouter, Response

from sources.api.context import Calling, Writing, reply
from sources.api.problems import COMMON, WRITES
from sources.operations import bookings, transitions
from sources.operations.bookings import Booking, NewBooking
from sources.operations.transitions import TransitionRequest

router = APIRouter(prefix="/v1/bookings", tags=["bookings"], responses=COMMON)


@router.post("", status_code=201, response_model=Booking, responses=WRITES, summary="Book a service")
async def create_booking(context: Writing, body: NewBooking) -> Response:
    return await context.write(
        lambda tx: bookings.create_booking(tx, body), status=201, location=lambda made: f"/v1/bookings/{made.id}"
    )


@router.get("/{booking_id}", response_model=Booking, summary="Read a booking")
async def get_booking(context: Calling, booking_id: UUID) -> Response:
    return reply(await context.run(lambda tx: bookings.get_booking(tx, booking_id)))


@router.post("/{booking_id}/transitions", response_model=Booking, responses=WRITES, summary="Take a step of its life")
async def transition_booking(context: Writing, booking_id: UUID, body: TransitionRequest) -> Response:
    """Every step is an action of the lifecycle: `actions` of the booking lists those that the caller may try."""
    return await context.write(lambda tx: transitions.transition_booking(tx, booking_id, body, context.if_match))
