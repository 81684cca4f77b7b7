"""Bookings in any status, written by the owner of the database, and queries of tests."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar
from uuid import UUID, uuid4

import pytest

from sources.operations import transaction
from sources.operations.errors import Refusal
from sources.operations.transaction import Tx
from sources.operations.work.milestones import Milestone, NewMilestone, create_milestone
from tests.sources.business import Business
from tests.waiting import PATIENCE_S

T = TypeVar("T")

SET_STATUS: Final = """
update app.bookings set status = %(status)s,
    completed_at = case when %(status)s = 'completed' then now() end,
    cancelled_at = case when %(status)s in ('cancelled', 'no_show') then now() end
where id = %(id)s
"""


def booking_in(business: Business, status: str, total: str = "100.00") -> UUID:
    """Create a booking of `client` with `provider` in `status`, made in 2026, without a schedule; return its id."""
    row = business.connection.execute(
        """
        insert into app.bookings (
            org_id, booking_number, client_id, provider_id, service_id, status, title, total_amount, currency,
            created_at
        )
        values (%s, %s, %s, %s, %s, 'requested', 'Work', %s, 'EUR', '2026-01-01T00:00Z') returning id
        """,
        [business.org.id, uuid4().hex, business.org.client, business.org.provider, business.org.service, total],
    ).fetchone()
    assert row
    booking_id: UUID = row[0]
    set_status(business, booking_id, status)
    return booking_id


def set_status(business: Business, booking_id: UUID, status: str) -> None:
    """Set the status of a booking, without the lifecycle."""
    business.connection.execute(SET_STATUS, {"status": status, "id": booking_id})


def status_of(business: Business, booking_id: UUID) -> str:
    """Return the status of a booking."""
    return str(value(business, "select status from app.bookings where id = %s", booking_id))


def value(business: Business, query: str, *parameters: object) -> Any:
    """Return the single value of `query`."""
    row = business.connection.execute(query, parameters).fetchone()
    assert row
    return row[0]


def last_change(business: Business, booking_id: UUID) -> tuple[object, ...] | None:
    """Return (from, to, actor, reason) of the last status change of a booking."""
    return business.connection.execute(
        "select from_status, to_status, actor_id, reason from app.booking_status_history where booking_id = %s "
        "order by changed_at desc, id desc limit 1",
        [booking_id],
    ).fetchone()


def milestone_in(business: Business, booking_id: UUID, status: str, **fields: Any) -> UUID:
    """Create a milestone in `status`; the status of the booking must allow it. Return its id."""
    request = NewMilestone.model_validate({"title": "Concept", **fields})
    made: Milestone = business.run("provider", lambda tx: create_milestone(tx, booking_id, request))
    set_milestone(business, made.id, status)
    return made.id


def set_milestone(business: Business, milestone_id: UUID, status: str) -> None:
    """Set the status of a milestone, without its steps."""
    business.connection.execute("update app.milestones set status = %s where id = %s", [status, milestone_id])


def refused(
    business: Business, who: str, operation: Callable[[Tx], Awaitable[object]], at: datetime | None = None
) -> tuple[str, str]:
    """Return (kind, code) of the refusal that `who` gets."""
    with pytest.raises(Refusal) as caught:
        business.run(who, operation, at=at)
    return caught.value.kind, caught.value.code


def race(business: Business, who: str, operations: Sequence[Callable[[Tx], Awaitable[T]]]) -> list[T | Refusal]:
    """Run all operations at once, as `who`; return their results and refusals."""

    async def all_at_once() -> list[T | Refusal]:
        started = [business.start(who, operation) for operation in operations]
        results = await asyncio.gather(*started, return_exceptions=True)
        kept: list[T | Refusal] = []
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, Refusal):
                raise result
            kept.append(result)
        return kept

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transaction, "ACQUIRE_TIMEOUT_S", PATIENCE_S)  # a slow machine refuses nothing for lack of time
        return business.wait_for(all_at_once())
