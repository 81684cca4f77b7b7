"""Time entries: hours that a person worked on a booking, entered afterwards or by a running timer.

A person's entries never overlap, and a running timer is an entry without an end: the database's exclusion constraint
sees to both.
"""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import asyncpg
from pydantic import BaseModel, ConfigDict, Field

from sources.lifecycle import ONGOING, PENDING
from sources.operations.children import (
    WORKABLE,
    Page,
    demand_staff,
    demand_status,
    lock_child,
    page_of,
    see_booking,
)
from sources.operations.errors import Refusal, not_found
from sources.operations.steps import lock_booking, take_automatic_step
from sources.operations.transaction import Tx
from sources.operations.values import EARLIEST, LATEST, Moment, Named, Note, Request

LONGEST: Final = timedelta(hours=24)  # of an entry that is written down; a forgotten timer may be longer
FURTHEST: Final = timedelta(hours=24)  # into the future: clocks and calendars differ, plans are no hours worked
# What is recorded may be corrected until the booking is over.
CORRECTABLE: Final = (*PENDING, *ONGOING)


class NewTimer(Request):
    """A timer that starts now."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"note": "First sketches"}]})
    task_id: UUID | None = None
    provider_id: UUID | None = Field(None, description="Whose time it is: providers' own; of admins, by default the "
                                                       "provider of the booking.")  # fmt: skip
    billable: bool = True
    note: Note | None = None


class NewTimeEntry(NewTimer):
    """Hours worked, at most 24 at once."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"started_at": "2026-06-10T09:00:00Z", "ended_at": "2026-06-10T11:30:00Z"}]}
    )
    started_at: Moment
    ended_at: Moment


class TimeEntryChange(Request):
    """What to change; a field that is absent stays as it is."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"ended_at": "2026-06-10T12:00:00Z", "note": None}]})
    task_id: UUID | None = None
    billable: bool = Field(default_factory=bool)
    note: Note | None = None
    started_at: Moment = Field(default_factory=lambda: EARLIEST)
    ended_at: Moment = Field(default_factory=lambda: EARLIEST)


class TimeEntry(BaseModel):
    """A time entry as the people of its booking see it."""

    id: UUID
    booking_id: UUID
    task_id: UUID | None
    provider: Named
    started_at: Moment
    ended_at: Moment | None = Field(description="null: the timer runs.")
    billable: bool
    note: str | None
    created_at: Moment
    updated_at: Moment


class Sheet(BaseModel):
    """Which entries of a person to list: those that start in [since, until); only the running one."""

    provider_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    running: bool = False


FROM_ENTRIES: Final = """
select t.id, t.booking_id, t.task_id, t.provider_id, p.full_name as provider_name, t.started_at, t.ended_at,
    t.billable, t.note, t.created_at, t.updated_at
from app.time_entries as t left join app.profiles as p on p.org_id = t.org_id and p.id = t.provider_id
"""
SELECT_ENTRY: Final = f"{FROM_ENTRIES} where t.org_id = $1 and t.id = $2"
NEXT_PAGE: Final = """
and ($3::uuid is null or (t.started_at, t.id) < (
    select a.started_at, a.id from app.time_entries as a where a.org_id = $1 and a.id = $3
))
order by t.started_at desc, t.id desc limit $4
"""
SELECT_OF_BOOKING: Final = f"{FROM_ENTRIES} where t.org_id = $1 and t.booking_id = $2 {NEXT_PAGE}"
SELECT_OF_PERSON: Final = f"""
{FROM_ENTRIES} where t.org_id = $1 and t.provider_id = $2 and t.started_at >= $5 and t.started_at < $6
    and (not $7 or t.ended_at is null) {NEXT_PAGE}
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
# At least a microsecond long, also for a clock that stood still.
STOP_ENTRY: Final = """
update app.time_entries set ended_at = greatest($3::timestamptz, started_at + interval '1 microsecond')
where org_id = $1 and id = $2
"""
DELETE_ENTRY: Final = "delete from app.time_entries where org_id = $1 and id = $2"


async def get_time_entry(tx: Tx, time_entry_id: UUID) -> TimeEntry:
    """The entry, if the caller sees its booking. Raises Refusal not_found."""
    row = await tx.row(SELECT_ENTRY, tx.org_id, time_entry_id)
    if row is None:
        raise not_found("time entry")
    return _as_entry(row)


async def list_of_booking(tx: Tx, booking_id: UUID, after: UUID | None, limit: int) -> Page[TimeEntry]:
    """The entries of a booking, the latest first. Raises Refusal not_found."""
    await see_booking(tx, booking_id)
    return _page(await tx.rows(SELECT_OF_BOOKING, tx.org_id, booking_id, after, limit + 1), limit)


async def list_of_person(tx: Tx, sheet: Sheet, after: UUID | None, limit: int) -> Page[TimeEntry]:
    """The entries of one person, the latest first: the caller, or for admins anyone. Raises Refusal forbidden."""
    demand_staff(tx, "read a time sheet")
    person = sheet.provider_id or tx.caller.profile_id
    if tx.caller.role == "provider" and person != tx.caller.profile_id:
        raise Refusal("forbidden", "not_allowed", "A provider reads their own time sheet only.", field="provider_id")
    rows = await tx.rows(
        SELECT_OF_PERSON, tx.org_id, person, after, limit + 1, sheet.since or EARLIEST, sheet.until or LATEST,
        sheet.running,
    )  # fmt: skip
    return _page(rows, limit)


