"""Rule `anomaly`: anomalies that matter to the business, one finding per cause."""

from collections.abc import Mapping
from typing import Any, Final, LiteralString

import pandas as pd
import psycopg
from psycopg import sql

from insights.findings import Finding, named_drivers
from insights.narrative import with_texts
from insights.organizations import Organization
from insights.severity_thresholds import ANOMALY_SEVERITIES, ANOMALY_SHARES
from ml.drivers import explain
from sources.database import records

RECENT_DAYS: Final = 2  # an anomaly has ended when the last two days were normal
USUAL_DAYS: Final = 28  # the business's usual day: the mean of four whole weeks before

# A difference of this many bookings is ordinary: two clients more or fewer on a day need no cause. For money a booking
# counts with the amount that 95 of 100 of its kind stay below, so that an expensive one at list price is ordinary too.
ORDINARY_BOOKINGS: Final = 2
LARGE_QUANTILE: Final = 0.95
LARGE_DAYS: Final = 365  # all seasons
LARGE_MIN_BOOKINGS: Final = 20  # members with fewer bookings are compared with the amounts of the whole business

# Metrics that the same bookings move on the same day are one family: one insight covers them.
FAMILIES: Final = {"bookings_created": "booked", "booked_revenue": "booked"}
# The day of fct_bookings on which a metric counts a booking; other metrics do not count bookings.
BOOKING_DAYS: Final[Mapping[str, str]] = {
    "bookings_created": "created_day",
    "booked_revenue": "created_day",
    "bookings_completed": "completed_day",
    "bookings_cancelled": "cancelled_day",
    "realized_revenue": "service_day",
}
SAME_CAUSE_SHARE: Final = 0.5  # a finding with at least this share of its bookings in others has the same cause

ANOMALIES: Final[LiteralString] = """
    with flagged as (
        select distinct on (anomalies.metric, anomalies.dimension, anomalies.member, anomalies.direction)
            anomalies.*, lower(left(metrics.label, 1)) || substr(metrics.label, 2) as label, metrics.unit,
            metrics.good_direction,
            array_agg(anomalies.day) over (
                partition by anomalies.metric, anomalies.dimension, anomalies.member, anomalies.direction
            ) as days,
            coalesce((
                select max(earlier.day) + 1 from ml.anomalies as earlier
                where (earlier.org_id, earlier.metric, earlier.dimension, earlier.member)
                    = (anomalies.org_id, anomalies.metric, anomalies.dimension, anomalies.member)
                    and earlier.day < anomalies.day and earlier.direction is distinct from anomalies.direction
            ), anomalies.day) as started_on
        from analytics.v_booking_anomalies as anomalies
        inner join marts.dim_metric as metrics on metrics.metric = anomalies.metric
        where anomalies.org_id = %(org_id)s
            and anomalies.day > %(as_of)s::date - %(recent)s and anomalies.day <= %(as_of)s
        order by
            anomalies.metric, anomalies.dimension, anomalies.member, anomalies.direction, anomalies.day desc
    )
    select flagged.metric, flagged.dimension, flagged.member, flagged.member_name, flagged.day, flagged.days,
        flagged.started_on, flagged.value::float8, flagged.expected::float8, flagged.lower::float8,
        flagged.upper::float8, flagged.severity, flagged.direction, flagged.pattern, flagged.label, flagged.unit,
        flagged.good_direction,
        case flagged.unit when 'money' then (flagged.value - flagged.expected)::float8 end as impact,
        usual_days.money::float8 as usual_money,
        worth.worth::float8,
        exists (
            select from app.insight_events as events
            where events.org_id = %(org_id)s and events.resolved_at is null
                and starts_with(
                    events.dedupe_key,
                    concat_ws('|', 'anomaly', flagged.metric, flagged.dimension, flagged.member, flagged.direction, '')
                )
        ) as has_event
    from flagged
    -- The money of a usual day: that of the money metric with the largest mean.
    left join lateral (
        select max(sums.money / sums.days) as money
        from (
            select sum(kpi_daily.value) as money,
                least(%(usual_days)s, flagged.day - organizations.first_day) as days
            from marts.dim_metric as metrics
            inner join marts.dim_organization as organizations on organizations.org_id = %(org_id)s
            inner join marts.kpi_daily
                on (kpi_daily.org_id, kpi_daily.metric, kpi_daily.dimension, kpi_daily.member)
                    = (organizations.org_id, metrics.metric, 'total', 'all')
            where metrics.unit = 'money' and kpi_daily.day < flagged.day
                and kpi_daily.day >= flagged.day - %(usual_days)s
            group by kpi_daily.metric, organizations.first_day
        ) as sums
        where sums.days > 0
    ) as usual_days on true
    left join intermediate.int_metric_worth as worth
        on worth.org_id = %(org_id)s and worth.metric = flagged.metric
    order by flagged.metric, flagged.dimension, flagged.member, flagged.direction
"""

