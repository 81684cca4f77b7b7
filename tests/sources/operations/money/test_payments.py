"""Payments recorded by people: settlement, refusals, refunds, and deposits that confirm bookings."""

from decimal import Decimal

import pytest

from sources.operations.errors import Refusal
from sources.operations.money.payments import NewRefund, Settlement, refund_payment, settle_payment
from tests.sources.business import Business
from tests.sources.operations.money.helpers import issued, pay, read, state
from tests.sources.operations.work.helpers import booking_in, last_change, race, refused, status_of

CAME = Settlement(status="succeeded")


def new_refund(amount: str | None = None) -> NewRefund:
    return NewRefund.model_validate({"amount": amount, "reason": "Agreed."})


def test_partial_payments_add_up_to_paid(business: Business) -> None:
    made = issued(business)
    business.run("admin", lambda tx: pay(tx, made.id, "33.33", method="cash"))
    part = read(business, made.id)
    assert (part.status, part.paid_amount, part.outstanding_amount) == ("part_paid", Decimal("33.33"), Decimal("66.67"))
    assert part.version != made.version
    assert refused(business, "admin", lambda tx: pay(tx, made.id, "66.68")) == ("conflict", "overpaid")
    business.run("admin", lambda tx: pay(tx, made.id, "66.67"))
    assert read(business, made.id, "client").status == "paid"
    assert refused(business, "admin", lambda tx: pay(tx, made.id, "0.01")) == ("conflict", "wrong_status")


def test_an_announced_payment_is_pending_until_an_admin_settles_it(business: Business) -> None:
    made = issued(business)
    announced = business.run("client", lambda tx: pay(tx, made.id, "100.00", method="transfer"))
    lost = business.run("client", lambda tx: pay(tx, made.id, "60.00", method="transfer"))
    assert announced.status == "pending"
    assert read(business, made.id).paid_amount == 0
    assert refused(business, "client", lambda tx: settle_payment(tx, announced.id, CAME))[0] == "forbidden"
    assert refused(business, "provider2", lambda tx: settle_payment(tx, announced.id, CAME))[0] == "not_found"
    assert business.run("admin", lambda tx: settle_payment(tx, announced.id, CAME)).paid_at is not None
    assert read(business, made.id).status == "paid"
    assert refused(business, "admin", lambda tx: settle_payment(tx, lost.id, CAME)) == ("conflict", "wrong_status")
    failed = business.run("provider", lambda tx: settle_payment(tx, lost.id, Settlement(status="failed")))
    assert (failed.status, failed.failure_reason, failed.paid_at) == ("failed", "not received", None)
    assert refused(business, "provider", lambda tx: settle_payment(tx, lost.id, CAME)) == ("conflict", "wrong_status")


def test_who_earns_a_payment_does_not_confirm_it_unless_the_organisation_says_so(own_business: Business) -> None:
    business, made = own_business, issued(own_business)
    own = business.run("provider", lambda tx: pay(tx, made.id, "40.00", method="cash"))
    assert own.status == "pending"
    assert refused(business, "provider", lambda tx: settle_payment(tx, own.id, CAME)) == ("forbidden", "not_allowed")
    business.connection.execute(
        "update app.organizations set settings = settings || '{\"providers_record_payments\": true}'"
    )
    assert business.run("provider", lambda tx: settle_payment(tx, own.id, CAME)).status == "succeeded"
    assert business.run("provider", lambda tx: pay(tx, made.id, "60.00")).status == "succeeded"


@pytest.mark.parametrize("status", ["succeeded", "failed"])
@pytest.mark.parametrize("who", ["provider", "admin"])
def test_only_the_processor_settles_its_payments(business: Business, who: str, status: str) -> None:
    made = issued(business)
    ref = f"pi_{who}_{status}"
    announced = business.run("client", lambda tx: pay(tx, made.id, "100.00", processor="stripe", reference=ref))
    result = Settlement.model_validate({"status": status})
    assert refused(business, who, lambda tx: settle_payment(tx, announced.id, result)) == (
        "conflict", "settled_by_processor",
    )  # fmt: skip
    assert read(business, made.id).status == "issued"


