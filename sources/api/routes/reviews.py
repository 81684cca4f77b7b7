"""Routes of reviews."""

from uuid import UUID

from fastapi import APIRouter, Response

from sources.api.problems import COMMON, WRITES
from sources.api.request_context import Reading, Writing, reply
from sources.operations.communication import reviews
from sources.operations.communication.reviews import NewReview, Review

router = APIRouter(prefix="/v1/bookings/{booking_id}/review", tags=["reviews"], responses=COMMON)


@router.get("", response_model=Review, summary="Read a booking's review")
async def get_review(context: Reading, booking_id: UUID) -> Response:
    return reply(await context.run(lambda tx: reviews.get_review(tx, booking_id)))


@router.post("", status_code=201, response_model=Review, responses=WRITES, summary="Review a completed booking")
async def review_booking(context: Writing, booking_id: UUID, body: NewReview) -> Response:
    """For the client of the booking, once."""
    return await context.write(lambda tx: reviews.review_booking(tx, booking_id, body), status=201)
