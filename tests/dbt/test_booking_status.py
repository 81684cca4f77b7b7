"""v_booking_status and v_booking_status_metrics, compared with independent queries on `app`."""

from collections import Counter
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest

from sources import lifecycle
from sources.settings import Settings
from tests.conftest import clone
from tests.dbt.conftest import AS_OF, Dbt, rows, set_clock

pytestmark = pytest.mark.slow

# Scalar subqueries per row, where the models join and aggregate sets. Each booking has its state at the end of a day,
# without later changes. Of earlier progress only the tasks and milestones that were done since are known.
ON_APP = """
select b.id as booking_id, b.org_id, b.booking_number, b.total_amount, b.currency, b.created_at, b.scheduled_start,
    b.scheduled_end, c.seen_at,
    case when b.completed_at < c.seen_at then b.completed_at end as completed_at,
    (b.created_at at time zone o.timezone)::date as created_day,
    (b.completed_at at time zone o.timezone)::date as completed_day,
    b.currency = o.currency as is_own_currency,
    (select to_status from app.booking_status_history h where h.booking_id = b.id and h.changed_at < c.seen_at
        order by h.changed_at desc, h.id desc limit 1) as status,
    (select min(changed_at) from app.booking_status_history h where h.booking_id = b.id
        and h.to_status in ('delivered', 'completed') and h.changed_at < c.seen_at) as delivered_at,
    (select full_name from app.profiles where id = b.client_id) as client_name,
    (select full_name from app.profiles where id = b.provider_id) as provider_name,
    (select name from app.services where id = b.service_id) as service_name,
    (select count(*) from app.milestones m where m.booking_id = b.id and m.status <> 'cancelled') as milestones_total,
    (select count(*) from app.milestones m where m.booking_id = b.id and m.status = 'approved'
        and m.completed_at < c.seen_at) as milestones_done,
    (select sum(m.weight * case when m.status = 'approved' and m.completed_at < c.seen_at then 100 else coalesce(
            (select sum(t.weight * case when t.status = 'done' and t.completed_at >= c.seen_at then 0
                else t.progress_pct end) / sum(t.weight)
            from app.tasks t where t.milestone_id = m.id and t.status <> 'cancelled'),
            case when m.status = 'approved' then 0 else m.progress_pct end) end) / sum(m.weight)
        from app.milestones m where m.booking_id = b.id and m.status <> 'cancelled') as earlier_pct,
    b.progress_pct as progress_pct_today,
    coalesce((select sum(total_amount) from app.invoices i where i.booking_id = b.id
        and i.status in ('issued', 'part_paid', 'paid', 'overdue') and i.issued_at < c.seen_at), 0) as invoiced_amount,
    coalesce((select sum(greatest(0, i.total_amount - coalesce(
            (select sum(case kind when 'refund' then -amount else amount end) from app.payments p
            where p.invoice_id = i.id and p.status = 'succeeded' and p.paid_at < c.seen_at), 0)))
        from app.invoices i where i.booking_id = b.id and i.status in ('issued', 'part_paid', 'paid', 'overdue')
        and i.issued_at < c.seen_at and i.due_at < c.seen_at), 0) as past_due_amount,
    coalesce((select sum(case kind when 'refund' then -amount else amount end) from app.payments p
        where p.booking_id = b.id and p.status = 'succeeded' and p.paid_at < c.seen_at), 0) as paid_amount,
    coalesce((select sum(greatest(0, i.total_amount - coalesce(
            (select sum(case kind when 'refund' then -amount else amount end) from app.payments p
            where p.invoice_id = i.id and p.status = 'succeeded' and p.paid_at < c.seen_at), 0)))
        from app.invoices i where i.booking_id = b.id and i.status in ('issued', 'part_paid', 'paid', 'overdue')
        and i.issued_at < c.seen_at), 0) as outstanding_amount,
    (select max(at) from (
        select unnest(array[b.created_at, b.completed_at, b.cancelled_at])
        union all select changed_at from app.booking_status_history x where x.booking_id = b.id
        union all select completed_at from app.milestones x where x.booking_id = b.id
        union all select completed_at from app.tasks x where x.booking_id = b.id
        union all select unnest(array[started_at, ended_at]) from app.time_entries x where x.booking_id = b.id
        union all select decided_at from app.approvals x where x.booking_id = b.id
        union all select issued_at from app.invoices x where x.booking_id = b.id
        union all select paid_at from app.payments x where x.booking_id = b.id
        union all select sent_at from app.messages x where x.booking_id = b.id
        union all select reviewed_at from app.reviews x where x.booking_id = b.id
    ) as activities (at) where at < c.seen_at) as last_activity_at,
    exists (select from app.milestones m where m.booking_id = b.id and m.status <> 'cancelled' and m.due_at < c.seen_at
        and not (m.status = 'approved' and m.completed_at < c.seen_at)) as milestone_past_due
from app.bookings b
join app.organizations o on o.id = b.org_id
cross join lateral (select (%s::date + 1)::timestamp at time zone o.timezone as seen_at) as c
where b.created_at < c.seen_at
"""
COUNTS = ("pending", "active", "at_risk", "overdue", "completed", "cancelled")
OUTCOMES = {
    "cancellations": "cancelled",
    "no_shows": "no_show",
    "declined": "declined",
    "expired": "expired",
    "refunded": "refunded",
}
PERIOD = timedelta(days=30)
EARLIER = AS_OF - timedelta(days=75)


