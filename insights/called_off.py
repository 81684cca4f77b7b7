"""Bookings that were called off or moved away from the days of an incident."""

from datetime import timedelta
from typing import Any, Final, LiteralString

import psycopg

from insights.findings import Finding
from insights.organizations import Organization
from sources.database import records

BEFORE: Final = timedelta(days=3)  # bookings leave the days of missing work at most so long before them

CALLED_OFF: Final[LiteralString] = """
    select count(*) filter (where is_cancelled) as cancelled, count(*) filter (where not is_cancelled) as moved,
        coalesce(sum(bookings.total_amount) filter (where bookings.is_in_own_currency), 0)::float8 as amount
    from intermediate.int_called_off_bookings as called_off
    inner join marts.fct_bookings as bookings on bookings.booking_id = called_off.booking_id
    where called_off.org_id = %(org_id)s and called_off.service_day between %(started_on)s and %(day)s
        and called_off.removed_day between %(removed_from)s and %(day)s
        and (%(dimension)s = 'total' or %(dimension)s = 'service' and bookings.service_id::text = %(member)s
            or %(dimension)s = 'provider' and bookings.provider_id::text = %(member)s)
"""


def called_off(connection: psycopg.Connection, organization: Organization, finding: Finding) -> dict[str, Any]:
    """Return the bookings that left the finding's days: the numbers cancelled and moved, and their amount.

    Of services and providers only their own; none of members of other dimensions.
    """
    parameters = {
        "org_id": organization.id,
        **{name: finding[name] for name in ("started_on", "day", "dimension", "member")},
        "removed_from": finding["started_on"] - BEFORE,
    }
    (left,) = records(connection, CALLED_OFF, parameters)
    return left
