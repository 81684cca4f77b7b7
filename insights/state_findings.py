"""Findings on the state of the whole organisation at the end of as_of: what they have in common."""

from collections.abc import Mapping
from typing import Any, Final, LiteralString

import pandas as pd
import psycopg

from insights.organizations import Organization
from sources.database import records
from sources.insight_values import InsightKind

USUAL_WEEKS: Final = 26  # before as_of: pace_weeks of dbt/thresholds.yml, as a test checks

# What lies ahead reaches beyond an incident that changed it: people know of it already.
TOLD: Final[LiteralString] = """
    select effects.value ->> 'direction' as direction from app.insight_events as events
    cross join jsonb_array_elements(events.effects) as effects (value)
    where events.org_id = %(org_id)s and events.day <= %(as_of)s and events.day > %(as_of)s::date - %(told_days)s
        and effects.value ->> 'kind' = %(kind)s
"""
TOLD_DAYS: Final = 28


def state_finding(organization: Organization, **columns: Any) -> dict[str, Any]:
    """Return a finding of the total on as_of, with the given columns; those that do not apply are None or empty."""
    return {
        "dimension": "total",
        "member": "all",
        "member_name": "all",
        "day": organization.as_of,
        "started_on": organization.as_of,
        "lower": None,
        "upper": None,
        "impact": None,
        "drivers": [],
        "facts": [],
        "actions": [],
        **columns,
    }


def told_as_effects(connection: psycopg.Connection, organization: Organization, kind: InsightKind) -> set[str]:
    """Return the directions in which findings of this kind were told lately as effects of an incident."""
    parameters = {"org_id": organization.id, "as_of": organization.as_of, "told_days": TOLD_DAYS, "kind": kind}
    return {row["direction"] for row in records(connection, TOLD, parameters)}


def weekly(
    connection: psycopg.Connection, organization: Organization, query: LiteralString, parameters: Mapping[str, Any]
) -> list[float]:
    """Return the figure of as_of and of each week before it since data began, 0 for a week that `query` does not have.

    query: returns weeks_ago and figure.
    """
    figures = {row["weeks_ago"]: row["figure"] for row in records(connection, query, dict(parameters))}
    if organization.first_day is None:
        return []
    weeks_known = min((organization.as_of - organization.first_day).days // 7, USUAL_WEEKS)
    return [float(figures.get(ago, 0.0)) for ago in range(weeks_known + 1)]


def rows_of(frame: pd.DataFrame) -> list[dict[Any, Any]]:
    """Return the rows as mappings; a missing cell is None, whatever the type of its column."""
    return frame.astype(object).where(frame.notna(), None).to_dict("records")


def booking_link(booking_id: str) -> str:
    """Return the path of a booking in the API."""
    return f"/v1/bookings/{booking_id}"
