"""The stream of live changes for pages, by the session instead of a token."""

from typing import Annotated

from fastapi import APIRouter, Header, Response

from dashboard.access import AnyVisitor
from dashboard.rendering import PageRoute
from sources.api.routes.live_changes import stream_events

router = APIRouter(route_class=PageRoute, include_in_schema=False, tags=["pages"])


@router.get("/live")
async def stream_changes(visitor: AnyVisitor, last_event_id: Annotated[str | None, Header()] = None) -> Response:
    """Changes that the visitor may see; see GET /v1/events."""
    return await stream_events(visitor.context, last_event_id)
