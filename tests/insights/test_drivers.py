"""Explanation of incidents: drivers, money, facts and actions from the rows of the warehouse."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from insights.drivers import explained
from insights.findings import Finding
from insights.organizations import Organization
from tests.insights.test_incidents import anomaly

DAY = date(2026, 3, 11)
ORGANIZATION = Organization(uuid4(), "Studio", "EUR", DAY, datetime(2026, 3, 12, tzinfo=UTC))
MASSAGE, SAUNA, ANA, BEN, ANN = (uuid4() for _ in range(5))
TABLES = """
create schema marts;
create schema staging;
create schema intermediate;
create table marts.dim_organization (org_id uuid, country text, region text);
create table marts.dim_member (org_id uuid, dimension text, member text, member_name text);
create table marts.dim_service (service_id uuid, service_name text);
create table marts.dim_provider (provider_id uuid, provider_name text);
create table marts.dim_client (client_id uuid, client_name text);
create table marts.fct_bookings (
    booking_id uuid, org_id uuid, service_id uuid, provider_id uuid, client_id uuid, total_amount numeric(14, 2),
    is_in_own_currency boolean default true, status text default 'confirmed', status_group text default 'ongoing',
    created_day date, service_day date, cancelled_day date
);
create table marts.fct_payments (
    org_id uuid, client_id uuid, invoice_id uuid, booking_id uuid, status text, amount numeric(14, 2),
    is_in_own_currency boolean default true, attempted_day date, paid_day date
);
create table intermediate.int_called_off_bookings (
    booking_id uuid, org_id uuid, service_day date, removed_day date, is_cancelled boolean
);
create table marts.fct_invoices (invoice_id uuid, invoice_number text);
create table intermediate.int_repeated_invoices (
    invoice_id uuid, org_id uuid, booking_id uuid, client_id uuid, invoice_number text, issued_day date,
    invoiced_amount numeric(14, 2), earlier_invoice_number text
);
create table intermediate.int_metric_rows (
    org_id uuid, metric text, day date, value numeric, booking_id uuid, service text, provider text,
    client_group text, channel text, service_weekday text, lead_bucket text
);
create table staging.stg_app__public_holidays (country text, region text, day date, holiday_name text);
create table staging.stg_app__calendar_events (org_id uuid, kind text, title text, starts_on date, ends_on date);
create table staging.stg_app__provider_absences (org_id uuid, provider_id uuid, starts_on date, ends_on date);
"""


@pytest.fixture
def warehouse(connection: psycopg.Connection) -> psycopg.Connection:
    """Eight weeks with forty bookings a day of two services, half of them at € 80; then none of massage."""
    connection.execute(TABLES)
    connection.execute("insert into marts.dim_organization values (%s, 'PT', '')", [ORGANIZATION.id])
    connection.execute("insert into marts.dim_service values (%s, 'Massage'), (%s, 'Sauna')", [MASSAGE, SAUNA])
    connection.execute("insert into marts.dim_provider values (%s, 'Ana Silva'), (%s, 'Ben Hill')", [ANA, BEN])
    connection.execute("insert into marts.dim_client values (%s, 'Ann Bell')", [ANN])
    connection.execute(
        "insert into marts.dim_member select %s, 'service', service_id::text, service_name from marts.dim_service",
        [ORGANIZATION.id],
    )
    for days in range(59):
        for service, amount in ((MASSAGE, 80), (SAUNA, 20)):
            if days > 1 or service == SAUNA:
                book(connection, 20, amount=amount, day=DAY - timedelta(days=days), service=service)
    return connection


def book(connection: psycopg.Connection, bookings: int, *, amount: float, day: date, service: UUID) -> None:
    connection.execute(
        """
        with made as (
            insert into marts.fct_bookings (
                booking_id, org_id, service_id, provider_id, client_id, total_amount, created_day, service_day
            )
            select gen_random_uuid(), %(org)s, %(service)s, %(provider)s, %(client)s, %(amount)s, %(day)s,
                %(day)s::date + 7
            from generate_series(1, %(bookings)s)
            returning *
        )
        insert into intermediate.int_metric_rows (org_id, metric, day, value, booking_id, service)
        select org_id, unnest(array['bookings_created', 'booked_revenue']), created_day,
            unnest(array[1, total_amount]), booking_id, service_id::text
        from made
        """,
        {
            "org": ORGANIZATION.id, "service": service, "provider": ANA, "client": ANN, "amount": amount, "day": day,
            "bookings": bookings,
        },
    )  # fmt: skip


def explanation(connection: psycopg.Connection, metric: str, value: float, expected: float, **changes: Any) -> Finding:
    of_days = {"day": DAY, "started_on": DAY - timedelta(days=1), "length": 2}
    (found,) = explained(connection, ORGANIZATION, [{**anomaly(metric, value, expected), **of_days, **changes}])
    return found


def test_the_service_that_fails_is_the_driver_and_its_money_is_exact(warehouse: psycopg.Connection) -> None:
    found = explanation(warehouse, "bookings_created", 40, 80)
    assert [driver["member_name"] for driver in found["drivers"]] == ["Massage"]
    assert (found["drivers"][0]["value"], found["drivers"][0]["expected"]) == (0, pytest.approx(40))
    assert found["impact"] == pytest.approx(800 - 80 * 50)


def test_the_money_of_failed_payments_is_what_was_not_paid_since(warehouse: psycopg.Connection) -> None:
    warehouse.execute(
        "insert into intermediate.int_metric_rows (org_id, metric, day, value) values (%s, 'failed_payments', %s, 1)",
        [ORGANIZATION.id, DAY],
    )
    invoices, bookings = ([uuid4() for _ in range(3)] for _ in range(2))
    attempts = [(0, "failed", 300), (0, "failed", 300), (1, "failed", 200), (2, "failed", 50), (2, "succeeded", 50)]
    for place, status, amount in attempts:
        warehouse.execute(
            "insert into marts.fct_payments values (%s, %s, %s, %s, %s, %s, true, %s, %s)",
            [ORGANIZATION.id, ANN, invoices[place], bookings[place], status, amount, DAY,
             DAY if status == "succeeded" else None],
        )  # fmt: skip
    assert explanation(warehouse, "failed_payments", 4, 1)["impact"] == pytest.approx(-500 * 0.75)


def test_the_money_of_a_no_show_rate_is_that_of_the_missed_bookings(warehouse: psycopg.Connection) -> None:
    warehouse.execute(
        "insert into intermediate.int_metric_rows (org_id, metric, day, value, booking_id, service) "
        "select org_id, 'services_missed', %s, 1, booking_id, service_id::text from marts.fct_bookings "
        "where created_day = %s and service_id = %s limit 10",
        [DAY, DAY - timedelta(days=7), MASSAGE],
    )
    assert explanation(warehouse, "no_show_rate", 0.5, 0.1)["impact"] == pytest.approx(-10 * 80 * 0.8)


def test_work_that_was_moved_away_is_told_with_its_amounts(warehouse: psycopg.Connection) -> None:
    warehouse.execute(
        "insert into intermediate.int_metric_rows (org_id, metric, day, value) values (%s, 'booked_hours', %s, 8)",
        [ORGANIZATION.id, DAY - timedelta(days=7)],
    )
    assert explanation(warehouse, "booked_hours", 0, 16, impact=-800)["impact"] == -800
    warehouse.execute(
        "insert into intermediate.int_called_off_bookings "
        "select booking_id, org_id, %s, %s, total_amount = 20 from marts.fct_bookings where created_day = %s",
        [DAY, DAY - timedelta(days=1), DAY - timedelta(days=5)],
    )
    warehouse.execute(
        "insert into intermediate.int_called_off_bookings select * from intermediate.int_called_off_bookings"
    )
    found = explanation(warehouse, "booked_hours", 0, 16, impact=-800)
    assert found["impact"] == -20 * 80 - 20 * 20
    assert found["facts"] == ["Of the bookings for these days, 20 were moved to other days and 20 were called off."]

    warehouse.execute(
        "update marts.fct_bookings set service_day = %s where created_day = %s and total_amount = 80",
        [DAY, DAY - timedelta(days=5)],
    )
    found = explanation(warehouse, "booked_hours", 0, 16, impact=-400)
    assert found["impact"] == -20 * 20
    assert found["facts"] == ["Of the bookings for these days, 20 were called off."]


def test_revenue_is_split_into_volume_price_and_mix(warehouse: psycopg.Connection) -> None:
    found = explanation(warehouse, "booked_revenue", 800, 4000)
    assert sum(found["split"].values()) == pytest.approx(-3200)
    assert found["split"]["price"] == pytest.approx(0)


def test_what_does_not_open_an_event_is_not_explained(warehouse: psycopg.Connection) -> None:
    assert "facts" not in explanation(warehouse, "bookings_created", 40, 80, opens=False)


def test_facts_beside_it_are_told(warehouse: psycopg.Connection) -> None:
    warehouse.execute(
        "insert into staging.stg_app__public_holidays values ('PT', '', %s, 'Carnival'), ('ES', '', %s, 'Other')",
        [DAY, DAY],
    )
    warehouse.execute(
        "insert into staging.stg_app__calendar_events values (%s, 'campaign', 'Spring', %s, %s)",
        [ORGANIZATION.id, DAY, DAY],
    )
    book(warehouse, 8, amount=128, day=DAY, service=MASSAGE)
    found = explanation(warehouse, "booked_revenue", 1500, 1000, dimension="service", member=str(MASSAGE))
    assert found["facts"] == [
        "Wednesday, 11 March 2026 is a public holiday (Carnival).",
        "In the calendar: campaign “Spring”, on Wednesday, 11 March 2026.",
        "The usual amount of a booking of Massage changed from €80.00 to €128 since Tuesday, 10 March 2026.",
    ]


def test_the_absence_of_the_provider_is_told(warehouse: psycopg.Connection) -> None:
    for provider in (ANA, BEN):
        warehouse.execute(
            "insert into staging.stg_app__provider_absences values (%s, %s, %s, %s)",
            [ORGANIZATION.id, provider, DAY, DAY],
        )
    found = explanation(warehouse, "booked_hours", 0, 16, dimension="provider", member=str(ANA))
    assert found["facts"] == ["Ana Silva is absent, on Wednesday, 11 March 2026."]


def test_clients_of_cancelled_bookings_are_called_the_largest_first(warehouse: psycopg.Connection) -> None:
    warehouse.execute(
        "update marts.fct_bookings set cancelled_day = %s, status = 'cancelled' where created_day = %s",
        [DAY, DAY - timedelta(days=2)],
    )
    found = explanation(warehouse, "bookings_cancelled", 10, 1)
    assert [action["impact"] for action in found["actions"]] == [80, 80, 80]
    assert found["actions"][0]["text"] == "Call Ann Bell: Massage on Monday, 16 March 2026 was called off"
    assert found["actions"][0]["link"].startswith("/v1/bookings/")


def test_clients_of_failed_payments_are_asked_to_pay(warehouse: psycopg.Connection) -> None:
    invoice = uuid4()
    warehouse.execute("insert into marts.fct_invoices values (%s, 'INV-7')", [invoice])
    warehouse.execute(
        "insert into marts.fct_payments values (%s, %s, %s, %s, 'failed', 320, true, %s)",
        [ORGANIZATION.id, ANN, invoice, uuid4(), DAY],
    )
    found = explanation(warehouse, "failed_payments", 10, 1)
    assert [(action["text"], action["impact"]) for action in found["actions"]] == [
        ("Ask Ann Bell to pay invoice INV-7 again", 320)
    ]


def test_repeated_invoices_are_voided(warehouse: psycopg.Connection) -> None:
    warehouse.execute(
        "insert into intermediate.int_repeated_invoices values (%s, %s, %s, %s, 'INV-9', %s, 80, 'INV-7')",
        [uuid4(), ORGANIZATION.id, uuid4(), ANN, DAY],
    )
    found = explanation(warehouse, "invoiced_revenue", 1200, 600, repeated=8, invoices=15)
    assert found["facts"] == [
        "Of the 15 invoices, 8 have the booking and the amount of another one issued shortly before."
    ]
    assert [(action["text"], action["impact"]) for action in found["actions"]] == [
        ("Void invoice INV-9 of Ann Bell, if it is only invoice INV-7 again", 80)
    ]


def test_bookings_of_an_absent_provider_go_to_the_colleague_with_free_hours(warehouse: psycopg.Connection) -> None:
    for provider, available in ((ANA, 0), (BEN, 8)):
        warehouse.execute(
            "insert into ml.provider_workload values (%s, %s, %s, %s, 1, 2, %s, 1, 0, 0.2, false)",
            [ORGANIZATION.id, DAY, provider, DAY + timedelta(days=1), available],
        )
    found = explanation(warehouse, "booked_hours", 0, 16, dimension="provider", member=str(ANA))
    assert found["actions"][0]["text"] == (
        "Move Massage of Ann Bell on Thursday, 12 March 2026 to Ben Hill, who has 6 h free"
    )
