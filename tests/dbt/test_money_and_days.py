"""Money to the cent and days in the organisation's time zone, compared with independent queries on `app`."""

from collections import Counter
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from sources import lifecycle
from sources.settings import Settings
from tests.dbt.conftest import AS_OF, Dbt, land_tables, rows
from tests.dbt.test_incremental import BUILD
from tests.sources.entering import enter_as

pytestmark = pytest.mark.slow

LOCAL_DAY = "({moment} at time zone (select timezone from app.organizations o where o.id = x.org_id))::date"
# Time at which a booking ended without its service: of its history if its own column has none.
ENDED_AT = """coalesce(x.cancelled_at, (select max(changed_at) from app.booking_status_history h
    where h.booking_id = x.id and h.to_status = x.status))"""
ENDED = "x.status in ('declined', 'cancelled', 'no_show', 'refunded', 'expired')"
REFUNDED_LATER = f"""(x.status = 'refunded'
    and {LOCAL_DAY.format(moment=ENDED_AT)} > {LOCAL_DAY.format(moment="x.scheduled_start")})"""
METRICS = {  # name: table, value, moment, condition
    "bookings_created": ("bookings", "1", "x.created_at", "true"),
    "bookings_completed": ("bookings", "1", "x.completed_at", "true"),
    "bookings_cancelled": ("bookings", "1", ENDED_AT, ENDED),
    "no_shows": ("bookings", "1", ENDED_AT, "x.status = 'no_show'"),
    "booked_revenue": ("bookings", "x.total_amount", "x.created_at", "true"),
    "realized_revenue": (
        "bookings",
        "x.total_amount",
        "x.scheduled_start",
        f"(x.status in ('confirmed', 'scheduled', 'in_progress', 'on_hold', 'awaiting_client', "
        f"'revision_requested', 'delivered', 'disputed', 'completed') or {REFUNDED_LATER})",
    ),
    "refunded_revenue": ("bookings", "x.total_amount", ENDED_AT, REFUNDED_LATER),
    "kept_revenue": (
        "payments",
        "case x.kind when 'refund' then -x.amount else x.amount end",
        f"greatest(x.paid_at, (select {ENDED_AT} from app.bookings x where x.id = booking_id))",
        f"x.status = 'succeeded' and exists (select from app.bookings x where x.id = booking_id and {ENDED})",
    ),
    "invoiced_revenue": ("invoices", "x.total_amount", "x.issued_at", "x.status not in ('draft', 'void')"),
    "collected_revenue": (
        "payments",
        "case x.kind when 'refund' then -x.amount else x.amount end",
        "x.paid_at",
        "x.status = 'succeeded'",
    ),
    "failed_payments": ("payments", "1", "coalesce(x.paid_at, x.created_at)", "x.status = 'failed'"),
    "tracked_hours": (
        "time_entries",
        "round(extract(epoch from x.ended_at - x.started_at) / 3600, 4)",
        "x.started_at",
        "x.ended_at is not null",
    ),
}

UNUSUAL_PAYMENTS = """
with numbered as (
    select i.*, row_number() over (partition by status order by id) as number from app.invoices i
),
overpaid as (
    insert into app.payments (org_id, invoice_id, booking_id, kind, status, amount, currency, paid_at)
    select org_id, id, booking_id, 'payment', 'succeeded', total_amount + 7, currency, issued_at
    from numbered where status = 'issued' and number = 1
),
void as (
    update app.invoices set status = 'void' where id in (
        select id from numbered where status = 'part_paid' or (status = 'paid' and number <= 3)
    )
)
update app.invoices set status = 'paid' where id in (
    select id from numbered where status = 'issued' and number in (2, 3)
)
"""


def on_app(settings: Settings, metric: str) -> dict[tuple[Any, Any], Any]:
    """Return the metric by organisation and day, without zeros."""
    table, value, moment, condition = METRICS[metric]
    query = (
        f"select x.org_id, {LOCAL_DAY.format(moment=moment)} as day, sum({value}) as value "
        f"from app.{table} x where {condition} group by 1, 2"
    )
    found = {(row["org_id"], row["day"]): row["value"] for row in rows(settings, query)}
    return {key: value for key, value in found.items() if key[1] and key[1] <= AS_OF and value}


