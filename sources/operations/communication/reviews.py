"""Reviews: one per completed booking, by its client."""

from typing import Annotated, Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from sources.lifecycle import COMPLETED
from sources.operations.bookings.access import demand_booking, demand_status
from sources.operations.bookings.status_changes import lock_booking
from sources.operations.errors import Refusal, not_found
from sources.operations.field_types import Moment, Note, Request
from sources.operations.transaction import Tx

Rating = Annotated[int, Field(ge=1, le=5)]


class NewReview(Request):
    """A review of a booking: a rating from 1 (poor) to 5 (excellent), and a comment."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"rating": 5, "comment": "On time, and beautifully done."}]}
    )
    rating: Rating
    comment: Note | None = None


class Review(BaseModel):
    """The review of a booking."""

    id: UUID
    booking_id: UUID
    client_id: UUID
    provider_id: UUID | None
    rating: int
    comment: str | None
    reviewed_at: Moment


SELECT_REVIEW: Final = """
select id, booking_id, client_id, provider_id, rating, comment, reviewed_at
from app.reviews where org_id = $1 and booking_id = $2
"""
INSERT_REVIEW: Final = """
insert into app.reviews (
    org_id, booking_id, client_id, provider_id, rating, comment, reviewed_at, created_at, updated_at
)
values ($1, $2, $3, $4, $5, $6, $7, $7, $7)
"""


async def get_review(tx: Tx, booking_id: UUID) -> Review:
    """Return the review of a booking. Raises Refusal not_found where the review or the booking does not exist."""
    await demand_booking(tx, booking_id)
    row = await tx.row(SELECT_REVIEW, tx.org_id, booking_id)
    if row is None:
        raise not_found("review")
    return Review.model_construct(**row)


async def review_booking(tx: Tx, booking_id: UUID, request: NewReview) -> Review:
    """Review a completed booking. Raises Refusal: not_found, forbidden, conflict (wrong_status, already_reviewed)."""
    booking = await lock_booking(tx, booking_id)
    if tx.caller.profile_id != booking["client_id"]:
        raise Refusal("forbidden", "not_allowed", "Only the client of a booking may review it.")
    demand_status(booking["status"], COMPLETED, "booking", "review it")
    await tx.execute(
        INSERT_REVIEW, tx.org_id, booking_id, booking["client_id"], booking["provider_id"], request.rating,
        request.comment, tx.at,
    )  # fmt: skip
    return await get_review(tx, booking_id)
