"""Routes of time entries and timers."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from sources.api.problems import COMMON, WRITES
from sources.api.request_context import Reading, Writing, reply
from sources.operations.bookings.access import Page
from sources.operations.field_types import Moment
from sources.operations.work import time_entries
from sources.operations.work.time_entries import NewTimeEntry, NewTimer, TimeEntry, TimeEntryChange, TimeSheetFilter

router = APIRouter(prefix="/v1", tags=["time_entries"], responses=COMMON)

After = Annotated[UUID | None, Query(description="`next` of the previous page.")]
Limit = Annotated[int, Query(ge=1, le=200)]


@router.get(
    "/bookings/{booking_id}/time-entries", response_model=Page[TimeEntry], summary="List a booking's time entries"
)
async def list_of_booking(context: Reading, booking_id: UUID, after: After = None, limit: Limit = 50) -> Response:
    """The latest first."""
    return reply(await context.run(lambda tx: time_entries.list_of_booking(tx, booking_id, after, limit)))


@router.post(
    "/bookings/{booking_id}/time-entries",
    status_code=201,
    response_model=TimeEntry,
    responses=WRITES,
    summary="Create a time entry",
)
async def create_time_entry(context: Writing, booking_id: UUID, body: NewTimeEntry) -> Response:
    """The entries of a person never overlap. The first entry starts a booking that is confirmed or scheduled."""
    return await context.write(
        lambda tx: time_entries.create_time_entry(tx, booking_id, body),
        status=201,
        location=lambda created: f"/v1/time-entries/{created.id}",
    )


@router.post(
    "/bookings/{booking_id}/timer", status_code=201, response_model=TimeEntry, responses=WRITES, summary="Start a timer"
)
async def start_timer(context: Writing, booking_id: UUID, body: NewTimer) -> Response:
    """A person has at most one running timer."""
    return await context.write(
        lambda tx: time_entries.start_timer(tx, booking_id, body),
        status=201,
        location=lambda created: f"/v1/time-entries/{created.id}",
    )


@router.get("/time-entries", response_model=Page[TimeEntry], summary="Read a person's time sheet")
async def list_of_person(
    context: Reading,
    provider_id: Annotated[
        UUID | None, Query(description="By default the caller; other people for admins only.")
    ] = None,
    since: Annotated[Moment | None, Query(description="Only entries that start at this moment or later.")] = None,
    until: Annotated[Moment | None, Query(description="Only entries that start before this moment.")] = None,
    running: Annotated[bool, Query(description="Only the running timer.")] = False,
    after: After = None,
    limit: Limit = 50,
) -> Response:
    """The latest first."""
    sheet = TimeSheetFilter(provider_id=provider_id, since=since, until=until, running=running)
    return reply(await context.run(lambda tx: time_entries.list_of_person(tx, sheet, after, limit)))


@router.get("/time-entries/{time_entry_id}", response_model=TimeEntry, summary="Read a time entry")
async def get_time_entry(context: Reading, time_entry_id: UUID) -> Response:
    return reply(await context.run(lambda tx: time_entries.get_time_entry(tx, time_entry_id)))


@router.post(
    "/time-entries/{time_entry_id}/stop", response_model=TimeEntry, responses=WRITES, summary="Stop a running timer"
)
async def stop_timer(context: Writing, time_entry_id: UUID) -> Response:
    return await context.write(lambda tx: time_entries.stop_timer(tx, time_entry_id))


@router.patch(
    "/time-entries/{time_entry_id}", response_model=TimeEntry, responses=WRITES, summary="Correct a time entry"
)
async def edit_time_entry(context: Writing, time_entry_id: UUID, body: TimeEntryChange) -> Response:
    """Possible until the booking has ended."""
    return await context.write(lambda tx: time_entries.edit_time_entry(tx, time_entry_id, body))


@router.delete("/time-entries/{time_entry_id}", status_code=204, responses=WRITES, summary="Delete a time entry")
async def delete_time_entry(context: Writing, time_entry_id: UUID) -> Response:
    """Possible until the booking has ended."""
    return await context.write(lambda tx: time_entries.delete_time_entry(tx, time_entry_id), status=204)