def test_a_reference_is_recorded_once(business: Business) -> None:
    made = issued(business)
    business.run("admin", lambda tx: pay(tx, made.id, "10.00", reference="2026/17"))
    assert refused(business, "admin", lambda tx: pay(tx, made.id, "10.00", reference="2026/17")) == (
        "conflict", "reference_known",
    )  # fmt: skip
    assert read(business, made.id).paid_amount == 10


def test_refunds_never_exceed_the_payment(business: Business) -> None:
    made = issued(business)
    payment = business.run("admin", lambda tx: pay(tx, made.id, "80.00"))
    for who, kind in {"client": "forbidden", "provider": "forbidden"}.items():
        assert refused(business, who, lambda tx: refund_payment(tx, payment.id, new_refund()))[0] == kind
    assert refused(business, "admin", lambda tx: refund_payment(tx, payment.id, new_refund("80.01"))) == (
        "conflict", "refund_too_large",
    )  # fmt: skip
    part = business.run("admin", lambda tx: refund_payment(tx, payment.id, new_refund("30.00")))
    assert (part.kind, part.status, part.refund_of, part.note) == ("refund", "succeeded", payment.id, "Agreed.")
    assert read(business, made.id).status == "part_paid"
    assert refused(business, "admin", lambda tx: refund_payment(tx, part.id, new_refund())) == ("conflict", "not_paid")
    rest = business.run("admin", lambda tx: refund_payment(tx, payment.id, new_refund()))
    assert rest.amount == Decimal("50.00")
    assert state(read(business, made.id)) == ("issued", "0.00")
    assert refused(business, "admin", lambda tx: refund_payment(tx, payment.id, new_refund()))[1] == "refund_too_large"


def test_a_refund_without_a_payment_reduces_the_refundable_amount(business: Business) -> None:
    made = issued(business)
    payment = business.run("admin", lambda tx: pay(tx, made.id, "80.00"))
    business.connection.execute(
        "insert into app.payments (org_id, invoice_id, booking_id, kind, status, amount, currency, paid_at) "
        "values (%s, %s, %s, 'refund', 'succeeded', 70, 'EUR', now())",
        [business.org.id, made.id, made.booking_id],
    )
    assert refused(business, "admin", lambda tx: refund_payment(tx, payment.id, new_refund("10.01")))[0] == "conflict"
    assert business.run("admin", lambda tx: refund_payment(tx, payment.id, new_refund())).amount == 10


@pytest.mark.parametrize("amounts", [["25.00"], ["10.00", "15.00"]])
def test_the_deposit_confirms_once_it_is_paid_in_full(business: Business, amounts: list[str]) -> None:
    booking_id = booking_in(business, "awaiting_payment")
    business.connection.execute("update app.bookings set deposit_amount = 25 where id = %s", [booking_id])
    made = issued(business, "40.00", booking_id)
    for amount in amounts:
        assert status_of(business, booking_id) == "awaiting_payment"
        business.run("admin", lambda tx, amount=amount: pay(tx, made.id, amount))  # type: ignore[misc]
    assert status_of(business, booking_id) == "confirmed"
    assert last_change(business, booking_id) == ("awaiting_payment", "confirmed", None, "deposit paid")


def test_concurrent_payments_never_exceed_the_invoice(business: Business) -> None:
    made = issued(business)
    results = race(business, "admin", [lambda tx: pay(tx, made.id, "30.00")] * 20)
    assert sum(not isinstance(result, Refusal) for result in results) == 3
    assert {result.code for result in results if isinstance(result, Refusal)} == {"overpaid"}
    payment = next(result for result in results if not isinstance(result, Refusal))
    back = race(business, "admin", [lambda tx: refund_payment(tx, payment.id, new_refund("12.00"))] * 10)
    assert sum(not isinstance(item, Refusal) for item in back) == 2
    assert read(business, made.id).paid_amount == Decimal("66.00")