def derived(booking: dict[str, Any]) -> str:
    """Return the derived status of a booking, computed in Python."""
    groups = {"pending": lifecycle.PENDING, "completed": lifecycle.COMPLETED, "cancelled": lifecycle.CANCELLED}
    for name, statuses in groups.items():
        if booking["status"] in statuses:
            return name
    now, start, end = booking["seen_at"], booking["scheduled_start"], booking["scheduled_end"]
    if end and end < now:
        return "overdue"
    elapsed = (now - start) / (end - start) * 100 if start and end and start < now else 0
    lags = elapsed - float(booking["progress_pct"]) > 25
    return "at_risk" if booking["milestone_past_due"] or lags else "active"


def overdue_reason(booking: dict[str, Any]) -> str | None:
    """Return the party that an overdue booking waits for."""
    if booking["derived_status"] != "overdue":
        return None
    if booking["status"] in ("delivered", "awaiting_client"):
        return "client"
    is_unpaid = booking["past_due_amount"] > 0
    return "payment" if is_unpaid and booking["status"] in ("confirmed", "scheduled", "on_hold") else "provider"


def bookings_at(settings: Settings, day: date) -> list[dict[str, Any]]:
    """Return every booking that had been made by the end of `day`, in its state then."""
    bookings = rows(settings, ON_APP, day)
    for booking in bookings:
        is_ongoing = booking["status"] in lifecycle.ONGOING
        earlier = booking["earlier_pct"] if day < AS_OF and is_ongoing else None
        booking["progress_pct"] = (
            booking["progress_pct_today"] if earlier is None else earlier.quantize(Decimal("0.01"), ROUND_HALF_UP)
        )
        booking["derived_status"] = derived(booking)
        booking["overdue_reason"] = overdue_reason(booking)
    return bookings


@pytest.fixture(scope="module")
def on_app(built: Settings) -> list[dict[str, Any]]:
    return bookings_at(built, AS_OF)


@pytest.fixture(scope="module")
def travelled(server: str, built: Settings, dbt: Dbt) -> Settings:
    """The sample business, built as of EARLIER."""
    settings = built.model_copy(update={"database_url": clone(server, built.database_url.rpartition("/")[2])})
    set_clock(settings, EARLIER)
    dbt(settings, "build", "--exclude-resource-type", "unit_test")
    return settings


@pytest.fixture(scope="module")
def earlier(travelled: Settings) -> list[dict[str, Any]]:
    return bookings_at(travelled, EARLIER)


def test_the_state_of_every_booking_equals_that_on_app(built: Settings, on_app: list[dict[str, Any]]) -> None:
    shown = {row["booking_id"]: row for row in rows(built, "select * from analytics.v_booking_status")}
    expected = {b["booking_id"]: {name: b[name] for name in shown[b["booking_id"]]} for b in on_app}
    assert shown == expected
    assert {b["derived_status"] for b in on_app} == set(COUNTS)
    assert {b["overdue_reason"] for b in on_app} >= {"client", "provider"}


def test_the_state_of_every_booking_as_of_an_earlier_day_equals_its_history(
    travelled: Settings, earlier: list[dict[str, Any]]
) -> None:
    shown = {row["booking_id"]: row for row in rows(travelled, "select * from analytics.v_booking_status")}
    assert 0 < len(earlier) < 2000
    assert shown == {b["booking_id"]: {name: b[name] for name in shown[b["booking_id"]]} for b in earlier}
    counted = rows(travelled, "select status, sum(bookings)::int as n from analytics.v_revenue_by_status group by 1")
    assert {row["status"]: row["n"] for row in counted} == Counter(b["status"] for b in earlier)
    by_service = rows(travelled, "select sum(bookings)::int as n from analytics.v_service_performance")
    by_month = rows(travelled, "select sum(bookings)::int as n from analytics.v_completion_analytics")
    assert by_service == by_month == [{"n": len(earlier)}]


