"""Anomalies as findings: how grave each is for the business, which are ordinary, and one insight for one cause."""

from collections.abc import Mapping
from typing import Any, Final, LiteralString

import pandas as pd
import psycopg
from psycopg import sql

from insights.findings import Finding, Scope, in_words, named_drivers
from ml.drivers import explain
from sources.database import records

RECENT_DAYS: Final = 2  # an anomaly is over when its last two days were normal
USUAL_DAYS: Final = 28  # the business's usual day: the mean of four whole weeks before
WORTH_DAYS: Final = 91  # what a booking and an hour are worth: the mean of a quarter

# The severity by the money that a day missed or gained, as a share of the business's usual day: alike for each member.
# An owner wants to be called for half a day's money; less than a tenth is within what days of a business differ anyway.
LEAST_SHARE: Final = {"critical": 0.50, "high": 0.25, "medium": 0.10, "low": 0.0}
# About 0.7 of 100 ordinary days are flagged: of some hundred member series only what stands out is told to people.
RAISED_SEVERITIES: Final = {
    "total": ("critical", "high", "medium"),
    "service": ("critical", "high"),
    "provider": ("critical", "high"),
}

# What so many bookings explain is ordinary: two clients more or fewer on a day need no cause. For money a booking
# counts with the amount that 95 of 100 of its kind stay below, so that a dear one at list price is ordinary too.
ORDINARY_BOOKINGS: Final = 2
DEAR: Final = 0.95
DEAR_DAYS: Final = 365  # all seasons
DEAR_LEAST: Final = 20  # members with fewer bookings are held against the amounts of the whole business

# Metrics that the same bookings move on the same day are one family: one insight tells of them.
FAMILIES: Final = {"bookings_created": "booked", "booked_revenue": "booked"}
# The day of fct_bookings on which a metric counts a booking; other metrics do not count bookings.
BOOKING_DAYS: Final[Mapping[str, str]] = {
    "bookings_created": "created_day",
    "booked_revenue": "created_day",
    "bookings_completed": "completed_day",
    "bookings_cancelled": "cancelled_day",
    "realized_revenue": "service_day",
}
SAME_SHARE: Final = 0.5  # an insight whose bookings are by half those of another one tells of the same

ANOMALIES: Final[LiteralString] = """
    with flagged as (
        select distinct on (found.metric, found.dimension, found.member, found.direction)
            found.*, lower(left(metric.label, 1)) || substr(metric.label, 2) as label, metric.unit,
            metric.good_direction,
            array_agg(found.day) over (
                partition by found.metric, found.dimension, found.member, found.direction
            ) as days,
            coalesce((
                select max(before.day) + 1 from ml.anomalies as before
                where (before.org_id, before.metric, before.dimension, before.member)
                    = (found.org_id, found.metric, found.dimension, found.member)
                    and before.day < found.day and before.direction is distinct from found.direction
            ), found.day) as started_on
        from analytics.v_booking_anomalies as found
        inner join marts.dim_metric as metric on metric.metric = found.metric
        where found.org_id = %(org_id)s and found.day > %(as_of)s::date - %(recent)s and found.day <= %(as_of)s
        order by found.metric, found.dimension, found.member, found.direction, found.day desc
    )
    select flagged.metric, flagged.dimension, flagged.member, flagged.member_name, flagged.day, flagged.days,
        flagged.started_on, flagged.value::float8, flagged.expected::float8, flagged.lower::float8,
        flagged.upper::float8, flagged.severity, flagged.direction, flagged.pattern, flagged.label, flagged.unit,
        flagged.good_direction,
        case flagged.unit when 'money' then (flagged.value - flagged.expected)::float8 end as impact,
        usual.money_a_day::float8 as usual_money,
        case flagged.unit when 'money' then 1 when 'count' then worth.booking else worth.hour end::float8 as worth,
        exists (
            select from app.insight_events as event
            where event.org_id = %(org_id)s and event.resolved_at is null
                and starts_with(
                    event.dedupe_key,
                    concat_ws('|', 'anomaly', flagged.metric, flagged.dimension, flagged.member, flagged.direction, '')
                )
        ) as is_told
    from flagged
    -- The day's money is that of the money metric that brings most.
    left join lateral (
        select max(sums.money / sums.days) as money_a_day
        from (
            select sum(kpi.value) as money, least(%(usual_days)s, flagged.day - organization.first_day) as days
            from marts.dim_metric as metric
            inner join marts.dim_organization as organization on organization.org_id = %(org_id)s
            inner join marts.kpi_daily as kpi
                on (kpi.org_id, kpi.metric, kpi.dimension, kpi.member)
                    = (organization.org_id, metric.metric, 'total', 'all')
            where metric.unit = 'money' and kpi.day < flagged.day and kpi.day >= flagged.day - %(usual_days)s
            group by kpi.metric, organization.first_day
        ) as sums
        where sums.days > 0
    ) as usual on true
    left join lateral (
        select sum(kpi.value) filter (where kpi.metric = 'booked_revenue')
                / nullif(sum(kpi.value) filter (where kpi.metric = 'bookings_created'), 0) as booking,
            sum(kpi.value) filter (where kpi.metric = 'realized_revenue')
                / nullif(sum(kpi.value) filter (where kpi.metric = 'tracked_hours'), 0) as hour
        from marts.kpi_daily as kpi
        where kpi.org_id = %(org_id)s and kpi.dimension = 'total' and kpi.member = 'all'
            and kpi.metric in ('booked_revenue', 'bookings_created', 'realized_revenue', 'tracked_hours')
            and kpi.day < flagged.day and kpi.day >= flagged.day - %(worth_days)s
    ) as worth on true
    order by flagged.metric, flagged.dimension, flagged.member, flagged.direction
"""