# One row for the whole business, and one for each of the given members that has enough bookings.
LARGE_AMOUNTS: Final[LiteralString] = """
    with bookings as (
        select fct_bookings.service_id::text as service, fct_bookings.provider_id::text as provider,
            fct_bookings.total_amount
        from marts.fct_bookings
        inner join marts.dim_organization as organizations
            on organizations.org_id = fct_bookings.org_id and organizations.currency = fct_bookings.currency
        where fct_bookings.org_id = %(org_id)s and fct_bookings.total_amount > 0
            and coalesce(fct_bookings.created_day, fct_bookings.service_day) <= %(as_of)s
            and coalesce(fct_bookings.created_day, fct_bookings.service_day) > %(as_of)s::date - %(days)s
    )
    select 'total' as dimension, 'all' as member,
        percentile_cont(%(quantile)s) within group (order by total_amount) as amount
    from bookings
    union all
    select 'service', service, percentile_cont(%(quantile)s) within group (order by total_amount)
    from bookings
    where service = any(%(members)s)
    group by service having count(*) >= %(min_bookings)s
    union all
    select 'provider', provider, percentile_cont(%(quantile)s) within group (order by total_amount)
    from bookings
    where provider = any(%(members)s)
    group by provider having count(*) >= %(min_bookings)s
"""

SERVICES: Final[LiteralString] = """
    select services.service_name as member, anomalies.value::float8, anomalies.expected::float8
    from ml.anomalies
    inner join marts.dim_service as services on services.service_id::text = anomalies.member
    where anomalies.org_id = %(org_id)s and anomalies.metric = %(metric)s and anomalies.dimension = 'service'
        and anomalies.day = %(day)s
    order by services.service_name
"""


Amounts = Mapping[tuple[str, str], float]  # (dimension, member) -> amount


def anomaly_findings(connection: psycopg.Connection, organization: Organization) -> list[Finding] | None:
    """Return the current anomalies; those that open an event are one per cause. A total's drivers are its services.

    The others have `opens` False: where they have an open event, it has not ended.
    None where the data have ended: there are no usual days to compare with.
    """
    if organization.is_past_its_end:
        return None
    flagged = records(
        connection,
        ANOMALIES,
        {
            "org_id": organization.id,
            "as_of": organization.as_of,
            "recent": RECENT_DAYS,
            "usual_days": USUAL_DAYS,
        },
    )
    large_amounts = _large_amounts(connection, organization, flagged)
    graded = [{**row, **_grade(row)} for row in flagged]
    relevant = [row for row in graded if _is_relevant(organization, row, large_amounts)]
    raised = _one_per_cause(connection, organization, relevant)
    return with_texts(
        organization,
        [
            {
                **row,
                "kind": "anomaly",
                "opens": any(row is other for other in raised),
                "drivers": _drivers(connection, organization, row),
            }
            for row in graded
        ],
    )


