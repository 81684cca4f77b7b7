"""Time entries: the hours that a person worked on a booking, entered afterwards or by a timer.

A running timer is an entry without an end. The exclusion constraint of the database ensures that a person's entries
never overlap, and that a person has at most one running timer.
"""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import asyncpg
from pydantic import BaseModel, ConfigDict, Field

from sources.lifecycle import ONGOING, PENDING, WORKABLE
from sources.operations.bookings.access import (
    Page,
    demand_booking,
    demand_staff,
    demand_status,
    lock_child,
    page_of,
)
from sources.operations.bookings.schedule_limits import CLOCK_SKEW
from sources.operations.bookings.status_changes import lock_booking, take_automatic_transition
from sources.operations.errors import Refusal, not_found
from sources.operations.field_types import EARLIEST, LATEST, Moment, Named, Note, Request
from sources.operations.transaction import Tx

LONGEST: Final = timedelta(hours=24)  # of an entry with both times; a forgotten timer may be longer
# Statuses of a booking in which its time entries may be corrected.
CORRECTABLE: Final = (*PENDING, *ONGOING)


class NewTimer(Request):
    """A request to start a timer now."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"note": "First sketches"}]})
    task_id: UUID | None = None
    provider_id: UUID | None = Field(None, description="The person who worked: for providers themselves; for "
                                                       "admins by default the provider of the booking.")  # fmt: skip
    billable: bool = True
    note: Note | None = None


class NewTimeEntry(NewTimer):
    """Hours worked, at most 24 per entry."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"started_at": "2026-06-10T09:00:00Z", "ended_at": "2026-06-10T11:30:00Z"}]}
    )
    started_at: Moment
    ended_at: Moment


class TimeEntryChange(Request):
    """The fields to change; a field that is absent is kept."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"ended_at": "2026-06-10T12:00:00Z", "note": None}]})
    task_id: UUID | None = None
    billable: bool = Field(default_factory=bool)
    note: Note | None = None
    started_at: Moment = Field(default_factory=lambda: EARLIEST)
    ended_at: Moment = Field(default_factory=lambda: EARLIEST)


class TimeEntry(BaseModel):
    """A time entry of a booking."""

    id: UUID
    booking_id: UUID
    task_id: UUID | None
    provider: Named
    started_at: Moment
    ended_at: Moment | None = Field(description="null: the timer is running.")
    billable: bool
    note: str | None
    created_at: Moment
    updated_at: Moment


class TimeSheetFilter(BaseModel):
    """The filters of a person's entries: those that start in [since, until); `running`: only the running timer."""

    provider_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    running: bool = False


FROM_ENTRIES: Final = """
select entries.id, entries.booking_id, entries.task_id, entries.provider_id, providers.full_name as provider_name,
    entries.started_at, entries.ended_at, entries.billable, entries.note, entries.created_at, entries.updated_at
from app.time_entries as entries
left join app.profiles as providers on providers.org_id = entries.org_id and providers.id = entries.provider_id
"""
SELECT_ENTRY: Final = f"{FROM_ENTRIES} where entries.org_id = $1 and entries.id = $2"
NEXT_PAGE: Final = """
and ($3::uuid is null or (entries.started_at, entries.id) < (
    select started_at, id from app.time_entries where org_id = $1 and id = $3
))
order by entries.started_at desc, entries.id desc limit $4
"""
SELECT_OF_BOOKING: Final = f"{FROM_ENTRIES} where entries.org_id = $1 and entries.booking_id = $2 {NEXT_PAGE}"
SELECT_OF_PERSON: Final = f"""
{FROM_ENTRIES} where entries.org_id = $1 and entries.provider_id = $2
    and entries.started_at >= $5 and entries.started_at < $6
    and (not $7 or entries.ended_at is null) {NEXT_PAGE}
"""
CHECK_REFERENCES: Final = """
select
    exists (
        select from app.profiles where org_id = $1 and id = $3 and role = 'provider' and is_active
    ) as has_provider,
    $4::uuid is null or exists (
        select from app.tasks where org_id = $1 and id = $4 and booking_id = $2
    ) as has_task
"""
INSERT_ENTRY: Final = """
insert into app.time_entries (
    org_id, booking_id, task_id, provider_id, started_at, ended_at, billable, note, created_at, updated_at
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)
returning id
"""
UPDATE_ENTRY: Final = """
update app.time_entries set task_id = $3, billable = $4, note = $5, started_at = $6, ended_at = $7
where org_id = $1 and id = $2
"""
# The entry lasts at least a microsecond, even where the clock has not advanced.
STOP_ENTRY: Final = """
update app.time_entries set ended_at = greatest($3::timestamptz, started_at + interval '1 microsecond')
where org_id = $1 and id = $2
"""
DELETE_ENTRY: Final = "delete from app.time_entries where org_id = $1 and id = $2"


