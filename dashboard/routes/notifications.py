"""The in-app notifications of a person: what happened to insights, kept until they are read."""

from uuid import UUID

from fastapi import APIRouter, Response

from dashboard.access import AnyVisitor, SentForm
from dashboard.queries import homes
from dashboard.rendering import PageRoute, leads_to, page
from sources.operations.communication import notifications

router = APIRouter(prefix="/notifications", route_class=PageRoute, include_in_schema=False, tags=["pages"])


@router.get("")
async def list_notifications(visitor: AnyVisitor) -> Response:
    return page(visitor, "notifications.html.j2", notifications=await homes.read_notifications(visitor))


@router.post("/{notification_id}/read")
async def mark_read(_: SentForm, visitor: AnyVisitor, notification_id: UUID) -> Response:
    await visitor.run(lambda tx: notifications.mark_read(tx, notification_id))
    return leads_to("/notifications")
