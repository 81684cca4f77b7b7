"""What the pages of bookings show: one booking with all that belongs to it, and what an action would do."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from dashboard.access import Visitor
from sources.operations.bookings import booking as bookings
from sources.operations.bookings import catalogue, extras, transitions
from sources.operations.bookings.booking import Booking
from sources.operations.bookings.catalogue import PeopleQuery, Person
from sources.operations.bookings.extras import Extra
from sources.operations.bookings.transitions import StatusChange
from sources.operations.communication import messages, reviews
from sources.operations.communication.messages import Message
from sources.operations.communication.reviews import Review
from sources.operations.errors import Refusal
from sources.operations.money import invoices
from sources.operations.money.invoices import Invoice, InvoiceFilter
from sources.operations.settings.services import Service, ServicesQuery, list_services
from sources.operations.transaction import Tx
from sources.operations.work import approvals, milestones, tasks, time_entries
from sources.operations.work.approvals import Approval
from sources.operations.work.milestones import Milestone
from sources.operations.work.tasks import Task
from sources.operations.work.time_entries import TimeEntry

SHOWN_ENTRIES: Final = 50
SHOWN_MESSAGES: Final = 50
MOST_PEOPLE: Final = 200


@dataclass(frozen=True, slots=True)
class BookingPage:
    """A booking and what belongs to it, as its visitor sees it. `people` are those who may be chosen in its forms."""

    booking: Booking
    history: list[StatusChange]
    milestones: list[tuple[Milestone, list[Task], list[Approval]]]
    approvals: list[Approval]
    entries: list[TimeEntry]
    has_more_entries: bool
    invoices: list[Invoice]
    extras: list[Extra]
    messages: list[Message]
    review: Review | None
    providers: list[Person]

    @property
    def running_timer(self) -> TimeEntry | None:
        return next((entry for entry in self.entries if entry.ended_at is None), None)

    @property
    def hours(self) -> Decimal:
        """The hours of the entries that are shown and have ended."""
        seconds = sum(
            (entry.ended_at - entry.started_at).total_seconds() for entry in self.entries if entry.ended_at is not None
        )
        return Decimal(round(seconds)) / 3600

    @property
    def outstanding(self) -> Decimal:
        return sum((invoice.outstanding_amount for invoice in self.invoices), Decimal(0))


async def read_booking(visitor: Visitor, booking_id: UUID) -> BookingPage:
    """Return the booking with its parts. Raises Refusal not_found."""

    async def read(tx: Tx) -> BookingPage:
        booking = await bookings.get_booking(tx, booking_id)
        every_approval = await approvals.list_booking_approvals(tx, booking_id)
        entries = await time_entries.list_of_booking(tx, booking_id, None, SHOWN_ENTRIES)
        listed = await invoices.list_invoices(tx, InvoiceFilter(limit=50), booking_id)
        sent = await messages.list_messages(tx, booking_id, None, SHOWN_MESSAGES)
        people = PeopleQuery(role="provider", limit=MOST_PEOPLE)
        return BookingPage(
            booking=booking,
            history=(await transitions.read_history(tx, booking_id)).items,
            milestones=[
                (
                    milestone,
                    (await tasks.list_tasks(tx, milestone.id)).items,
                    (await approvals.list_milestone_approvals(tx, milestone.id)).items,
                )
                for milestone in (await milestones.list_milestones(tx, booking_id)).items
            ],
            approvals=every_approval.items,
            entries=entries.items,
            has_more_entries=entries.next is not None,
            invoices=[await invoices.get_invoice(tx, invoice.id) for invoice in listed.items],
            extras=(await extras.list_extras(tx, booking_id)).items,
            messages=sent.items,
            review=await _review(tx, booking_id),
            providers=(await catalogue.list_people(tx, people)).items if visitor.role == "admin" else [],
        )

    return await visitor.run(read)


async def _review(tx: Tx, booking_id: UUID) -> Review | None:
    try:
        return await reviews.get_review(tx, booking_id)
    except Refusal:
        return None


@dataclass(frozen=True, slots=True)
class Offers:
    """What a new booking is made of: services on offer, and for staff clients and providers."""

    services: list[Service]
    clients: list[Person]
    providers: list[Person]


async def read_offers(visitor: Visitor) -> Offers:
    async def read(tx: Tx) -> Offers:
        async def people(role: Any) -> list[Person]:
            return (await catalogue.list_people(tx, PeopleQuery(role=role, limit=MOST_PEOPLE))).items

        return Offers(
            services=(await list_services(tx, ServicesQuery())).items,
            clients=await people("client") if visitor.role != "client" else [],
            providers=await people("provider"),
        )

    return await visitor.run(read)
