"""Questions about data that may be wrong: bookings with an amount far from those of their kind."""

from collections.abc import Mapping
from typing import Any, Final, LiteralString

import psycopg

from insights.findings import Finding
from insights.organizations import Organization
from sources import formatting
from sources.database import records
from sources.insight_values import BOOKING_QUESTION

MAX_QUESTIONS: Final = 5  # at a time: where a whole file has wrong amounts, a few examples are enough

UNUSUAL: Final[LiteralString] = """
    select bookings.booking_id::text as member, bookings.booking_number, bookings.known_day as day,
        bookings.total_amount, bookings.currency, bookings.service_days, services.service_name,
        bookings.usual_amount_per_day, bookings.lower_amount_per_day, bookings.upper_amount_per_day
    from intermediate.int_unusual_bookings as bookings
    inner join marts.dim_service as services on services.service_id = bookings.service_id
    where bookings.org_id = %(org_id)s
    order by abs(ln(bookings.total_amount / bookings.service_days / nullif(bookings.usual_amount_per_day, 0))) desc,
        bookings.booking_id
    limit %(limit)s
"""

ADVICE: Final = (
    "If it is a mistake, correct it where the booking comes from and load it again; "
    "if it is right, dismiss this question."
)


def booking_questions(connection: psycopg.Connection, organization: Organization) -> list[Finding]:
    """Return a question for each recent booking with an unusual amount, the most unusual first."""
    unusual = records(connection, UNUSUAL, {"org_id": organization.id, "limit": MAX_QUESTIONS})
    return [_question(row) for row in unusual]


def _question(row: Mapping[str, Any]) -> Finding:
    days = row["service_days"]
    is_high = row["total_amount"] > row["usual_amount_per_day"] * days
    return {
        "kind": "pipeline",
        # Too large an amount inflates every sum; too small a one hardly changes them.
        "severity": "medium" if is_high else "low",
        "metric": "booking_amount",
        "dimension": BOOKING_QUESTION,
        "member": row["member"],
        "direction": "up" if is_high else "down",
        "started_on": row["total_amount"],  # a changed amount is a new question
        "day": row["day"],
        "title": f"Is the amount of booking {row['booking_number']} right?",
        "summary": _summary(row),
        "value": row["total_amount"],
        "expected": row["usual_amount_per_day"] * days,
        "lower": row["lower_amount_per_day"] * days,
        "upper": row["upper_amount_per_day"] * days,
        "impact": None,
        "drivers": [],
        "recommendation": ADVICE,
    }


def _summary(row: Mapping[str, Any]) -> str:
    def money(amount: Any) -> str:
        return formatting.money(amount, row["currency"])

    per_day = "" if row["service_days"] == 1 else " per day"
    length = f" for {row['service_days']} days" if per_day else ""
    amount_per_day = f", {money(row['total_amount'] / row['service_days'])} per day" if per_day else ""
    return (
        f"Booking {row['booking_number']} of {formatting.long_day(row['day'])} ({row['service_name']}) has the amount "
        f"{money(row['total_amount'])}{length}{amount_per_day}. The usual amount of such bookings is "
        f"{money(row['lower_amount_per_day'])} to {money(row['upper_amount_per_day'])}{per_day}."
    )
