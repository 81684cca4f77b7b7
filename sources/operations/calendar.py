"""Calendar events: what is known ahead (closures, campaigns, price changes, events in town); for administrators."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Final
from uuid import UUID

import asyncpg
from pydantic import BaseModel, ConfigDict, Field

from sources.operations.bookings.access import All, demand_version
from sources.operations.errors import Refusal, not_found
from sources.operations.field_types import Line, Moment, Named, Request
from sources.operations.settings.rows import demand_owner
from sources.operations.transaction import Tx
from sources.row_values import (
    FIRST_EVENT_DAY,
    LARGEST_EFFECT,
    LAST_EVENT_DAY,
    LONGEST_EVENT_DAYS,
    SMALLEST_EFFECT,
    CalendarEventKind,
)

MOST_EVENTS: Final = 1000  # in a list
Factor = Annotated[Decimal, Field(max_digits=8, decimal_places=4, ge=SMALLEST_EFFECT, le=LARGEST_EFFECT)]
Day = Annotated[date, Field(ge=FIRST_EVENT_DAY, le=LAST_EVENT_DAY)]


class NewCalendarEvent(Request):
    """An event. Without a service or a provider it concerns the whole organisation."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"kind": "closure", "title": "Summer", "starts_on": "2031-08-04", "ends_on": "2031-08-17"}]
        }
    )
    kind: CalendarEventKind
    title: Line
    starts_on: Day
    ends_on: Day | None = Field(None, description="The last day; by default the first one.")
    service_id: UUID | None = Field(None, description="The one service that it concerns.")
    provider_id: UUID | None = Field(None, description="The one provider; not together with a service.")
    expected_effect: Factor | None = Field(None, description="The expected factor on a usual day, such as 1.5.")


class CalendarEventChange(Request):
    """The fields to change; a field that is absent is kept."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"ends_on": "2031-08-24"}]})
    kind: CalendarEventKind = "event"
    title: Line = Field(default_factory=str)
    starts_on: Day = FIRST_EVENT_DAY
    ends_on: Day = FIRST_EVENT_DAY
    service_id: UUID | None = None
    provider_id: UUID | None = None
    expected_effect: Factor | None = None


class CalendarQuery(Request):
    """The days of a list: events that touch them."""

    first: Day | None = Field(None, description="Events that end on this day or later.")
    last: Day | None = Field(None, description="Events that start on this day or earlier.")


class CalendarEvent(BaseModel):
    """What is known ahead, with the service or the provider that it concerns."""

    id: UUID
    kind: CalendarEventKind
    title: str
    starts_on: date
    ends_on: date
    service: Named | None
    provider: Named | None
    expected_effect: Decimal | None
    created_at: Moment
    updated_at: Moment
    version: str = Field(description="The ETag; it differs after every change.")


FROM_EVENTS: Final = """
select events.id, events.kind, events.title, events.starts_on, events.ends_on, events.service_id,
    services.name as service_name, events.provider_id, providers.full_name as provider_name, events.expected_effect,
    events.created_at, events.updated_at, events.row_version::text as version
from app.calendar_events as events
left join app.services as services on services.org_id = events.org_id and services.id = events.service_id
left join app.profiles as providers on providers.org_id = events.org_id and providers.id = events.provider_id
"""
SELECT_EVENT: Final = f"{FROM_EVENTS} where events.org_id = $1 and events.id = $2"
SELECT_EVENTS: Final = f"""
{FROM_EVENTS}
where events.org_id = $1 and ($2::date is null or events.ends_on >= $2) and ($3::date is null or events.starts_on <= $3)
order by events.starts_on, events.ends_on, events.title, events.id
limit $4
"""
LOCK_EVENT: Final = "select from app.calendar_events where org_id = $1 and id = $2 for update"
INSERT_EVENT: Final = """
insert into app.calendar_events (
    org_id, kind, title, starts_on, ends_on, service_id, provider_id, expected_effect, created_at, updated_at
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)
returning id
"""
UPDATE_EVENT: Final = """
update app.calendar_events
set kind = $3, title = $4, starts_on = $5, ends_on = $6, service_id = $7, provider_id = $8, expected_effect = $9,
    updated_at = $10
where org_id = $1 and id = $2
"""
DELETE_EVENT: Final = "delete from app.calendar_events where org_id = $1 and id = $2 returning id"
KNOWN: Final = """
select
    $2::uuid is null or exists (select from app.services where org_id = $1 and id = $2) as service,
    $3::uuid is null or exists (
        select from app.profiles where org_id = $1 and id = $3 and role = 'provider'
    ) as provider
