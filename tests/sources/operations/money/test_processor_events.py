"""Events of Stripe in every order: each is applied once, and all sums agree with Stripe's."""

import asyncio
import itertools
import random
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest

from sources.operations.errors import Refusal
from sources.operations.money import processor_events
from sources.operations.money.invoices import Invoice
from sources.operations.money.payments import NewRefund, refund_payment
from sources.payment_processors import stripe
from tests.sources.business import NORTH, SOUTH, Business
from tests.sources.operations.money.helpers import (
    DISAGREEMENTS,
    charge,
    event,
    intent,
    issued,
    paid_of,
    pay,
    read,
    refund,
    state,
)
from tests.sources.operations.work.helpers import booking_in, race, status_of, value


async def receive(business: Business, payload: dict[str, Any]) -> str:
    receipt = await processor_events.receive(
        business.pool, stripe.read_event(payload), at=datetime.now(UTC), timeout_ms=8000
    )
    return receipt.status


def receive_all(business: Business, *payloads: dict[str, Any]) -> list[str]:
    """Receive the events one after the other; return the result of each."""
    return [business.wait_for(receive(business, payload)) for payload in payloads]


def new_ref() -> str:
    return f"pi_{uuid4().hex}"


def test_a_payment_is_applied_once_however_often_it_is_reported(business: Business) -> None:
    made, ref = issued(business), new_ref()
    payload = event("payment_intent.succeeded", intent(ref, 10000, made.id))
    assert receive_all(
        business, payload, payload, event("charge.succeeded", charge(ref, 10000, made.id)),
        event("payment_intent.succeeded", intent(ref, 10000, None)),
    ) == ["applied", "repeated", "ignored", "ignored"]  # fmt: skip
    paid = read(business, made.id)
    assert (state(paid), len(paid.payments)) == (("paid", "100.00"), 1)
    assert (paid.payments[0].processor, paid.payments[0].reference) == ("stripe", ref)
    assert paid.payments[0].paid_at == datetime(2025, 6, 15, 15, 6, 40, tzinfo=UTC)


def test_a_deposit_paid_by_stripe_confirms_the_booking(business: Business) -> None:
    booking_id = booking_in(business, "awaiting_payment")
    business.connection.execute("update app.bookings set deposit_amount = 100 where id = %s", [booking_id])
    made = issued(business, booking_id=booking_id)
    receive_all(business, event("charge.succeeded", charge(new_ref(), 10000, made.id)))
    assert status_of(business, booking_id) == "confirmed"


def test_failed_attempts_do_not_change_the_payment(business: Business) -> None:
    made, ref = issued(business), new_ref()
    error = {"charge": "ch_failed" + ref, "code": "card_declined", "message": "Your card was declined."}
    failed = event("payment_intent.payment_failed", intent(ref, 10000, made.id, last_payment_error=error))
    late = event("payment_intent.payment_failed", intent(ref, 10000, made.id, last_payment_error=None))
    assert receive_all(business, failed, event("payment_intent.succeeded", intent(ref, 10000, made.id)), late) == [
        "applied", "applied", "applied",
    ]  # fmt: skip
    paid = read(business, made.id)
    assert paid.status == "paid"
    assert sorted(payment.status for payment in paid.payments) == ["failed", "failed", "succeeded"]
    assert {payment.failure_reason for payment in paid.payments} == {None, "Your card was declined.", "payment failed"}


def test_an_intent_that_an_admin_announced_needs_no_metadata(business: Business) -> None:
    made, ref = issued(business), new_ref()
    announced = business.run("admin", lambda tx: pay(tx, made.id, "100.00", processor="stripe", reference=ref))
    assert announced.status == "pending"
    assert receive_all(business, event("payment_intent.succeeded", intent(ref, 10000, None))) == ["applied"]
    assert [payment.status for payment in read(business, made.id).payments] == ["succeeded"]
    other = issued(business)
    with pytest.raises(Refusal, match="payment intent"):
        business.run("client", lambda tx: pay(tx, other.id, "1.00", processor="stripe", reference="x"))


@pytest.mark.parametrize(
    "payload",
    [
        event("customer.created", {"id": "cus_1", "object": "customer", "metadata": {}}),
        event("charge.succeeded", charge("pi_reserved", 100, None, captured=False)),
        event("payment_intent.succeeded", intent("pi_nobody", 100, None)),
        event("payment_intent.succeeded", intent("pi_nowhere", 100, UUID(int=5))),
        event("payment_intent.payment_failed", intent("pi_nobody", 100, None)),
    ],
    ids=lambda payload: str(payload["type"]),
)
def test_other_events_are_recorded_and_ignored(business: Business, payload: dict[str, Any]) -> None:
    assert receive_all(business, payload, payload) == ["ignored", "repeated"]
    assert value(business, "select payload from app.processor_events where event_id = %s", payload["id"]) == payload


