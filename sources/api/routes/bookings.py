"""Bookings."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from sources.api.context import Calling, Writing, reply
from sources.api.problems import CHANGES, COMMON, WRITES
from sources.operations import bookings, listing, scheduling, transitions
from sources.operations.bookings import Booking, NewBooking
from sources.operations.children import All
from sources.operations.listing import BookingPage, BookingQuery
from sources.operations.scheduling import BookingChange, Reschedule
from sources.operations.transitions import Cancellation, StatusChange, TransitionRequest

router = APIRouter(prefix="/v1/bookings", tags=["bookings"], responses=COMMON)


@router.post("", status_code=201, response_model=Booking, responses=WRITES, summary="Book a service")
async def create_booking(context: Writing, body: NewBooking) -> Response:
    return await context.write(
        lambda tx: bookings.create_booking(tx, body), status=201, location=lambda made: f"/v1/bookings/{made.id}"
    )


@router.get("", response_model=BookingPage, summary="List and search bookings")
async def list_bookings(context: Calling, query: Annotated[BookingQuery, Query()]) -> Response:
    """Those that the caller may see. A page may hold less than `limit` while `next` is set: go on until it is null."""
    return reply(await context.run(lambda tx: listing.list_bookings(tx, query)))


@router.get("/{booking_id}", response_model=Booking, summary="Read a booking")
async def get_booking(context: Calling, booking_id: UUID) -> Response:
    return reply(await context.run(lambda tx: bookings.get_booking(tx, booking_id)))


@router.patch("/{booking_id}", response_model=Booking, responses=CHANGES, summary="Change details of a booking")
async def change_booking(context: Writing, booking_id: UUID, body: BookingChange) -> Response:
    """If-Match is required, so that nobody overwrites what they have not seen."""
    return await context.write(lambda tx: scheduling.change_booking(tx, booking_id, body, context.if_match))


@router.get("/{booking_id}/history", response_model=All[StatusChange], summary="Read the steps of its life")
async def read_history(context: Calling, booking_id: UUID) -> Response:
    return reply(await context.run(lambda tx: transitions.read_history(tx, booking_id)))


@router.post("/{booking_id}/transitions", response_model=Booking, responses=WRITES, summary="Take a step of its life")
async def transition_booking(context: Writing, booking_id: UUID, body: TransitionRequest) -> Response:
    """Every step is an action of the lifecycle: `actions` of the booking lists those that the caller may try."""
    return await context.write(lambda tx: transitions.transition_booking(tx, booking_id, body, context.if_match))


@router.post("/{booking_id}/reschedule", response_model=Booking, responses=WRITES, summary="Move it to another time")
async def reschedule_booking(context: Writing, booking_id: UUID, body: Reschedule) -> Response:
    """409 `slot_taken` where another exclusive booking holds the provider's time. A message to its people says so."""
    return await context.write(lambda tx: scheduling.reschedule_booking(tx, booking_id, body, context.if_match))


@router.post("/{booking_id}/cancel", response_model=Booking, responses=WRITES, summary="Give it up")
async def cancel_booking(context: Writing, booking_id: UUID, body: Cancellation) -> Response:
    """What a client owes for it by the organisation's rules is the `cancellation_fee` of the answer."""
    return await context.write(lambda tx: transitions.cancel_booking(tx, booking_id, body, context.if_match))