@pytest.mark.parametrize("metric", METRICS)
def test_each_metric_equals_its_sum_on_app_on_each_day(built: Settings, metric: str) -> None:
    query = "select org_id, day, value from marts.kpi_daily where metric = %s and dimension = 'total'"
    shown = {(row["org_id"], row["day"]): row["value"] for row in rows(built, query, metric)}
    expected = on_app(built, metric)
    assert expected
    assert {key: value for key, value in shown.items() if value} == expected


def test_a_day_without_facts_has_no_row(built: Settings) -> None:
    """The number of rows grows with the bookings: a series has rows only for days with facts."""
    held = rows(
        built,
        "select count(*) as rows, count(*) filter (where value = 0) as zeros, "
        "(select count(*) * 1.0 from marts.dim_date where day <= %s) "
        "* count(distinct (org_id, metric, dimension, member)) as cells from marts.kpi_daily",
        AS_OF,
    )[0]
    assert held["rows"] < held["cells"] / 2
    assert held["zeros"] < held["rows"] / 10, "amounts of zero alone"


@pytest.mark.parametrize("metric", [m for m in METRICS if m.split("_")[0] in "bookings booked realized collected"])
def test_trends_show_the_whole_span_of_the_organisation(built: Settings, metric: str) -> None:
    trends = rows(built, f"select org_id, day, {metric} as value from analytics.v_booking_trends")
    assert {(row["org_id"], row["day"]): row["value"] for row in trends if row["value"]} == on_app(built, metric)
    for org in {row["org_id"] for row in trends}:
        days = sorted(row["day"] for row in trends if row["org_id"] == org)
        assert days[-1] == AS_OF
        assert days == [AS_OF - timedelta(days=ago) for ago in reversed(range(len(days)))]


def test_money_of_the_bookings_sums_to_the_cent(built: Settings) -> None:
    shown = rows(
        built,
        "select org_id, sum(invoiced_amount) as invoiced, sum(paid_amount) as paid, "
        "sum(outstanding_amount) as outstanding, sum(total_amount) as total "
        "from analytics.v_booking_status group by 1 order by 1",
    )
    expected = rows(
        built,
        """
        select id as org_id, invoiced, paid, invoiced - paid as outstanding, total
        from app.organizations o,
        lateral (select sum(total_amount) as invoiced from app.invoices
            where org_id = o.id and status not in ('draft', 'void')) as i,
        lateral (select sum(case kind when 'refund' then -amount else amount end) as paid from app.payments
            where org_id = o.id and status = 'succeeded') as p,
        lateral (select sum(total_amount) as total from app.bookings where org_id = o.id) as b
        order by 1
        """,
    )
    assert shown == expected
    assert rows(
        built, "select sum(outstanding_amount) as s, sum(bookings) as n from analytics.v_revenue_by_status"
    ) == [{"s": sum(row["outstanding"] for row in expected), "n": 2000}]


def outstanding_of_the_api(settings: Settings) -> list[dict[str, Any]]:
    """app.outstanding() of an admin of each organisation."""
    found: list[dict[str, Any]] = []
    with psycopg.connect(settings.database_url, row_factory=dict_row) as connection:
        for organization in connection.execute("select id from app.organizations order by id").fetchall():
            enter_as(connection, "system", organization["id"])
            query = "select app.org_id() as org_id, currency, outstanding from app.outstanding() where outstanding > 0"
            found += connection.execute(query).fetchall()
    return found


def test_outstanding_equals_that_of_the_api(built: Settings, writable: Settings, dbt: Dbt) -> None:
    """Of the sample; and where invoices are overpaid, void with a payment on them, marked as paid without a payment."""
    query = """
        select org_id, currency, sum(outstanding_amount) as outstanding from analytics.v_booking_status
        where outstanding_amount > 0 group by 1, 2 order by 1, 2
    """
    assert rows(built, query) == outstanding_of_the_api(built) != []
    with psycopg.connect(writable.database_url) as connection:
        connection.execute(UNUSUAL_PAYMENTS.encode())
    land_tables(writable, "invoices", "payments")
    dbt(writable, *BUILD)
    assert rows(writable, query) == outstanding_of_the_api(writable) != rows(built, query)