def test_a_payment_or_refund_in_another_currency_is_an_error(business: Business) -> None:
    made, ref = issued(business), new_ref()
    in_dollars = event("payment_intent.succeeded", intent(ref, 10000, made.id, currency="usd"))
    with pytest.raises(Refusal, match="in USD"):
        receive_all(business, in_dollars)
    assert read(business, made.id).paid_amount == 0
    assert receive_all(business, event("payment_intent.succeeded", intent(ref, 10000, made.id))) == ["applied"]
    with pytest.raises(Refusal, match="in USD"):
        receive_all(business, event("refund.created", refund(f"re_{ref}", ref, 1000) | {"currency": "usd"}))
    with pytest.raises(Refusal, match="More is refunded"):
        receive_all(business, event("refund.created", refund(f"re_{ref}", ref, 10001)))
    with pytest.raises(Refusal, match="More is refunded"):
        receive_all(business, event("charge.refunded", charge(ref, 10000, made.id, refunded=10001)))
    assert paid_of(business, made.id) == 100


@pytest.mark.parametrize("thief", ["client", "provider"])
@pytest.mark.parametrize("names_organization", [False, True])
def test_who_announces_first_gets_no_invoice_paid_with_the_money_of_another(
    business: Business, thief: str, names_organization: bool
) -> None:
    theirs, ref = issued(business), new_ref()
    business.run(thief, lambda tx: pay(tx, theirs.id, "100.00", processor="stripe", reference=ref))
    paid = event("payment_intent.succeeded", intent(ref, 10000, None))
    if names_organization:
        paid["data"]["object"]["metadata"] = {"org_id": str(NORTH.id)}
    with pytest.raises(Refusal) as refused:
        receive_all(business, paid)
    assert refused.value.code == "payment_unassigned"
    assert read(business, theirs.id).paid_amount == 0
    right = issued(business)
    assert receive_all(business, event("payment_intent.succeeded", intent(ref, 10000, right.id))) == ["applied"]
    assert paid_of(business, theirs.id) == 0
    assert paid_of(business, right.id) == 100


def announce_in_the_south(business: Business, ref: str) -> None:
    """Announce the intent `ref` as the admin of the other organisation."""
    business.connection.execute(
        """
        with booked as (
            insert into app.bookings (
                org_id, booking_number, client_id, service_id, status, title, total_amount, currency
            )
            values (%(org)s, %(ref)s, %(client)s, %(service)s, 'confirmed', 'Advice', 100, 'EUR') returning id
        ), billed as (
            insert into app.invoices (
                org_id, booking_id, client_id, status, total_amount, currency, issued_at, invoice_number
            )
            select %(org)s, id, %(client)s, 'issued', 100, 'EUR', now(), %(ref)s from booked returning id, booking_id
        )
        insert into app.payments (
            org_id, invoice_id, booking_id, kind, status, amount, currency, processor, processor_ref, announced_by
        )
        select %(org)s, id, booking_id, 'payment', 'pending', 100, 'EUR', 'stripe', %(ref)s, %(admin)s from billed
        """,
        {"org": SOUTH.id, "ref": ref, "client": SOUTH.client, "service": SOUTH.service, "admin": SOUTH.admin},
    )


@pytest.mark.parametrize("who", ["admin", "client"])
def test_an_intent_that_two_organizations_announced_belongs_to_neither(business: Business, who: str) -> None:
    mine, ref = issued(business), new_ref()
    business.run(who, lambda tx: pay(tx, mine.id, "100.00", processor="stripe", reference=ref))
    announce_in_the_south(business, ref)
    with pytest.raises(Refusal, match="no admin of one organisation"):
        receive_all(business, event("payment_intent.succeeded", intent(ref, 10000, None)))
    assert receive_all(business, event("payment_intent.succeeded", intent(ref, 10000, mine.id))) == ["applied"]


def test_an_announcement_after_the_payment_takes_no_refund_away(business: Business) -> None:
    made, ref = issued(business), new_ref()
    receive_all(business, event("payment_intent.succeeded", intent(ref, 10000, made.id)))
    announce_in_the_south(business, ref)
    assert receive_all(business, event("refund.created", refund("re_" + ref, ref, 4000))) == ["applied"]
    assert state(read(business, made.id)) == ("part_paid", "60.00")


