"""No-shows: the riskiest bookings of the next day with bookings, by the side of what is usual."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import psycopg

from insights.no_shows import no_show_findings
from tests.insights.conftest import DAY, ORGANIZATION, check_golden, insert, insert_named

CUT = uuid4()


def bookings(connection: psycopg.Connection, *probabilities: float, missed: int = 5) -> None:
    """A booking of the day after tomorrow for each probability, one more a day later; `missed` of 100 past ones."""
    insert_named(connection, "dim_service", [(CUT, "Haircut")])
    insert(connection, "marts.dim_organization", "timezone", [("Europe/Madrid",)])
    outcomes = [("missed" if number < missed else "came", DAY) for number in range(100)]
    insert(connection, "intermediate.int_no_show_bookings", "outcome service_day", outcomes)
    for number, probability in enumerate([*probabilities, 0.9]):
        booking, client = uuid4(), uuid4()
        day = DAY + timedelta(days=2 if number < len(probabilities) else 3)
        start = datetime(day.year, day.month, day.day, 9 + number, 30, tzinfo=UTC)
        connection.execute("insert into marts.dim_client values (%s, %s)", [client, f"Client {number}"])
        columns = (
            "booking_id booking_number client_id service_id service_day scheduled_start total_amount is_in_own_currency"
        )
        row = (booking, f"B-{number}", client, CUT, day, start, 45, True)
        insert(connection, "marts.fct_bookings", columns, [row])
        insert(connection, "ml.no_shows", "as_of booking_id probability", [(DAY, booking, probability)])


def test_the_riskiest_bookings_of_the_next_day_are_named(tables: psycopg.Connection) -> None:
    bookings(tables, 0.03, 0.42, 0.31, 0.2)
    (finding,) = no_show_findings(tables, ORGANIZATION) or []
    assert (finding["severity"], finding["value"], finding["bookings"]) == ("low", 2, 4)
    assert [action["impact"] for action in finding["actions"]] == [45, 45]
    check_golden("no_show", finding)


def test_a_risk_that_is_usual_here_is_no_news(tables: psycopg.Connection) -> None:
    bookings(tables, 0.42, 0.31, missed=25)
    assert no_show_findings(tables, ORGANIZATION) == []


def test_nothing_is_told_without_probabilities_or_of_data_that_ended(tables: psycopg.Connection) -> None:
    assert no_show_findings(tables, ORGANIZATION) == []
    assert no_show_findings(tables, replace(ORGANIZATION, has_ended=True)) is None
