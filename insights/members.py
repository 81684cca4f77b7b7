"""Anomalies of members: which of them are neither chance nor known, and open an event by themselves.

A business has some hundred series of members, and a run of quiet days in one of them is found on most days.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final, LiteralString

import numpy as np
import psycopg
from scipy.special import gammainc, gammaincc

from insights.findings import WORK
from insights.organizations import Organization
from sources.database import records

BEFORE_DAYS: Final = 84  # twelve of each weekday
# The chance of the figures on ordinary days, with the bookings of a client counted as one. The series of a business and
# the windows of days are some thousand a day, of which the detector has chosen already. On three days of the two
# sample businesses (seeds 1 and 11), eleven anomalies of members opened events without these conditions.
CHANCE: Final = 0.001

FIGURES: Final[LiteralString] = """
    select metric, dimension, member, day, value::float8 from marts.kpi_daily
    where org_id = %(org_id)s and day >= %(first)s and day <= %(as_of)s
        and metric = any(%(metrics)s) and member = any(%(members)s) and dimension <> 'total'
"""
# entered: after the absence began, as an illness is; others were known ahead.
ABSENCES: Final[LiteralString] = """
    select absences.provider_id::text as provider, absences.starts_on, absences.ends_on,
        (absences.created_at at time zone organizations.timezone)::date >= absences.starts_on as is_sudden
    from staging.stg_app__provider_absences as absences
    inner join marts.dim_organization as organizations on organizations.org_id = absences.org_id
    where absences.org_id = %(org_id)s and absences.ends_on >= %(first)s and absences.starts_on <= %(as_of)s
        and absences.provider_id::text = any(%(members)s)
"""

Row = Mapping[str, Any]
Key = tuple[str, str, str]


def unlikely(connection: psycopg.Connection, organization: Organization, rows: Sequence[Row]) -> set[Key]:
    """Return metric, dimension and member of the anomalies of members that are neither chance nor known.

    More work of a provider is no news: colleagues hand over work, and too much of it is told as workload.
    """
    members = [row for row in rows if row["dimension"] != "total"]
    if not members:
        return set()
    parameters = {
        "org_id": organization.id,
        "as_of": organization.as_of,
        "first": min(row["started_on"] for row in members) - timedelta(days=BEFORE_DAYS),
        "metrics": [row["metric"] for row in members],
        "members": [row["member"] for row in members],
    }
    figures: dict[Key, dict[date, float]] = defaultdict(dict)
    for each in records(connection, FIGURES, parameters):
        figures[_key(each)][each["day"]] = each["value"]
    absences = records(connection, ABSENCES, parameters)
    return {_key(row) for row in members if _is_news(organization, row, figures[_key(row)], absences)}


def _key(row: Row) -> Key:
    return row["metric"], row["dimension"], row["member"]


def _is_news(organization: Organization, row: Row, figures: Mapping[date, float], absences: Sequence[Row]) -> bool:
    if row["pattern"] == "missing":
        return True
    if row["dimension"] == "provider":
        if row["direction"] == row["good_direction"] == "up":
            return False
        own = [
            absence
            for absence in absences
            if absence["provider"] == row["member"]
            and absence["starts_on"] <= row["day"]
            and absence["ends_on"] >= row["started_on"]
        ]
        if own and row["metric"] in WORK:
            return any(absence["is_sudden"] for absence in own)
    if row["kind_of_metric"] != "sum":
        return True
    return chance_of(row, unit_of(organization, row, figures)) <= CHANCE


def unit_of(organization: Organization, row: Row, figures: Mapping[date, float]) -> float:
    """Return the size in which the figure comes: the variance of its days, within weekdays, per unit of its mean."""
    first = row["started_on"] - timedelta(days=BEFORE_DAYS)
    if organization.first_day is not None:
        first = max(first, organization.first_day)
    days = [first + timedelta(days=n) for n in range((row["started_on"] - first).days)]
    weekdays = [[figures.get(day, 0.0) for day in days if day.weekday() == weekday] for weekday in range(7)]
    used = [values for values in weekdays if len(values) > 1]
    mean = sum(float(np.mean(values)) for values in used)
    unit = sum(float(np.var(values, ddof=1)) for values in used) / mean if mean > 0 else 0.0
    return max(unit, 1.0) if row["unit"] == "count" else unit or 1.0


def chance_of(row: Row, unit: float) -> float:
    """Return the Poisson chance of a figure so far on this side; continuous, because units are no whole numbers."""
    value, expected = max(row["value"], 0.0) / unit, max(row["expected"], 0.0) / unit
    if row["direction"] == "down":
        return float(gammaincc(value + 1, expected)) if expected > 0 else 1.0
    return float(gammainc(value, expected)) if value > 0 else 1.0