def test_earned_revenue_of_services_that_are_over_is_their_whole_amount(built: Settings) -> None:
    """And each booking has equal parts, to the cent, on each of its days; a last day that ends before noon has none."""
    shown = {
        (row["org_id"], row["day"]): row["value"]
        for row in rows(
            built,
            "select * from marts.kpi_daily where metric = 'earned_revenue' and dimension = 'total' and value <> 0",
        )
    }
    expected: Counter[tuple[Any, date]] = Counter()
    table, amount, _, condition = METRICS["realized_revenue"]
    for row in rows(
        built,
        f"select x.org_id, {amount} as amount, scheduled_start at time zone timezone as starts, "
        f"scheduled_end at time zone timezone as ends from app.{table} x "
        f"join app.organizations o on o.id = x.org_id where {condition} and scheduled_start is not null",
    ):
        first, last = row["starts"].date(), row["ends"].date() - timedelta(days=row["ends"].hour < 12)
        days = max((last - first).days, 0) + 1
        earned = [(row["amount"] * n / days).quantize(Decimal("0.01"), "ROUND_HALF_UP") for n in range(days + 1)]
        for number in range(days):
            expected[row["org_id"], first + timedelta(days=number)] += earned[number + 1] - earned[number]
    assert shown == {key: value for key, value in expected.items() if key[1] <= AS_OF and value}


def test_kept_and_refunded_revenue_close_the_gap_between_realized_and_collected(built: Settings) -> None:
    """Collected is the money for services that took place or will, and the kept money of the others."""
    [row] = rows(
        built,
        """
        select sum(value) filter (where metric = 'collected_revenue') as collected,
            sum(value) filter (where metric = 'kept_revenue') as kept,
            (select sum(paid_amount) from analytics.v_booking_status v
                where v.derived_status <> 'cancelled') as paid_for_services
        from marts.kpi_daily where dimension = 'total'
        """,
    )
    assert row["kept"] > 0
    assert row["collected"] == row["paid_for_services"] + row["kept"]


def test_bookings_on_hand_equal_those_counted_from_the_history(built: Settings) -> None:
    """Bookings that were firm at the end of the day `lead_days` before the service day."""
    query = """
        with on_hand as (
            select h.*, (service_day - lead_days + 1)::timestamp at time zone o.timezone as until, o.timezone
            from marts.fct_bookings_on_hand h join app.organizations o on o.id = h.org_id
            where dimension = 'total' and lead_days in (0, 3, 7, 28)
        )
        select h.service_day, h.lead_days, h.bookings, h.revenue,
            count(b.id) as counted, coalesce(sum(b.total_amount), 0) as summed
        from on_hand h
        left join app.bookings b on b.org_id = h.org_id
            and (b.scheduled_start at time zone h.timezone)::date = h.service_day
            and (select to_status from app.booking_status_history s where s.booking_id = b.id and s.changed_at < h.until
                order by s.changed_at desc, s.id desc limit 1) = any(%s)
        group by h.org_id, 1, 2, 3, 4
    """
    counts = rows(built, query, list(lifecycle.ONGOING + lifecycle.COMPLETED))
    assert sum(row["bookings"] for row in counts) > 1000
    assert [row for row in counts if (row["bookings"], row["revenue"]) != (row["counted"], row["summed"])] == []
    latest = max(row["service_day"] for row in counts)
    assert latest == AS_OF + timedelta(days=28)
    assert all(row["service_day"] - timedelta(days=row["lead_days"]) <= AS_OF for row in counts)


