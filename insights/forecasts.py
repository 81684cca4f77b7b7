"""Rule `forecast`: the forecast of the next weeks differs from the revenue of the last ones."""

from collections.abc import Mapping
from typing import Any, Final, LiteralString

import psycopg

from insights.findings import Finding
from insights.narrative import with_texts
from insights.organizations import Organization
from insights.severity_thresholds import FORECAST_CHANGE, FORECAST_HIGH_FALL
from insights.state_findings import told_as_effects
from insights.workload import will_overload
from sources.database import records

CHANGES: Final[LiteralString] = """
    select metrics.metric, 'total' as dimension, 'all' as member, changes.days as horizon,
        changes.forecast::float8 as value, changes.lower_80::float8 as lower, changes.upper_80::float8 as upper,
        changes.previous::float8, changes.change::float8,
        lower(left(metrics.label, 1)) || substr(metrics.label, 2) as label, metrics.unit, metrics.good_direction,
        (
            -- The same weekdays a year before; null where no revenue is known of them.
            select nullif(sum(kpis.value), 0)::float8 from marts.kpi_daily as kpis
            where kpis.org_id = changes.org_id and kpis.metric = 'realized_revenue'
                and kpis.dimension = 'total'
                and kpis.day > changes.as_of - %(year)s and kpis.day <= changes.as_of - %(year)s + changes.days
        ) as year_ago
    from intermediate.int_forecast_changes as changes
    inner join marts.dim_metric as metrics on metrics.metric = 'realized_revenue'
    where changes.org_id = %(org_id)s and changes.as_of = %(as_of)s and abs(changes.change) >= %(min_change)s
"""

YEAR: Final = 364  # days: whole weeks


def forecast_findings(connection: psycopg.Connection, organization: Organization) -> list[Finding] | None:
    """Return one finding if the forecast of the horizon differs from the revenue of as many days before, else none.

    It opens no event where it was told lately as the effect of an incident, and where the same weeks of the last year
    brought about as much: the season is no news.

    None where the coming service days are known only in part, or where the data have ended.
    """
    if organization.book_until is not None or organization.has_ended:
        return None
    parameters = {"org_id": organization.id, "as_of": organization.as_of, "min_change": FORECAST_CHANGE, "year": YEAR}
    told = told_as_effects(connection, organization, "forecast")
    return with_texts(
        organization,
        [
            {
                **row,
                "kind": "forecast",
                "member_name": "all",
                "day": organization.as_of,
                "started_on": organization.as_of,
                "expected": row["previous"],
                "severity": "high" if row["change"] <= FORECAST_HIGH_FALL else "medium",
                "direction": "up" if row["change"] > 0 else "down",
                "opens": ("up" if row["change"] > 0 else "down") not in told and not _is_season(row),
                "impact": row["value"] - row["previous"],
                "overloading": will_overload(connection, organization),
                "drivers": [],
            }
            for row in records(connection, CHANGES, parameters)
        ],
    )


def _is_season(row: Mapping[str, Any]) -> bool:
    """Return True if the forecast does not differ from the year before as it does from the last weeks."""
    if not row["year_ago"]:
        return False
    change = (row["value"] - row["year_ago"]) / row["year_ago"]
    return bool(change < FORECAST_CHANGE if row["change"] > 0 else change > -FORECAST_CHANGE)
