"""Questions about data that may be wrong: a booking whose amount is far from those of its kind."""

from collections.abc import Mapping
from typing import Any, Final, LiteralString

import psycopg

from insights.findings import Finding, Scope
from sources import figures
from sources.database import records
from sources.tables import BOOKING_QUESTION

MOST_QUESTIONS: Final = 5  # at a time: where a whole file has wrong amounts, a few examples say so

UNUSUAL: Final[LiteralString] = """
    select booking.booking_id::text as member, booking.booking_number, booking.known_day as day,
        booking.total_amount, booking.currency, booking.service_days, service.service_name,
        booking.usual_amount_a_day, booking.lower_amount_a_day, booking.upper_amount_a_day
    from intermediate.int_unusual_bookings as booking
    inner join marts.dim_service as service on service.service_id = booking.service_id
    where booking.org_id = %(org_id)s
    order by abs(ln(booking.total_amount / booking.service_days / nullif(booking.usual_amount_a_day, 0))) desc,
        booking.booking_id
    limit %(most)s
"""

ADVICE: Final = (
    "If it is a mistake, correct it where the booking comes from and load it again; "
    "if it is right, dismiss this question."
)


def booking_questions(connection: psycopg.Connection, scope: Scope) -> list[Finding]:
    """The bookings made of late whose amount is to be confirmed, the most unusual first."""
    unusual = records(connection, UNUSUAL, {"org_id": scope.org_id, "most": MOST_QUESTIONS})
    return [_question(row) for row in unusual]


def _question(row: Mapping[str, Any]) -> Finding:
    days = row["service_days"]
    is_high = row["total_amount"] > row["usual_amount_a_day"] * days
    return {
        "kind": "pipeline",
        # Too much inflates every sum that it is in; too little is hardly seen in them.
        "severity": "medium" if is_high else "low",
        "metric": "booking_amount",
        "dimension": BOOKING_QUESTION,
        "member": row["member"],
        "direction": "up" if is_high else "down",
        "started_on": row["total_amount"],  # another amount is another question
        "day": row["day"],
        "title": f"Is the amount of booking {row['booking_number']} right?",
        "summary": _summary(row),
        "value": row["total_amount"],
        "expected": row["usual_amount_a_day"] * days,
        "lower": row["lower_amount_a_day"] * days,
        "upper": row["upper_amount_a_day"] * days,
        "impact": None,
        "drivers": [],
        "recommendation": ADVICE,
    }


def _summary(row: Mapping[str, Any]) -> str:
    def money(amount: Any) -> str:
        return figures.money(amount, row["currency"])

    a_day = "" if row["service_days"] == 1 else " a day"
    length = f" for {row['service_days']} days" if a_day else ""
    each = f", {money(row['total_amount'] / row['service_days'])} a day" if a_day else ""
    return (
        f"Booking {row['booking_number']} of {figures.long_day(row['day'])} ({row['service_name']}) is of "
        f"{money(row['total_amount'])}{length}{each}. "
        f"Such bookings are usually of {money(row['lower_amount_a_day'])} to {money(row['upper_amount_a_day'])}{a_day}."
    )
