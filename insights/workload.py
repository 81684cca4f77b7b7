"""Rule `workload`: providers with more work than hours in the next WORKLOAD_DAYS days, and the moves that solve it."""

from typing import Any, Final, LiteralString

import pandas as pd
import psycopg

from insights.findings import Finding, named_drivers
from insights.organizations import Organization
from insights.severity_thresholds import WORKLOAD_GROWTH, WORKLOAD_SHARES
from insights.state_findings import booking_link, rows_of, state_finding
from ml.moves import moves
from sources import formatting
from sources.database import records
from sources.insight_values import WORKLOAD_DAYS

NAMED_MOVES: Final = 3

LOADS: Final[LiteralString] = """
    select loads.provider_id::text as member, providers.provider_name as member_name, loads.day,
        loads.booked_hours::float8, loads.expected_hours::float8, loads.available_hours::float8,
        loads.free_hours::float8, loads.overload_hours::float8, loads.will_overload
    from ml.provider_workload as loads
    inner join marts.dim_provider as providers on providers.provider_id = loads.provider_id
    where loads.org_id = %(org_id)s and loads.as_of = %(as_of)s and loads.day <= %(as_of)s::date + %(days)s
    order by loads.day, member
"""
# Hours beyond capacity, as a share of the hours available, of each week up to as_of.
PAST_SHARES: Final[LiteralString] = """
    with hours as (
        select provider_id, day, sum(booked_hours) as hours
        from intermediate.int_provider_days
        where org_id = %(org_id)s and day <= %(as_of)s
        group by provider_id, day
    ),
    days as (
        select capacity.capacity_hours, (%(as_of)s::date - capacity.day) / %(days)s as weeks_ago,
            greatest(coalesce(hours.hours, 0) - capacity.capacity_hours, 0) as beyond
        from intermediate.int_provider_capacity as capacity
        left join hours on hours.provider_id = capacity.provider_id and hours.day = capacity.day
        where capacity.org_id = %(org_id)s and capacity.day <= %(as_of)s
            and capacity.day > %(as_of)s::date - 4 * %(days)s and capacity.capacity_hours is not null
    )
    select (sum(beyond) filter (where beyond > 1) / nullif(sum(capacity_hours), 0))::float8 as share
    from days
    group by weeks_ago
"""
# Bookings of one day that have not begun, on days that will overload.
MOVABLE: Final[LiteralString] = """
    select days.booking_id::text, days.provider_id::text, bookings.service_id::text, days.day,
        days.booked_hours::float8 as hours, bookings.booking_number, services.service_name, clients.client_name,
        case when bookings.is_in_own_currency then bookings.total_amount::float8 end as amount
    from intermediate.int_provider_days as days
    inner join marts.fct_bookings as bookings on bookings.booking_id = days.booking_id
    inner join marts.dim_service as services on services.service_id = bookings.service_id
    inner join ml.provider_workload as loads on loads.provider_id = days.provider_id and loads.day = days.day
    left join marts.dim_client as clients on clients.client_id = bookings.client_id
    where days.org_id = %(org_id)s and loads.as_of = %(as_of)s and loads.will_overload
        and days.day <= %(as_of)s::date + %(days)s and days.booked_hours > 0
        and bookings.service_day = days.day and coalesce(bookings.service_end_day, days.day) = days.day
"""
SKILLS: Final[LiteralString] = """
    select provider_id::text, service_id::text
    from intermediate.int_provider_services
    where org_id = %(org_id)s
"""


