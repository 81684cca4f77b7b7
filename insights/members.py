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

from insights.absences import absences_since
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
    absences = absences_since(connection, organization, min(row["started_on"] for row in members))
    return {_key(row) for row in members if _is_news(organization, row, figures[_key(row)], absences)}


def _key(row: Row) -> Key:
    return row["metric"], row["dimension"], row["member"]


def _is_news(organization: Organization, row: Row, figures: Mapping[date, float], absences: Sequence[Row]) -> bool:
    if row["pattern"] == "missing" or row.get("is_by_rows", False):
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
    usual = _usual(organization, row, figures)
    # What the detector expects follows an incident within days: what comes back after one is no rise.
    expected = max(row["expected"], usual) if row["direction"] == "up" else min(row["expected"], usual)
    return chance_of({**row, "expected": expected}, unit_of(organization, row, figures)) <= CHANCE


def _usual(organization: Organization, row: Row, figures: Mapping[date, float]) -> float:
    """Return the sum of the means of the same weekdays before, over the days of the anomaly."""
    before = _days_before(organization, row)
    days = [row["started_on"] + timedelta(days=n) for n in range((row["day"] - row["started_on"]).days + 1)]
    means = {
        weekday: float(np.mean([figures.get(each, 0.0) for each in before if each.weekday() == weekday]))
        for weekday in {each.weekday() for each in before}
    }
    return sum(means.get(day.weekday(), 0.0) for day in days)


def _days_before(organization: Organization, row: Row) -> list[date]:
    """Return the BEFORE_DAYS before the anomaly, as far as data reach."""
    first = row["started_on"] - timedelta(days=BEFORE_DAYS)
    if organization.first_day is not None:
        first = max(first, organization.first_day)
    return [first + timedelta(days=n) for n in range((row["started_on"] - first).days)]


def unit_of(organization: Organization, row: Row, figures: Mapping[date, float]) -> float:
    """Return the size in which the figure comes: the variance of its days, within weekdays, per unit of its mean."""
    days = _days_before(organization, row)
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
