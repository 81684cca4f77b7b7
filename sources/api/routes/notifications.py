"""Routes of in-app notifications."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from sources.api.problems import COMMON, WRITES
from sources.api.request_context import Reading, Writing, reply
from sources.operations.bookings.access import Page
from sources.operations.communication import notifications
from sources.operations.communication.notifications import Notification, Unread

router = APIRouter(prefix="/v1/notifications", tags=["notifications"], responses=COMMON)


@router.get("", response_model=Page[Notification], summary="List your notifications")
async def list_notifications(
    context: Reading,
    unread: Annotated[bool, Query(description="Only unread notifications.")] = False,
    after: Annotated[UUID | None, Query(description="`next` of the previous page.")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Response:
    """The latest first."""
    return reply(
        await context.run(lambda tx: notifications.list_notifications(tx, only_unread=unread, after=after, limit=limit))
    )


@router.get("/unread", response_model=Unread, summary="Count your unread notifications")
async def count_unread(context: Reading) -> Response:
    return reply(await context.run(notifications.count_unread))


@router.post(
    "/{notification_id}/read", response_model=Notification, responses=WRITES, summary="Mark a notification as read"
)
async def mark_read(context: Writing, notification_id: UUID) -> Response:
    return await context.write(lambda tx: notifications.mark_read(tx, notification_id))
