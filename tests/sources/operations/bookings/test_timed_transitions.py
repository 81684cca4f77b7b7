"""Changes by time, each made once."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from sources.operations.bookings import timed_transitions
from sources.operations.transaction import make_pool
from tests.sources.business import Business
from tests.sources.operations.money.helpers import draft_of, issued, pay, read
from tests.sources.operations.work.helpers import booking_in, last_change, status_of, value

NOW = datetime.now(UTC).replace(microsecond=0)


def run_due(business: Business, as_of: datetime = NOW) -> dict[str, int]:
    """Run the changes as the job does: connected as the owner of the tables."""

    async def run() -> dict[str, int]:
        pool = await make_pool(business.settings.database_url, 1, business.settings.secret("api_entry_secret"))
        try:
            return await timed_transitions.run_due(pool, as_of)
        finally:
            await pool.close()

    return {name: count for name, count in business.wait_for(run()).items() if count}


def unanswered(business: Business, status: str, days: float, *, history: bool = True) -> UUID:
    """Create a booking that has been in `status` for `days`, created a month before that."""
    booking_id, since = booking_in(business, status), NOW - timedelta(days=days)
    if history:
        business.connection.execute(
            "insert into app.booking_status_history (org_id, booking_id, to_status, changed_at) "
            "values (%s, %s, %s, %s)",
            [business.org.id, booking_id, status, since],
        )
    made = since - timedelta(days=30) if history else since
    business.connection.execute("update app.bookings set created_at = %s where id = %s", [made, booking_id])
    return booking_id


def test_requests_and_deliveries_without_an_answer(own_business: Business) -> None:
    business = own_business
    late = {"requested": unanswered(business, "requested", 14), "delivered": unanswered(business, "delivered", 7)}
    unrecorded = unanswered(business, "requested", 20, history=False)
    kept = [
        unanswered(business, "requested", 13.9),
        unanswered(business, "delivered", 6.9),
        unanswered(business, "quoted", 99),
    ]
    draft = draft_of(business, late["requested"])
    assert run_due(business) == {"expired": 2, "completed": 1}
    assert last_change(business, late["requested"]) == ("requested", "expired", None, "unanswered for 14 days")
    assert last_change(business, late["delivered"]) == (
        "delivered", "completed", None, "delivery unanswered for 7 days",
    )  # fmt: skip
    assert status_of(business, unrecorded) == "expired"
    assert value(business, "select cancelled_at from app.bookings where id = %s", late["requested"]) == NOW
    assert value(business, "select completed_at from app.bookings where id = %s", late["delivered"]) == NOW
    assert [status_of(business, item) for item in kept] == ["requested", "delivered", "quoted"]
    assert read(business, draft.id).status == "void"
    assert run_due(business) == {}


def test_many_bookings_are_changed_in_batches(own_business: Business, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timed_transitions, "BATCH", 2)
    for _ in range(5):
        unanswered(own_business, "requested", 15)
    assert run_due(own_business) == {"expired": 5}
    assert value(own_business, "select count(*) from app.booking_status_history where to_status = 'expired'") == 5


def test_overdue_invoices(own_business: Business) -> None:
    business = own_business
    unpaid, part, paid, draft = (
        issued(business), issued(business), issued(business), draft_of(business, booking_in(business, "in_progress")),
    )  # fmt: skip
    business.run("admin", lambda tx: pay(tx, part.id, "10.00"))
    business.run("admin", lambda tx: pay(tx, paid.id, "100.00"))
    business.connection.execute("truncate app.live_changes")
    assert run_due(business, NOW + timedelta(days=14)) == {}
    later = NOW + timedelta(days=16)
    assert run_due(business, later)["overdue"] == 2
    assert [read(business, item.id).status for item in (unpaid, part, paid, draft)] == [
        "overdue",
        "overdue",
        "paid",
        "draft",
    ]
    assert run_due(business, later) == {}
    business.run("admin", lambda tx: pay(tx, unpaid.id, "100.00"))
    assert read(business, unpaid.id).status == "paid"
