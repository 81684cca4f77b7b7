"""Money to the cent, and days in the organisation's time zone, against plain queries on `app`."""

from datetime import timedelta
from typing import Any

import pytest

from sources.settings import Settings
from tests.dbt.conftest import AS_OF, rows

pytestmark = pytest.mark.slow

LOCAL_DAY = "({moment} at time zone (select timezone from app.organizations o where o.id = x.org_id))::date"
METRICS = {  # name: table, value, moment, condition
    "bookings_created": ("bookings", "1", "x.created_at", "true"),
    "bookings_completed": ("bookings", "1", "x.completed_at", "true"),
    "bookings_cancelled": (
        "bookings",
        "1",
        "coalesce(x.cancelled_at, x.updated_at)",
        "x.status in ('declined', 'cancelled', 'no_show', 'refunded', 'expired')",
    ),
    "booked_revenue": ("bookings", "x.total_amount", "x.created_at", "true"),
    "realized_revenue": (
        "bookings",
        "x.total_amount",
        "x.scheduled_start",
        "x.status in ('confirmed', 'scheduled', 'in_progress', 'on_hold', 'awaiting_client', "
        "'revision_requested', 'delivered', 'disputed', 'completed')",
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


def on_app(settings: Settings, metric: str) -> dict[tuple[Any, Any], Any]:
    """The metric by organisation and day, without its zeros."""
    table, value, moment, condition = METRICS[metric]
    query = (
        f"select x.org_id, {LOCAL_DAY.format(moment=moment)} as day, sum({value}) as value "
        f"from app.{table} x where {condition} group by 1, 2"
    )
    found = {(row["org_id"], row["day"]): row["value"] for row in rows(settings, query)}
    return {key: value for key, value in found.items() if key[1] and key[1] <= AS_OF and value}


@pytest.mark.parametrize("metric", METRICS)
def test_each_metric_equals_its_sum_on_app_day_by_day(built: Settings, metric: str) -> None:
    query = "select org_id, day, value from marts.kpi_daily where metric = %s and dimension = 'total'"
    shown = {(row["org_id"], row["day"]): row["value"] for row in rows(built, query, metric)}
    expected = on_app(built, metric)
    assert expected
    assert {key: value for key, value in shown.items() if value} == expected


def test_a_day_without_facts_has_no_row(built: Settings) -> None:
    """Rows grow with the bookings: of a series' days only those on which something happened."""
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


def test_books_on_hand_are_what_a_look_back_at_the_bookings_counts(built: Settings) -> None:
    """A snapshot is what was made by the end of the day and had not been cancelled by then."""
    query = """
        with days as (
            select org_id, total_amount, lead_days, created_day, cancelled_day, service_day
            from marts.fct_bookings where service_day is not null
        )
        select h.org_id, h.service_day, h.lead_days, h.bookings, h.revenue,
            count(d.org_id) as counted, coalesce(sum(d.total_amount), 0) as summed
        from marts.fct_bookings_on_hand h
        left join days d on d.org_id = h.org_id and d.service_day = h.service_day
            and d.created_day <= h.service_day - h.lead_days
            and (d.cancelled_day is null or d.cancelled_day > h.service_day - h.lead_days)
        where h.dimension = 'total' and h.lead_days in (0, 3, 7, 28)
        group by 1, 2, 3, 4, 5
    """
    snapshots = rows(built, query)
    assert sum(row["bookings"] for row in snapshots) > 1000
    assert [row for row in snapshots if (row["bookings"], row["revenue"]) != (row["counted"], row["summed"])] == []
    latest = max(row["service_day"] for row in snapshots)
    assert latest == AS_OF + timedelta(days=28)
    assert all(row["service_day"] - timedelta(days=row["lead_days"]) <= AS_OF for row in snapshots)


def test_booked_hours_of_the_workload_sum_to_the_hours_of_the_bookings(built: Settings) -> None:
    """Of bookings that lie wholly within the days shown."""
    inside = f"between '{AS_OF}'::date - 28 and '{AS_OF}'::date + 28"
    [totals] = rows(
        built,
        f"""
        with whole as (
            select b.id, coalesce(p.hours_included, s.duration_hours, 0) as hours
            from app.bookings b
            join app.organizations o on o.id = b.org_id
            join app.services s on s.id = b.service_id
            left join app.service_packages p on p.id = b.package_id
            where b.provider_id is not null and b.status not in ('draft', 'requested', 'under_review', 'quoted',
                'approved', 'awaiting_payment', 'declined', 'cancelled', 'no_show', 'refunded', 'expired')
                and (b.scheduled_start at time zone o.timezone)::date {inside}
                and (b.scheduled_end at time zone o.timezone)::date {inside}
        )
        select (select sum(hours) from whole) as expected,
            (select round(sum(booked_hours), 4) from intermediate.int_provider_days d
                where d.booking_id in (select id from whole)) as shown
        """,
    )
    assert totals["expected"] > 0
    assert totals["shown"] == totals["expected"]