# One row for the whole business, and one for each of the members asked for that has enough bookings.
DEAR_AMOUNTS: Final[LiteralString] = """
    with bookings as (
        select booking.service_id::text as service, booking.provider_id::text as provider, booking.total_amount
        from marts.fct_bookings as booking
        inner join marts.dim_organization as organization
            on organization.org_id = booking.org_id and organization.currency = booking.currency
        where booking.org_id = %(org_id)s and booking.total_amount > 0
            and coalesce(booking.created_day, booking.service_day) <= %(as_of)s
            and coalesce(booking.created_day, booking.service_day) > %(as_of)s::date - %(days)s
    )
    select 'total' as dimension, 'all' as member,
        percentile_cont(%(dear)s) within group (order by total_amount) as amount
    from bookings
    union all
    select 'service', service, percentile_cont(%(dear)s) within group (order by total_amount)
    from bookings
    where service = any(%(members)s)
    group by service having count(*) >= %(least)s
    union all
    select 'provider', provider, percentile_cont(%(dear)s) within group (order by total_amount)
    from bookings
    where provider = any(%(members)s)
    group by provider having count(*) >= %(least)s
"""

SERVICES: Final[LiteralString] = """
    select service.service_name as member, scored.value::float8, scored.expected::float8
    from ml.anomalies as scored
    inner join marts.dim_service as service on service.service_id::text = scored.member
    where scored.org_id = %(org_id)s and scored.metric = %(metric)s and scored.dimension = 'service'
        and scored.day = %(day)s
    order by service.service_name
"""


def anomaly_findings(connection: psycopg.Connection, scope: Scope) -> list[Finding] | None:
    """What is out of the ordinary now, one insight for one cause; the services of a total are its drivers.

    A finding that is not to be told is among them with `opens` false: if it was told before, it is not over.
    None where the data have ended: nothing is usual any more.
    """
    if scope.is_past_its_end:
        return None
    flagged = records(
        connection,
        ANOMALIES,
        {
            "org_id": scope.org_id,
            "as_of": scope.as_of,
            "recent": RECENT_DAYS,
            "usual_days": USUAL_DAYS,
            "worth_days": WORTH_DAYS,
        },
    )
    dear = _dear_amounts(connection, scope, flagged)
    graded = [{**row, **_grade(row)} for row in flagged]
    worthy = [row for row in graded if _is_worthy(scope, row, dear)]
    told = _once(connection, scope, worthy)
    return in_words(
        scope,
        [
            {
                **row,
                "kind": "anomaly",
                "opens": any(row is kept for kept in told),
                "drivers": _drivers(connection, scope, row),
            }
            for row in graded
        ],
    )


def _grade(row: Mapping[str, Any]) -> dict[str, Any]:
    """The severity by money, and the share of a usual day's money; by improbability where no money is known."""
    if not row["usual_money"] or not row["worth"] or row["usual_money"] <= 0:
        return {"share": 0.0}
    share = abs(row["value"] - row["expected"]) * row["worth"] / row["usual_money"]
    return {"share": share, "severity": next(name for name, least in LEAST_SHARE.items() if share >= least)}


