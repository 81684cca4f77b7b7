"""Rule `receivable`: overdue invoices, and finished work that is not invoiced, beyond what is usual here."""

from datetime import timedelta
from typing import Any, Final, LiteralString

import pandas as pd
import psycopg

from insights.findings import Finding
from insights.organizations import Organization
from insights.severity_thresholds import (
    OVERDUE_GROWTH,
    OVERDUE_HIGH_SHARE,
    OVERDUE_SHARE,
    UNBILLED_GROWTH,
    UNBILLED_SHARE,
)
from insights.state_findings import booking_link, rows_of, state_finding, weekly
from ml.usual_range import usual_range
from sources import formatting
from sources.database import records

AGES: Final = ("1-30 days", "31-60 days", "61-90 days", "over 90 days")
MONTH_DAYS: Final = 28
NAMED: Final = 3  # invoices or bookings
BILLED_WITHIN_DAYS: Final = 7  # finished work is invoiced a few days later
UNBILLED_DAYS: Final = 91  # of recent work, whose unbilled share is compared with that of the year before

OVERDUE_WEEKS: Final[LiteralString] = """
    select weeks_ago, overdue_amount::float8 as figure
    from intermediate.int_overdue_weeks
    where org_id = %(org_id)s
"""
OVERDUE: Final[LiteralString] = """
    select invoice_id::text, invoice_number, client_name, due_day, days_overdue, age, open_amount::float8 as amount
    from analytics.v_receivables
    where org_id = %(org_id)s and age <> 'not due'
    order by open_amount * least(days_overdue, 90) desc, invoice_id
"""
INVOICED: Final[LiteralString] = """
    select coalesce(sum(value), 0)::float8 as invoiced
    from marts.kpi_daily
    where org_id = %(org_id)s and metric = 'invoiced_revenue' and dimension = 'total'
        and day > %(month_ago)s and day <= %(as_of)s
"""
UNBILLED: Final[LiteralString] = """
    select unbilled.booking_id::text, bookings.booking_number, clients.client_name, services.service_name,
        unbilled.done_day, unbilled.unbilled_amount::float8 as amount, unbilled.tracked_hours::float8 as hours
    from intermediate.int_unbilled_bookings as unbilled
    inner join marts.fct_bookings as bookings on bookings.booking_id = unbilled.booking_id
    inner join marts.dim_service as services on services.service_id = unbilled.service_id
    left join marts.dim_client as clients on clients.client_id = bookings.client_id
    where unbilled.org_id = %(org_id)s and unbilled.done_day > %(year_ago)s and unbilled.done_day <= %(billed_by)s
    order by amount desc, unbilled.done_day, booking_id
"""
DONE: Final[LiteralString] = """
    select coalesce(sum(total_amount) filter (where completed_day > %(quarter_ago)s), 0)::float8 as recent,
        coalesce(sum(total_amount) filter (where completed_day <= %(quarter_ago)s), 0)::float8 as before
    from marts.fct_bookings
    where org_id = %(org_id)s and is_in_own_currency and status_group = 'completed'
        and completed_day > %(year_ago)s and completed_day <= %(billed_by)s
        and exists (select from marts.fct_invoices as invoices where invoices.org_id = %(org_id)s)
"""


def receivable_findings(connection: psycopg.Connection, organization: Organization) -> list[Finding] | None:
    """Return findings of overdue invoices and of unbilled work, where they are large beside their own past.

    None where the data have ended.
    """
    if organization.has_ended:
        return None
    as_of = organization.as_of
    parameters = {
        "org_id": organization.id,
        "as_of": as_of,
        "month_ago": as_of - timedelta(days=MONTH_DAYS),
        "billed_by": as_of - timedelta(days=BILLED_WITHIN_DAYS),
        "quarter_ago": as_of - timedelta(days=BILLED_WITHIN_DAYS + UNBILLED_DAYS),
        "year_ago": as_of - timedelta(days=BILLED_WITHIN_DAYS + UNBILLED_DAYS + 365),
    }
    found = [_overdue(connection, organization, parameters), _unbilled(connection, organization, parameters)]
    return [finding for finding in found if finding]


def _overdue(connection: psycopg.Connection, organization: Organization, parameters: dict[str, Any]) -> Finding | None:
    """Return the finding of overdue invoices; the usual sum is that of the weeks before."""
    amount, *earlier = weekly(connection, organization, OVERDUE_WEEKS, parameters) or [0.0]
    usual = usual_range(earlier)
    (invoiced,) = [row["invoiced"] for row in records(connection, INVOICED, parameters)]
    if usual is None or not amount or amount < OVERDUE_SHARE * invoiced:
        return None
    if amount <= usual.upper or amount < OVERDUE_GROWTH * usual.middle:
        return None
    invoices = pd.DataFrame(records(connection, OVERDUE, parameters))
    return state_finding(
        organization,
        kind="receivable",
        metric="overdue_amount",
        label="overdue invoices",
        unit="money",
        value=round(amount, 2),
        expected=round(usual.middle, 2),
        lower=round(max(usual.lower, 0.0), 2),
        upper=round(usual.upper, 2),
        impact=round(amount - usual.middle, 2),
        severity="high" if amount - usual.middle >= OVERDUE_HIGH_SHARE * invoiced else "medium",
        direction="up",
        good_direction="down",
        invoices=len(invoices),
        ages=[
            {"age": age, "invoices": len(of_age), "amount": round(float(of_age["amount"].sum()), 2)}
            for age in AGES
            if len(of_age := invoices[invoices["age"] == age])
        ],
        actions=[
            {
                "text": f"Ask {row['client_name'] or 'the client'} to pay invoice {row['invoice_number']}, "
                f"{formatting.counted(int(row['days_overdue']), 'day')} overdue",
                "link": f"/v1/invoices/{row['invoice_id']}",
                "impact": round(row["amount"], 2),
            }
            for row in rows_of(invoices.head(NAMED))
        ],
    )


def _unbilled(connection: psycopg.Connection, organization: Organization, parameters: dict[str, Any]) -> Finding | None:
    """Return the finding of finished bookings without an invoice; usual is their share in the year before."""
    unbilled = pd.DataFrame(records(connection, UNBILLED, parameters))
    if unbilled.empty:
        return None
    (done,) = records(connection, DONE, parameters)
    is_recent = unbilled["done_day"] > parameters["quarter_ago"]
    recent, amount = unbilled[is_recent], float(unbilled.loc[is_recent, "amount"].sum())
    usual = float(unbilled.loc[~is_recent, "amount"].sum()) / done["before"] * done["recent"] if done["before"] else 0.0
    if not done["recent"] or amount < UNBILLED_SHARE * done["recent"] or amount < UNBILLED_GROWTH * usual:
        return None
    return state_finding(
        organization,
        kind="receivable",
        metric="unbilled_amount",
        label="finished work without an invoice",
        unit="money",
        value=round(amount, 2),
        expected=round(usual, 2),
        impact=round(amount - usual, 2),
        severity="medium",
        direction="up",
        good_direction="down",
        bookings=len(recent),
        hours=round(float(recent["hours"].sum()), 1),
        first_day=recent["done_day"].min(),
        actions=[
            {
                "text": f"Invoice booking {row['booking_number']} of {row['client_name'] or 'an unnamed client'} "
                f"({row['service_name']}, finished on {formatting.date_words(row['done_day'])})",
                "link": booking_link(row["booking_id"]),
                "impact": round(row["amount"], 2),
            }
            for row in rows_of(recent.head(NAMED))
        ],
    )