@pytest.mark.parametrize(("currency", "minor"), [("jpy", 100), ("kwd", 100_000), ("eur", 10_000)])
def test_amounts_are_in_the_smallest_unit_of_their_currency(business: Business, currency: str, minor: int) -> None:
    made = issued(business)
    business.connection.execute("update app.invoices set currency = %s where id = %s", [currency.upper(), made.id])
    receive_all(business, event("payment_intent.succeeded", intent(new_ref(), minor, made.id, currency=currency)))
    assert paid_of(business, made.id) == 100


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"id": "evt", "type": "x", "created": 1},
        event("payment_intent.succeeded", intent("pi_1", -1, None)),
        event("payment_intent.succeeded", {**intent("pi_1", 1, None), "currency": 5}),
        event("refund.created", refund("re_1", "pi_1", 0)),
        event("refund.created", {**refund("re_1", "pi_1", 1), "status": "lost"}),
        {**event("x", {"id": "x"}), "created": 10**30},
        event("x", {"id": "x", "metadata": "none"}),
    ],
)
def test_an_invalid_event_is_refused(payload: dict[str, Any]) -> None:
    with pytest.raises(Refusal, match="not an event"):
        stripe.read_event(payload)


ORDERS = list(itertools.permutations(range(5)))


@pytest.mark.parametrize("order", random.Random(5).sample(ORDERS, 20), ids=str)
def test_refunds_are_applied_once_in_any_order(business: Business, order: tuple[int, ...]) -> None:
    """Two named refunds, their total, and the payment: 100 - 10 - 20."""
    made, ref = issued(business), new_ref()
    payloads = [
        event("payment_intent.succeeded", intent(ref, 10000, made.id)),
        event("charge.refunded", charge(ref, 10000, None, refunded=1000)),
        event("charge.refunded", charge(ref, 10000, made.id, refunded=3000)),
        event("refund.created", refund("re_a" + ref, ref, 1000)),
        event("refund.updated", refund("re_b" + ref, ref, 2000)),
    ]
    receive_all(business, *(payloads[position] for position in order))
    receive_all(business, *payloads)
    shown = read(business, made.id)
    assert state(shown) == ("part_paid", "70.00")
    assert sorted(payment.amount for payment in shown.payments) == [10, 20, 100]
    statuses = business.connection.execute(
        "select distinct status, org_id from app.processor_events where object_ref = %s", [ref]
    ).fetchall()
    assert statuses == [("applied", NORTH.id)]


def test_a_refunded_total_is_recorded_before_its_refunds_are_named(business: Business) -> None:
    made, ref = issued(business), new_ref()
    receive_all(
        business, event("charge.refunded", charge(ref, 10000, None, refunded=3000)),
        event("payment_intent.succeeded", intent(ref, 10000, made.id)),
    )  # fmt: skip
    assert paid_of(business, made.id) == 70
    listed = {"data": [refund("re_" + ref, ref, 3000)]}
    receive_all(business, event("charge.refunded", charge(ref, 10000, None, refunded=3000, refunds=listed)))
    assert paid_of(business, made.id) == 70


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
def test_a_refund_that_finally_fails_refunds_nothing(business: Business, order: tuple[int, ...]) -> None:
    made, ref = issued(business), new_ref()
    receive_all(business, event("payment_intent.succeeded", intent(ref, 10000, made.id)))
    payloads = [
        event("refund.created", refund("re_" + ref, ref, 4000, "pending")),
        event("refund.updated", refund("re_" + ref, ref, 4000)),
        event("refund.failed", refund("re_" + ref, ref, 4000, "failed")),
    ]
    receive_all(business, *(payloads[position] for position in order))
    assert state(read(business, made.id)) == ("paid", "100.00")


def test_a_refund_ordered_here_succeeds_with_stripes_event(business: Business) -> None:
    made, ref = issued(business), new_ref()
    receive_all(business, event("payment_intent.succeeded", intent(ref, 10000, made.id)))
    payment = read(business, made.id).payments[0]
    order = NewRefund.model_validate({"amount": "25.00", "reason": "Agreed."})
    assert business.run("admin", lambda tx: refund_payment(tx, payment.id, order)).status == "pending"
    assert paid_of(business, made.id) == 100
    receive_all(business, event("refund.created", refund("re_" + ref, ref, 2500)))
    shown = read(business, made.id)
    assert state(shown) == ("part_paid", "75.00")
    assert {payment.status for payment in shown.payments} == {"succeeded"}
    assert shown.payments[1].note == "Agreed."


