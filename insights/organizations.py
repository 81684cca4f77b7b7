"""Organisations as the rules read them: the day that is judged, and the extent of the data."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

import psycopg

from sources.row_values import DEFAULT_LOCALE


@dataclass(frozen=True)
class Organization:
    """An organisation, the last complete day of its data (as_of) and what its data contain."""

    id: UUID
    name: str
    currency: str
    as_of: date
    # The moment that counts as now: of the run, or the end of as_of where a day was given or the data have ended.
    as_of_at: datetime
    first_day: date | None = None  # with any recorded activity
    last_day: date | None = None
    has_ended: bool = False  # True if the data end with last_day
    book_until: date | None = None  # the last known service day, where the data end there
    bookings_complete_until: date | None = None  # later days of booking lack those of service days beyond book_until
    knows_capacity: bool = False
    locale: str = DEFAULT_LOCALE

    @property
    def is_past_its_end(self) -> bool:
        """Return True if as_of lies beyond data that ended."""
        return self.has_ended and self.last_day is not None and self.as_of > self.last_day


def organizations_of_run(connection: psycopg.Connection) -> list[Organization]:
    """Return the organisations of the current run by id, without the extent of their data.

    Needs no marts: works before the warehouse is built.
    """
    rows = connection.execute(
        """
        select clock.org_id, organizations.organization_name, organizations.currency, clock.as_of, clock.as_of_at
        from raw.run_clock as clock
        inner join staging.stg_app__organizations as organizations on organizations.org_id = clock.org_id
        order by clock.org_id
        """
    )
    return [Organization(*row) for row in rows]


def organizations_of_warehouse(connection: psycopg.Connection) -> list[Organization]:
    """Return the organisations of the built warehouse by id, with the extent of their data."""
    rows = connection.execute(
        """
        select org_id, organization_name, currency, as_of, as_of_at, first_day, last_day, has_ended, book_until,
            bookings_complete_until, knows_capacity, locale
        from marts.dim_organization
        where as_of is not null
        order by org_id
        """
    )
    return [Organization(*row) for row in rows]
