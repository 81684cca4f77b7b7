"""Invoices issued twice, found by the single invoices."""

from datetime import timedelta

import psycopg
import pytest

from tests.insights.test_anomalies import DAY, ORGANIZATION, found, warehouse

__all__ = ["warehouse"]  # a fixture


def invoice(connection: psycopg.Connection, number: int, *, ago: int, repeated: int = 0) -> None:
    """Issue invoices of € 100 so many days ago, of which the first ones repeat others."""
    connection.execute(
        "with issued as (insert into marts.fct_invoices (org_id, issued_day, invoiced_amount) "
        "select %s, %s, 100 from generate_series(1, %s) returning invoice_id, invoiced_amount) "
        "insert into intermediate.int_repeated_invoices select * from issued limit %s",
        [ORGANIZATION.id, DAY - timedelta(days=ago), number, repeated],
    )


@pytest.fixture
def invoicing(warehouse: psycopg.Connection) -> psycopg.Connection:
    """A warehouse with ten invoices a day."""
    warehouse.execute(
        "insert into marts.dim_metric (metric, label, unit, good_direction) "
        "values ('invoiced_revenue', 'Invoiced revenue', 'money', 'up')"
    )
    for ago in range(90):
        invoice(warehouse, 10, ago=ago)
    return warehouse


def test_invoices_issued_twice_are_told_by_the_single_invoices(invoicing: psycopg.Connection) -> None:
    invoice(invoicing, 8, ago=0, repeated=8)
    invoice(invoicing, 7, ago=1, repeated=7)
    twice = found(invoicing)["invoiced_revenue"]
    assert (twice["started_on"], twice["value"], twice["expected"]) == (DAY - timedelta(days=1), 3500, 2000)
    assert (twice["repeated"], twice["invoices"], twice["opens"]) == (15, 35, True)


def test_equal_invoices_of_a_booking_are_ordinary_where_they_are_usual(invoicing: psycopg.Connection) -> None:
    for ago in range(0, 90, 2):
        invoice(invoicing, 4, ago=ago, repeated=4)
    assert "invoiced_revenue" not in found(invoicing)


def test_two_invoices_issued_twice_are_no_incident(invoicing: psycopg.Connection) -> None:
    invoice(invoicing, 2, ago=0, repeated=2)
    assert "invoiced_revenue" not in found(invoicing)
