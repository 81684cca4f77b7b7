"""What a provider and a client see first."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from dashboard.access import Visitor
from sources import lifecycle
from sources.operations.bookings import listing
from sources.operations.bookings.booking import Booking
from sources.operations.bookings.listing import BookingQuery
from sources.operations.communication import notifications
from sources.operations.communication.notifications import Notification
from sources.operations.money import invoices
from sources.operations.money.invoices import InvoiceFilter, InvoiceSummary
from sources.operations.transaction import Tx
from sources.operations.work import time_entries
from sources.operations.work.time_entries import TimeEntry, TimeSheetFilter

SHOWN: Final = 20
TASKS: Final = 15
UNREAD_DAYS: Final = 60
SHOWN_UNREAD: Final = 8
AHEAD_DAYS: Final = 7

# Row security shows a person the rows of their own bookings.
_TASKS: Final = """
select tasks.id, tasks.title, tasks.due_at, tasks.booking_id, bookings.title as booking_title
from app.tasks as tasks
inner join app.bookings as bookings on bookings.org_id = tasks.org_id and bookings.id = tasks.booking_id
where tasks.org_id = $1 and bookings.provider_id = $2 and bookings.status = any($3) and tasks.status <> 'done'
    and (tasks.assignee_id = $2 or tasks.assignee_id is null) and tasks.due_at < $4
order by tasks.due_at, tasks.id
limit $5
"""
_UNREAD: Final = """
select messages.booking_id, bookings.title, count(*) as messages, max(messages.sent_at) as last
from app.messages as messages
inner join app.bookings as bookings on bookings.org_id = messages.org_id and bookings.id = messages.booking_id
where messages.org_id = $1 and messages.sender_id <> $2 and messages.read_at is null
    and messages.sent_at > $4 and $2 in (bookings.client_id, bookings.provider_id)
group by messages.booking_id, bookings.title
order by last desc
limit $3
"""
_APPROVALS: Final = """
select approvals.id, approvals.booking_id, bookings.title, milestones.title as milestone
from app.approvals as approvals
inner join app.bookings as bookings on bookings.org_id = approvals.org_id and bookings.id = approvals.booking_id
left join app.milestones as milestones
    on milestones.org_id = approvals.org_id and milestones.id = approvals.milestone_id
where approvals.org_id = $1 and approvals.status = 'pending'
    and (approvals.approver_id = $2 or approvals.approver_role = $3)
    and $2 in (bookings.client_id, bookings.provider_id)
    and (milestones.id is null or milestones.status = 'submitted')
order by approvals.created_at
limit $4
"""
_TO_REVIEW: Final = """
select bookings.id, bookings.title, bookings.completed_at
from app.bookings as bookings
where bookings.org_id = $1 and bookings.client_id = $2 and bookings.status = 'completed'
    and bookings.completed_at > $3
    and not exists (
        select from app.reviews as reviews where reviews.org_id = bookings.org_id and reviews.booking_id = bookings.id
    )
order by bookings.completed_at desc
limit 5
"""


@dataclass(frozen=True, slots=True)
class ProviderHome:
    """A provider's day. `schedule` are bookings that start within the next week, by start."""

    schedule: list[Booking]
    running: list[Booking]
    waiting: list[Booking]
    tasks: list[dict[str, Any]]
    approvals: list[dict[str, Any]]
    unread: list[dict[str, Any]]
    timer: TimeEntry | None


@dataclass(frozen=True, slots=True)
class ClientHome:
    """A client's bookings, and what waits for the client. `outstanding` by currency."""

    current: list[Booking]
    waiting: list[Booking]
    approvals: list[dict[str, Any]]
    open_invoices: list[InvoiceSummary]
    unread: list[dict[str, Any]]
    to_review: list[dict[str, Any]]

    @property
    def outstanding(self) -> dict[str, Decimal]:
        sums: dict[str, Decimal] = {}
        for invoice in self.open_invoices:
            sums[invoice.currency] = sums.get(invoice.currency, Decimal(0)) + invoice.outstanding_amount
        return sums


async def read_provider_home(visitor: Visitor, now: datetime) -> ProviderHome:
    """Return what the provider has to do, from the beginning of today on."""
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)

    async def read(tx: Tx) -> ProviderHome:
        async def bookings(**filters: Any) -> list[Booking]:
            query = BookingQuery(limit=SHOWN, **filters)
            return (await listing.list_bookings(tx, query)).items

        planned = lifecycle.FIRM
        sheet = await time_entries.list_of_person(tx, TimeSheetFilter(running=True), None, 1)
        return ProviderHome(
            schedule=await bookings(
                status=[status for status in planned if status not in lifecycle.COMPLETED],
                scheduled_from=today,
                scheduled_to=today + timedelta(AHEAD_DAYS),
                sort="scheduled_start",
            ),
            running=await bookings(status=["in_progress", "revision_requested", "awaiting_client", "on_hold"]),
            waiting=await bookings(status=["requested", "under_review", "approved", "confirmed"], sort="created_at"),
            tasks=[
                dict(row)
                for row in await tx.rows(
                    _TASKS, tx.org_id, visitor.profile_id, list(lifecycle.WORKABLE), now + timedelta(AHEAD_DAYS), TASKS
                )
            ],
            approvals=await _approvals(tx, visitor),
            unread=await _unread(tx, visitor, now),
            timer=sheet.items[0] if sheet.items else None,
        )

    return await visitor.run(read)


async def read_client_home(visitor: Visitor, now: datetime) -> ClientHome:
    async def read(tx: Tx) -> ClientHome:
        async def bookings(statuses: list[str], sort: str) -> list[Booking]:
            query = BookingQuery.model_validate({"limit": SHOWN, "status": statuses, "sort": sort})
            return (await listing.list_bookings(tx, query)).items

        issued = [
            (await invoices.list_invoices(tx, InvoiceFilter.model_validate({"status": status}))).items
            for status in ("overdue", "issued", "part_paid")
        ]
        open_now = [*lifecycle.PENDING, *lifecycle.ONGOING]
        return ClientHome(
            current=await bookings(open_now, "scheduled_start"),
            waiting=await bookings(["quoted", "awaiting_client", "delivered"], "-created_at"),
            approvals=await _approvals(tx, visitor),
            open_invoices=[invoice for listed in issued for invoice in listed],
            unread=await _unread(tx, visitor, now),
            to_review=[
                dict(row) for row in await tx.rows(_TO_REVIEW, tx.org_id, visitor.profile_id, now - timedelta(60))
            ],
        )

    return await visitor.run(read)


async def _unread(tx: Tx, visitor: Visitor, now: datetime) -> list[dict[str, Any]]:
    since = now - timedelta(UNREAD_DAYS)
    return [dict(row) for row in await tx.rows(_UNREAD, tx.org_id, visitor.profile_id, SHOWN_UNREAD, since)]


async def _approvals(tx: Tx, visitor: Visitor) -> list[dict[str, Any]]:
    return [dict(row) for row in await tx.rows(_APPROVALS, tx.org_id, visitor.profile_id, visitor.role, SHOWN)]


async def read_notifications(visitor: Visitor) -> list[Notification]:
    """Return the newest notifications of the visitor."""
    listed = await visitor.run(
        lambda tx: notifications.list_notifications(tx, only_unread=False, after=None, limit=SHOWN)
    )
    return listed.items