async def get_time_entry(tx: Tx, time_entry_id: UUID) -> TimeEntry:
    """Return the entry, if the caller sees its booking. Raises Refusal not_found."""
    row = await tx.row(SELECT_ENTRY, tx.org_id, time_entry_id)
    if row is None:
        raise not_found("time entry")
    return _as_entry(row)


async def list_of_booking(tx: Tx, booking_id: UUID, after: UUID | None, limit: int) -> Page[TimeEntry]:
    """Return the entries of a booking, the latest first. Raises Refusal not_found."""
    await demand_booking(tx, booking_id)
    return _page(await tx.rows(SELECT_OF_BOOKING, tx.org_id, booking_id, after, limit + 1), limit)


async def list_of_person(tx: Tx, sheet: TimeSheetFilter, after: UUID | None, limit: int) -> Page[TimeEntry]:
    """Return the entries of the caller, or for an admin of any person, the latest first. Raises Refusal forbidden."""
    demand_staff(tx, "read a time sheet")
    person = sheet.provider_id or tx.caller.profile_id
    if tx.caller.role == "provider" and person != tx.caller.profile_id:
        raise Refusal("forbidden", "not_allowed", "A provider may read only their own time sheet.", field="provider_id")
    rows = await tx.rows(
        SELECT_OF_PERSON, tx.org_id, person, after, limit + 1, sheet.since or EARLIEST, sheet.until or LATEST,
        sheet.running,
    )  # fmt: skip
    return _page(rows, limit)


async def create_time_entry(tx: Tx, booking_id: UUID, request: NewTimeEntry) -> TimeEntry:
    """Enter hours worked on a booking; the first entry starts a booking that is confirmed or scheduled, if it is near.

    Raises Refusal: not_found, forbidden, invalid, conflict (wrong_status, time_overlaps).
    """
    return await _add(tx, booking_id, request, request.started_at, request.ended_at)


async def start_timer(tx: Tx, booking_id: UUID, request: NewTimer) -> TimeEntry:
    """Start a timer: an entry from now on without an end. A person has at most one.

    Raises Refusal: not_found, forbidden, invalid, conflict (wrong_status, time_overlaps).
    """
    return await _add(tx, booking_id, request, tx.at, None)


async def stop_timer(tx: Tx, time_entry_id: UUID) -> TimeEntry:
    """Stop a running timer, in any status of its booking.

    Raises Refusal: not_found, forbidden, conflict not_running.
    """
    _, row = await _lock_own(tx, time_entry_id)
    if row["ended_at"] is not None:
        raise Refusal("conflict", "not_running", "The timer is already stopped.")
    await tx.execute(STOP_ENTRY, tx.org_id, time_entry_id, tx.at)
    return await get_time_entry(tx, time_entry_id)


async def edit_time_entry(tx: Tx, time_entry_id: UUID, change: TimeEntryChange) -> TimeEntry:
    """Correct an entry of a booking that has not ended.

    Raises Refusal: not_found, forbidden, invalid, conflict (wrong_status, time_overlaps).
    """
    booking, row = await _lock_own(tx, time_entry_id)
    demand_status(booking["status"], CORRECTABLE, "booking", "change its time entries")
    new = dict(row) | change.model_dump(exclude_unset=True)
    if {"started_at", "ended_at"} & change.model_fields_set:
        _check_times(tx, booking, new["started_at"], new["ended_at"])
    if change.task_id:
        await _check_references(tx, row["booking_id"], row["provider_id"], change.task_id, is_new=False)
    await tx.execute(
        UPDATE_ENTRY, tx.org_id, time_entry_id, new["task_id"], new["billable"], new["note"], new["started_at"],
        new["ended_at"],
    )  # fmt: skip
    return await get_time_entry(tx, time_entry_id)


