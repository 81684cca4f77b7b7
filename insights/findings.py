"""Findings: what the figures, the forecasts and the Hub itself have to say now, in words, before it is an event."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, LiteralString, cast
from uuid import UUID

import pandas as pd
import psycopg

from insights.narrative import tell
from ml.drivers import explain

RECENT_DAYS: Final = 2  # a thing is over when its last two days were normal
NAMED_DRIVERS: Final = 3
# About 0.7 of 100 ordinary days are flagged: of some hundred member series only what stands out is told to people.
RAISED_SEVERITIES: Final = {
    "total": ("critical", "high", "medium"),
    "service": ("critical", "high"),
    "provider": ("critical", "high"),
}
FORECAST_DAYS: Final = 28
FORECAST_CHANGE: Final = 0.15  # a month ahead that differs less from the last one is no news
FORECAST_FALL_HIGH: Final = -0.40
WORKLOAD_DAYS: Final = 7
WORKLOAD_SEVERITIES: Final = {"high": 0.25, "medium": 0.10}  # from this part of all hours that do not fit in

# kind, severity, metric, dimension, member, direction, started_on, day, title, summary, value, expected, lower, upper,
# impact, drivers, recommendation: what app.insight_events keeps of it.
Finding = Mapping[str, Any]


@dataclass(frozen=True)
class Scope:
    """The organisation that findings are about, and the moment that they speak of."""

    org_id: UUID
    name: str
    currency: str
    as_of: date
    as_of_at: datetime


ANOMALIES: Final[LiteralString] = """
    with told as (
        select distinct on (found.metric, found.dimension, found.member, found.direction)
            found.*, lower(left(metric.label, 1)) || substr(metric.label, 2) as label, metric.unit,
            metric.good_direction,
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
    select metric, dimension, member, member_name, day, started_on, value::float8, expected::float8,
        lower::float8, upper::float8, severity, direction, pattern, label, unit, good_direction,
        case unit when 'money' then (value - expected)::float8 end as impact
    from told
    -- What shows in the total is told once, with its members as drivers.
    where dimension = 'total' or not exists (
        select from told as whole
        where whole.dimension = 'total' and (whole.metric, whole.direction) = (told.metric, told.direction)
    )
    order by metric, dimension, member
"""

SERVICES: Final[LiteralString] = """
    select service.service_name as member, scored.value::float8, scored.expected::float8
    from ml.anomalies as scored
    inner join marts.dim_service as service on service.service_id::text = scored.member
    where scored.org_id = %(org_id)s and scored.metric = %(metric)s and scored.dimension = 'service'
        and scored.day = %(day)s
    order by service.service_name
"""

FORECASTS: Final[LiteralString] = """
    with ahead as (
        select sum(forecast)::float8 as value, sum(lower_80)::float8 as lower, sum(upper_80)::float8 as upper
        from analytics.v_revenue_forecast
        where org_id = %(org_id)s and as_of = %(as_of)s and service_id is null
    ),
    behind as (
        select sum(realized_revenue)::float8 as compared
        from analytics.v_booking_trends
        where org_id = %(org_id)s and day > %(as_of)s::date - %(days)s and day <= %(as_of)s
    )
    select metric.metric, 'total' as dimension, 'all' as member, ahead.*, behind.compared,
        lower(left(metric.label, 1)) || substr(metric.label, 2) as label, metric.unit, metric.good_direction,
        (ahead.value - behind.compared) / behind.compared as change
    from ahead, behind, marts.dim_metric as metric
    where metric.metric = 'realized_revenue' and behind.compared > 0
        and abs(ahead.value - behind.compared) >= %(change)s * behind.compared
"""

WORKLOAD: Final[LiteralString] = """
    select load.provider_id::text as member, provider.provider_name as member_name, load.day,
        load.expected_hours::float8, load.available_hours::float8, load.overload_hours::float8, load.will_overload
    from ml.provider_workload as load
    inner join marts.dim_provider as provider on provider.provider_id = load.provider_id
    where load.org_id = %(org_id)s and load.as_of = %(as_of)s and load.day <= %(as_of)s::date + %(days)s
    order by load.day, member
"""


def scopes(connection: psycopg.Connection) -> list[Scope]:
    """Every organisation of the run, in a fixed order."""
    rows = connection.execute(
        """
        select clock.org_id, organization.organization_name, organization.currency, clock.as_of, clock.as_of_at
        from raw.run_clock as clock
        inner join staging.stg_app__organizations as organization on organization.org_id = clock.org_id
        order by clock.org_id
        """
    )
    return [Scope(*row) for row in rows]


def anomaly_findings(connection: psycopg.Connection, scope: Scope) -> list[Finding]:
    """What is out of the ordinary now, one a series; the members of a total are its drivers."""
    found = _records(connection, ANOMALIES, {"org_id": scope.org_id, "as_of": scope.as_of, "recent": RECENT_DAYS})
    return _told(
        scope,
        [
            {**row, "kind": "anomaly", "drivers": _drivers(connection, scope, row)}
            for row in found
            if row["severity"] in RAISED_SEVERITIES[row["dimension"]]
        ],
    )


def forecast_findings(connection: psycopg.Connection, scope: Scope) -> list[Finding]:
    """Where the revenue of the next weeks departs from that of the last: one finding or none."""
    parameters = {
        "org_id": scope.org_id,
        "as_of": scope.as_of,
        "days": FORECAST_DAYS,
        "change": FORECAST_CHANGE,
    }
    return _told(
        scope,
        [
            {
                **row,
                "kind": "forecast",
                "day": scope.as_of,
                "started_on": scope.as_of,
                "expected": row["compared"],
                "horizon": FORECAST_DAYS,
                "severity": "high" if row["change"] <= FORECAST_FALL_HIGH else "medium",
                "direction": "up" if row["change"] > 0 else "down",
                "impact": row["value"] - row["compared"],
                "drivers": [],
            }
            for row in _records(connection, FORECASTS, parameters)
        ],
    )


def workload_findings(connection: psycopg.Connection, scope: Scope) -> list[Finding]:
    """What the providers will be asked for beyond their hours in the days to come: one finding or none."""
    parameters = {"org_id": scope.org_id, "as_of": scope.as_of, "days": WORKLOAD_DAYS}
    loads = pd.DataFrame(_records(connection, WORKLOAD, parameters))
    available = float(loads["available_hours"].sum()) if len(loads) else 0.0
    if not available:
        return []
    beyond = loads[loads["will_overload"]]
    share = float(beyond["overload_hours"].sum()) / available
    severity = next((name for name, least in WORKLOAD_SEVERITIES.items() if share >= least), None)
    if severity is None:
        return []
    worst = beyond.groupby(["member", "member_name"], as_index=False)[
        ["expected_hours", "available_hours", "overload_hours"]
    ].sum()
    worst = worst.sort_values(["overload_hours", "member"], ascending=[False, True])
    named = worst.rename(
        columns={"expected_hours": "value", "available_hours": "expected", "overload_hours": "contribution"}
    )
    return _told(
        scope,
        [
            {
                "kind": "workload",
                "metric": "booked_hours",
                "label": "workload",
                "unit": "hours",
                "dimension": "total",
                "member": "all",
                "member_name": "all",
                "day": scope.as_of,
                "started_on": scope.as_of,
                "value": round(float(loads["expected_hours"].sum()), 2),
                "expected": round(available, 2),
                "lower": None,
                "upper": None,
                "impact": None,
                "providers": len(worst),
                "first_day": beyond["day"].min(),
                "beyond": round(float(beyond["overload_hours"].sum()), 2),
                "horizon": WORKLOAD_DAYS,
                "severity": severity,
                "direction": "up",
                "good_direction": "down",
                "drivers": _named(named, "provider"),
            }
        ],
    )


def pipeline_findings(scope: Scope, failures: Mapping[str, str]) -> list[Finding]:
    """What of the Hub itself failed: the name of the job, check, sensor or channel -> what it said."""
    nothing = dict.fromkeys(("value", "expected", "lower", "upper", "impact"))
    return _told(
        scope,
        [
            {
                **nothing,
                "kind": "pipeline",
                "metric": name,
                "label": name,
                "member_name": name,
                "detail": said,
                "dimension": "total",
                "member": "all",
                "unit": "count",
                "severity": "high",
                "direction": "down",
                "good_direction": "up",
                "day": scope.as_of,
                "started_on": scope.as_of_at.isoformat(),  # what fails twice a day is told twice
                "drivers": [],
            }
            for name, said in failures.items()
        ],
    )


def _drivers(connection: psycopg.Connection, scope: Scope, found: Finding) -> list[dict[str, Any]]:
    """Which services drove a total's change, largest first; none where the metric is not kept by service."""
    if found["dimension"] != "total":
        return []
    parameters = {"org_id": scope.org_id, "metric": found["metric"], "day": found["day"]}
    members = pd.DataFrame(_records(connection, SERVICES, parameters), columns=["member", "value", "expected"])
    explained = explain(
        members[["member", "value"]], members[["member", "expected"]].rename(columns={"expected": "value"})
    )
    return _named(explained.rename(columns={"member": "member_name"}), "service")


def _named(members: pd.DataFrame, dimension: str) -> list[dict[str, Any]]:
    """The first members (member_name, value, expected, contribution) as an event keeps them."""
    return [
        {
            "dimension": dimension,
            "member_name": str(row["member_name"]),
            **{name: round(float(row[name]), 2) for name in ("value", "expected", "contribution")},
        }
        for row in members.head(NAMED_DRIVERS).to_dict("records")
    ]


def _told(scope: Scope, found: list[dict[str, Any]]) -> list[Finding]:
    """Put what was found into words."""
    if not found:
        return []
    table = pd.DataFrame(found, dtype=object).assign(organization=scope.name, currency=scope.currency)
    words = cast(list[dict[str, str]], tell(table)[["title", "summary", "recommendation"]].to_dict("records"))
    return [{**row, **told} for row, told in zip(found, words, strict=True)]


def _records(
    connection: psycopg.Connection, query: LiteralString, parameters: Mapping[str, object]
) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
        return cursor.execute(query, parameters).fetchall()