def test_every_figure_of_the_metrics_equals_the_same_on_app(built: Settings, on_app: list[dict[str, Any]]) -> None:
    check_metrics(built, AS_OF, on_app)


def test_every_figure_as_of_an_earlier_day_equals_the_same_on_app(
    travelled: Settings, earlier: list[dict[str, Any]]
) -> None:
    check_metrics(travelled, EARLIER, earlier)


def check_metrics(settings: Settings, as_of: date, now: list[dict[str, Any]]) -> None:
    """Compare the figures of both periods, each at its own end, for each organisation."""
    metrics = rows(settings, "select * from analytics.v_booking_status_metrics")
    before = bookings_at(settings, as_of - PERIOD)
    assert {row["org_id"] for row in metrics} == {b["org_id"] for b in now}
    for row in metrics:
        these = figures([b for b in now if b["org_id"] == row["org_id"]], as_of)
        those = figures([b for b in before if b["org_id"] == row["org_id"]], as_of - PERIOD)
        expected = {
            "org_id": row["org_id"],
            "as_of": as_of,
            "period_start": as_of - PERIOD + timedelta(days=1),
            "period_end": as_of,
            "previous_period_start": as_of - 2 * PERIOD + timedelta(days=1),
            "previous_period_end": as_of - PERIOD,
            **these,
            **{f"{name}_previous": value for name, value in those.items()},
            **{f"{name}_delta": difference(value, those[name]) for name, value in these.items()},
        }
        assert row == expected
        assert sum(row[name] for name in COUNTS) == row["total_bookings"] > 0
        assert sum(row[f"{name}_previous"] for name in COUNTS) == row["total_bookings_previous"] > 0


def figures(bookings: list[dict[str, Any]], until: date) -> dict[str, Any]:
    """Return the figures of the 30 days up to `until`, of bookings in their state at its end."""
    made = [b for b in bookings if until - PERIOD < b["created_day"] <= until]
    ended = [b for b in bookings if b["completed_day"] and until - PERIOD < b["completed_day"] <= until]
    firm = [b["total_amount"] for b in made if b["status"] in lifecycle.ONGOING + lifecycle.COMPLETED]
    outcomes = {name: sum(b["status"] == status for b in made) for name, status in OUTCOMES.items()}
    open_now = Counter(b["derived_status"] for b in bookings)
    reasons = Counter(b["overdue_reason"] for b in bookings)
    return {
        "total_bookings": len(made),
        **{name: sum(b["derived_status"] == name for b in made) for name in COUNTS},
        **outcomes,
        "completion_rate": mean([Decimal(b["status"] in lifecycle.COMPLETED) for b in made], "0.0001"),
        "cancellation_rate": mean([Decimal(b["status"] == "cancelled") for b in made], "0.0001"),
        "no_show_rate": mean([Decimal(b["status"] == "no_show") for b in made], "0.0001"),
        "other_currency_bookings": sum(not b["is_own_currency"] for b in made),
        "total_revenue": sum(firm, Decimal(0)),
        "avg_booking_value": mean(firm, "0.01"),
        "completed_in_period": len(ended),
        "avg_completion_days": mean_days(ended, "created_at", "completed_at"),
        "avg_lead_days": mean_days(ended, "created_at", "scheduled_start"),
        "avg_delivery_days": mean_days(ended, "scheduled_start", "delivered_at"),
        "avg_acceptance_days": mean_days(ended, "delivered_at", "completed_at"),
        **{f"{name}_now": open_now[name] for name in ("pending", "active", "at_risk", "overdue")},
        **{f"overdue_{reason}_now": reasons[reason] for reason in ("provider", "client", "payment")},
    }


def mean_days(bookings: list[dict[str, Any]], first: str, last: str) -> Decimal | None:
    waits = [b[last] - b[first] for b in bookings if b[first] and b[last]]
    return mean([Decimal(wait // timedelta(microseconds=1)) / 86_400_000_000 for wait in waits], "0.01")


def mean(values: list[Decimal], unit: str) -> Decimal | None:
    """Return the mean rounded to `unit`, halves away from zero as in PostgreSQL."""
    if not values:
        return None
    return (sum(values, Decimal(0)) / len(values)).quantize(Decimal(unit), rounding="ROUND_HALF_UP")


def difference(value: Any, previous: Any) -> Any:
    return None if value is None or previous is None else value - previous