def _grade(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the share of a usual day's money and the severity by it.

    Where no money is known, the share is 0 and the detector's severity, by improbability, stays.
    """
    if not row["usual_money"] or not row["worth"] or row["usual_money"] <= 0:
        return {"share": 0.0}
    share = abs(row["value"] - row["expected"]) * row["worth"] / row["usual_money"]
    return {"share": share, "severity": next(name for name, least in ANOMALY_SHARES.items() if share >= least)}


def _is_relevant(organization: Organization, row: Mapping[str, Any], large_amounts: Amounts) -> bool:
    return (
        row["severity"] in ANOMALY_SEVERITIES[row["dimension"]]
        and not _is_ordinary(row, large_amounts)
        and not _is_cut_off(organization, row)
    )


def _is_ordinary(row: Mapping[str, Any], large_amounts: Amounts) -> bool:
    """Return True if one or two bookings explain the anomaly; a fall of a total is never ordinary."""
    if (
        row["unit"] == "hours"
        or row["pattern"] == "missing"
        or (row["dimension"], row["direction"]) == ("total", "down")
    ):
        return False
    difference = abs(row["value"] - row["expected"])
    if row["unit"] == "count":
        return bool(difference <= ORDINARY_BOOKINGS)
    amount = large_amounts.get((row["dimension"], row["member"]), large_amounts.get(("total", "all"), 0.0))
    return bool(difference <= ORDINARY_BOOKINGS * amount)


def _is_cut_off(organization: Organization, row: Mapping[str, Any]) -> bool:
    """Return True for a fall of booked metrics near the edge of the data, which lack bookings of later service days."""
    complete_until = organization.bookings_complete_until
    is_incomplete = complete_until is not None and row["day"] > complete_until
    return is_incomplete and row["direction"] == "down" and _family(row) == "booked"


def _family(row: Mapping[str, Any]) -> str:
    metric = str(row["metric"])
    return FAMILIES.get(metric, metric)


def _one_per_cause(
    connection: psycopg.Connection, organization: Organization, relevant: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return one anomaly per cause: totals before members, then those with an open event, then by money.

    Dropped are anomalies of a family and direction that a total or the same member has already, and rises that consist
    of bookings that an earlier one consists of.
    """
    raised: list[dict[str, Any]] = []
    explained: set[Any] = set()  # booking ids of the rises in `raised`
    for row in sorted(relevant, key=lambda row: (row["dimension"] != "total", not row["has_event"], -row["share"])):
        if any(_covers(other, row) for other in raised):
            continue
        bookings = _bookings(connection, organization, row) if row["direction"] == "up" else set()
        if bookings and len(bookings & explained) >= SAME_CAUSE_SHARE * len(bookings):
            continue
        raised.append(row)
        explained |= bookings
    return raised


def _covers(other: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    """Return True if `other` has the family and direction of `row`, and is a total or of the same member."""
    is_alike = (_family(other), other["direction"]) == (_family(row), row["direction"])
    is_same_member = (other["dimension"], other["member"]) == (row["dimension"], row["member"])
    return is_alike and (other["dimension"] == "total" or is_same_member)


def _bookings(connection: psycopg.Connection, organization: Organization, row: Mapping[str, Any]) -> set[Any]:
    """Return the ids of the bookings that the anomaly's metric counts on its days."""
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
    parameters = {"org_id": organization.id, **{name: row[name] for name in ("days", "dimension", "member")}}
    return {booking["booking_id"] for booking in records(connection, query, parameters)}


def _large_amounts(
    connection: psycopg.Connection, organization: Organization, flagged: list[dict[str, Any]]
) -> Amounts:
    """Return the amount that few bookings of the business, of a service or of a provider exceed."""
    if not flagged:
        return {}
    amounts = records(
        connection,
        LARGE_AMOUNTS,
        {
            "org_id": organization.id,
            "as_of": organization.as_of,
            "days": LARGE_DAYS,
            "quantile": LARGE_QUANTILE,
            "min_bookings": LARGE_MIN_BOOKINGS,
            "members": [row["member"] for row in flagged],
        },
    )
    return {(row["dimension"], row["member"]): float(row["amount"] or 0) for row in amounts}


def _drivers(
    connection: psycopg.Connection, organization: Organization, anomaly: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return the services that drove a total's change, the largest first; none where the metric has no services."""
    if anomaly["dimension"] != "total":
        return []
    parameters = {"org_id": organization.id, "metric": anomaly["metric"], "day": anomaly["day"]}
    services = pd.DataFrame(records(connection, SERVICES, parameters), columns=["member", "value", "expected"])
    drivers = explain(
        services[["member", "value"]], services[["member", "expected"]].rename(columns={"expected": "value"})
    )
    return named_drivers(drivers.rename(columns={"member": "member_name"}), "service")
