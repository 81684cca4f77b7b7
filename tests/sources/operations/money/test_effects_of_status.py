"""Effects of status changes on invoices and payments."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from sources.operations.bookings.status_changes import lock_booking
from sources.operations.money import effects_of_status, processor_events
from sources.operations.money.invoice_writing import DraftChanges, NewInvoice, change_draft, create_draft
from sources.operations.money.invoices import InvoiceFilter, InvoiceSummary, list_invoices
from sources.operations.transaction import Tx
from sources.payment_processors import stripe
from tests.sources.business import Business
from tests.sources.operations.money.helpers import draft_of, event, intent, issued, paid_of, pay, read, state
from tests.sources.operations.work.helpers import booking_in, set_status


def follow(business: Business, booking_id: UUID, status: str, who: str = "client", **fields: Any) -> None:
    """Apply the effects of a change to `status` by `who`."""

    async def step(tx: Tx) -> None:
        booking = await lock_booking(tx, booking_id)
        await tx.execute(
            "update app.bookings set status = $2, cancelled_at = now(), cancellation_fee = $3 where id = $1",
            booking_id, status, fields.get("fee"),
        )  # fmt: skip
        await effects_of_status.apply(tx, booking_id, booking, status)

    business.run(who, step)


def invoices_of(business: Business, booking_id: UUID) -> dict[str, InvoiceSummary]:
    """Return the invoices of a booking by kind and status."""
    page = business.run("admin", lambda tx: list_invoices(tx, InvoiceFilter(), booking_id))
    return {f"{invoice.kind} {invoice.status}": invoice for invoice in page.items}


def collected(business: Business, booking_id: UUID) -> Decimal:
    """Return the payments less refunds of a booking."""
    return sum((paid_of(business, invoice.id) for invoice in invoices_of(business, booking_id).values()), Decimal(0))


def test_requesting_payment_issues_the_deposit_invoice_once(business: Business) -> None:
    booking_id = booking_in(business, "approved")
    business.connection.execute("update app.bookings set deposit_amount = 25 where id = %s", [booking_id])
    for _ in range(2):
        follow(business, booking_id, "awaiting_payment", "provider")
    assert {name: it.total_amount for name, it in invoices_of(business, booking_id).items()} == {"deposit issued": 25}


def test_an_edited_draft_of_the_deposit_makes_room_for_the_computed_one(business: Business) -> None:
    booking_id = booking_in(business, "approved")
    business.connection.execute("update app.bookings set deposit_amount = 25 where id = %s", [booking_id])
    draft = business.run("provider", lambda tx: create_draft(tx, booking_id, NewInvoice(kind="deposit")))
    lines = DraftChanges.model_validate({"lines": [{"description": "More", "unit_price": "900.00"}]})
    business.run("provider", lambda tx: change_draft(tx, draft.id, lines, None))
    follow(business, booking_id, "awaiting_payment", "provider")
    kinds = {name: it.total_amount for name, it in invoices_of(business, booking_id).items()}
    assert kinds == {"deposit issued": 25, "deposit void": 900}


def test_a_review_before_the_price_is_agreed_refunds_nothing(business: Business) -> None:
    invoice = issued(business)
    business.run("admin", lambda tx: pay(tx, invoice.id, "100.00"))
    set_status(business, invoice.booking_id, "requested")  # such as an imported booking that was paid ahead
    follow(business, invoice.booking_id, "under_review", "provider")
    assert paid_of(business, invoice.id) == 100


def test_without_a_deposit_nothing_is_invoiced(business: Business) -> None:
    booking_id = booking_in(business, "approved")
    follow(business, booking_id, "awaiting_payment", "provider")
    assert invoices_of(business, booking_id) == {}


@pytest.mark.parametrize(
    ("paid", "fee", "collected_then", "fee_status"),
    [
        (None, None, "0.00", None),
        (None, "30.00", "0.00", "issued"),
        ("100.00", None, "0.00", None),
        ("100.00", "30.00", "30.00", "paid"),
        ("20.00", "30.00", "20.00", "part_paid"),
        ("30.00", "30.00", "30.00", "paid"),
    ],
)
def test_cancelling_keeps_the_fee_and_refunds_the_rest(
    business: Business, paid: str | None, fee: str | None, collected_then: str, fee_status: str | None
) -> None:
    booking_id = booking_in(business, "confirmed", "107.00")
    made = issued(business, "100.00", booking_id)
    unpaid, draft = issued(business, "7.00", booking_id), draft_of(business, booking_id)
    if paid:
        business.run("admin", lambda tx: pay(tx, made.id, paid))
    follow(business, booking_id, "cancelled", fee=fee and Decimal(fee))
    assert [read(business, item.id).status for item in (made, unpaid, draft)] == ["void"] * 3
    assert read(business, made.id).paid_amount == 0
    assert collected(business, booking_id) == Decimal(collected_then)
    fees = [it for name, it in invoices_of(business, booking_id).items() if name.startswith("fee")]
    assert [(*state(invoice), str(invoice.total_amount)) for invoice in fees] == (
        [(fee_status, collected_then, fee)] if fee else []
    )


def test_an_imported_payment_without_an_invoice_is_not_refunded(business: Business) -> None:
    booking_id = booking_in(business, "confirmed")
    made = issued(business, "100.00", booking_id)
    business.run("admin", lambda tx: pay(tx, made.id, "100.00"))
    business.connection.execute(
        "insert into app.payments (org_id, booking_id, kind, status, amount, currency, method, external_ref) "
        "values (%s, %s, 'payment', 'succeeded', 40, 'EUR', 'voucher', 'receipt-1')",
        [business.org.id, booking_id],
    )
    follow(business, booking_id, "cancelled")
    assert collected(business, booking_id) == 0
    left = business.connection.execute(
        "select count(*), sum(amount) from app.payments where booking_id = %s and invoice_id is null", [booking_id]
    ).fetchone()
    assert left == (1, 40)


def test_a_stripe_payment_is_refunded_by_stripe(business: Business) -> None:
    booking_id = booking_in(business, "confirmed")
    made = issued(business, "100.00", booking_id)
    paid = stripe.read_event(event("payment_intent.succeeded", intent("pi_cancelled", 10000, made.id)))
    business.wait_for(processor_events.receive(business.pool, paid, at=datetime.now(UTC), timeout_ms=8000))
    follow(business, booking_id, "cancelled", fee=Decimal(30))
    shown = read(business, made.id)
    assert state(shown) == ("void", "70.00")
    back = sorted(
        f"{payment.status} {payment.method} {payment.amount}" for payment in shown.payments if payment.kind == "refund"
    )
    assert back == ["pending card 70.00", "succeeded credit 30.00"]
    assert invoices_of(business, booking_id)["fee paid"].total_amount == 30


def test_a_refunded_booking_refunds_every_payment(business: Business) -> None:
    booking_id = booking_in(business, "disputed", "150.00")
    first, second = issued(business, "100.00", booking_id), issued(business, "50.00", booking_id)
    for invoice_id, amount in ((first.id, "60.00"), (first.id, "40.00"), (second.id, "20.00")):
        business.run("admin", lambda tx, invoice_id=invoice_id, amount=amount: pay(tx, invoice_id, amount))  # type: ignore[misc]
    business.connection.execute(
        "insert into app.payments (org_id, invoice_id, booking_id, kind, status, amount, currency, paid_at) "
        "values (%s, %s, %s, 'refund', 'succeeded', 70, 'EUR', now())",
        [business.org.id, first.id, booking_id],
    )
    follow(business, booking_id, "refunded", "admin")
    assert [read(business, item.id).status for item in (first, second)] == ["void", "void"]
    assert [read(business, item.id).paid_amount for item in (first, second)] == [0, 0]


@pytest.mark.parametrize(
    ("status", "issued_then"), [("declined", "void"), ("expired", "void"), ("no_show", "issued"), ("on_hold", "issued")]
)
def test_unpaid_invoices_of_an_ended_booking_become_void(business: Business, status: str, issued_then: str) -> None:
    booking_id = booking_in(business, "approved")
    unpaid, draft = issued(business, "7.00", booking_id), draft_of(business, booking_id)
    paid = issued(business, "9.00", booking_id)
    business.run("admin", lambda tx: pay(tx, paid.id, "9.00"))
    follow(business, booking_id, status, "provider")
    set_status(business, booking_id, status)
    shown = [read(business, item.id).status for item in (unpaid, draft, paid)]
    assert shown == [issued_then, "draft" if status == "on_hold" else "void", "paid"]