async def create_time_entry(tx: Tx, booking_id: UUID, request: NewTimeEntry) -> TimeEntry:
    """Hours worked on a booking at work; the first ones start a booking that has not begun.

    Raises Refusal: not_found, forbidden, invalid, conflict (wrong_status, time_overlaps).
    """
    return await _add(tx, booking_id, request, request.started_at, request.ended_at)


async def start_timer(tx: Tx, booking_id: UUID, request: NewTimer) -> TimeEntry:
    """An entry from now on without an end yet; a person has one at most.

    Raises Refusal: not_found, forbidden, invalid, conflict (wrong_status, time_overlaps).
    """
    return await _add(tx, booking_id, request, tx.at, None)


async def stop_timer(tx: Tx, time_entry_id: UUID) -> TimeEntry:
    """End a running entry now, whatever has become of its booking.

    Raises Refusal: not_found, forbidden, conflict not_running.
    """
    _, row = await _lock_own(tx, time_entry_id)
    if row["ended_at"] is not None:
        raise Refusal("conflict", "not_running", "The timer has been stopped already.")
    await tx.execute(STOP_ENTRY, tx.org_id, time_entry_id, tx.at)
    return await get_time_entry(tx, time_entry_id)


async def edit_time_entry(tx: Tx, time_entry_id: UUID, change: TimeEntryChange) -> TimeEntry:
    """Correct an entry of a booking that is not over.

    Raises Refusal: not_found, forbidden, invalid, conflict (wrong_status, time_overlaps).
    """
    booking, row = await _lock_own(tx, time_entry_id)
    demand_status(booking["status"], CORRECTABLE, "booking", "change its time entries")
    it = dict(row) | change.model_dump(exclude_unset=True)
    _check_times(tx, it["started_at"], it["ended_at"])
    if change.task_id:
        await _check_references(tx, row["booking_id"], row["provider_id"], change.task_id, is_new=False)
    await tx.execute(
        UPDATE_ENTRY, tx.org_id, time_entry_id, it["task_id"], it["billable"], it["note"], it["started_at"],
        it["ended_at"],
    )  # fmt: skip
    return await get_time_entry(tx, time_entry_id)


async def delete_time_entry(tx: Tx, time_entry_id: UUID) -> None:
    """Take back an entry of a booking that is not over. Raises Refusal: not_found, forbidden, conflict."""
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
        raise Refusal("forbidden", "not_allowed", "A provider enters their own time only.", field="provider_id")
    if person is None:
        raise Refusal("invalid", "provider_required", "Say whose time it is.", field="provider_id")
    _check_times(tx, started_at, ended_at)
    demand_status(booking["status"], WORKABLE, "booking", "enter time")
    await _check_references(tx, booking_id, person, request.task_id, is_new=True)
    inserted = await tx.one(
        INSERT_ENTRY, tx.org_id, booking_id, request.task_id, person, started_at, ended_at, request.billable,
        request.note, tx.at,
    )  # fmt: skip
    await take_automatic_step(tx, booking_id, booking, "start", "first time entry")
    return await get_time_entry(tx, inserted["id"])


async def _lock_own(tx: Tx, time_entry_id: UUID) -> tuple[asyncpg.Record, asyncpg.Record]:
    booking, row = await lock_child(tx, SELECT_ENTRY, time_entry_id, "time entry")
    if tx.caller.role != "admin" and row["provider_id"] != tx.caller.profile_id:
        raise Refusal("forbidden", "not_allowed", "Only whose time it is, and admins, may change a time entry.")
    return booking, row


def _check_times(tx: Tx, started_at: datetime, ended_at: datetime | None) -> None:
    if (ended_at or started_at) > tx.at + FURTHEST:
        field = "ended_at" if ended_at else "started_at"
        raise Refusal("invalid", "in_the_future", "Time is entered when it has been worked.", field=field)
    if ended_at is not None and ended_at <= started_at:
        raise Refusal("invalid", "ends_before_start", "The end must lie after the start.", field="ended_at")
    if ended_at is not None and ended_at - started_at > LONGEST:
        raise Refusal("invalid", "too_long", "A time entry is at most 24 hours long.", field="ended_at")


async def _check_references(tx: Tx, booking_id: UUID, person: UUID, task_id: UUID | None, *, is_new: bool) -> None:
    there = await tx.one(CHECK_REFERENCES, tx.org_id, booking_id, person, task_id)
    if is_new and not there["has_provider"]:
        raise Refusal("invalid", "unknown_provider", "There is no such provider at work.", field="provider_id")
    if not there["has_task"]:
        raise Refusal("invalid", "unknown_task", "The booking has no such task.", field="task_id")


def _page(rows: list[asyncpg.Record], limit: int) -> Page[TimeEntry]:
    return page_of([_as_entry(row) for row in rows], [row["id"] for row in rows], limit)


def _as_entry(row: asyncpg.Record) -> TimeEntry:
    values = dict(row)
    provider = Named.model_construct(id=values.pop("provider_id"), name=values.pop("provider_name") or "")
    return TimeEntry.model_construct(provider=provider, **values)
