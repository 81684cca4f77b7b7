"""Invoices, their lines and payments: a deposit and a final invoice, or one invoice in advance for short services."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from sources.simulate.bookings import Orders
from sources.simulate.business import DEPOSIT_SHARE, PREPAID_HOURS
from sources.simulate.calendar import DAY, HOUR, MINUTE, NEVER, Bools, Ids, Ints, Texts, in_daytime
from sources.simulate.incidents import PAYMENTS_HIT
from sources.simulate.people import People, World
from sources.simulate.statuses import CANCELLED, REFUNDED, Timelines

DEPOSIT_DUE_AFTER: Final = 7 * DAY
FINAL_DUE_AFTER: Final = 15 * DAY
FINAL_PAID_AFTER_DAYS: Final = 8  # mean
LATE_SHARE: Final = 0.1  # of final invoices; they take weeks longer
NEVER_PAID_SHARE: Final = 0.008
PART_PAID_SHARE: Final = 0.12
FAILED_SHARE: Final = 0.035  # of invoices whose first payment attempt fails
DEPOSIT_RETURNED_SHARE: Final = 0.65  # of paid deposits of cancelled bookings
TRANSFER_SHARE: Final = 0.3
FAILURES: Final = np.array(["card declined", "insufficient funds", "expired card"], dtype=object)
OUTAGE_FAILURE: Final = "processor unavailable"


@dataclass(frozen=True)
class Invoices:
    """Invoices in the order of issue, one item each. Local moments, amounts in hundredths."""

    booking: Ints
    total: Ints
    issued: Ints
    due: Ints
    first_attempt: Ints  # the moment of the client's first attempt to pay
    paid: Ints  # the moment of the first successful payment; NEVER if there is none
    is_final: Bools
    deposit: Ints  # deducted on a final invoice
    is_void: Bools
    until: Ints  # later payments are not part of the sample


@dataclass(frozen=True)
class Payments:
    """Payments of one kind: successful ones, failed ones or refunds."""

    invoice: Ints
    kind: str
    created: Ints
    paid: Ints  # NEVER: failed
    amount: Ints
    failure: Texts | None = None


def add_billing(world: World, people: People, orders: Orders, timelines: Timelines, booking_ids: Ids) -> None:
    """Add invoices, invoice_lines and payments."""
    invoices = _invoices(world, orders, timelines)
    payments = _payments(world, invoices)
    net_paid = _net_paid(payments, len(invoices.total))
    ids = _add_invoices(world, people, orders, invoices, payments, net_paid, booking_ids)
    _add_lines(world, orders, invoices, ids)
    _add_payments(world, invoices, payments, ids, booking_ids)


def _invoices(world: World, orders: Orders, timelines: Timelines) -> Invoices:
    rng, count = world.rng, len(orders)
    asked, delivered = timelines.at("awaiting_payment"), timelines.at("delivered")
    is_prepaid = orders.hours <= PREPAID_HOURS
    deposit = np.where(is_prepaid, orders.amount, np.rint(orders.amount * DEPOSIT_SHARE / 100).astype(np.int64) * 100)
    is_returned = (timelines.outcome == REFUNDED) | (
        (timelines.outcome == CANCELLED) & (rng.random(count) < DEPOSIT_RETURNED_SHARE)
    )
    first = np.flatnonzero(asked < NEVER)
    last = np.flatnonzero((delivered < NEVER) & (orders.amount > deposit))
    confirmed = timelines.at("confirmed")
    days = rng.gamma(2, FINAL_PAID_AFTER_DAYS / 2, len(last))
    days += np.where(rng.random(len(last)) < LATE_SHARE, rng.uniform(10, 45, len(last)), 0)
    attempt = np.maximum(in_daytime(delivered[last] + (days * DAY).astype(np.int64)), delivered[last] + 2 * HOUR)
    final_paid = np.where(rng.random(len(last)) < NEVER_PAID_SHARE, NEVER, _after_outage(world, attempt))
    booking = np.concatenate([first, last])
    issued = np.concatenate([asked[first], delivered[last]])
    is_final = np.arange(len(booking)) >= len(first)
    order = np.argsort(issued, kind="stable")
    has_paid = confirmed[booking] < NEVER
    is_cancelled = timelines.is_cancelled[booking]
    is_void = is_cancelled & (is_final | is_returned[booking] | ~has_paid)
    columns = Invoices(
        booking=booking,
        total=np.where(is_final, orders.amount[booking] - deposit[booking], deposit[booking]),
        issued=issued,
        due=issued + np.where(is_final, FINAL_DUE_AFTER, DEPOSIT_DUE_AFTER),
        first_attempt=np.concatenate([timelines.first_attempt[first], attempt]),
        paid=np.concatenate([confirmed[first], final_paid]),
        is_final=is_final,
        deposit=deposit[booking],
        is_void=is_void,
        until=np.where(is_cancelled, timelines.ended[booking], world.now),
    )
    return Invoices(*(getattr(columns, name)[order] for name in Invoices.__dataclass_fields__))


def _after_outage(world: World, attempt: Ints) -> Ints:
    """Return the moment at which a payment first attempted at `attempt` succeeds: later during a payment outage."""
    outage = world.incidents.get("payment_outage")
    if outage is None:
        return attempt
    is_hit = outage.covers(attempt) & (world.rng.random(len(attempt)) < PAYMENTS_HIT)
    later = in_daytime(outage.until + (world.rng.uniform(0, 3, len(attempt)) * DAY).astype(np.int64))
    return np.where(is_hit, later, attempt)


def _payments(world: World, invoices: Invoices) -> list[Payments]:
    """Return the successful payments, the failed ones and the refunds, in this order."""
    successful = _successful(world, invoices)
    is_refunded = invoices.is_void[successful.invoice]
    refunded = successful.invoice[is_refunded]
    moment = invoices.until[refunded] + 20 * MINUTE
    refunds = Payments(refunded, "refund", moment, moment, successful.amount[is_refunded])
    return [successful, _failures(world, invoices), refunds]


def _successful(world: World, invoices: Invoices) -> Payments:
    """Return the full payments and part payments that were received in time."""
    rng, count = world.rng, len(invoices.total)
    is_split = invoices.is_final & (rng.random(count) < PART_PAID_SHARE)
    half = np.where(is_split, invoices.total // 200 * 100, invoices.total)
    rest_after = (rng.uniform(3, 25, count) * DAY).astype(np.int64)
    rest = np.flatnonzero(is_split)
    half_paid = np.where(invoices.paid < NEVER, invoices.paid, invoices.issued)
    invoice = np.concatenate([np.arange(count), rest])
    amount = np.concatenate([half, (invoices.total - half)[rest]])
    paid = np.concatenate([invoices.paid, _after_outage(world, in_daytime(half_paid + rest_after))[rest]])
    paid = np.where(invoices.paid[invoice] < NEVER, paid, NEVER)
    keep = (paid < invoices.until[invoice]) & (amount > 0)
    invoice, amount, paid = invoice[keep], amount[keep], paid[keep]
    return Payments(invoice, "payment", paid, paid, amount)


def _failures(world: World, invoices: Invoices) -> Payments:
    """Return the failed payments: sometimes the first attempt, and up to three during a payment outage."""
    rng, count = world.rng, len(invoices.total)
    first_fails = rng.random(count) < FAILED_SHARE
    is_hit = np.zeros(count, dtype=bool)
    if outage := world.incidents.get("payment_outage"):
        is_hit = outage.covers(invoices.first_attempt) & (invoices.paid > invoices.first_attempt)
    attempts = np.where(is_hit, rng.integers(1, 4, count), first_fails)
    invoice = np.repeat(np.arange(count), attempts)
    number = np.arange(len(invoice)) - np.searchsorted(invoice, invoice)  # of the attempt, from 0
    half_way = (invoices.issued + invoices.first_attempt) // 2
    earlier = np.where(invoices.is_final, np.minimum(in_daytime(half_way), invoices.first_attempt - HOUR), half_way)
    first = np.where(is_hit, invoices.first_attempt, earlier)
    moment = np.maximum(first, invoices.issued + 10)[invoice] + number * 12 * MINUTE
    keep = moment < invoices.until[invoice]
    invoice, moment = invoice[keep], moment[keep]
    failure = np.where(is_hit[invoice], OUTAGE_FAILURE, rng.choice(FAILURES, len(invoice)))
    return Payments(invoice, "payment", moment, np.full(len(moment), NEVER), invoices.total[invoice], failure)


def _net_paid(payments: list[Payments], count: int) -> Ints:
    """Return the successful payments less refunds of each invoice."""
    successful, _, refunds = payments
    paid = np.bincount(successful.invoice, weights=successful.amount, minlength=count)
    refunded = np.bincount(refunds.invoice, weights=refunds.amount, minlength=count)
    net: Ints = np.rint(paid - refunded).astype(np.int64)
    return net


def _add_invoices(
    world: World, people: People, orders: Orders, invoices: Invoices, payments: list[Payments], net_paid: Ints,
    booking_ids: Ids,
) -> Ids:  # fmt: skip
    ids = world.new_ids(invoices.issued)
    status = np.select(
        [invoices.is_void, net_paid == invoices.total, invoices.due < world.now, net_paid > 0],
        ["void", "paid", "overdue", "part_paid"],
        default="issued",
    ).astype(object)
    updated = np.where(invoices.is_void, invoices.until, invoices.issued)
    for part in payments:
        np.maximum.at(updated, part.invoice, part.created)
    updated = np.where(status == "overdue", np.maximum(updated, invoices.due), updated)
    numbers = np.array([f"INV-{number:06d}" for number in range(1, len(ids) + 1)], dtype=object)
    world.add_rows(
        "invoices", ids, invoices.issued, updated, booking_id=booking_ids[invoices.booking],
        client_id=people.clients[orders.client[invoices.booking]], invoice_number=numbers, status=status,
        total_amount=invoices.total, currency=world.business.currency, issued_at=invoices.issued,
        due_at=invoices.due, kind=np.where(invoices.is_final, "final", "deposit").astype(object),
    )  # fmt: skip
    return ids


def _add_lines(world: World, orders: Orders, invoices: Invoices, invoice_ids: Ids) -> None:
    """Add invoice_lines: the whole price less the deposit on a final invoice, one line on the other."""
    services = np.array([service.name for service in world.business.services], dtype=object)
    deducted = np.flatnonzero(invoices.is_final)
    invoice = np.concatenate([np.arange(len(invoices.total)), deducted])
    is_deduction = np.arange(len(invoice)) >= len(invoices.total)
    booking = invoices.booking[invoice]
    is_deposit = ~invoices.is_final[invoice] & (invoices.total[invoice] < orders.amount[booking])
    name = services[orders.service[booking]]
    amount = np.select(
        [is_deduction, invoices.is_final[invoice]],
        [-invoices.deposit[invoice], orders.amount[booking]],
        default=invoices.total[invoice],
    )
    issued = invoices.issued[invoice]
    world.add_rows(
        "invoice_lines", world.new_ids(issued), issued, issued, invoice_id=invoice_ids[invoice],
        position=np.where(is_deduction, 2, 1),
        description=np.select([is_deduction, is_deposit], ["Less the deposit", "Deposit: " + name], default=name),
        quantity=np.full(len(invoice), 100), unit_price=amount, amount=amount,
    )  # fmt: skip


def _add_payments(
    world: World, invoices: Invoices, payments: list[Payments], invoice_ids: Ids, booking_ids: Ids
) -> None:
    def join(parts: list[Ints]) -> Ints:
        return np.concatenate(parts)

    sizes = [len(part.invoice) for part in payments]
    invoice, created = join([part.invoice for part in payments]), join([part.created for part in payments])
    status = np.repeat(np.array(["succeeded", "failed", "succeeded"], dtype=object), sizes)
    failure = np.concatenate([
        np.full(size, None, dtype=object) if part.failure is None else part.failure
        for part, size in zip(payments, sizes, strict=True)
    ])  # fmt: skip
    is_transfer = (world.rng.random(len(invoice)) < TRANSFER_SHARE) & (status == "succeeded")
    ids = world.new_ids(created)
    world.add_rows(
        "payments", ids, created, created, invoice_id=invoice_ids[invoice],
        booking_id=booking_ids[invoices.booking[invoice]],
        kind=np.repeat(np.array([part.kind for part in payments], dtype=object), sizes), status=status,
        amount=join([part.amount for part in payments]), currency=world.business.currency,
        method=np.where(is_transfer, "transfer", "card"), processor_ref=_references(ids),
        failure_reason=failure, paid_at=join([part.paid for part in payments]),
    )  # fmt: skip


def _references(ids: Ids) -> Texts:
    return np.array([f"pay_{identifier[-16:].decode()}" for identifier in ids.tolist()], dtype=object)
