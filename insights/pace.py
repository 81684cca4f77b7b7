"""Rule `pace`: what is on hand for the coming weeks, against the same moment of the last year."""

import math
from typing import Any, Final, LiteralString

import pandas as pd
import psycopg

from insights.findings import Finding, named_drivers
from insights.organizations import Organization
from insights.severity_thresholds import PACE_CHANGE, PACE_HIGH_FALL, PACE_LEAST_SPREAD
from insights.state_findings import state_finding, told_as_effects
from ml.usual_range import usual_range
from sources.database import records

HORIZONS: Final = ((28, 4), (90, 13))  # days, and the weeks ahead that hold them
YEAR_WEEKS: Final = 52  # the same weekdays
NAMED_WEEKS: Final = 2

PACE: Final[LiteralString] = """
    select pace.weeks_ago, pace.week_ahead, services.service_name as member_name, pace.bookings, pace.revenue::float8
    from intermediate.int_booking_pace as pace
    inner join marts.dim_service as services on services.service_id = pace.service_id
    where pace.org_id = %(org_id)s
"""


def pace_findings(connection: psycopg.Connection, organization: Organization) -> list[Finding] | None:
    """Return a finding of the first horizon whose pace is far from the last year's and beyond its usual differences.

    It opens no event where it was told lately as the effect of an incident.
    None where the coming service days are known only in part, or where the data have ended; no finding where there is
    no last year to compare with.
    """
    if organization.book_until is not None or organization.has_ended:
        return None
    pace = pd.DataFrame(records(connection, PACE, {"org_id": organization.id}))
    if pace.empty or organization.first_day is None:
        return []
    weeks_known = (organization.as_of - organization.first_day).days // 7
    for days, weeks in HORIZONS:
        finding = _finding(organization, pace[pace["week_ahead"] <= weeks], days, weeks, weeks_known)
        if finding:
            told = told_as_effects(connection, organization, "pace")
            return [{**finding, "opens": finding["direction"] not in told}]
    return []


def _finding(
    organization: Organization, pace: pd.DataFrame, days: int, weeks: int, weeks_known: int
) -> dict[str, Any] | None:
    on_hand = pace.groupby("weeks_ago")[["revenue", "bookings"]].sum()
    # The book of a year ago had filled only if data began a horizon before it.
    latest_known = weeks_known - YEAR_WEEKS - weeks
    ratios = [
        math.log(on_hand["revenue"][ago] / on_hand["revenue"][ago + YEAR_WEEKS])
        for ago in range(latest_known + 1)
        if min(on_hand["revenue"].get(ago, 0), on_hand["revenue"].get(ago + YEAR_WEEKS, 0)) > 0
    ]
    if latest_known < 0 or 0 not in on_hand.index or YEAR_WEEKS not in on_hand.index:
        return None
    value, expected = float(on_hand["revenue"][0]), float(on_hand["revenue"][YEAR_WEEKS])
    usual = usual_range(ratios[1:], least_spread=PACE_LEAST_SPREAD)
    if usual is None or expected <= 0 or value <= 0 or abs(value / expected - 1) < PACE_CHANGE:
        return None
    is_behind = value < expected
    if usual.lower <= ratios[0] <= usual.upper or is_behind != (ratios[0] < usual.middle):
        return None
    by_week = _changes(pace, "week_ahead", is_behind)
    return state_finding(
        organization,
        kind="pace",
        metric="revenue_on_hand",
        label="revenue on hand",
        unit="money",
        dimension="horizon",
        member=str(days),
        member_name=f"next {days} days",
        horizon=days,
        value=round(value, 2),
        expected=round(expected, 2),
        lower=round(expected * math.exp(usual.lower), 2),
        upper=round(expected * math.exp(usual.upper), 2),
        bookings=int(on_hand["bookings"][0]),
        bookings_year_ago=int(on_hand["bookings"][YEAR_WEEKS]),
        impact=round(value - expected, 2),
        severity=("high" if value / expected - 1 <= PACE_HIGH_FALL else "medium") if is_behind else "low",
        direction="down" if is_behind else "up",
        good_direction="up",
        drivers=named_drivers(_changes(pace, "member_name", is_behind), "service"),
        weeks=[
            {"first_day": organization.as_of + pd.Timedelta(days=7 * int(row["week_ahead"]) - 6), **row}
            for row in by_week.head(NAMED_WEEKS).to_dict("records")
        ],
    )


def _changes(pace: pd.DataFrame, by: str, is_behind: bool) -> pd.DataFrame:
    """Return value, expected (a year ago) and contribution by service or week; the largest in the direction first."""
    is_now, is_then = pace["weeks_ago"] == 0, pace["weeks_ago"] == YEAR_WEEKS
    sums = pd.DataFrame(
        {
            "value": pace[is_now].groupby(by)["revenue"].sum(),
            "expected": pace[is_then].groupby(by)["revenue"].sum(),
        }
    ).fillna(0.0)
    changes = sums.assign(contribution=sums["value"] - sums["expected"]).rename_axis(by).reset_index()
    changes = changes[changes["contribution"] < 0] if is_behind else changes[changes["contribution"] > 0]
    return changes.sort_values("contribution", ascending=is_behind)
