"""Routes of bookings."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from sources.api.problems import CHANGES, COMMON, WRITES
from sources.api.request_context import Reading, Writing, reply
from sources.operations.bookings import booking, listing, scheduling, transitions
from sources.operations.bookings.access import All
from sources.operations.bookings.booking import Booking, NewBooking
from sources.operations.bookings.listing import BookingPage, BookingQuery
from sources.operations.bookings.scheduling import BookingChange, Reschedule
from sources.operations.bookings.transitions import Cancellation, StatusChange, TransitionRequest

router = APIRouter(prefix="/v1/bookings", tags=["bookings"], responses=COMMON)


@router.post("", status_code=201, response_model=Booking, responses=WRITES, summary="Book a service")
async def create_booking(context: Writing, body: NewBooking) -> Response:
    return await context.write(
        lambda tx: booking.create_booking(tx, body), status=201, location=lambda created: f"/v1/bookings/{created.id}"
    )


@router.get("", response_model=BookingPage, summary="List and search bookings")
async def list_bookings(context: Reading, query: Annotated[BookingQuery, Query()]) -> Response:
    """The bookings that the caller may see.

    A page may have fewer items than `limit` while `next` is set: continue until it is null.
    """
    return reply(await context.run(lambda tx: listing.list_bookings(tx, query)))


@router.get("/{booking_id}", response_model=Booking, summary="Read a booking")
async def get_booking(context: Reading, booking_id: UUID) -> Response:
    return reply(await context.run(lambda tx: booking.get_booking(tx, booking_id)))


@router.patch("/{booking_id}", response_model=Booking, responses=CHANGES, summary="Change details of a booking")
async def change_booking(context: Writing, booking_id: UUID, body: BookingChange) -> Response:
    """If-Match is required, so that nobody overwrites changes that they have not read."""
    return await context.write(lambda tx: scheduling.change_booking(tx, booking_id, body, context.if_match))


@router.get("/{booking_id}/history", response_model=All[StatusChange], summary="Read the status history of a booking")
async def read_history(context: Reading, booking_id: UUID) -> Response:
    return reply(await context.run(lambda tx: transitions.read_history(tx, booking_id)))


@router.post(
    "/{booking_id}/transitions", response_model=Booking, responses=WRITES, summary="Take a transition of a booking"
)
async def transition_booking(context: Writing, booking_id: UUID, body: TransitionRequest) -> Response:
    """The action is one of the lifecycle; `actions` of the booking lists those that the caller may try."""
    return await context.write(lambda tx: transitions.transition_booking(tx, booking_id, body, context.if_match))


@router.post("/{booking_id}/reschedule", response_model=Booking, responses=WRITES, summary="Reschedule a booking")
async def reschedule_booking(context: Writing, booking_id: UUID, body: Reschedule) -> Response:
    """409 `slot_taken` if another exclusive booking holds the provider's time. A message records the change."""
    return await context.write(lambda tx: scheduling.reschedule_booking(tx, booking_id, body, context.if_match))


@router.post("/{booking_id}/cancel", response_model=Booking, responses=WRITES, summary="Cancel a booking")
async def cancel_booking(context: Writing, booking_id: UUID, body: Cancellation) -> Response:
    """`cancellation_fee` of the response is the fee of a client by the organisation's rules."""
    return await context.write(lambda tx: transitions.cancel_booking(tx, booking_id, body, context.if_match))
