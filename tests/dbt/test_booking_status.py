"""v_booking_status and v_booking_status_metrics against queries on `app` that know nothing of the models."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import yaml

from dagster_project import dbt_runner
from sources import lifecycle
from sources.settings import Settings
from tests.dbt.conftest import AS_OF, rows

pytestmark = pytest.mark.slow

# Scalar subqueries, a row at a time, where the models join and aggregate sets.
ON_APP = """
select b.id as booking_id, b.org_id, b.booking_number, b.status, b.total_amount, b.progress_pct, b.currency,
    b.created_at, b.scheduled_start, b.scheduled_end, b.completed_at,
    (b.created_at at time zone o.timezone)::date as created_day,
    (select full_name from app.profiles where id = b.client_id) as client_name,
    (select full_name from app.profiles where id = b.provider_id) as provider_name,
    (select name from app.services where id = b.service_id) as service_name,
    (select count(*) from app.milestones m where m.booking_id = b.id and m.status <> 'cancelled') as milestones_total,
    (select count(*) from app.milestones m where m.booking_id = b.id and m.status = 'approved') as milestones_done,
    coalesce((select sum(total_amount) from app.invoices i where i.booking_id = b.id
        and i.status in ('issued', 'part_paid', 'paid', 'overdue')), 0) as invoiced_amount,
    coalesce((select sum(amount) from app.payments p where p.booking_id = b.id
        and p.status = 'succeeded' and p.kind = 'payment'), 0)
    - coalesce((select sum(amount) from app.payments p where p.booking_id = b.id
        and p.status = 'succeeded' and p.kind = 'refund'), 0) as paid_amount,
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
    ) as happened (at)) as last_activity_at,
    exists (select from app.milestones m where m.booking_id = b.id
        and m.status not in ('approved', 'cancelled') and m.due_at < c.as_of_at) as milestone_past_due,
    c.as_of_at
from app.bookings b
join app.organizations o on o.id = b.org_id
join raw.run_clock c on c.org_id = b.org_id
"""
COUNTS = ("pending", "active", "at_risk", "overdue", "completed", "cancelled")
PERIOD = timedelta(days=30)


def derived(booking: dict[str, Any]) -> str:
    """The derived status by DESIGN's words, on Python's numbers."""
    groups = {"pending": lifecycle.PENDING, "completed": lifecycle.COMPLETED, "cancelled": lifecycle.CANCELLED}
    for name, statuses in groups.items():
        if booking["status"] in statuses:
            return name
    now, start, end = booking["as_of_at"], booking["scheduled_start"], booking["scheduled_end"]
    if end and end < now:
        return "overdue"
    elapsed = (now - start) / (end - start) * 100 if start and end and start < now else 0
    lags = elapsed - float(booking["progress_pct"]) > 25
    return "at_risk" if booking["milestone_past_due"] or lags else "active"


@pytest.fixture(scope="module")
def on_app(built: Settings) -> list[dict[str, Any]]:
    bookings = rows(built, ON_APP)
    for booking in bookings:
        booking["derived_status"] = derived(booking)
        booking["outstanding_amount"] = booking["invoiced_amount"] - booking["paid_amount"]
    return bookings


def test_every_booking_stands_where_app_says(built: Settings, on_app: list[dict[str, Any]]) -> None:
    shown = {row["booking_id"]: row for row in rows(built, "select * from analytics.v_booking_status")}
    expected = {b["booking_id"]: {name: b[name] for name in shown[b["booking_id"]]} for b in on_app}
    assert shown == expected
    assert {b["derived_status"] for b in on_app} == set(COUNTS)


def test_every_figure_of_the_metrics_equals_the_same_on_app(built: Settings, on_app: list[dict[str, Any]]) -> None:
    metrics = rows(built, "select * from analytics.v_booking_status_metrics")
    assert {row["org_id"] for row in metrics} == {b["org_id"] for b in on_app}
    for row in metrics:
        own = [b for b in on_app if b["org_id"] == row["org_id"]]
        now, before = figures(own, AS_OF - PERIOD, AS_OF), figures(own, AS_OF - 2 * PERIOD, AS_OF - PERIOD)
        expected = {
            "org_id": row["org_id"],
            "as_of": AS_OF,
            "period_start": AS_OF - PERIOD + timedelta(days=1),
            "period_end": AS_OF,
            "previous_period_start": AS_OF - 2 * PERIOD + timedelta(days=1),
            "previous_period_end": AS_OF - PERIOD,
            **now,
            **{f"{name}_previous": value for name, value in before.items()},
            **{f"{name}_delta": difference(value, before[name]) for name, value in now.items()},
        }
        assert row == expected
        assert sum(row[name] for name in COUNTS) == row["total_bookings"] > 0


def figures(bookings: list[dict[str, Any]], after: object, until: object) -> dict[str, Any]:
    """The twelve figures of the bookings made in (after, until]."""
    made = [b for b in bookings if after < b["created_day"] <= until]
    by_status = {name: sum(b["derived_status"] == name for b in made) for name in COUNTS}
    kept = [b["total_amount"] for b in made if b["status"] not in lifecycle.CANCELLED]
    waits = [b["completed_at"] - b["created_at"] for b in made if b["status"] in lifecycle.COMPLETED]
    days = [Decimal(wait // timedelta(microseconds=1)) / 86_400_000_000 for wait in waits]
    return {
        "total_bookings": len(made),
        **by_status,
        "completion_rate": mean([Decimal(b["status"] in lifecycle.COMPLETED) for b in made], "0.0001"),
        "cancellation_rate": mean([Decimal(b["status"] in lifecycle.CANCELLED) for b in made], "0.0001"),
        "total_revenue": sum(kept, Decimal(0)),
        "avg_booking_value": mean(kept, "0.01"),
        "avg_completion_days": mean(days, "0.01"),
    }


def mean(values: list[Decimal], unit: str) -> Decimal | None:
    """The mean rounded to `unit`, halves away from zero as PostgreSQL does."""
    if not values:
        return None
    return (sum(values, Decimal(0)) / len(values)).quantize(Decimal(unit), rounding="ROUND_HALF_UP")


def difference(value: Any, previous: Any) -> Any:
    return None if value is None or previous is None else value - previous


def test_status_groups_are_those_of_the_lifecycle() -> None:
    declared = yaml.safe_load((dbt_runner.PROJECT / "dbt_project.yml").read_text())["vars"]["status_groups"]
    assert {group: tuple(statuses) for group, statuses in declared.items()} == {
        "pending": lifecycle.PENDING,
        "ongoing": lifecycle.ONGOING,
        "completed": lifecycle.COMPLETED,
        "cancelled": lifecycle.CANCELLED,
    }
