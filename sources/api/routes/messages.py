"""Routes of messages."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from sources.api.problems import COMMON, WRITES
from sources.api.request_context import Reading, Writing, reply
from sources.operations.bookings.access import Page
from sources.operations.communication import messages
from sources.operations.communication.messages import Message, NewMessage, Read, ReadUpTo

router = APIRouter(prefix="/v1/bookings/{booking_id}/messages", tags=["messages"], responses=COMMON)


@router.get("", response_model=Page[Message], summary="List a booking's messages")
async def list_messages(
    context: Reading,
    booking_id: UUID,
    after: Annotated[UUID | None, Query(description="`next` of the previous page.")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Response:
    """The latest first."""
    return reply(await context.run(lambda tx: messages.list_messages(tx, booking_id, after, limit)))


@router.post("", status_code=201, response_model=Message, responses=WRITES, summary="Send a message")
async def post_message(context: Writing, booking_id: UUID, body: NewMessage) -> Response:
    return await context.write(lambda tx: messages.post_message(tx, booking_id, body), status=201)


@router.post("/read", response_model=Read, responses=WRITES, summary="Mark messages as read")
async def mark_read(context: Writing, booking_id: UUID, body: ReadUpTo) -> Response:
    """Marks the messages of other people, up to the given one."""
    return await context.write(lambda tx: messages.mark_read(tx, booking_id, body))
