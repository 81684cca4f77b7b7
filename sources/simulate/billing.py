"""Invoices, their lines and the payments: a deposit and a final invoice, or one in advance for short services."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from sources.simulate.bookings import Orders
from sources.simulate.business import DEPOSIT_SHARE, PREPAID_HOURS
from sources.simulate.calendar import DAY, HOUR, MINUTE, NEVER, Bools, Ids, Ints, Texts, in_daytime
from sources.simulate.incidents import PAYMENTS_HIT
from sources.simulate.people import People, World
from sources.simulate.statuses import CANCELLED_FATE, REFUNDED, Lives

DEPOSIT_DUE_AFTER: Final = 7 * DAY
FINAL_DUE_AFTER: Final = 15 * DAY
FINAL_PAID_AFTER_DAYS: Final = 8  # mean
LATE_SHARE: Final = 0.1  # of final invoices; they take weeks longer
NEVER_PAID_SHARE: Final = 0.008
PART_PAID_SHARE: Final = 0.12
FAILED_SHARE: Final = 0.035  # of payments: a first attempt fails
DEPOSIT_RETURNED_SHARE: Final = 0.65  # of paid deposits of cancelled bookings
TRANSFER_SHARE: Final = 0.3
FAILURES: Final = np.array(["card declined", "insufficient funds", "expired card"], dtype=object)
OUTAGE_FAILURE: Final = "processor unavailable"


@dataclass(frozen=True)
class Invoices:
    """One item an invoice, in the order of issue. Local moments, amounts in hundredths."""

    booking: Ints
    total: Ints
    issued: Ints
    due: Ints
    tried: Ints  # when the client first means to pay
    paid: Ints  # when that succeeds, unless it never does; in parts: the first part
    is_final: Bools
    deposit: Ints  # deducted on a final invoice
    is_void: Bools
    until: Ints  # nothing happens to it at or after this


@dataclass(frozen=True)
class Payments:
    """Payments of one sort: all succeeded in time, or all failed, or all refunds."""

    invoice: Ints
    kind: str
    created: Ints
    paid: Ints  # NEVER: failed
    amount: Ints
    failure: Texts | None = None


def add_billing(world: World, people: People, orders: Orders, lives: Lives, booking_ids: Ids) -> None:
    """Add invoices, lines and payments."""
    invoices = _invoices(world, orders, lives)
    payments = _payments(world, invoices)
    received = _received(payments, len(invoices.total))
    ids = _add_invoices(world, people, orders, invoices, payments, received, booking_ids)
    _add_lines(world, orders, invoices, ids)
    _add_payments(world, invoices, payments, ids, booking_ids)


def _invoices(world: World, orders: Orders, lives: Lives) -> Invoices:
    rng, count = world.rng, len(orders)
    asked, delivered = lives.at("awaiting_payment"), lives.at("delivered")
    is_prepaid = orders.hours <= PREPAID_HOURS
    deposit = np.where(is_prepaid, orders.amount, np.rint(orders.amount * DEPOSIT_SHARE / 100).astype(np.int64) * 100)
    is_returned = (lives.fate == REFUNDED) | (
        (lives.fate == CANCELLED_FATE) & (rng.random(count) < DEPOSIT_RETURNED_SHARE)
    )
    first = np.flatnonzero(asked < NEVER)
    last = np.flatnonzero((delivered < NEVER) & (orders.amount > deposit))
    confirmed = lives.at("confirmed")
    days = rng.gamma(2, FINAL_PAID_AFTER_DAYS / 2, len(last))
    days += np.where(rng.random(len(last)) < LATE_SHARE, rng.uniform(10, 45, len(last)), 0)
    final_tried = np.maximum(in_daytime(delivered[last] + (days * DAY).astype(np.int64)), delivered[last] + 2 * HOUR)
    final_paid = np.where(rng.random(len(last)) < NEVER_PAID_SHARE, NEVER, _after_outage(world, final_tried))
    booking = np.concatenate([first, last])
    issued = np.concatenate([asked[first], delivered[last]])
    is_final = np.arange(len(booking)) >= len(first)
    order = np.argsort(issued, kind="stable")
    has_paid = confirmed[booking] < NEVER
    is_cancelled = lives.is_cancelled[booking]
    is_void = is_cancelled & (is_final | is_returned[booking] | ~has_paid)
    columns = Invoices(
        booking=booking,
        total=np.where(is_final, orders.amount[booking] - deposit[booking], deposit[booking]),
        issued=issued,
        due=issued + np.where(is_final, FINAL_DUE_AFTER, DEPOSIT_DUE_AFTER),
        tried=np.concatenate([lives.tried[first], final_tried]),
        paid=np.concatenate([confirmed[first], final_paid]),
        is_final=is_final,
        deposit=deposit[booking],
        is_void=is_void,
        until=np.where(is_cancelled, lives.ended[booking], world.now),
    )
    return Invoices(*(getattr(columns, name)[order] for name in Invoices.__dataclass_fields__))


def _after_outage(world: World, tried: Ints) -> Ints:
    """When a payment succeeds that is first tried at `tried`: later, if the processor is down then."""
    outage = world.incidents.get("payment_outage")
    if outage is None:
        return tried
    is_hit = outage.covers(tried) & (world.rng.random(len(tried)) < PAYMENTS_HIT)
    later = in_daytime(outage.until + (world.rng.uniform(0, 3, len(tried)) * DAY).astype(np.int64))
    return np.where(is_hit, later, tried)


def _payments(world: World, invoices: Invoices) -> list[Payments]:
    received = _receipts(world, invoices)
    is_back = invoices.is_void[received.invoice]
    back = received.invoice[is_back]
    moment = invoices.until[back] + 20 * MINUTE
    refunds = Payments(back, "refund", moment, moment, received.amount[is_back])
    return [received, _failures(world, invoices), refunds]


def _receipts(world: World, invoices: Invoices) -> Payments:
    """Full payments and part payments that arrived in time."""
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
    """Attempts that failed: now and then the first one, and up to three while the processor is down."""
    rng, count = world.rng, len(invoices.total)
    is_now_and_then = rng.random(count) < FAILED_SHARE
    is_hit = np.zeros(count, dtype=bool)
    if outage := world.incidents.get("payment_outage"):
        is_hit = outage.covers(invoices.tried) & (invoices.paid > invoices.tried)
    attempts = np.where(is_hit, rng.integers(1, 4, count), is_now_and_then)
    invoice = np.repeat(np.arange(count), attempts)
    again = np.arange(len(invoice)) - np.searchsorted(invoice, invoice)
    half_way = (invoices.issued + invoices.tried) // 2
    before = np.where(invoices.is_final, np.minimum(in_daytime(half_way), invoices.tried - HOUR), half_way)
    first = np.where(is_hit, invoices.tried, before)
    at = np.maximum(first, invoices.issued + 10)[invoice] + again * 12 * MINUTE
    keep = at < invoices.until[invoice]
    invoice, at = invoice[keep], at[keep]
    failure = np.where(is_hit[invoice], OUTAGE_FAILURE, rng.choice(FAILURES, len(invoice)))
    return Payments(invoice, "payment", at, np.full(len(at), NEVER), invoices.total[invoice], failure)


def _received(payments: list[Payments], count: int) -> Ints:
    """Succeeded payments less refunds of each invoice."""
    received, _, refunds = payments
    into = np.bincount(received.invoice, weights=received.amount, minlength=count)
    back = np.bincount(refunds.invoice, weights=refunds.amount, minlength=count)
    net: Ints = np.rint(into - back).astype(np.int64)
    return net


def _add_invoices(
    world: World, people: People, orders: Orders, invoices: Invoices, payments: list[Payments], received: Ints,
    booking_ids: Ids,
) -> Ids:  # fmt: skip
    ids = world.new_ids(invoices.issued)
    status = np.select(
        [invoices.is_void, received == invoices.total, invoices.due < world.now, received > 0],
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
    """A final invoice names the whole price and deducts the deposit; the first one has a single line."""
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
