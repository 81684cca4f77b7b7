"""Rule `no_show`: bookings of the next day with bookings whose clients will probably not come."""

from typing import Any, Final, LiteralString

import pandas as pd
import psycopg

from insights.findings import Finding
from insights.organizations import Organization
from insights.severity_thresholds import NO_SHOW_LEAST, NO_SHOW_LIFT
from insights.state_findings import booking_link, rows_of, state_finding
from sources import formatting
from sources.database import records

NAMED: Final = 3

# The next day with bookings only: a reminder sent earlier is forgotten, and later bookings have their own day.
RISKS: Final[LiteralString] = """
    with coming as (
        select risks.booking_id, risks.probability, bookings.service_day, bookings.scheduled_start,
            bookings.booking_number, bookings.client_id, bookings.service_id,
            case when bookings.is_in_own_currency then bookings.total_amount end as amount,
            min(bookings.service_day) over () as first_day
        from ml.no_shows as risks
        inner join marts.fct_bookings as bookings on bookings.booking_id = risks.booking_id
        where risks.org_id = %(org_id)s and risks.as_of = %(as_of)s and bookings.service_day > %(as_of)s
    )
    select coming.booking_id::text, coming.booking_number, coming.probability, coming.service_day,
        coming.amount::float8, clients.client_name, services.service_name,
        to_char(coming.scheduled_start at time zone organizations.timezone, 'HH24:MI') as starts
    from coming
    inner join marts.dim_organization as organizations on organizations.org_id = %(org_id)s
    inner join marts.dim_service as services on services.service_id = coming.service_id
    left join marts.dim_client as clients on clients.client_id = coming.client_id
    where coming.service_day = coming.first_day
    order by coming.probability desc, coming.booking_id
"""
USUAL: Final[LiteralString] = """
    select count(*) filter (where outcome = 'missed')::float8 / nullif(count(*), 0) as rate
    from intermediate.int_no_show_bookings
    where org_id = %(org_id)s and outcome in ('missed', 'came') and service_day <= %(as_of)s
        and service_day > %(as_of)s::date - 365
"""


def no_show_findings(connection: psycopg.Connection, organization: Organization) -> list[Finding] | None:
    """Return one finding if bookings of the next day with bookings are likely to be missed, else none.

    None where the data have ended.
    """
    if organization.has_ended:
        return None
    parameters = {"org_id": organization.id, "as_of": organization.as_of}
    risks = pd.DataFrame(records(connection, RISKS, parameters))
    (usual,) = [row["rate"] for row in records(connection, USUAL, parameters)]
    if risks.empty or usual is None:
        return []
    risky = risks[risks["probability"] >= max(NO_SHOW_LEAST, NO_SHOW_LIFT * usual)]
    if risky.empty:
        return []
    at_risk = float((risky["probability"] * risky["amount"].fillna(0.0)).sum())
    return [
        state_finding(
            organization,
            kind="no_show",
            metric="no_show_risk",
            label="bookings that may be missed",
            unit="count",
            value=len(risky),
            expected=None,
            impact=-round(at_risk, 2),
            severity="low",  # in the digest: a reminder needs no alert
            direction="up",
            good_direction="down",
            service_day=risky["service_day"].iloc[0],
            bookings=len(risks),
            usual_rate=float(usual),
            expected_missed=round(float(risks["probability"].sum()), 1),
            at_risk=round(at_risk, 2),
            actions=[_action(row) for row in rows_of(risky.head(NAMED))],
        )
    ]


def _action(row: dict[Any, Any]) -> dict[str, Any]:
    likely = formatting.percent(row["probability"])
    return {
        "text": f"Remind {row['client_name'] or 'the client'} of booking {row['booking_number']} "
        f"({row['service_name']}, {row['starts']}): {likely} likely to be missed",
        "link": booking_link(row["booking_id"]),
        "impact": None if row["amount"] is None else round(row["amount"], 2),
    }