@pytest.mark.parametrize("parts", [(5000, 5000), (6000,)], ids=str)
def test_a_refund_ordered_here_may_be_made_in_other_amounts(business: Business, parts: tuple[int, ...]) -> None:
    made, ref = issued(business), new_ref()
    receive_all(business, event("payment_intent.succeeded", intent(ref, 10000, made.id)))
    payment = read(business, made.id).payments[0]
    order = NewRefund.model_validate({"amount": "100.00", "reason": "Agreed."})
    business.run("admin", lambda tx: refund_payment(tx, payment.id, order))
    refunds = [event("refund.created", refund(f"re_{n}{ref}", ref, part)) for n, part in enumerate(parts)]
    assert receive_all(business, *refunds) == ["applied"] * len(parts)
    assert paid_of(business, made.id) == 100 - sum(parts) / 100
    with pytest.raises(Refusal, match="More is refunded"):
        receive_all(business, event("refund.created", refund(f"re_beyond{ref}", ref, 10001 - sum(parts))))


@dataclass
class Truth:
    """An invoice, and the expected sum of its payments."""

    invoice: Invoice
    net: Decimal


def test_concurrent_payments_and_refunds_reconcile_to_the_cent(own_business: Business) -> None:
    """Payments by people and by Stripe, refunds and repeated events, shuffled and concurrent, on a few invoices."""
    business, rng = own_business, random.Random(11)
    truths = [Truth(issued(business, "1000.00"), Decimal(0)) for _ in range(4)]
    payloads: list[dict[str, Any]] = []
    manual: list[tuple[UUID, str]] = []
    for truth in truths:
        for _ in range(4):
            ref, minor, back = new_ref(), rng.randrange(1000, 9000), rng.randrange(1, 500)
            payloads += [
                event("payment_intent.succeeded", intent(ref, minor, truth.invoice.id)),
                event("charge.succeeded", charge(ref, minor, truth.invoice.id)),
                event("refund.created", refund("re_1" + ref, ref, back)),
                event("refund.created", refund("re_2" + ref, ref, back, "pending")),
                event("refund.updated", refund("re_2" + ref, ref, back)),
                event("charge.refunded", charge(ref, minor, None, refunded=2 * back)),
                event("payment_intent.payment_failed", intent(ref, minor, truth.invoice.id)),
            ]
            amount = f"{rng.randrange(1, 5000) / 100:.2f}"
            manual.append((truth.invoice.id, amount))
            truth.net += Decimal(minor - 2 * back) / 100 + Decimal(amount)
    work: list[Coroutine[Any, Any, object]] = [receive(business, payload) for payload in payloads * 2]
    work += [business.start("admin", partial(pay, invoice_id=it, amount=of)) for it, of in manual]
    rng.shuffle(work)

    async def all_at_once() -> list[object]:
        return await asyncio.gather(*work)

    outcomes = business.wait_for(all_at_once())
    assert outcomes.count("repeated") == len(payloads)
    assert business.connection.execute(DISAGREEMENTS).fetchall() == []
    for truth in truths:
        shown = read(business, truth.invoice.id)
        assert shown.paid_amount == truth.net == paid_of(business, truth.invoice.id)
        of_booking = value(
            business,
            "select sum(case kind when 'refund' then -amount else amount end) from app.payments "
            "where booking_id = %s and status = 'succeeded'",
            truth.invoice.booking_id,
        )
        assert of_booking == truth.net
    assert value(business, "select count(*) from app.processor_events where status = 'waiting'") == 0


def test_refunds_by_people_and_by_stripe_do_not_block_each_other(business: Business) -> None:
    made, ref = issued(business), new_ref()
    receive_all(business, event("payment_intent.succeeded", intent(ref, 10000, made.id)))
    payment = read(business, made.id).payments[0]
    order = NewRefund.model_validate({"amount": "1.00", "reason": "Agreed."})
    payloads = [event("refund.created", refund(f"re_{n}{ref}", ref, 100)) for n in range(10)]

    async def all_at_once() -> None:
        await asyncio.gather(
            *(receive(business, payload) for payload in payloads),
            *(business.start("admin", lambda tx: refund_payment(tx, payment.id, order)) for _ in range(10)),
        )

    business.wait_for(all_at_once())
    shown = read(business, made.id)
    assert shown.paid_amount == 90
    named = [payment for payment in shown.payments if payment.reference and payment.kind == "refund"]
    assert len(named) == 10
    assert race(business, "admin", [lambda tx: pay(tx, made.id, "10.00")])[0].status == "succeeded"  # type: ignore[union-attr]