"""


async def list_events(tx: Tx, query: CalendarQuery) -> All[CalendarEvent]:
    """Return the events that touch the days, in their order, at most MOST_EVENTS. Raises Refusal forbidden."""
    demand_owner(tx, "The calendar is")
    rows = await tx.rows(SELECT_EVENTS, tx.org_id, query.first, query.last, MOST_EVENTS)
    return All.model_construct(items=[_as_event(row) for row in rows])


async def get_event(tx: Tx, event_id: UUID) -> CalendarEvent:
    """Return the event. Raises Refusal: forbidden, not_found."""
    demand_owner(tx, "The calendar is")
    return _as_event(await _found(tx, event_id))


async def create_event(tx: Tx, request: NewCalendarEvent) -> CalendarEvent:
    """Create an event.

    Raises Refusal: forbidden, invalid (ends_before_start, too_long, service_and_provider, unknown_service,
    unknown_provider).
    """
    _demand_admin(tx)
    values = request.model_dump() | {"ends_on": request.ends_on or request.starts_on}
    await _demand_valid(tx, values)
    inserted = await tx.one(INSERT_EVENT, tx.org_id, *_columns(values), tx.at)
    return await get_event(tx, inserted["id"])


async def edit_event(tx: Tx, event_id: UUID, change: CalendarEventChange, expected: str | None) -> CalendarEvent:
    """Change an event; `expected`: the version that the caller last read, if given.

    Raises Refusal: forbidden, not_found, stale, and those of `create_event`.
    """
    _demand_admin(tx)
    await tx.row(LOCK_EVENT, tx.org_id, event_id)
    row = await _found(tx, event_id)
    demand_version(row, expected, "event")
    values = dict(row) | change.model_dump(exclude_unset=True)
    await _demand_valid(tx, values)
    await tx.execute(UPDATE_EVENT, tx.org_id, event_id, *_columns(values), tx.at)
    return await get_event(tx, event_id)


async def delete_event(tx: Tx, event_id: UUID) -> None:
    """Delete an event: later runs do not know it. Raises Refusal: forbidden, not_found."""
    _demand_admin(tx)
    if await tx.row(DELETE_EVENT, tx.org_id, event_id) is None:
        raise not_found("event")


async def _found(tx: Tx, event_id: UUID) -> asyncpg.Record:
    row = await tx.row(SELECT_EVENT, tx.org_id, event_id)
    if row is None:
        raise not_found("event")
    return row


def demand_days(starts_on: date, ends_on: date) -> None:
    """Raise Refusal invalid where an event or an absence may not have these days."""
    if ends_on < starts_on:
        raise Refusal("invalid", "ends_before_start", "The last day is before the first one.", field="ends_on")
    if (ends_on - starts_on).days >= LONGEST_EVENT_DAYS:
        raise Refusal("invalid", "too_long", f"It lasts more than {LONGEST_EVENT_DAYS} days.", field="ends_on")


async def _demand_valid(tx: Tx, values: dict[str, Any]) -> None:
    demand_days(values["starts_on"], values["ends_on"])
    if values["service_id"] and values["provider_id"]:
        raise Refusal(
            "invalid", "service_and_provider", "An event concerns a service or a provider, not both.",
            field="provider_id",
        )  # fmt: skip
    known = await tx.one(KNOWN, tx.org_id, values["service_id"], values["provider_id"])
    for noun in ("service", "provider"):
        if not known[noun]:
            raise Refusal("invalid", f"unknown_{noun}", f"There is no such {noun}.", field=f"{noun}_id")


def _columns(values: dict[str, Any]) -> tuple[object, ...]:
    names = ("kind", "title", "starts_on", "ends_on", "service_id", "provider_id", "expected_effect")
    return tuple(values[name] for name in names)


def _demand_admin(tx: Tx) -> None:
    if tx.caller.role not in ("admin", "system"):
        raise Refusal("forbidden", "not_allowed", "The calendar is for administrators.")


def _as_event(row: asyncpg.Record) -> CalendarEvent:
    values = dict(row)
    for noun in ("service", "provider"):
        identifier, name = values.pop(f"{noun}_id"), values.pop(f"{noun}_name")
        values[noun] = Named.model_construct(id=identifier, name=name) if identifier else None
    return CalendarEvent.model_construct(**values)
