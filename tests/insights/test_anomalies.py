"""Relevant anomalies: over all their days, graded by the business's money, without ordinary bookings."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql

from insights.anomalies import anomaly_findings
from insights.findings import Finding
from insights.organizations import Organization

DAY = date(2026, 3, 10)
ORGANIZATION = Organization(
    uuid4(), "Studio", "EUR", DAY, datetime(2026, 3, 11, tzinfo=UTC), first_day=date(2025, 1, 1), last_day=DAY
)
SERVICE, PROVIDER, OTHER = uuid4(), uuid4(), uuid4()
TABLES = """
create schema marts;
create schema intermediate;
create table marts.dim_metric (
    metric text, label text, unit text, good_direction text, kind text default 'sum', numerator text, denominator text
);
create table marts.dim_member (org_id uuid, dimension text, member text, member_name text);
create table marts.dim_organization (
    org_id uuid, currency text, first_day date, timezone text default 'Europe/Madrid'
);
create schema staging;
create table staging.stg_app__provider_absences (
    org_id uuid, provider_id uuid, starts_on date, ends_on date, created_at timestamptz
);
create table marts.dim_service (service_id uuid, service_name text);
create table marts.kpi_daily (org_id uuid, day date, metric text, dimension text, member text, value numeric);
create table marts.fct_bookings (
    booking_id uuid default gen_random_uuid(), org_id uuid, service_id uuid, provider_id uuid,
    client_id uuid default gen_random_uuid(), total_amount numeric(14, 2), is_in_own_currency boolean default true,
    currency text, created_day date, service_day date, completed_day date,
    cancelled_day date
);
create table marts.fct_invoices (
    invoice_id uuid default gen_random_uuid(), org_id uuid, issued_day date, invoiced_amount numeric(14, 2),
    is_invoiced boolean default true, is_in_own_currency boolean default true
);
create table intermediate.int_repeated_invoices (invoice_id uuid, invoiced_amount numeric(14, 2));
create table intermediate.int_metric_worth (org_id uuid, metric text, unit text, worth numeric);
create table intermediate.int_metric_rows (
    org_id uuid, metric text, day date, value numeric, booking_id uuid, service text, provider text
);
insert into marts.dim_metric (metric, label, unit, good_direction) values
    ('bookings_created', 'Bookings created', 'count', 'up'), ('booked_revenue', 'Booked revenue', 'money', 'up'),
    ('realized_revenue', 'Realized revenue', 'money', 'up'), ('tracked_hours', 'Tracked hours', 'hours', 'up');
insert into marts.dim_metric values
    ('no_show_rate', 'No-show rate', 'share', 'down', 'ratio', 'no_shows', 'services_due'),
    ('revenue_on_hand', 'Revenue on hand', 'money', 'up', 'stock', null, null);
