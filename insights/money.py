"""Money of an incident, by the amounts of the single bookings and payments, where these tell it."""

from typing import Final, LiteralString

import pandas as pd
import psycopg

from insights.called_off import called_off
from insights.findings import WORK, Finding
from insights.organizations import Organization
from sources.database import records

COUNTED: Final = ("bookings_created", "bookings_cancelled", "no_shows", "bookings_completed")
RATES_OF_LOST: Final = ("no_show_rate", "cancellation_rate")
LEAST_CALLED_OFF: Final = 0.5  # of the missing work's money, for its bookings to be those that are missing

# The amounts of failed payments of the days that have not been paid since; an invoice counts once.
UNPAID: Final[LiteralString] = """
    with failed as (
        select invoice_id, booking_id, max(amount) as amount from marts.fct_payments
        where org_id = %(org_id)s and status = 'failed' and is_in_own_currency
            and attempted_day between %(started_on)s and %(day)s
        group by invoice_id, booking_id
    )
    select coalesce(sum(failed.amount), 0)::float8 as amount from failed
    where not exists (
        select from marts.fct_payments as paid
        where paid.booking_id = failed.booking_id and paid.invoice_id is not distinct from failed.invoice_id
            and paid.status = 'succeeded' and paid.paid_day between %(started_on)s and %(day)s
    )
"""


def exact_money(
    connection: psycopg.Connection,
    organization: Organization,
    finding: Finding,
    current: pd.DataFrame,
    earlier: pd.DataFrame,
) -> float | None:
    """Return the money that the incident lost (negative) or gained; None where its rows do not tell it.

    current, earlier: amount of each booking that the metric (of a ratio, the numerator) counts on the incident's days,
    and on the same weekdays before.
    """
    value, expected = float(finding["value"]), float(finding["expected"])
    gain = 1 if finding["good_direction"] == "up" else -1
    is_rise = finding["direction"] == "up" and value > 0
    if finding["metric"] in COUNTED and earlier["amount"].notna().any():
        return gain * (float(current["amount"].sum()) - expected * float(earlier["amount"].mean()))
    if finding["metric"] in RATES_OF_LOST and is_rise:
        return gain * float(current["amount"].sum()) * (1 - expected / value)
    if finding["metric"] == "failed_payments" and is_rise:
        days = {"started_on": finding["started_on"], "day": finding["day"]}
        (unpaid,) = records(connection, UNPAID, {"org_id": organization.id, **days})
        return gain * float(unpaid["amount"]) * (1 - expected / value)
    if finding["metric"] in WORK and finding["direction"] == "down" and finding["impact"] is not None:
        left = called_off(connection, organization, finding)
        if left["amount"] >= LEAST_CALLED_OFF * abs(float(finding["impact"])):
            return -float(left["amount"])
    return None
