"""The example of docs/definitions.md, with a booking in another currency, in the whole warehouse."""

from datetime import date
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from sources.settings import Settings
from tests.conftest import TEMPLATE, clone
from tests.dbt.conftest import Dbt, land_tables, rows, set_clock
from tests.dbt.test_incremental import BUILD

pytestmark = pytest.mark.slow

EXAMPLE = """
insert into app.organizations (id, org_id, name, slug, timezone, currency)
select x, x, 'Example', 'example', 'UTC', 'EUR' from uuidv7() as x;
insert into app.profiles (org_id, role, full_name) select id, 'client', 'Client' from app.organizations;
insert into app.services (org_id, name, base_price, currency) select id, 'Service', 100, 'EUR' from app.organizations;
insert into app.bookings (org_id, booking_number, client_id, service_id, title, status, total_amount, currency,
    created_at, scheduled_start, scheduled_end, completed_at, cancelled_at)
select o.id, number, p.id, s.id, number, status, amount, made.currency, made_at, starts, ends, completed_at, ended_at
from app.organizations o join app.profiles p on p.org_id = o.id join app.services s on s.org_id = o.id
cross join (values
    ('A', 'completed', 300, 'EUR', '2025-05-02 09:00+00'::timestamptz, '2025-05-10 09:00+00'::timestamptz,
        '2025-05-12 17:00+00'::timestamptz, '2025-05-16 09:00+00'::timestamptz, null::timestamptz),
    ('B', 'no_show', 100, 'EUR', '2025-05-04 09:00+00', '2025-05-15 09:00+00', '2025-05-15 17:00+00', null,
        '2025-05-15 18:00+00'),
    ('C', 'refunded', 200, 'EUR', '2025-05-06 09:00+00', '2025-05-18 09:00+00', '2025-05-18 17:00+00', null, null),
    ('D', 'confirmed', 500, 'EUR', '2025-05-20 09:00+00', '2025-06-09 09:00+00', '2025-06-09 17:00+00', null, null),
    ('E', 'quoted', 400, 'EUR', '2025-05-28 09:00+00', '2025-06-12 09:00+00', '2025-06-12 17:00+00', null, null),
    ('F', 'completed', 9000, 'JPY', '2025-05-01 09:00+00', '2025-05-03 09:00+00', '2025-05-03 17:00+00',
        '2025-05-04 09:00+00', null)
) as made (number, status, amount, currency, made_at, starts, ends, completed_at, ended_at);
insert into app.booking_status_history (org_id, booking_id, from_status, to_status, changed_at)
select b.org_id, b.id, from_status, to_status, at::timestamptz
from app.bookings b join (values
    ('A', null, 'confirmed', '2025-05-02 09:00+00'), ('A', 'confirmed', 'delivered', '2025-05-12 09:00+00'),
    ('A', 'delivered', 'completed', '2025-05-16 09:00+00'),
    ('B', null, 'confirmed', '2025-05-04 09:00+00'), ('B', 'confirmed', 'no_show', '2025-05-15 18:00+00'),
    ('C', null, 'confirmed', '2025-05-06 09:00+00'), ('C', 'confirmed', 'disputed', '2025-05-20 09:00+00'),
    ('C', 'disputed', 'refunded', '2025-05-25 09:00+00'),
    ('D', null, 'confirmed', '2025-05-20 09:00+00'), ('E', null, 'quoted', '2025-05-28 09:00+00'),
    ('F', null, 'confirmed', '2025-05-01 09:00+00'), ('F', 'confirmed', 'completed', '2025-05-04 09:00+00')
) as changed (number, from_status, to_status, at) on number = booking_number;
insert into app.invoices (org_id, booking_id, client_id, invoice_number, status, total_amount, currency, issued_at)
select org_id, id, client_id, booking_number, 'paid', total_amount, currency, '2025-05-13 09:00+00' from app.bookings
where booking_number = 'A';
insert into app.payments (org_id, booking_id, kind, status, amount, currency, paid_at, external_ref)
select b.org_id, b.id, kind, 'succeeded', amount, 'EUR', at::timestamptz, number || kind
from app.bookings b join (values
    ('A', 'payment', 300, '2025-05-20 09:00+00'), ('B', 'payment', 30, '2025-05-05 09:00+00'),
    ('C', 'payment', 200, '2025-05-18 09:00+00'), ('C', 'refund', 200, '2025-05-25 09:00+00')
) as paid (number, kind, amount, at) on number = booking_number;
"""
MONEY = {  # metric: day of May -> amount, as in docs/definitions.md
    "booked_revenue": {2: 300, 4: 100, 6: 200, 20: 500, 28: 400},
    "realized_revenue": {10: 300, 18: 200},
    "refunded_revenue": {25: 200},
    "earned_revenue": {10: 100, 11: 100, 12: 100, 18: 200},
    "kept_revenue": {15: 30},
    "invoiced_revenue": {13: 300},
    "collected_revenue": {5: 30, 18: 200, 20: 300, 25: -200},
}


