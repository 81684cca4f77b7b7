"""Bookings that were called off or moved away from the days of an incident."""

from datetime import timedelta
from typing import Any, Final, LiteralString

import psycopg

from insights.findings import Finding
from insights.organizations import Organization
from sources.database import records

BEFORE: Final = timedelta(days=3)  # bookings leave the days of missing work at most so long before them

# A booking that was moved twice is one; what was moved within the days, or back to them, has not left them.
CALLED_OFF: Final[LiteralString] = """
    with called_off as (
        select booking_id, bool_or(is_cancelled) as is_cancelled
        from intermediate.int_called_off_bookings
        where org_id = %(org_id)s and service_day between %(started_on)s and %(day)s
            and removed_day between %(removed_from)s and %(day)s
        group by booking_id
    )
    select count(*) filter (where is_cancelled) as cancelled, count(*) filter (where not is_cancelled) as moved,
        coalesce(sum(bookings.total_amount) filter (where bookings.is_in_own_currency), 0)::float8 as amount
    from called_off
    inner join marts.fct_bookings as bookings on bookings.booking_id = called_off.booking_id
    where (%(dimension)s = 'total' or %(dimension)s = 'service' and bookings.service_id::text = %(member)s
            or %(dimension)s = 'provider' and bookings.provider_id::text = %(member)s)
        and (is_cancelled or bookings.service_day is null or bookings.status_group not in ('ongoing', 'completed')
            or not bookings.service_day between %(started_on)s and %(day)s)
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