"""


@pytest.fixture
def warehouse(connection: psycopg.Connection) -> psycopg.Connection:
    """A business with ten bookings of € 100 per day, in its fourteenth month; 30 bookings of one service."""
    connection.execute(TABLES)
    connection.execute(
        "insert into marts.dim_organization values (%s, 'EUR', %s)", [ORGANIZATION.id, ORGANIZATION.first_day]
    )
    connection.execute("insert into marts.dim_service values (%s, 'Massage'), (%s, 'Sauna')", [SERVICE, OTHER])
    for metric, value in (("bookings_created", 10), ("booked_revenue", 1000), ("realized_revenue", 900)):
        connection.execute(
            "insert into marts.kpi_daily "
            "select %s, day::date, %s, 'total', 'all', %s from generate_series(%s::date, %s, interval '1 day') as day",
            [ORGANIZATION.id, metric, value, DAY - timedelta(days=100), DAY],
        )
    connection.execute(
        "insert into intermediate.int_metric_worth "
        "select %s, metric, unit, case unit when 'money' then 1 when 'count' then 100 end from marts.dim_metric "
        "where kind <> 'ratio'",
        [ORGANIZATION.id],
    )
    book(connection, 30, amount=100, day=DAY - timedelta(days=50))
    book(connection, 300, amount=100, day=DAY - timedelta(days=50), service=OTHER, provider=OTHER)
    return connection


def book(
    connection: psycopg.Connection,
    bookings: int,
    *,
    amount: float,
    day: date,
    service: UUID = SERVICE,
    provider: UUID = PROVIDER,
) -> None:
    connection.execute(
        "insert into marts.fct_bookings (org_id, service_id, provider_id, total_amount, currency, created_day, "
        "service_day) select %s, %s, %s, %s, 'EUR', %s, %s from generate_series(1, %s)",
        [ORGANIZATION.id, service, provider, amount, day, day, bookings],
    )


def flag(
    connection: psycopg.Connection, metric: str, member: UUID | None, value: float, expected: float, **changes: Any
) -> None:
    """Insert an anomaly of the total or of a member, as the detector writes it."""
    row = {
        "org_id": ORGANIZATION.id,
        "as_of": DAY,
        "day": DAY,
        "metric": metric,
        "dimension": "total" if member is None else "service",
        "member": str(member or "all"),
        "value": value,
        "expected": expected,
        "lower": 0,
        "upper": expected * 2,
        "score": 9,
        "is_anomaly": True,
        "severity": "high",
        "direction": "up" if value > expected else "down",
        "pattern": "spike",
        **changes,
    }
    row = {"began": row["day"], "since_value": row["value"], "since_expected": row["expected"], **row}
    connection.execute(
        sql.SQL("insert into ml.anomalies ({}) values ({})").format(
            sql.SQL(", ").join(map(sql.Identifier, row)), sql.SQL(", ").join(map(sql.Placeholder, row))
        ),
        row,
    )


def opened(connection: psycopg.Connection, organization: Organization = ORGANIZATION) -> list[tuple[str, str, str]]:
    """Return metric, dimension and severity of the anomalies that open an event."""
    anomalies: Sequence[Finding] | None = anomaly_findings(connection, organization)
    assert anomalies is not None
    return [(each["metric"], each["dimension"], each["severity"]) for each in anomalies if each["opens"]]


def test_severity_uses_the_same_scale_for_each_member(warehouse: psycopg.Connection) -> None:
    flag(warehouse, "booked_revenue", SERVICE, 600, 0.01, severity="low")
    flag(warehouse, "realized_revenue", OTHER, 600, 0.01, severity="critical")
    assert opened(warehouse) == [
        ("booked_revenue", "service", "critical"),
        ("realized_revenue", "service", "critical"),
    ]


@pytest.mark.parametrize(("missed", "severity"), [(-500, "critical"), (-499, "high"), (-249, "medium"), (-99, None)])
def test_severity_is_the_share_of_a_usual_day(
    warehouse: psycopg.Connection, missed: float, severity: str | None
) -> None:
    flag(warehouse, "realized_revenue", None, 900 + missed, 900)
    assert opened(warehouse) == ([("realized_revenue", "total", severity)] if severity else [])


def test_without_money_the_detectors_severity_stays(warehouse: psycopg.Connection) -> None:
    warehouse.execute("delete from marts.kpi_daily where metric <> 'bookings_created'")
    flag(warehouse, "bookings_created", None, 1, 10, severity="medium")
    assert opened(warehouse) == [("bookings_created", "total", "medium")]


@pytest.mark.parametrize("member", [SERVICE, None])
def test_one_or_two_bookings_at_list_price_are_ordinary(warehouse: psycopg.Connection, member: UUID | None) -> None:
    warehouse.execute("update marts.fct_bookings set total_amount = 300")
    flag(warehouse, "booked_revenue", member, 600, 0.08)
    flag(warehouse, "bookings_created", member, 2, 0.01)
    assert opened(warehouse) == []


def test_three_bookings_are_not_ordinary(warehouse: psycopg.Connection) -> None:
    flag(warehouse, "booked_revenue", SERVICE, 300, 0.08)
    assert opened(warehouse) == [("booked_revenue", "service", "high")]


def test_a_member_with_few_bookings_is_compared_with_the_whole_business(warehouse: psycopg.Connection) -> None:
    rare = uuid4()
    book(warehouse, 2, amount=5000, day=DAY - timedelta(days=60), service=rare)
    flag(warehouse, "booked_revenue", rare, 5000, 1)
    assert opened(warehouse) == [("booked_revenue", "service", "critical")]


def found(connection: psycopg.Connection, organization: Organization = ORGANIZATION) -> dict[str, Finding]:
    """Return the findings by metric."""
    return {each["metric"]: each for each in anomaly_findings(connection, organization) or []}


def test_the_bookings_of_a_rise_are_known(warehouse: psycopg.Connection) -> None:
    booking = uuid4()
    warehouse.execute(
        "insert into intermediate.int_metric_rows values (%s, 'booked_revenue', %s, 1200, %s, %s, null)",
        [ORGANIZATION.id, DAY, booking, SERVICE],
    )
    flag(warehouse, "booked_revenue", SERVICE, 1200, 0)
    assert found(warehouse)["booked_revenue"]["bookings"] == {booking}


def test_flagged_days_are_one_incident_over_all_its_days(warehouse: psycopg.Connection) -> None:
    for days, value in ((6, 20), (4, 30), (1, 40), (0, 25)):
        flag(warehouse, "bookings_created", None, value, 10, day=DAY - timedelta(days=days))
    flag(
        warehouse,
        "bookings_created",
        None,
        11,
        10,
        day=DAY - timedelta(days=5),
        is_anomaly=False,
        direction=None,
        severity=None,
        pattern=None,
    )
    flag(warehouse, "bookings_created", None, 90, 10, day=DAY - timedelta(days=12))  # of an earlier incident
    incident = found(warehouse)["bookings_created"]
    assert (incident["started_on"], incident["day"]) == (DAY - timedelta(days=6), DAY)
    assert (incident["value"], incident["expected"]) == (20 + 11 + 30 + 40 + 25, 50)
    assert incident["impact"] == 7600


def test_ordinary_days_before_a_change_are_not_part_of_it(warehouse: psycopg.Connection) -> None:
    usual = {"is_anomaly": False, "direction": None, "severity": None, "pattern": None}
    for ago, value in ((4, 10), (3, 9), (2, 18)):
        flag(warehouse, "bookings_created", None, value, 10, day=DAY - timedelta(days=ago), **usual)
    flag(warehouse, "bookings_created", None, 20, 10, day=DAY - timedelta(days=1))
    flag(
        warehouse, "bookings_created", None, 22, 10, pattern="level_shift", began=DAY - timedelta(days=4),
        since_value=79, since_expected=50,
    )  # fmt: skip
    incident = found(warehouse)["bookings_created"]
    assert (incident["started_on"], incident["value"], incident["expected"]) == (DAY - timedelta(days=2), 60, 30)


def test_the_level_of_a_change_is_expected_of_its_own_days(warehouse: psycopg.Connection) -> None:
    usual = {"is_anomaly": False, "direction": None, "severity": None, "pattern": None}
    for ago in (4, 3, 2):
        flag(warehouse, "bookings_created", None, 20, 20, day=DAY - timedelta(days=ago), **usual)
    flag(warehouse, "bookings_created", None, 40, 20, day=DAY - timedelta(days=1))
    flag(
        warehouse, "bookings_created", None, 40, 20, pattern="level_shift", began=DAY - timedelta(days=4),
        since_value=140, since_expected=50,
    )  # fmt: skip
    incident = found(warehouse)["bookings_created"]
    assert (incident["started_on"], incident["value"], incident["expected"]) == (DAY - timedelta(days=1), 80, 20)


def know_average_value(connection: psycopg.Connection) -> None:
    connection.execute(
        "insert into marts.dim_metric values ('average_booking_value', 'Average booking value', 'money', 'up', "
        "'ratio', 'booked_revenue', 'bookings_created')"
    )


@pytest.mark.parametrize(("bookings", "is_behind"), [(4, True), (9, False)])
def test_the_number_of_bookings_is_told_where_it_moved_their_amount(
    warehouse: psycopg.Connection, bookings: int, is_behind: bool
) -> None:
    know_average_value(warehouse)
    flag(warehouse, "booked_revenue", None, 400, 1000)
    flag(
        warehouse, "bookings_created", None, bookings, 10, is_anomaly=False, direction=None, severity=None, pattern=None
    )
    counts = found(warehouse).get("bookings_created")
    assert (counts is not None) is is_behind
    if counts:
        assert (counts["value"], counts["expected"], counts["impact"]) == (4, 10, -600)


@pytest.fixture
def priced(warehouse: psycopg.Connection) -> psycopg.Connection:
    """A warehouse with two bookings of the service a day at € 90 to 110, of which the last two days have none."""
    know_average_value(warehouse)
    for ago in range(2, 85):
        for amount in (90 + ago % 5, 106 + ago % 5):
            book(warehouse, 1, amount=amount, day=DAY - timedelta(days=ago))
    return warehouse


@pytest.mark.parametrize("is_flagged", [False, True])
def test_a_changed_price_is_told_by_few_bookings(priced: psycopg.Connection, is_flagged: bool) -> None:
    for ago in (0, 1):
        book(priced, 3, amount=160, day=DAY - timedelta(days=ago))
    if is_flagged:
        flag(priced, "average_booking_value", SERVICE, 160, 100)
    price = found(priced)["average_booking_value"]
    assert (price["dimension"], price["member_name"], price["started_on"]) == (
        "service", "Massage", DAY - timedelta(days=1),
    )  # fmt: skip
    assert (price["value"], price["direction"], price["severity"], price["opens"]) == (160, "up", "medium", True)
    assert price["expected"] == pytest.approx(100, abs=1)


def test_dear_bookings_of_one_client_are_no_changed_price(priced: psycopg.Connection) -> None:
    for ago in (0, 1):
        book(priced, 3, amount=160, day=DAY - timedelta(days=ago))
    priced.execute("update marts.fct_bookings set client_id = %s where total_amount = 160", [uuid4()])
    assert found(priced) == {}


def test_amounts_by_the_length_of_a_stay_are_no_price(warehouse: psycopg.Connection) -> None:
    know_average_value(warehouse)
    for ago in range(2, 85):
        for nights in (1, 2, 4, 10):
            book(warehouse, 1, amount=100 * nights, day=DAY - timedelta(days=ago))
    book(warehouse, 60, amount=1000, day=DAY)
    assert found(warehouse) == {}


def test_prices_that_drift_are_no_changed_price(warehouse: psycopg.Connection) -> None:
    know_average_value(warehouse)
    for ago in range(85):
        book(warehouse, 2, amount=160 - ago, day=DAY - timedelta(days=ago))
    assert found(warehouse) == {}


@pytest.mark.parametrize(
    ("value", "score", "told"), [(40, 2.4, True), (40, 1.9, False), (17, 2.4, False), (0, 2.4, True)]
)
def test_a_day_that_chance_would_not_make_is_told_though_the_tails_are_wide(
    warehouse: psycopg.Connection, value: float, score: float, told: bool
) -> None:
    flag(
        warehouse, "bookings_created", None, value, 14, score=score, is_anomaly=False, direction=None, severity=None,
        pattern=None,
    )  # fmt: skip
    assert opened(warehouse) == ([("bookings_created", "total", "critical")] if told else [])


@pytest.mark.parametrize(
    ("metric", "dimension"),
    [("revenue_on_hand", "service"), ("bookings_created", "lead_bucket"), ("bookings_cancelled", "total")],
)
def test_what_says_little_to_act_on_opens_an_event_only_if_critical(
    warehouse: psycopg.Connection, metric: str, dimension: str
) -> None:
    warehouse.execute(
        "insert into marts.dim_metric (metric, label, unit, good_direction) "
        "values ('bookings_cancelled', 'Bookings cancelled', 'count', 'down')"
    )
    warehouse.execute(
        "insert into intermediate.int_metric_worth values (%s, 'bookings_cancelled', 'count', 100)", [ORGANIZATION.id]
    )
    unit = 100 if metric == "revenue_on_hand" else 1
    flag(warehouse, metric, None, 10 * unit, 14 * unit, pattern="level_shift", dimension=dimension)
    (minor,) = anomaly_findings(warehouse, ORGANIZATION) or []
    assert (minor["severity"], minor["opens"]) == ("high", False)


def test_evidence_over_days_tells_the_whole_incident(warehouse: psycopg.Connection) -> None:
    began = DAY - timedelta(days=9)
    flag(
        warehouse, "bookings_created", None, 4, 10, pattern="level_shift", began=began, since_value=45,
        since_expected=100,
    )  # fmt: skip
    incident = found(warehouse)["bookings_created"]
    assert (incident["started_on"], incident["value"], incident["expected"]) == (began, 45, 100)
    assert incident["severity"] == "critical"


def test_a_new_level_ends_later_than_a_single_day(warehouse: psycopg.Connection) -> None:
    flag(warehouse, "bookings_created", None, 4, 10, pattern="level_shift")
    flag(warehouse, "booked_revenue", None, 400, 1000)
    assert set(found(warehouse, replace(ORGANIZATION, as_of=DAY + timedelta(days=3)))) == {"bookings_created"}
    assert found(warehouse, replace(ORGANIZATION, as_of=DAY + timedelta(days=4))) == {}


def test_a_stock_is_described_as_it_stands(warehouse: psycopg.Connection) -> None:
    flag(warehouse, "revenue_on_hand", None, 7000, 10000, day=DAY - timedelta(days=1))
    flag(warehouse, "revenue_on_hand", None, 6000, 10000)
    incident = found(warehouse)["revenue_on_hand"]
    assert (incident["value"], incident["impact"], incident["started_on"]) == (6000, -4000, DAY - timedelta(days=1))


def test_the_money_of_a_ratio_is_that_of_its_bookings(warehouse: psycopg.Connection) -> None:
    warehouse.execute(
        "insert into intermediate.int_metric_worth values (%s, 'no_shows', 'count', 100)", [ORGANIZATION.id]
    )
    warehouse.execute(
        "insert into marts.kpi_daily values (%s, %s, 'services_due', 'total', 'all', 20)", [ORGANIZATION.id, DAY]
    )
    flag(warehouse, "no_show_rate", None, 0.5, 0.1)
    incident = found(warehouse)["no_show_rate"]
    assert incident["impact"] == pytest.approx(-800)
    assert incident["opens"]


def test_two_missed_bookings_are_ordinary_in_a_ratio_too(warehouse: psycopg.Connection) -> None:
    warehouse.execute(
        "insert into marts.kpi_daily values (%s, %s, 'services_due', 'total', 'all', 4)", [ORGANIZATION.id, DAY]
    )
    flag(warehouse, "no_show_rate", None, 0.5, 0.1, severity="critical")
    assert not found(warehouse)["no_show_rate"]["opens"]


def test_a_large_part_of_a_small_total_matters(warehouse: psycopg.Connection) -> None:
    warehouse.execute("update intermediate.int_metric_worth set worth = 1 where metric = 'bookings_created'")
    flag(warehouse, "bookings_created", None, 6, 10)
    assert opened(warehouse) == [("bookings_created", "total", "medium")]


def test_a_small_part_of_a_small_total_does_not(warehouse: psycopg.Connection) -> None:
    warehouse.execute("update intermediate.int_metric_worth set worth = 1 where metric = 'bookings_created'")
    flag(warehouse, "bookings_created", None, 8, 10)
    assert opened(warehouse) == []


def test_an_irrelevant_anomaly_is_returned_without_opening_an_event(warehouse: psycopg.Connection) -> None:
    flag(warehouse, "booked_revenue", SERVICE, 20, 0)
    assert not found(warehouse)["booked_revenue"]["opens"]


def test_a_fall_at_the_edge_of_the_data_is_not_relevant(warehouse: psycopg.Connection) -> None:
    flag(warehouse, "booked_revenue", None, 100, 1000)
    assert opened(warehouse, replace(ORGANIZATION, bookings_complete_until=DAY - timedelta(days=1))) == []
    assert opened(warehouse, replace(ORGANIZATION, bookings_complete_until=DAY)) == [
        ("booked_revenue", "total", "critical")
    ]


def test_data_that_ended_are_not_judged(warehouse: psycopg.Connection) -> None:
    flag(warehouse, "booked_revenue", None, 0, 1000)
    assert anomaly_findings(warehouse, replace(ORGANIZATION, has_ended=True, last_day=DAY - timedelta(days=28))) is None
    assert opened(warehouse, replace(ORGANIZATION, has_ended=True)) == [("booked_revenue", "total", "critical")]