def workload_findings(connection: psycopg.Connection, organization: Organization) -> list[Finding] | None:
    """Return one finding if providers have substantially more work than hours, and more than in past weeks, else none.

    None where no available hours are recorded, or where the data have ended.
    """
    if not organization.knows_capacity or organization.has_ended:
        return None
    parameters = _parameters(organization)
    loads = pd.DataFrame(_loads(connection, organization))
    available = float(loads["available_hours"].sum()) if len(loads) else 0.0
    if not available:
        return []
    overloaded = loads[loads["will_overload"]]
    beyond = float(overloaded["overload_hours"].sum())
    severity = next((name for name, least in WORKLOAD_SHARES.items() if beyond / available >= least), None)
    usual = max((row["share"] or 0.0 for row in records(connection, PAST_SHARES, parameters)), default=0.0)
    if severity is None or beyond / available < WORKLOAD_GROWTH * usual:
        return []
    providers = _overloaded_providers(overloaded)
    moved = _moves(connection, organization, loads)
    return [
        state_finding(
            organization,
            kind="workload",
            metric="booked_hours",
            label="workload",
            unit="hours",
            value=round(float(loads["expected_hours"].sum()), 2),
            expected=round(available, 2),
            providers=len(providers),
            first_day=overloaded["day"].min(),
            beyond=round(beyond, 2),
            usual_beyond=round(usual * available, 2),
            horizon=WORKLOAD_DAYS,
            severity=severity,
            direction="up",
            good_direction="down",
            drivers=named_drivers(providers, "provider"),
            moves=len(moved),
            moved_hours=round(float(moved["hours"].sum()), 2),
            actions=[_action(row) for row in rows_of(moved.head(NAMED_MOVES))],
        )
    ]


def will_overload(connection: psycopg.Connection, organization: Organization) -> bool:
    """Return True if some provider will have more work than hours on one of the next WORKLOAD_DAYS days."""
    return organization.knows_capacity and any(row["will_overload"] for row in _loads(connection, organization))


def _parameters(organization: Organization) -> dict[str, Any]:
    return {"org_id": organization.id, "as_of": organization.as_of, "days": WORKLOAD_DAYS}


def _loads(connection: psycopg.Connection, organization: Organization) -> list[dict[str, Any]]:
    return records(connection, LOADS, _parameters(organization))


def _overloaded_providers(overloaded: pd.DataFrame) -> pd.DataFrame:
    """Return one row per provider, the most overloaded first, in the columns of drivers."""
    hours = ["expected_hours", "available_hours", "overload_hours"]
    providers = overloaded.groupby(["member", "member_name"], as_index=False)[hours].sum()
    return providers.sort_values(["overload_hours", "member"], ascending=[False, True]).rename(
        columns={"expected_hours": "value", "available_hours": "expected", "overload_hours": "contribution"}
    )


def _moves(connection: psycopg.Connection, organization: Organization, loads: pd.DataFrame) -> pd.DataFrame:
    """Return the moves that relieve the overloaded days, with what describes the booking and the providers."""
    bookings, skills = (
        pd.DataFrame(records(connection, query, _parameters(organization)), columns=columns)
        for query, columns in (
            (MOVABLE, ["booking_id", "provider_id", "service_id", "day", "hours", "booking_number", "service_name",
                       "client_name", "amount"]),
            (SKILLS, ["provider_id", "service_id"]),
        )
    )  # fmt: skip
    # What is booked can be moved; the bookings that are only expected cannot.
    beyond = (loads["booked_hours"] - loads["available_hours"]).clip(lower=0.0)
    found = moves(bookings, loads.rename(columns={"member": "provider_id"}).assign(overload_hours=beyond), skills)
    names = loads.drop_duplicates("member").set_index("member")["member_name"]
    described = bookings[["booking_id", "booking_number", "service_name", "client_name", "amount"]]
    return found.merge(described, on="booking_id").assign(
        from_name=lambda rows: rows["provider_id"].map(names), to_name=lambda rows: rows["to_provider_id"].map(names)
    )


def _action(row: dict[Any, Any]) -> dict[str, Any]:
    hours, free = (formatting.figure(row[name], "hours") for name in ("hours", "free_hours"))
    booking = (
        f"booking {row['booking_number']} ({row['service_name']}, {row['client_name'] or 'unnamed client'}, {hours})"
    )
    is_colleague = row["to_provider_id"] != row["provider_id"]
    place = (
        f"to {row['to_name']}, who has {free} free that day"
        if is_colleague
        else f"to {formatting.short_day(row['to_day'])}, with {free} free"
    )
    return {
        "text": f"Move {booking} of {row['from_name']} on {formatting.short_day(row['day'])} {place}",
        "link": booking_link(row["booking_id"]),
        "impact": None if row["amount"] is None else round(float(row["amount"]), 2),
    }
