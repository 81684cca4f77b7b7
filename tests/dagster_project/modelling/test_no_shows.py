"""The asset of the no-shows: written for the coming week, kept by as_of, and untouched where nothing changed."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from dagster_project.modelling.no_shows import HORIZON_DAYS, update_no_shows
from dagster_project.modelling.organizations import Organization

AS_OF = date(2026, 3, 10)
ORGANIZATION = Organization(uuid4(), "ES", AS_OF)
CLIENTS = [uuid4() for _ in range(20)]


@pytest.fixture
def bookings(connection: psycopg.Connection) -> psycopg.Connection:
    """Twenty bookings a day, one of each client; the first client misses all, the others one in twenty."""
    connection.execute(
        """
        create schema intermediate;
        create table intermediate.int_no_show_bookings (
            booking_id uuid, org_id uuid, client_id uuid, service_id uuid, provider_id uuid, booked_day date,
            service_day date, hour integer, amount numeric(14, 2), is_prepaid boolean, outcome text, outcome_day date
        )
        """
    )
    rows: list[Sequence[Any]] = []
    for ago in range(-10, 60):
        day = AS_OF - timedelta(days=ago)
        for number, client in enumerate(CLIENTS):
            outcome = None if ago < 0 else "missed" if not number or (number + ago) % 20 == 0 else "came"
            booked = min(day, AS_OF) - timedelta(days=5)
            rows.append((uuid4(), ORGANIZATION.id, client, CLIENTS[0], None, booked, day, 10, 50, False, outcome, day))
    with connection.cursor() as cursor:
        cursor.executemany(
            f"insert into intermediate.int_no_show_bookings values ({', '.join(['%s'] * 12)})".encode(), rows
        )
    return connection


def written(connection: psycopg.Connection) -> dict[UUID, list[float]]:
    """Return the probabilities by client, those of ORGANIZATION's as_of."""
    found: dict[UUID, list[float]] = {}
    for client, probability in connection.execute(
        """
        select bookings.client_id, risks.probability
        from ml.no_shows as risks
        inner join intermediate.int_no_show_bookings as bookings on bookings.booking_id = risks.booking_id
        where risks.as_of = %s
        """,
        [AS_OF],
    ):
        found.setdefault(client, []).append(probability)
    return found


def test_each_booking_of_the_coming_week_has_its_probability(bookings: psycopg.Connection) -> None:
    update_no_shows(bookings, ORGANIZATION)
    probabilities = written(bookings)
    assert {len(each) for each in probabilities.values()} == {HORIZON_DAYS}
    worst, *others = (probabilities[client] for client in CLIENTS)
    assert min(worst) > 0.6
    assert max(max(each) for each in others) < 0.2


def test_a_run_without_changes_writes_nothing(bookings: psycopg.Connection) -> None:
    update_no_shows(bookings, ORGANIZATION)
    bookings.execute("update ml.no_shows set probability = 0.5")
    update_no_shows(bookings, ORGANIZATION)
    assert {value for each in written(bookings).values() for value in each} == {0.5}


def test_earlier_probabilities_stay(bookings: psycopg.Connection) -> None:
    update_no_shows(bookings, replace(ORGANIZATION, as_of=AS_OF - timedelta(days=1)))
    before = bookings.execute("select count(*) from ml.no_shows").fetchone()
    update_no_shows(bookings, ORGANIZATION)
    after = bookings.execute("select count(*) from ml.no_shows").fetchone()
    assert before
    assert after
    assert before[0] < after[0]


def test_an_organisation_that_is_not_modelled_has_none(bookings: psycopg.Connection) -> None:
    update_no_shows(bookings, replace(ORGANIZATION, is_modelled=False))
    assert written(bookings) == {}
