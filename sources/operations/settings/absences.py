"""Absences of providers: the days on which they have no capacity. Bookings within an absence stay where they are."""

from datetime import date
from typing import Any, Final
from uuid import UUID

import asyncpg
from pydantic import BaseModel, ConfigDict, Field

from sources.lifecycle import HOLDS_TIME
from sources.operations.bookings.access import All
from sources.operations.calendar import CalendarQuery, Day, demand_days
from sources.operations.errors import Refusal, not_found
from sources.operations.field_types import Line, Moment, Named, Request
from sources.operations.settings import rows
from sources.operations.settings.rows import Resource, demand_admin
from sources.operations.settings.services import Version
from sources.operations.transaction import Tx

MOST_ABSENCES: Final = 1000  # in a list
MOST_BOOKINGS: Final = 100  # that are named in a response


class NewAbsence(Request):
    """An absence of a provider, from its first to its last day in the organisation's zone."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "provider_id": "0198c0de-0000-7000-8000-000000000001",
                    "starts_on": "2031-08-04",
                    "ends_on": "2031-08-15",
                }
            ]
        }
    )
    provider_id: UUID
    starts_on: Day
    ends_on: Day | None = Field(None, description="The last day; by default the first one.")
    reason: Line | None = None


class AbsenceChange(Request):
    """The fields to change; a field that is absent is kept."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"ends_on": "2031-08-22"}]})
    starts_on: Day = date.min
    ends_on: Day = date.min
    reason: Line | None = None


class AbsencesQuery(CalendarQuery):
    """The provider and the days of a list."""

    provider_id: UUID | None = None


class BookingWithin(BaseModel):
    """A booking of the provider that takes their time during the absence."""

    id: UUID
    booking_number: str
    status: str
    title: str
    scheduled_start: Moment
    scheduled_end: Moment


class Absence(BaseModel):
    """An absence of a provider."""

    id: UUID
    provider: Named
    starts_on: date
    ends_on: date
    reason: str | None
    bookings_within: list[BookingWithin] = Field(
        description=f"Bookings that need another time or provider, in their order, the first {MOST_BOOKINGS}."
    )
    created_at: Moment
    updated_at: Moment
    version: Version


# $1: the organisation, $2: the statuses that take a provider's time.
FROM_ABSENCES: Final = f"""
select absences.id, absences.provider_id, providers.full_name as provider_name, absences.starts_on, absences.ends_on,
    absences.reason, absences.created_at, absences.updated_at, absences.row_version::text as version,
    coalesce((
        select jsonb_agg(to_jsonb(within) order by within.scheduled_start, within.id) from (
            select bookings.id, bookings.booking_number, bookings.status, bookings.title, bookings.scheduled_start,
                bookings.scheduled_end
            from app.bookings as bookings
            where bookings.org_id = absences.org_id and bookings.provider_id = absences.provider_id
                and bookings.status = any($2::text[])
                and bookings.scheduled_start < (absences.ends_on + 1)::timestamp at time zone organizations.timezone
                and bookings.scheduled_end > absences.starts_on::timestamp at time zone organizations.timezone
            order by bookings.scheduled_start, bookings.id
            limit {MOST_BOOKINGS}
        ) as within
    ), '[]') as bookings_within
from app.provider_absences as absences
join app.organizations as organizations on organizations.id = absences.org_id
join app.profiles as providers on providers.org_id = absences.org_id and providers.id = absences.provider_id
where absences.org_id = $1
"""  # noqa: S608  constants of this file
SELECT_ABSENCE: Final = f"{FROM_ABSENCES} and absences.id = $3"
SELECT_ABSENCES: Final = f"""
{FROM_ABSENCES}
    and ($3::uuid is null or absences.provider_id = $3) and ($4::date is null or absences.ends_on >= $4)
    and ($5::date is null or absences.starts_on <= $5)
order by absences.starts_on, absences.ends_on, absences.id
limit $6
"""
ABSENCE: Final = Resource(
    "provider_absences", "absence",
    "select starts_on, ends_on, row_version::text as version from app.provider_absences where org_id = $1 and id = $2",
)  # fmt: skip
IS_PROVIDER: Final = "select from app.profiles where org_id = $1 and id = $2 and role = 'provider'"
DELETE_ABSENCE: Final = "delete from app.provider_absences where org_id = $1 and id = $2 returning id"


async def list_absences(tx: Tx, query: AbsencesQuery) -> All[Absence]:
    """Return the absences that touch the days, at most MOST_ABSENCES: a provider's own, an admin's of everybody."""
    found = await tx.rows(
        SELECT_ABSENCES, tx.org_id, HOLDS_TIME, query.provider_id, query.first, query.last, MOST_ABSENCES
    )
    return All.model_construct(items=[_as_absence(row) for row in found])


async def get_absence(tx: Tx, absence_id: UUID) -> Absence:
    """Return the absence. Raises Refusal not_found."""
    row = await tx.row(SELECT_ABSENCE, tx.org_id, HOLDS_TIME, absence_id)
    if row is None:
        raise not_found("absence")
    return _as_absence(row)


async def create_absence(tx: Tx, request: NewAbsence) -> Absence:
    """Create an absence; the result names the bookings within it, which stay as they are.

    Raises Refusal: forbidden, invalid (unknown_provider, ends_before_start, too_long).
    """
    _demand_admin(tx)
    values: dict[str, Any] = request.model_dump() | {"ends_on": request.ends_on or request.starts_on}
    demand_days(values["starts_on"], values["ends_on"])
    if await tx.row(IS_PROVIDER, tx.org_id, request.provider_id) is None:
        raise Refusal("invalid", "unknown_provider", "There is no such provider.", field="provider_id")
    return await get_absence(tx, await rows.insert(tx, ABSENCE, values))


async def edit_absence(tx: Tx, absence_id: UUID, change: AbsenceChange, expected: str | None) -> Absence:
    """Change the days or the reason; `expected`: the version that the caller last read, if given.

    Raises Refusal: forbidden, not_found, stale, invalid (ends_before_start, too_long).
    """
    _demand_admin(tx)
    row = await rows.lock(tx, ABSENCE, absence_id, expected)
    changes = rows.changes_of(change)
    values = dict(row) | changes
    demand_days(values["starts_on"], values["ends_on"])
    await rows.update(tx, ABSENCE, absence_id, changes)
    return await get_absence(tx, absence_id)


async def delete_absence(tx: Tx, absence_id: UUID) -> None:
    """Delete an absence. Raises Refusal: forbidden, not_found."""
    _demand_admin(tx)
    if await tx.row(DELETE_ABSENCE, tx.org_id, absence_id) is None:
        raise not_found("absence")


def _demand_admin(tx: Tx) -> None:
    demand_admin(tx, "Changes of absences are")


def _as_absence(row: asyncpg.Record) -> Absence:
    values = dict(row)
    provider = Named.model_construct(id=values.pop("provider_id"), name=values.pop("provider_name"))
    return Absence.model_validate(values | {"provider": provider.model_dump()})
