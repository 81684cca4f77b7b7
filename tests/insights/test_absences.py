"""Absences of providers, found by the bookings that were called off or that wait."""

from datetime import date, timedelta
from uuid import UUID, uuid4

import psycopg
import pytest

from insights.findings import Finding
from tests.insights.test_anomalies import DAY, ORGANIZATION, PROVIDER, SERVICE, found, warehouse

__all__ = ["warehouse"]  # a fixture
OTHERS = tuple(uuid4() for _ in range(4))
YESTERDAY = DAY - timedelta(days=1)
TABLES = """
alter table marts.fct_bookings add column status text default 'confirmed',
    add column status_group text default 'ongoing';
create table marts.dim_provider (org_id uuid, provider_id uuid, provider_name text);
create table marts.fct_time_entries (booking_id uuid, started_day date);
create table intermediate.int_booking_hours (booking_id uuid, hours numeric);
create table intermediate.int_called_off_bookings (
    booking_id uuid, org_id uuid, service_day date, removed_day date, is_cancelled boolean
);
create table intermediate.int_provider_days (org_id uuid, provider_id uuid, day date, booking_id uuid,
    booked_hours numeric);
create view intermediate.int_bookings_as_of as
    select *, null::date as delivered_day from marts.fct_bookings;
insert into marts.dim_metric (metric, label, unit, good_direction) values
    ('booked_hours', 'Booked hours', 'hours', 'up');
"""


@pytest.fixture
def booked(warehouse: psycopg.Connection) -> psycopg.Connection:
    """A business of five providers with one booking of 2 hours on each of the last and the next 14 days."""
    warehouse.execute(TABLES)
    warehouse.execute("insert into marts.dim_provider values (%s, %s, 'Ana Silva')", [ORGANIZATION.id, PROVIDER])
    for provider in (PROVIDER, *OTHERS):
        for ahead in range(-14, 15):
            plan(warehouse, provider, DAY + timedelta(days=ahead))
            if ahead < -1 or (ahead < 1 and provider != PROVIDER):
                warehouse.execute(
                    "insert into marts.kpi_daily values (%s, %s, 'tracked_hours', 'provider', %s, 2)",
                    [ORGANIZATION.id, DAY + timedelta(days=ahead), str(provider)],
                )
    return warehouse


def plan(connection: psycopg.Connection, provider: UUID, day: date) -> None:
    """Book two hours at € 100, made 20 days before."""
    connection.execute(
        """
        with made as (
            insert into marts.fct_bookings (org_id, service_id, provider_id, total_amount, currency, created_day,
                service_day)
            values (%(org)s, %(service)s, %(provider)s, 100, 'EUR', %(day)s::date - 20, %(day)s)
            returning booking_id
        ),
        hours as (insert into intermediate.int_booking_hours select booking_id, 2 from made)
        insert into intermediate.int_provider_days select %(org)s, %(provider)s, %(day)s, booking_id, 2 from made
        """,
        {"org": ORGANIZATION.id, "service": SERVICE, "provider": provider, "day": day},
    )


def call_off(connection: psycopg.Connection, provider: UUID, *, days: int, on: date = YESTERDAY) -> None:
    """Move the bookings of the provider from these days, the first one being `on`, to far ahead."""
    parameters = {"org": ORGANIZATION.id, "provider": provider, "on": on, "days": days}
    connection.execute(
        """
        with moved as (
            select booking_id, service_day from marts.fct_bookings
            where provider_id = %(provider)s and service_day >= %(on)s and service_day < %(on)s::date + %(days)s
        ),
        gone as (delete from intermediate.int_provider_days where booking_id in (select booking_id from moved))
        insert into intermediate.int_called_off_bookings
        select booking_id, %(org)s, service_day, %(on)s, false from moved
        """,
        parameters,
    )
    connection.execute(
        "update marts.fct_bookings set service_day = service_day + 40 where booking_id in "
        "(select booking_id from intermediate.int_called_off_bookings) and service_day < %(on)s::date + %(days)s",
        parameters,
    )


def absence(connection: psycopg.Connection) -> Finding | None:
    of_hours = [each for name, each in found(connection).items() if name in ("tracked_hours", "booked_hours")]
    assert len(of_hours) <= 1
    return of_hours[0] if of_hours else None


def test_a_provider_whose_bookings_are_all_moved_is_absent(booked: psycopg.Connection) -> None:
    call_off(booked, PROVIDER, days=7)
    away = absence(booked)
    assert away is not None
    assert (away["member_name"], away["metric"], away["started_on"], away["day"]) == (
        "Ana Silva", "booked_hours", YESTERDAY, DAY,
    )  # fmt: skip
    assert (away["value"], away["expected"], away["impact"], away["opens"]) == (0, 4, -200, True)
    assert away["absence"] == {
        "ends_on": None, "called_off": 0, "moved": 7, "amount": 700, "waiting": 0, "coming": 9,
    }  # fmt: skip


@pytest.mark.parametrize("days", [3, 4])
def test_four_clients_tell_an_absence_and_three_do_not(booked: psycopg.Connection, days: int) -> None:
    call_off(booked, PROVIDER, days=days)
    assert (absence(booked) is not None) is (days == 4)


def test_bookings_of_one_client_are_one(booked: psycopg.Connection) -> None:
    booked.execute("update marts.fct_bookings set client_id = %s where provider_id = %s", [uuid4(), PROVIDER])
    call_off(booked, PROVIDER, days=7)
    assert absence(booked) is None


def test_a_closure_is_no_absence_of_a_provider(booked: psycopg.Connection) -> None:
    for provider in (PROVIDER, *OTHERS):
        call_off(booked, provider, days=7)
    assert absence(booked) is None


def test_who_works_again_is_back(booked: psycopg.Connection) -> None:
    call_off(booked, PROVIDER, days=7)
    booked.execute(
        "insert into marts.kpi_daily values (%s, %s, 'tracked_hours', 'provider', %s, 2)",
        [ORGANIZATION.id, DAY, str(PROVIDER)],
    )
    assert absence(booked) is None


@pytest.mark.parametrize(("entered", "told"), [(YESTERDAY, True), (DAY - timedelta(days=9), False)])
def test_an_entered_absence_that_was_not_planned_tells_the_bookings_that_wait(
    booked: psycopg.Connection, entered: date, told: bool
) -> None:
    booked.execute(
        "insert into staging.stg_app__provider_absences values (%s, %s, %s, %s, %s)",
        [ORGANIZATION.id, PROVIDER, YESTERDAY, DAY + timedelta(days=3), entered],
    )
    away = absence(booked)
    assert (away is not None) is told
    if away:
        assert (away["metric"], away["value"], away["expected"], away["impact"]) == ("tracked_hours", 0, 4, -200)
        assert (away["absence"]["waiting"], away["absence"]["coming"]) == (2, 3)