def test_hours_of_the_workload_sum_to_those_of_the_bookings_or_of_their_remaining_work(built: Settings) -> None:
    """Of bookings within the days of the workload: the whole hours of those that have ended or not begun; after as_of,
    the share of those under way that their progress leaves, unless they are past their end and paused."""
    inside = f"between '{AS_OF}'::date - 28 and '{AS_OF}'::date + 28"
    query = f"""
        with whole as (
            select b.id, b.status, b.progress_pct, coalesce(p.hours_included, s.duration_hours) as hours,
                (b.scheduled_end at time zone o.timezone)::date as last_day
            from app.bookings b
            join app.organizations o on o.id = b.org_id
            join app.services s on s.id = b.service_id
            left join app.service_packages p on p.id = b.package_id
            where b.provider_id is not null
                and (b.scheduled_start at time zone o.timezone)::date {inside}
                and (b.scheduled_end at time zone o.timezone)::date {inside}
        ),
        expected as (
            select id, hours, false as is_ahead from whole
            where status in ('confirmed', 'scheduled')
                or (status in ('completed', 'delivered', 'disputed') and last_day <= '{AS_OF}')
            union all
            select id, hours * (1 - progress_pct / 100), true from whole
            where status in ('in_progress', 'revision_requested')
                or (status in ('on_hold', 'awaiting_client') and last_day > '{AS_OF}')
        )
        select expected.is_ahead, count(*), sum(expected.hours) as expected, sum(shown.hours) as shown,
            max(abs(expected.hours - coalesce(shown.hours, 0))) as largest_difference
        from expected
        cross join lateral (
            select sum(booked_hours) as hours from intermediate.int_provider_days d
            where d.booking_id = expected.id and (not expected.is_ahead or d.day > '{AS_OF}')
        ) as shown
        group by expected.is_ahead order by 1
    """
    ended, ahead = rows(built, query)
    assert ended["expected"] > 0 < ahead["expected"]
    assert ended["largest_difference"] < 0.0001 > ahead["largest_difference"]


def test_provider_days_have_the_hours_of_the_bookings_and_of_the_time_entries(built: Settings) -> None:
    """The 28 days up to as_of, of bookings one by one; and all days that were tracked."""
    different = rows(
        built,
        f"""
        with bookings as (
            select provider_id, day, sum(booked_hours) as hours, count(*) as bookings
            from intermediate.int_provider_days group by 1, 2
        )
        select days.provider_id, days.day, days.booked_hours, bookings.hours, days.bookings
        from marts.fct_provider_days as days
        left join bookings using (provider_id, day)
        where days.day > date '{AS_OF}' - 28
            and (abs(days.booked_hours - coalesce(bookings.hours, 0)) < 0.00001
                and days.bookings = coalesce(bookings.bookings, 0)) is not true
        """,
    )
    assert different == []
    (sums,) = rows(
        built,
        f"""
        select sum(tracked_hours) = (
            select sum(hours) from marts.fct_time_entries where ended_at is not null and started_day <= '{AS_OF}'
        ) as is_all, count(*) filter (where tracked_hours > 0 and booked_hours > 0) as days,
            min(day) < date '{AS_OF}' - 150 as has_history, max(day) - date '{AS_OF}' as ahead
        from marts.fct_provider_days
        """,
    )
    assert (sums["is_all"], sums["has_history"], sums["ahead"]) == (True, True, 28)
    assert sums["days"] > 100


def test_overdue_tasks_of_a_day_are_those_that_were_open_past_their_due_day(built: Settings) -> None:
    different = rows(
        built,
        f"""
        select days.provider_id, days.day, days.overdue_tasks, counted.tasks
        from marts.fct_provider_days as days
        cross join lateral (
            select count(*) as tasks from marts.fct_tasks as tasks
            where tasks.assignee_id = days.provider_id and tasks.status <> 'cancelled'
                and tasks.due_day <= least(days.day, date '{AS_OF}')
                and (days.day < tasks.completed_day or (tasks.completed_day is null and not tasks.is_done))
        ) as counted
        where days.overdue_tasks <> counted.tasks
        """,
    )
    assert different == []
    assert rows(built, "select from marts.fct_provider_days where overdue_tasks > 0 limit 1")