async def delete_time_entry(tx: Tx, time_entry_id: UUID) -> None:
    """Delete an entry of a booking that has not ended. Raises Refusal: not_found, forbidden, conflict."""
    booking, _ = await _lock_own(tx, time_entry_id)
    demand_status(booking["status"], CORRECTABLE, "booking", "change its time entries")
    await tx.execute(DELETE_ENTRY, tx.org_id, time_entry_id)


async def _add(
    tx: Tx, booking_id: UUID, request: NewTimer, started_at: datetime, ended_at: datetime | None
) -> TimeEntry:
    booking = await lock_booking(tx, booking_id)
    demand_staff(tx, "enter time")
    person = request.provider_id or (tx.caller.profile_id if tx.caller.role == "provider" else booking["provider_id"])
    if tx.caller.role == "provider" and person != tx.caller.profile_id:
        raise Refusal("forbidden", "not_allowed", "A provider may enter only their own time.", field="provider_id")
    if person is None:
        raise Refusal("invalid", "provider_required", "Give the person who worked.", field="provider_id")
    demand_status(booking["status"], WORKABLE, "booking", "enter time")
    _check_times(tx, booking, started_at, ended_at)
    await _check_references(tx, booking_id, person, request.task_id, is_new=True)
    inserted = await tx.one(
        INSERT_ENTRY, tx.org_id, booking_id, request.task_id, person, started_at, ended_at, request.billable,
        request.note, tx.at,
    )  # fmt: skip
    await take_automatic_transition(tx, booking_id, booking, "start", "first time entry")
    return await get_time_entry(tx, inserted["id"])


async def _lock_own(tx: Tx, time_entry_id: UUID) -> tuple[asyncpg.Record, asyncpg.Record]:
    booking, row = await lock_child(tx, SELECT_ENTRY, time_entry_id, "time entry")
    if tx.caller.role != "admin" and row["provider_id"] != tx.caller.profile_id:
        raise Refusal("forbidden", "not_allowed", "Only the person who worked, or an admin, may change a time entry.")
    return booking, row


def _check_times(tx: Tx, booking: asyncpg.Record, started_at: datetime, ended_at: datetime | None) -> None:
    if (ended_at or started_at) > tx.at + CLOCK_SKEW:  # planned hours are not worked hours
        field = "ended_at" if ended_at else "started_at"
        raise Refusal("invalid", "in_the_future", "Time can be entered only after it was worked.", field=field)
    if booking["created_at_known"] and started_at < booking["work_from"] - CLOCK_SKEW:
        raise Refusal("invalid", "before_booking", "Time cannot be entered for the time before the booking was made.",
                      field="started_at")  # fmt: skip
    if ended_at is not None and ended_at <= started_at:
        raise Refusal("invalid", "ends_before_start", "The end must lie after the start.", field="ended_at")
    if ended_at is not None and ended_at - started_at > LONGEST:
        raise Refusal("invalid", "too_long", "A time entry is at most 24 hours long.", field="ended_at")


async def _check_references(tx: Tx, booking_id: UUID, person: UUID, task_id: UUID | None, *, is_new: bool) -> None:
    found = await tx.one(CHECK_REFERENCES, tx.org_id, booking_id, person, task_id)
    if is_new and not found["has_provider"]:
        raise Refusal("invalid", "unknown_provider", "There is no such active provider.", field="provider_id")
    if not found["has_task"]:
        raise Refusal("invalid", "unknown_task", "The booking has no such task.", field="task_id")


def _page(rows: list[asyncpg.Record], limit: int) -> Page[TimeEntry]:
    return page_of([_as_entry(row) for row in rows], [row["id"] for row in rows], limit)


def _as_entry(row: asyncpg.Record) -> TimeEntry:
    values = dict(row)
    provider = Named.model_construct(id=values.pop("provider_id"), name=values.pop("provider_name") or "")
    return TimeEntry.model_construct(provider=provider, **values)
