"""Questions about bookings: their amount, currency and usual range; a few examples of many."""

from datetime import UTC, date, datetime
from uuid import uuid4

import psycopg
import pytest

from insights.organizations import Organization
from insights.questions import MAX_QUESTIONS, booking_questions

DAY = date(2026, 3, 10)
ORGANIZATION = Organization(uuid4(), "Hôtel", "EUR", DAY, datetime(2026, 3, 11, tzinfo=UTC))
SERVICE = uuid4()


@pytest.fixture
def warehouse(connection: psycopg.Connection) -> psycopg.Connection:
    connection.execute(
        """
        create schema marts;
        create schema intermediate;
        create table marts.dim_service (service_id uuid, service_name text);
        create table intermediate.int_unusual_bookings (
            booking_id uuid, org_id uuid, booking_number text, service_id uuid, known_day date,
            total_amount numeric(14, 2), currency text, service_days integer, service_bookings bigint,
            usual_amount_per_day numeric(14, 2), lower_amount_per_day numeric(14, 2),
            upper_amount_per_day numeric(14, 2)
        );
        """
    )
    connection.execute("insert into marts.dim_service values (%s, 'Suite “Älv” {0} <b>')", [SERVICE])
    return connection


def unusual(
    connection: psycopg.Connection, number: str, amount: float, *, currency: str = "EUR", days: int = 1
) -> None:
    connection.execute(
        "insert into intermediate.int_unusual_bookings values (%s, %s, %s, %s, %s, %s, %s, %s, 40, 100, 80, 120)",
        [uuid4(), ORGANIZATION.id, number, SERVICE, DAY, amount, currency, days],
    )


def test_a_large_amount_is_shown_in_its_currency(warehouse: psycopg.Connection) -> None:
    unusual(warehouse, "RH-00123", 10800, currency="SEK", days=2)
    (question,) = booking_questions(warehouse, ORGANIZATION)
    assert question["title"] == "Is the amount of booking RH-00123 right?"
    assert question["summary"] == (
        "Booking RH-00123 of Tuesday, 10 March 2026 (Suite “Älv” {0} <b>) has the amount SEK10,800 for 2 days, "
        "SEK5,400 per day. The usual amount of such bookings is SEK80.00 to SEK120 per day."
    )
    assert (question["kind"], question["severity"], question["expected"]) == ("pipeline", "medium", 200)


def test_a_service_of_one_day_is_described_without_days(warehouse: psycopg.Connection) -> None:
    unusual(warehouse, "7", 2, currency="JPY")
    (question,) = booking_questions(warehouse, ORGANIZATION)
    assert question["severity"] == "low"
    assert "has the amount ¥2. The usual amount of such bookings is ¥80 to ¥120." in question["summary"]


def test_of_many_wrong_amounts_a_few_are_asked(warehouse: psycopg.Connection) -> None:
    for number in range(20):
        unusual(warehouse, str(number), 10_000 * (number + 1))
    asked = [question["title"] for question in booking_questions(warehouse, ORGANIZATION)]
    assert len(asked) == MAX_QUESTIONS
    assert asked[0] == "Is the amount of booking 19 right?"
