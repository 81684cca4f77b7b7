"""Routes of the calendar: what is known ahead."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from sources.api.problems import CHANGES, COMMON, WRITES
from sources.api.request_context import Reading, Writing, reply
from sources.operations import calendar
from sources.operations.bookings.access import All
from sources.operations.calendar import CalendarEvent, CalendarEventChange, CalendarQuery, NewCalendarEvent

router = APIRouter(prefix="/v1/calendar-events", tags=["calendar"], responses=COMMON)


@router.get("", response_model=All[CalendarEvent], summary="List what is known ahead")
async def list_events(context: Reading, query: Annotated[CalendarQuery, Query()]) -> Response:
    """In the order of their days, the first 1,000. For admins."""
    return reply(await context.run(lambda tx: calendar.list_events(tx, query)))


@router.post("", status_code=201, response_model=CalendarEvent, responses=WRITES, summary="Add an event")
async def create_event(context: Writing, body: NewCalendarEvent) -> Response:
    """Forecasts and the search for anomalies of the next run know it, unless they read another server."""
    return await context.write(
        lambda tx: calendar.create_event(tx, body),
        status=201,
        location=lambda created: f"/v1/calendar-events/{created.id}",
    )


@router.get("/{calendar_event_id}", response_model=CalendarEvent, summary="Read an event")
async def get_event(context: Reading, calendar_event_id: UUID) -> Response:
    return reply(await context.run(lambda tx: calendar.get_event(tx, calendar_event_id)))


@router.patch("/{calendar_event_id}", response_model=CalendarEvent, responses=CHANGES, summary="Change an event")
async def edit_event(context: Writing, calendar_event_id: UUID, body: CalendarEventChange) -> Response:
    return await context.write(lambda tx: calendar.edit_event(tx, calendar_event_id, body, context.if_match))


@router.delete("/{calendar_event_id}", status_code=204, responses=WRITES, summary="Delete an event")
async def delete_event(context: Writing, calendar_event_id: UUID) -> Response:
    """What past runs knew of it stays as it is; later ones do not know it."""
    return await context.write(lambda tx: calendar.delete_event(tx, calendar_event_id), status=204)
