"""Rule `milestone`: milestones of the coming fortnight that will probably be late, more than usual."""

from datetime import timedelta
from typing import Any, Final, LiteralString

import pandas as pd
import psycopg

from insights.findings import Finding
from insights.organizations import Organization
from insights.severity_thresholds import MILESTONES_GROWTH, MILESTONES_LEAST
from insights.state_findings import booking_link, rows_of, state_finding, weekly
from ml.lateness import lateness
from ml.usual_range import usual_range
from sources import formatting
from sources.database import records

COMING_DAYS: Final = 14
WINDOW_WEEKS: Final = COMING_DAYS // 7
HISTORY_DAYS: Final = 365
NAMED: Final = 3
LIKELY: Final = 0.5

HISTORY: Final[LiteralString] = """
    select service_id::text, position, is_behind, count(*) as milestones,
        count(*) filter (where is_late) as late,
        percentile_cont(0.5) within group (order by slipped_days) filter (where is_late) as slip_days
    from intermediate.int_milestone_delays
    where org_id = %(org_id)s and slipped_days is not null and due_day <= %(as_of)s and due_day > %(year_ago)s
    group by service_id, position, is_behind
"""
WEEKS: Final[LiteralString] = """
    select (%(as_of)s::date - due_day) / 7 as weeks_ago, count(*) as figure
    from intermediate.int_milestone_delays
    where org_id = %(org_id)s and is_late and due_day <= %(as_of)s and due_day > %(year_ago)s
    group by 1
"""
COMING: Final[LiteralString] = """
    select delays.service_id::text, delays.position, delays.is_behind, delays.due_day, delays.title,
        delays.booking_id::text, bookings.booking_number, services.service_name, providers.provider_name,
        delays.booking_amount::float8 as amount
    from intermediate.int_milestone_delays as delays
    inner join marts.fct_bookings as bookings on bookings.booking_id = delays.booking_id
    inner join marts.dim_service as services on services.service_id = delays.service_id
    left join marts.dim_provider as providers on providers.provider_id = delays.provider_id
    where delays.org_id = %(org_id)s and delays.is_open and delays.due_day > %(as_of)s
        and delays.due_day <= %(as_of)s::date + %(days)s
    order by delays.due_day, delays.milestone_id
"""


def milestone_findings(connection: psycopg.Connection, organization: Organization) -> list[Finding] | None:
    """Return one finding if clearly more milestones than usual will be late, else none.

    None where the data have ended.
    """
    if organization.has_ended:
        return None
    as_of = organization.as_of
    parameters = {
        "org_id": organization.id,
        "as_of": as_of,
        "year_ago": as_of - timedelta(days=HISTORY_DAYS),
        "days": COMING_DAYS,
    }
    history, coming = (pd.DataFrame(records(connection, query, parameters)) for query in (HISTORY, COMING))
    if history.empty or coming.empty:
        return []
    foretold = lateness(history, coming, as_of=as_of)
    expected_late = float(foretold["probability"].sum())
    weeks = weekly(connection, organization, WEEKS, parameters)
    fortnights = [sum(weeks[ago : ago + WINDOW_WEEKS]) for ago in range(len(weeks) - WINDOW_WEEKS)]
    usual = usual_range(fortnights)
    if usual is None or expected_late <= usual.upper:
        return []
    if expected_late < max(MILESTONES_LEAST, MILESTONES_GROWTH * usual.middle):
        return []
    likely = foretold[foretold["probability"] >= LIKELY]
    worst = (likely if len(likely) else foretold).assign(
        at_risk=lambda rows: rows["probability"] * rows["amount"].fillna(0.0)
    )
    worst = worst.sort_values("at_risk", ascending=False).drop_duplicates("booking_id")
    return [
        state_finding(
            organization,
            kind="milestone",
            metric="late_milestones",
            label="milestones that will probably be late",
            unit="count",
            value=round(expected_late),
            expected=round(usual.middle),
            lower=round(max(usual.lower, 0.0)),
            upper=round(usual.upper),
            severity="medium",
            direction="up",
            good_direction="down",
            horizon=COMING_DAYS,
            milestones=len(coming),
            amount=round(float(worst["amount"].fillna(0.0).sum()), 2),
            bookings=len(worst),
            actions=[_action(row) for row in rows_of(worst.head(NAMED))],
        )
    ]


def _action(row: dict[Any, Any]) -> dict[str, Any]:
    days = formatting.counted(max(round(row["slip_days"]), 1), "day")
    return {
        "text": f"Ask {row['provider_name'] or 'the provider'} about {row['title']} of booking {row['booking_number']} "
        f"({row['service_name']}), due on {formatting.short_day(row['due_day'])}: "
        f"{formatting.percent(row['probability'])} likely to be late, by about {days}",
        "link": booking_link(row["booking_id"]),
        "impact": None if row["amount"] is None else round(float(row["amount"]), 2),
    }
