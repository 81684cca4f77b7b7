"""Rule `retention`: regular clients who would have come again by now, more of them than usual."""

from statistics import median
from typing import Any, Final, LiteralString

import pandas as pd
import psycopg

from insights.findings import Finding
from insights.organizations import Organization
from insights.severity_thresholds import MISSED_GROWTH, MISSED_LEAST, MISSED_SHARE
from insights.state_findings import rows_of, state_finding
from ml.usual_range import UsualRange, usual_range
from sources import formatting
from sources.database import records

NAMED: Final = 5  # clients to call
MONTH_DAYS: Final = 28  # of whose revenue the money of the finding is, for the clients beyond the usual number

MISSED_WEEKS: Final[LiteralString] = """
    select weeks_ago, count(*) filter (where is_missed) as missed, count(*) as followed
    from intermediate.int_client_weeks
    where org_id = %(org_id)s
    group by weeks_ago
"""
MISSED: Final[LiteralString] = """
    select missed.client_id::text, clients.client_name, clients.email, rhythms.missed_after_days,
        missed.last_visit_day, rhythms.yearly_amount::float8 as amount
    from intermediate.int_client_weeks as missed
    inner join intermediate.int_client_rhythm as rhythms
        on rhythms.client_id = missed.client_id and rhythms.visit_day = missed.last_visit_day
    inner join marts.dim_client as clients on clients.client_id = missed.client_id
    where missed.org_id = %(org_id)s and missed.weeks_ago = 0 and missed.is_missed
    order by amount desc, client_id
"""
YEARLY: Final[LiteralString] = """
    select coalesce(sum(value), 0)::float8 as revenue
    from marts.kpi_daily
    where org_id = %(org_id)s and metric = 'realized_revenue' and dimension = 'total'
        and day > %(as_of)s::date - 365 and day <= %(as_of)s
"""


def retention_findings(connection: psycopg.Connection, organization: Organization) -> list[Finding] | None:
    """Return one finding if clearly more regular clients than usual are missed, or one of great worth, else none.

    None where the data have ended, or the coming service days are known only in part.
    """
    if organization.has_ended or organization.book_until is not None:
        return None
    parameters = {"org_id": organization.id, "as_of": organization.as_of}
    missed = pd.DataFrame(records(connection, MISSED, parameters))
    if missed.empty:
        return []
    # Shares, because the number of clients grows with the business.
    weeks = {row["weeks_ago"]: row for row in records(connection, MISSED_WEEKS, parameters)}
    shares = [row["missed"] / row["followed"] for ago, row in sorted(weeks.items()) if ago]
    count, followed = len(missed), weeks[0]["followed"]
    # The chance of a count is the root of it.
    of_share = usual_range(shares, least_spread=max(median(shares or [0]) * followed, 1.0) ** 0.5 / 3 / followed)
    usual = UsualRange(*(bound * followed for bound in of_share)) if of_share else None
    (revenue,) = [row["revenue"] for row in records(connection, YEARLY, parameters)]
    is_many = usual is not None and count > usual.upper and count >= max(MISSED_LEAST, MISSED_GROWTH * usual.middle)
    great = missed[missed["amount"] >= MISSED_SHARE * revenue] if revenue > 0 else missed.head(0)
    if usual is None or not (is_many or len(great)):
        return []
    named = missed if is_many else great
    usual_count = round(usual.middle) if is_many else 0
    return [
        state_finding(
            organization,
            kind="retention",
            metric="missed_clients",
            label="regular clients who are overdue",
            unit="count",
            value=len(named),
            expected=usual_count,
            lower=round(max(usual.lower, 0.0)) if is_many else None,
            upper=round(usual.upper) if is_many else None,
            impact=-round(float(named["amount"].sum()) * (1 - usual_count / len(named)) * MONTH_DAYS / 365, 2),
            severity="medium",
            direction="up",
            good_direction="down",
            yearly_amount=round(float(named["amount"].sum()), 2),
            revenue_share=float(named["amount"].sum()) / revenue if revenue > 0 else None,
            actions=[_action(row) for row in rows_of(named.head(NAMED))],
        )
    ]


def _action(row: dict[Any, Any]) -> dict[str, Any]:
    longest = formatting.counted(row["missed_after_days"], "day")
    return {
        "text": f"Call {row['client_name']}: last here on {formatting.date_words(row['last_visit_day'])}, "
        f"hardly ever away for more than {longest}",
        "impact": round(row["amount"], 2),
        **({"link": f"mailto:{row['email']}"} if row["email"] else {}),
    }
