"""The organisations that a run models."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

import psycopg

from sources.row_values import Sensitivity


@dataclass(frozen=True)
class Organization:
    """An organisation and the last complete business day of the run.

    is_modelled: its data have begun, and did not end before as_of;
    book_until: the last known service day, bookings_complete_until: the last day of booking without missing bookings;
    both where the data end at the edge of an export.
    """

    id: UUID
    country: str | None
    as_of: date
    is_modelled: bool = True
    book_until: date | None = None
    bookings_complete_until: date | None = None
    region: str | None = None
    sensitivity: Sensitivity = "normal"


def organizations(connection: psycopg.Connection) -> list[Organization]:
    """Return every organisation of the run, in a fixed order."""
    rows = connection.execute(
        """
        select org_id, country, as_of, first_day is not null and (not has_ended or last_day = as_of),
            book_until, bookings_complete_until, region, sensitivity
        from marts.dim_organization
        where as_of is not null
        order by org_id
        """
    )
    return [Organization(*row) for row in rows]
