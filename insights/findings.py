"""Findings: what the forecasts, the workload and the Hub itself say now, in words, before it is an event."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, LiteralString, cast
from uuid import UUID

import pandas as pd
import psycopg

from insights.narrative import tell
from sources.database import records

NAMED_DRIVERS: Final = 3
FORECAST_DAYS: Final = 28
FORECAST_CHANGE: Final = 0.15  # a month ahead that differs less from the last one is no news
FORECAST_FALL_HIGH: Final = -0.40
WORKLOAD_DAYS: Final = 7
WORKLOAD_SEVERITIES: Final = {"high": 0.25, "medium": 0.10}  # from this part of all hours that do not fit in

# kind, severity, metric, dimension, member, direction, started_on, day, title, summary, value, expected, lower, upper,
# impact, drivers, recommendation: what app.insight_events keeps of it. opens: false where it opens no event, and only
# keeps the one that there is from being resolved.
Finding = Mapping[str, Any]


@dataclass(frozen=True)
class Scope:
    """The organisation that findings are about, and the moment that they speak of."""

    org_id: UUID
    name: str
    currency: str
    as_of: date
    as_of_at: datetime
    first_day: date | None = None  # with any recorded activity
    last_day: date | None = None
    has_ended: bool = False  # whether the data end with last_day
    book_until: date | None = None  # the last known service day, where the data end there
    bookings_complete_until: date | None = None  # later days of booking lack those of service days beyond book_until
    knows_capacity: bool = False

    @property
    def is_past_its_end(self) -> bool:
        """Whether as_of lies beyond data that ended."""
        return self.has_ended and self.last_day is not None and self.as_of > self.last_day


FORECASTS: Final[LiteralString] = """
    with ahead as (
        select count(*) as days, sum(forecast)::float8 as value, sum(lower_80)::float8 as lower,
            sum(upper_80)::float8 as upper
        from analytics.v_revenue_forecast
        where org_id = %(org_id)s and as_of = %(as_of)s and service_id is null
    ),
    behind as (
        select sum(value)::float8 as compared
        from marts.kpi_daily
        where org_id = %(org_id)s and metric = 'realized_revenue' and dimension = 'total' and member = 'all'
            and day > %(as_of)s::date - %(days)s and day <= %(as_of)s
    ),
    began as (
        select min(day) as first_day from marts.kpi_daily
        where org_id = %(org_id)s and metric = 'realized_revenue' and dimension = 'total' and member = 'all'
            and value <> 0
    )
    select metric.metric, 'total' as dimension, 'all' as member, ahead.value, ahead.lower, ahead.upper,
        behind.compared,
        lower(left(metric.label, 1)) || substr(metric.label, 2) as label, metric.unit, metric.good_direction,
        (ahead.value - behind.compared) / behind.compared as change
    from ahead, behind, began, marts.dim_metric as metric
    where metric.metric = 'realized_revenue' and behind.compared > 0
        and began.first_day <= %(as_of)s::date - %(days)s + 1
        and ahead.days = %(days)s and abs(ahead.value - behind.compared) >= %(change)s * behind.compared
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
    """Every organisation of the run, in a fixed order, without what the warehouse knows: it may not be built yet."""
    rows = connection.execute(
        """
        select clock.org_id, organization.organization_name, organization.currency, clock.as_of, clock.as_of_at
        from raw.run_clock as clock
        inner join staging.stg_app__organizations as organization on organization.org_id = clock.org_id
        order by clock.org_id
        """
    )
    return [Scope(*row) for row in rows]


def known_scopes(connection: psycopg.Connection) -> list[Scope]:
    """Every organisation of the built warehouse, in a fixed order, with what is known of its data."""
    rows = connection.execute(
        """
        select org_id, organization_name, currency, as_of, as_of_at, first_day, last_day, has_ended, book_until,
            bookings_complete_until, knows_capacity
        from marts.dim_organization
        where as_of is not null
        order by org_id
        """
    )
    return [Scope(*row) for row in rows]


def forecast_findings(connection: psycopg.Connection, scope: Scope) -> list[Finding] | None:
    """Where the revenue of the next weeks departs from that of the last: one finding or none.

    Only from the fourth week of revenue on, so that whole weeks are compared. None where the coming service days are
    known in part only, or where the data have ended.
    """
    if scope.book_until is not None or scope.has_ended:
        return None
    parameters = {
        "org_id": scope.org_id,
        "as_of": scope.as_of,
        "days": FORECAST_DAYS,
        "change": FORECAST_CHANGE,
    }
    return in_words(
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
                "overloading": _overloading(connection, scope),
                "drivers": [],
            }
            for row in records(connection, FORECASTS, parameters)
        ],
    )


def _overloading(connection: psycopg.Connection, scope: Scope) -> bool:
    """Whether some provider will have more work than hours in the days that the workload is told of."""
    parameters = {"org_id": scope.org_id, "as_of": scope.as_of, "days": WORKLOAD_DAYS}
    return scope.knows_capacity and any(row["will_overload"] for row in records(connection, WORKLOAD, parameters))


def workload_findings(connection: psycopg.Connection, scope: Scope) -> list[Finding] | None:
    """What the providers will be asked for beyond their hours in the days to come: one finding or none.

    None where no hours are known, or where the data have ended.
    """
    if not scope.knows_capacity or scope.has_ended:
        return None
    parameters = {"org_id": scope.org_id, "as_of": scope.as_of, "days": WORKLOAD_DAYS}
    loads = pd.DataFrame(records(connection, WORKLOAD, parameters))
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
    return in_words(
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
                "drivers": named_drivers(named, "provider"),
            }
        ],
    )


def pipeline_findings(scope: Scope, failures: Mapping[str, str]) -> list[Finding]:
    """What of the Hub itself failed: the name of the job, check, sensor or channel -> what it said."""
    nothing = dict.fromkeys(("value", "expected", "lower", "upper", "impact"))
    return in_words(
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


def named_drivers(members: pd.DataFrame, dimension: str) -> list[dict[str, Any]]:
    """The first members (member_name, value, expected, contribution) as an event keeps them."""
    return [
        {
            "dimension": dimension,
            "member_name": str(row["member_name"]),
            **{name: round(float(row[name]), 2) for name in ("value", "expected", "contribution")},
        }
        for row in members.head(NAMED_DRIVERS).to_dict("records")
    ]


def in_words(scope: Scope, found: list[dict[str, Any]]) -> list[Finding]:
    """Put what was found into words."""
    if not found:
        return []
    table = pd.DataFrame(found, dtype=object).assign(organization=scope.name, currency=scope.currency)
    words = cast(list[dict[str, str]], tell(table)[["title", "summary", "recommendation"]].to_dict("records"))
    return [{**row, **told} for row, told in zip(found, words, strict=True)]