@pytest.fixture(scope="module")
def example(server: str, tmp_path_factory: pytest.TempPathFactory, dbt: Dbt) -> Settings:
    settings = Settings(home=tmp_path_factory.mktemp("example"), database_url=clone(server, TEMPLATE))
    with psycopg.connect(settings.database_url) as connection:
        connection.execute(EXAMPLE.encode())
    land_tables(settings)
    set_clock(settings, date(2025, 5, 31))
    dbt(settings, *BUILD)
    return settings


def money(settings: Settings) -> dict[str, dict[int, Decimal]]:
    shown: dict[str, dict[int, Decimal]] = {}
    query = "select metric, day, value from marts.kpi_daily where dimension = 'total' and value <> 0"
    for row in rows(settings, query):
        if row["metric"] in MONEY:
            shown.setdefault(row["metric"], {})[row["day"].day] = row["value"]
    return shown


def test_money_has_the_days_of_the_definitions(example: Settings) -> None:
    assert money(example) == MONEY


def test_rates_and_days_equal_those_of_the_definitions(example: Settings) -> None:
    [row] = rows(example, "select * from analytics.v_booking_status_metrics")
    expected: dict[str, Any] = {
        "total_bookings": 5,
        "completion_rate": Decimal("0.2"),
        "cancellation_rate": 0,
        "no_show_rate": Decimal("0.2"),
        "total_revenue": 800,
        "avg_lead_days": 5,  # of A and F, which was completed in the period too
        "pending_now": 1,
        "active_now": 1,
    }
    assert {name: row[name] for name in expected} == expected
    [may] = rows(
        example, "select sum(due) as due, max(is_partial::int) as is_partial from analytics.v_completion_analytics"
    )
    assert may == {"due": 2, "is_partial": 0}
    [on_hand] = rows(
        example,
        "select sum(revenue) as revenue, sum(bookings) as bookings from marts.fct_bookings_on_hand "
        "where dimension = 'total' and service_day > '2025-05-31' and service_day - lead_days = '2025-05-31'",
    )
    assert on_hand == {"revenue": 500, "bookings": 1}


def test_another_currency_is_in_no_sum_and_shown_apart(example: Settings) -> None:
    [other] = rows(example, "select * from analytics.v_other_currencies")
    assert (other["currency"], other["bookings"], other["booked_revenue"], other["realized_revenue"]) == (
        "JPY",
        1,
        9000,
        9000,
    )
    services = rows(example, "select currency, realized_revenue from analytics.v_service_performance order by 1")
    assert services == [
        {"currency": "EUR", "realized_revenue": 500},
        {"currency": "JPY", "realized_revenue": 9000},
    ]


def test_a_refund_does_not_change_the_revenue_of_the_service_day(server: str, example: Settings, dbt: Dbt) -> None:
    now = money(example)["realized_revenue"]
    name = example.database_url.rpartition("/")[2]
    earlier = example.model_copy(update={"database_url": clone(server, name)})
    set_clock(earlier, date(2025, 5, 24))
    dbt(earlier, *BUILD)
    before = money(earlier)
    assert before["realized_revenue"] == now
    assert "refunded_revenue" not in before
