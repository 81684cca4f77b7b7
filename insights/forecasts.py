"""Rule `forecast`: the forecast of the next weeks differs from the revenue of the last ones."""

from typing import Final, LiteralString

import psycopg

from insights.findings import Finding
from insights.narrative import described
from insights.organizations import Organization
from insights.workload import will_overload
from sources.database import records

HORIZON_DAYS: Final = 28
MIN_CHANGE: Final = 0.15  # a month ahead that differs less from the last one is no news
HIGH_FALL: Final = -0.40  # a fall of this share or more is of severity high

CHANGES: Final[LiteralString] = """
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
    select metrics.metric, 'total' as dimension, 'all' as member, ahead.value, ahead.lower, ahead.upper,
        behind.compared as previous,
        lower(left(metrics.label, 1)) || substr(metrics.label, 2) as label, metrics.unit, metrics.good_direction,
        (ahead.value - behind.compared) / behind.compared as change
    from ahead, behind, began, marts.dim_metric as metrics
    where metrics.metric = 'realized_revenue' and behind.compared > 0
        and began.first_day <= %(as_of)s::date - %(days)s + 1
        and ahead.days = %(days)s and abs(ahead.value - behind.compared) >= %(min_change)s * behind.compared
"""


def forecast_findings(connection: psycopg.Connection, organization: Organization) -> list[Finding] | None:
    """Return one finding if the forecast of the horizon differs from the revenue of as many days before, else none.

    There is none before the fourth week of revenue, so that whole weeks are compared. None where the coming service
    days are known only in part, or where the data have ended.
    """
    if organization.book_until is not None or organization.has_ended:
        return None
    parameters = {
        "org_id": organization.id,
        "as_of": organization.as_of,
        "days": HORIZON_DAYS,
        "min_change": MIN_CHANGE,
    }
    return described(
        organization,
        [
            {
                **row,
                "kind": "forecast",
                "day": organization.as_of,
                "started_on": organization.as_of,
                "expected": row["previous"],
                "horizon": HORIZON_DAYS,
                "severity": "high" if row["change"] <= HIGH_FALL else "medium",
                "direction": "up" if row["change"] > 0 else "down",
                "impact": row["value"] - row["previous"],
                "overloading": will_overload(connection, organization),
                "drivers": [],
            }
            for row in records(connection, CHANGES, parameters)
        ],
    )
