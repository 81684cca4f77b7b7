"""A random walk of operations on the bookings of one organisation, by all its people, with a clock of its own.

The walk keeps its own account of what each client has agreed to, so that it does not rely on the columns that the
operations use. A refusal is a valid answer; any other error ends the walk.
"""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sources import lifecycle
from sources.operations.bookings.booking import Booking, NewBooking, create_booking, get_booking
from sources.operations.bookings.extras import ExtraDecision, NewExtra, decide_extra, list_extras, propose_extra
from sources.operations.bookings.scheduling import Reschedule, reschedule_booking
from sources.operations.bookings.transitions import (
    ACTIONS,
    Cancellation,
    TransitionRequest,
    cancel_booking,
    transition_booking,
)
from sources.operations.errors import Refusal
from sources.operations.money.invoice_writing import (
    NewInvoice,
    Voiding,
    create_draft,
    issue_invoice,
    void_invoice,
)
from sources.operations.money.invoices import InvoiceFilter, get_invoice, list_invoices
from sources.operations.money.payments import (
    NewPayment,
    NewRefund,
    Settlement,
    record_payment,
    refund_payment,
    settle_payment,
)
from sources.operations.settings.organization import OrganizationChange, edit_organization
from sources.operations.settings.services import ServiceChange, edit_service
from sources.operations.transaction import Tx
from sources.operations.work.approvals import (
    ApprovalRequest,
    Decision,
    decide_approval,
    list_booking_approvals,
    request_booking_approvals,
)
from sources.operations.work.time_entries import NewTimeEntry, create_time_entry
from sources.row_values import ACTING_ROLES
from tests.sources.business import Business, Organization

START: Final = datetime(2026, 1, 5, 8, tzinfo=UTC)
PAUSES: Final = [timedelta(0), timedelta(minutes=7), timedelta(hours=1), timedelta(hours=12)]
LIVE: Final = 6  # bookings on which the walk works at a time
PEOPLE: Final = [*["client"] * 5, *["provider"] * 5, *["admin"] * 3, "client2", "provider2"]
ENDS: Final = {"cancel", "decline", "decline_quote", "no_show", "dispute"}  # taken less often
# Settings, a surcharge for weekends and an add-on, for organisations of tests.sources.business.
TERMS: Final = """
with terms as (
    update app.organizations set settings = jsonb_build_object(
        'deposit_pct', %(deposit)s::int, 'providers_record_payments', %(record)s,
        'cancellation_rules', '[{"hours_before": 72, "fee_pct": 25}, {"hours_before": 24, "fee_pct": 60}]'::jsonb
    ) where id = %(org)s returning id
)
insert into app.price_rules (org_id, name, weekdays, adjust_pct) select id, 'Weekend', '{6,7}', 25 from terms
"""
# Bookings that break a rule, with the rule. Without payments of processors, which record whatever was paid.
BROKEN: Final = """
with sums as (
    select bookings.*, (
        select coalesce(sum(total_amount), 0) from app.invoices
        where booking_id = bookings.id and status not in ('draft', 'void')
    ) as invoiced, (
        select coalesce(sum(signed_amount), 0) from app.payments
        where booking_id = bookings.id and status = 'succeeded'
    ) as paid, case
        when status = any(%(priced)s) then total_amount
        when status = 'cancelled' then coalesce(cancellation_fee, 0) else 0
    end as agreed
    from app.bookings as bookings
)
select 'paid beyond the invoices', id, paid, invoiced from sums where paid > invoiced
union all
select 'invoiced beyond the agreement', id, invoiced, agreed from sums where invoiced > agreed
union all
select 'a slot taken twice', one.id, null, null
from sums as one join sums as other on one.org_id = other.org_id and one.provider_id = other.provider_id
    and one.id < other.id and one.is_exclusive and other.is_exclusive
    and one.scheduled_end is not null and other.scheduled_end is not null
    and one.status = any(%(held)s) and other.status = any(%(held)s)
    and tstzrange(one.scheduled_start, one.scheduled_end) && tstzrange(other.scheduled_start, other.scheduled_end)
"""
# Written out here, so that a mistake in sources/lifecycle.py is noticed.
PRICED: Final = [
    "approved", "awaiting_payment", "confirmed", "scheduled", "in_progress", "on_hold", "awaiting_client",
    "revision_requested", "delivered", "disputed", "completed", "no_show",
]  # fmt: skip


class NotAllowedError(AssertionError):
    """A rule was broken; the message has the steps that led there."""