def _is_worthy(scope: Scope, row: Mapping[str, Any], dear: Mapping[tuple[str, str], float]) -> bool:
    return (
        row["severity"] in RAISED_SEVERITIES[row["dimension"]]
        and not _is_ordinary(row, dear)
        and not _is_cut_off(scope, row)
    )


def _is_ordinary(row: Mapping[str, Any], dear: Mapping[tuple[str, str], float]) -> bool:
    """Whether one or two bookings explain it; a fall of a total is never taken to be ordinary."""
    if (
        row["unit"] == "hours"
        or row["pattern"] == "missing"
        or (row["dimension"], row["direction"]) == ("total", "down")
    ):
        return False
    apart = abs(row["value"] - row["expected"])
    if row["unit"] == "count":
        return bool(apart <= ORDINARY_BOOKINGS)
    amount = dear.get((row["dimension"], row["member"]), dear.get(("total", "all"), 0.0))
    return bool(apart <= ORDINARY_BOOKINGS * amount)


def _is_cut_off(scope: Scope, row: Mapping[str, Any]) -> bool:
    """Whether it is a fall of what is booked near the edge of the data, which lack bookings of later service days."""
    complete_until = scope.bookings_complete_until
    is_incomplete = complete_until is not None and row["day"] > complete_until
    return is_incomplete and row["direction"] == "down" and _family(row) == "booked"


def _family(row: Mapping[str, Any]) -> str:
    metric = str(row["metric"])
    return FAMILIES.get(metric, metric)


def _once(connection: psycopg.Connection, scope: Scope, worthy: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The anomalies to tell, so that each cause is told once.

    First totals, then what was told before, then by money. Left out is what tells of a metric's family and direction
    that a total or the same member tells of already, and what rose by bookings that another one rose by.
    """
    kept: list[dict[str, Any]] = []
    seen: set[Any] = set()
    for row in sorted(worthy, key=lambda row: (row["dimension"] != "total", not row["is_told"], -row["share"])):
        family, direction = _family(row), row["direction"]
        if any(
            (_family(other), other["direction"]) == (family, direction)
            and (
                other["dimension"] == "total"
                or (other["dimension"], other["member"]) == (row["dimension"], row["member"])
            )
            for other in kept
        ):
            continue
        bookings = _bookings(connection, scope, row) if direction == "up" else set()
        if bookings and len(bookings & seen) >= SAME_SHARE * len(bookings):
            continue
        kept.append(row)
        seen |= bookings
    return kept


def _bookings(connection: psycopg.Connection, scope: Scope, row: Mapping[str, Any]) -> set[Any]:
    """The bookings that an anomaly's metric counted on its days."""
    if row["metric"] not in BOOKING_DAYS:
        return set()
    query = sql.SQL(
        """
        select booking_id from marts.fct_bookings
        where org_id = %(org_id)s and {day} = any(%(days)s) and (
            %(dimension)s = 'total'
            or %(dimension)s = 'service' and service_id::text = %(member)s
            or %(dimension)s = 'provider' and provider_id::text = %(member)s
        )
        """
    ).format(day=sql.Identifier(BOOKING_DAYS[row["metric"]]))
    parameters = {"org_id": scope.org_id, **{name: row[name] for name in ("days", "dimension", "member")}}
    return {found["booking_id"] for found in records(connection, query, parameters)}


def _dear_amounts(
    connection: psycopg.Connection, scope: Scope, flagged: list[dict[str, Any]]
) -> dict[tuple[str, str], float]:
    """The amount that few bookings of the business, of a service or of a provider exceed."""
    if not flagged:
        return {}
    found = records(
        connection,
        DEAR_AMOUNTS,
        {
            "org_id": scope.org_id,
            "as_of": scope.as_of,
            "days": DEAR_DAYS,
            "dear": DEAR,
            "least": DEAR_LEAST,
            "members": [row["member"] for row in flagged],
        },
    )
    return {(row["dimension"], row["member"]): float(row["amount"] or 0) for row in found}


def _drivers(connection: psycopg.Connection, scope: Scope, found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Which services drove a total's change, largest first; none where the metric is not kept by service."""
    if found["dimension"] != "total":
        return []
    parameters = {"org_id": scope.org_id, "metric": found["metric"], "day": found["day"]}
    members = pd.DataFrame(records(connection, SERVICES, parameters), columns=["member", "value", "expected"])
    explained = explain(
        members[["member", "value"]], members[["member", "expected"]].rename(columns={"expected": "value"})
    )
    return named_drivers(explained.rename(columns={"member": "member_name"}), "service")