@dataclass
class Walk:
    """The walk of one organisation."""

    business: Business
    org: Organization
    seed: int
    now: datetime = START
    bookings: list[UUID] = field(default_factory=list)
    accepted: dict[UUID, Decimal | None] = field(default_factory=dict)  # by its client, of each booking
    statuses: dict[UUID, str] = field(default_factory=dict)  # as last seen
    steps: list[str] = field(default_factory=list)
    done: int = 0  # steps that were not refused

    def __post_init__(self) -> None:
        self.rng = random.Random(f"{self.org.slug} {self.seed}")

    async def run(self, steps: int) -> None:
        """Take `steps` steps. Raises NotAllowedError."""
        operations = list(WEIGHTS)
        for _ in range(steps):
            self.now += self.rng.choice(PAUSES)
            who = self.rng.choice(PEOPLE)
            (operation,) = self.rng.choices(operations, list(WEIGHTS.values()))
            if not self.bookings or (len(self.bookings) < LIVE and self.rng.random() < 0.3):
                operation = Walk.book
            self.steps.append(f"{self.now:%Y-%m-%d %H:%M} {who} {operation.__name__}")
            try:
                await operation(self, who)
                self.done += 1
            except Refusal as refusal:
                self.steps[-1] += f": {refusal.code}"

    async def act(self, who: str, operation: Callable[[Tx], Awaitable[Any]]) -> Any:
        """Run one operation as `who`, at the moment of the walk."""
        return await self.business.start(who, operation, at=self.now, org=self.org)

    def any_booking(self, *preferred: str) -> UUID:
        """Return a booking of the walk, mostly one in a preferred status; the oldest makes room for a new one."""
        if len(self.bookings) >= LIVE and self.rng.random() < 0.1:
            self.bookings.pop(0)
        liked = [it for it in self.bookings if self.statuses.get(it) in preferred and self.rng.random() < 0.8]
        booking_id = self.rng.choice(liked or self.bookings)
        self.steps[-1] += f" {str(booking_id)[-6:]}"
        return booking_id

    def demand(self, holds: bool, rule: str) -> None:
        """Raise NotAllowedError where a rule does not hold."""
        if not holds:
            raise NotAllowedError(f"{self.org.slug}, seed {self.seed}: {rule}\n" + "\n".join(self.steps[-60:]))

    def check(self, booking: Booking) -> None:
        """Raise NotAllowedError where a booking has a price without the consent of its client."""
        self.statuses[booking.id] = booking.status
        if booking.status in PRICED:
            agreed = self.accepted[booking.id]
            self.demand(booking.total_amount == agreed, f"{booking.status} at {booking.total_amount}, agreed {agreed}")

    def moment(self) -> datetime:
        """Return a start: mostly within weeks, sometimes absurd."""
        odd = [datetime(1975, 1, 1, tzinfo=UTC), datetime(2190, 1, 1, tzinfo=UTC), self.now - timedelta(days=3)]
        if self.rng.random() < 0.1:
            return self.rng.choice(odd)
        return self.now + timedelta(hours=self.rng.choice([1, 1, 30, 60, 100, 900]) + self.rng.randrange(30))

    async def book(self, who: str) -> None:
        is_client = who.startswith("client")
        start = self.moment() if self.rng.random() < 0.8 else None
        request = NewBooking(
            service_id=self.org.service, package_id=self.rng.choice([None, self.org.package]),
            client_id=None if is_client else self.org.client,
            provider_id=self.org.provider if who != "provider2" else None,
            scheduled_start=start, custom_quote=self.rng.random() < 0.2, draft=self.rng.random() < 0.1,
            shares_provider_time=self.rng.random() < 0.1,
            scheduled_end=start + timedelta(days=400) if start and self.rng.random() < 0.05 else None,
        )  # fmt: skip
        booking: Booking = await self.act(who, lambda tx: create_booking(tx, request))
        self.demand(not (is_client and request.shares_provider_time), "a client shares time")
        self.demand(start is None or abs(start - self.now) < timedelta(days=3700), "an absurd start")
        self.bookings.append(booking.id)
        asked = not who.startswith("provider") and not request.draft and not request.custom_quote
        self.accepted[booking.id] = booking.total_amount if asked else None

    async def take(self, who: str) -> None:
        booking_id = self.any_booking()
        booking: Booking = await self.act("admin", lambda tx: get_booking(tx, booking_id))
        action = self.rng.choice(ACTIONS)
        if self.rng.random() < 0.85:  # somebody who may take a step onward
            steps: list[tuple[str, str]] = [
                (role, action)
                for role in ACTING_ROLES
                for action in lifecycle.actions_from(booking.status, role)
                if action not in ENDS or self.rng.random() < 0.04
            ]
            who, action = self.rng.choice(steps or [(who, action)])
        fields: dict[str, Any] = {"action": action, "reason": self.rng.choice(["so", "so", None])}
        if action == "quote":
            fields["total_amount"] = self.rng.choice(["80.00", "120.00", "99999.00"])
        elif action == "accept_quote":
            fields["total_amount"] = self.rng.choice([booking.total_amount, booking.total_amount, None, "1.00"])
            fields["deposit_amount"] = booking.deposit_amount
        request = TransitionRequest.model_validate(fields)
        moved: Booking = await self.act(who, lambda tx: transition_booking(tx, booking_id, request, None))
        if action in ("accept_quote", "submit") and not who.startswith("provider"):
            self.demand(action == "submit" or fields["total_amount"] == moved.total_amount, "another amount accepted")
            self.accepted[booking_id] = moved.total_amount or None  # 0: not quoted yet
        self.check(moved)

    async def move(self, who: str) -> None:
        booking_id, start = self.any_booking("confirmed", "scheduled"), self.moment()
        price = self.rng.choice([None, "120.00", "150.00", "300.00", "375.00"])
        before: Booking = await self.act(who, lambda tx: get_booking(tx, booking_id))
        owed = await self.cost_of_cancelling(who, booking_id)
        request = Reschedule.model_validate(
            {"scheduled_start": start, "total_amount": price}
            | ({"scheduled_end": start + timedelta(hours=2)} if before.scheduled_end is None else {})
        )
        moved: Booking = await self.act(who, lambda tx: reschedule_booking(tx, booking_id, request, None))
        if moved.total_amount != before.total_amount:
            self.demand(who.startswith("client") and price == f"{moved.total_amount}", "a price changed by a move")
            if self.accepted[booking_id] is not None:
                self.accepted[booking_id] = moved.total_amount
        if who.startswith("client"):
            owes = await self.cost_of_cancelling(who, booking_id)
            self.demand(owes >= owed, f"the fee fell from {owed} to {owes} by a move")
        self.check(moved)

    async def cost_of_cancelling(self, who: str, booking_id: UUID) -> Decimal:
        """Return the fee that `who` would owe for a cancellation now; 0 where it is not possible."""

        async def cancel_and_undo(tx: Tx) -> None:
            cancelled = await cancel_booking(tx, booking_id, Cancellation(reason="tried"), None)
            raise _Undone(cancelled.cancellation_fee or Decimal(0))

        try:
            await self.act(who, cancel_and_undo)
        except _Undone as undone:
            return undone.fee
        except Refusal:
            pass
        return Decimal(0)

    async def extend(self, who: str) -> None:
        booking_id = self.any_booking("confirmed", "in_progress", "awaiting_payment")
        proposed = [it for it in (await self.act("admin", lambda tx: list_extras(tx, booking_id))).items
                    if it.status == "proposed"]  # fmt: skip
        if not proposed:
            request = NewExtra(description="More", amount=Decimal(self.rng.choice(["15.00", "5000.00"])))
            await self.act(who, lambda tx: propose_extra(tx, booking_id, request))
            return
        extra = self.rng.choice(proposed)
        decision = ExtraDecision(decision=self.rng.choice(["accept", "decline"]), reason=self.rng.choice([None, "so"]))
        await self.act(who, lambda tx: decide_extra(tx, extra.id, decision))
        if decision.decision == "accept":
            proposer = extra.proposed_by.id
            is_by_client = proposer in (self.org.client, self.org.client2)
            is_other = proposer != self.org.admin if who == "admin" else who.startswith("client") != is_by_client
            self.demand(is_other, "an extra was accepted by the side that proposed it")
            agreed = self.accepted[booking_id]
            self.accepted[booking_id] = None if agreed is None else agreed + extra.amount

    async def invoice(self, who: str) -> None:
        booking_id = self.any_booking("approved", "awaiting_payment", "confirmed", "in_progress")
        kind = self.rng.choice(["final", "deposit", "fee", "custom"])
        lines = [{"description": "Work", "unit_price": self.rng.choice(["30.00", "1000000.00"])}]
        request = NewInvoice.model_validate({"kind": kind} | ({"lines": lines} if kind == "custom" else {}))
        draft = await self.act(who, lambda tx: create_draft(tx, booking_id, request))
        await self.act(who, lambda tx: issue_invoice(tx, draft.id, None))

    async def pay(self, who: str) -> None:
        booking_id = self.any_booking("approved", "awaiting_payment", "confirmed", "in_progress")
        who = self.rng.choice([who, "admin"])
        page = await self.act(who, lambda tx: list_invoices(tx, InvoiceFilter(), booking_id))
        if not page.items:
            return
        invoice = await self.act(who, lambda tx: get_invoice(tx, self.rng.choice(page.items).id))
        pending = [it for it in invoice.payments if it.status == "pending"]
        succeeded = [it for it in invoice.payments if it.status == "succeeded" and it.kind == "payment"]
        if pending and self.rng.random() < 0.7:
            payment, result = pending[0], Settlement(status=self.rng.choice(["succeeded", "failed"]))
            await self.act(who, lambda tx: settle_payment(tx, payment.id, result))
            self.demand(payment.processor == "manual", "a person settled a payment of a processor")
        elif succeeded and self.rng.random() < 0.2:
            await self.act(who, lambda tx: refund_payment(tx, succeeded[0].id, NewRefund(reason="so")))
        elif self.rng.random() < 0.1:
            await self.act(who, lambda tx: void_invoice(tx, invoice.id, Voiding(reason="so"), None))
        else:
            amount = self.rng.choice([invoice.outstanding_amount or Decimal(1), Decimal("10.00"), Decimal("2000.00")])
            is_stripe = self.rng.random() < 0.1
            request = NewPayment(
                amount=amount, processor="stripe" if is_stripe else "manual",
                reference=f"pi_{self.org.slug}_{len(self.steps)}" if is_stripe else None,
            )  # fmt: skip
            await self.act(who, lambda tx: record_payment(tx, invoice.id, request))

    async def work(self, who: str) -> None:
        booking_id = self.any_booking("confirmed", "scheduled", "in_progress")
        back = self.rng.choice([timedelta(minutes=1), timedelta(hours=3), timedelta(days=20_000), -timedelta(days=2)])
        request = NewTimeEntry(started_at=self.now - back, ended_at=self.now - back + timedelta(minutes=1))
        await self.act(who, lambda tx: create_time_entry(tx, booking_id, request))
        self.demand(timedelta(0) < back < timedelta(days=20_000), "time outside the booking")
        booking: Booking = await self.act("admin", lambda tx: get_booking(tx, booking_id))
        self.check(booking)

    async def judge(self, who: str) -> None:
        booking_id = self.any_booking()
        levels = (await self.act(who, lambda tx: list_booking_approvals(tx, booking_id))).items
        pending = [it for it in levels if it.status == "pending"]
        if not pending:
            request = ApprovalRequest.model_validate({"levels": [{"role": self.rng.choice(["admin", "client"])}]})
            await self.act(who, lambda tx: request_booking_approvals(tx, booking_id, request))
            return
        decision = Decision(decision=self.rng.choice(["approve", "approve", "reject"]), reason="so")
        await self.act(who, lambda tx: decide_approval(tx, pending[-1].id, decision))

    async def change_terms(self, who: str) -> None:
        """Change prices and policies, which no present booking may feel."""

        async def read(booking_id: UUID) -> Booking:
            booking: Booking = await self.act("admin", lambda tx: get_booking(tx, booking_id))
            return booking

        present = [await read(booking_id) for booking_id in self.bookings]
        change: Callable[[Tx], Awaitable[object]]
        if self.rng.random() < 0.5:
            price = ServiceChange(base_price=Decimal(self.rng.choice(["120.00", "150.00"])))
            change = lambda tx: edit_service(tx, self.org.service, price, None)  # noqa: E731
        else:
            policies = OrganizationChange.model_validate(
                {
                    "deposit_pct": self.rng.choice([0, 25, 60]),
                    "cancellation_rules": [{"hours_before": 72, "fee_pct": self.rng.choice([10, 25, 90])}],
                }
            )
            change = lambda tx: edit_organization(tx, policies, None)  # noqa: E731
        await self.act(who, change)
        self.demand(who == "admin", "settings were changed by somebody else than an admin")
        for before in present:
            after = await read(before.id)
            same = (after.total_amount, after.deposit_amount) == (before.total_amount, before.deposit_amount)
            self.demand(same, f"a booking at {before.total_amount} felt a change of the terms")


class _Undone(Exception):
    def __init__(self, fee: Decimal) -> None:
        super().__init__(f"the fee is {fee}")
        self.fee = fee


WEIGHTS: Final[dict[Callable[[Walk, str], Awaitable[None]], int]] = {
    Walk.take: 60, Walk.move: 10, Walk.extend: 6, Walk.invoice: 10, Walk.pay: 14, Walk.work: 10, Walk.judge: 1,
    Walk.change_terms: 1,
}  # fmt: skip
HELD: Final = list(lifecycle.HOLDS_TIME)
