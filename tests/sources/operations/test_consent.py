"""What was confirmed about consent and money in a security test, each as one refused sequence; and extras."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import pytest

from sources.operations.bookings.booking import Booking, NewBooking, create_booking, get_booking
from sources.operations.bookings.extras import Extra, ExtraDecision, NewExtra, decide_extra, propose_extra
from sources.operations.bookings.scheduling import Reschedule, reschedule_booking
from sources.operations.bookings.transitions import Cancellation, TransitionRequest, cancel_booking, transition_booking
from sources.operations.errors import Refusal
from sources.operations.money.invoice_writing import NewInvoice, create_draft, issue_invoice
from sources.operations.money.invoices import Invoice, InvoiceFilter, list_invoices
from sources.operations.money.prices_and_deposits import AddOn
from sources.operations.work.approvals import ApprovalRequest, Decision, decide_approval, request_booking_approvals
from tests.sources.business import NORTH, Business
from tests.sources.operations.money.helpers import draft_of
from tests.sources.operations.work.helpers import booking_in, refused, value

HOUR: Final = timedelta(hours=1)
NOW: Final = datetime(2027, 3, 1, 9, tzinfo=UTC)  # a Monday
MISSING: Final = ("conflict", "requirement_missing")
NOT_AGREED: Final = ("conflict", "not_agreed")
ACCEPT: Final = ExtraDecision(decision="accept")


@pytest.fixture(autouse=True, scope="module")
def terms(business: Business) -> None:
    business.connection.execute(
        'update app.organizations set settings = \'{"cancellation_rules": [{"hours_before": 48, "fee_pct": 50}]}\' '
        "where id = %s",
        [NORTH.id],
    )
    business.connection.execute(
        "insert into app.price_rules (org_id, name, weekdays, adjust_pct) values (%s, 'Weekend', '{6,7}', 25)",
        [NORTH.id],
    )


@pytest.fixture(autouse=True)
def without_bookings(business: Business) -> None:
    business.connection.execute("delete from app.bookings")
    booking_in(business, "completed")  # a provider books for clients whom they know


def book(business: Business, who: str = "client", at: datetime = NOW, **fields: Any) -> Booking:
    """Create a booking of the client with the provider, for 120.00."""
    people = {"provider_id": NORTH.provider} | ({} if who == "client" else {"client_id": NORTH.client})
    request = NewBooking.model_validate({"service_id": NORTH.service} | people | fields)
    return business.run(who, lambda tx: create_booking(tx, request), at=at)


def take(business: Business, who: str, booking: Booking, action: str, at: datetime = NOW, **fields: Any) -> Booking:
    request = TransitionRequest.model_validate({"action": action, **fields})
    return business.run(who, lambda tx: transition_booking(tx, booking.id, request, None), at=at)


def refusal(
    business: Business, who: str, booking: Booking, action: str, at: datetime = NOW, **fields: Any
) -> tuple[str, str]:
    request = TransitionRequest.model_validate({"action": action, **fields})
    return refused(business, who, lambda tx: transition_booking(tx, booking.id, request, None), at)


def confirmed(business: Business, start: datetime | None) -> Booking:
    booking = book(business, scheduled_start=start)
    take(business, "provider", booking, "approve")
    return take(business, "provider", booking, "confirm")


def move(business: Business, who: str, booking: Booking, start: datetime, at: datetime = NOW, **fields: Any) -> Booking:
    request = Reschedule.model_validate({"scheduled_start": start, **fields})
    return business.run(who, lambda tx: reschedule_booking(tx, booking.id, request, None), at=at)


def fee(business: Business, booking: Booking, at: datetime = NOW) -> Decimal | None:
    """Cancel as the client and return the fee."""
    request = Cancellation(reason="change of plans")
    return business.run("client", lambda tx: cancel_booking(tx, booking.id, request, None), at=at).cancellation_fee


@pytest.mark.parametrize("who", ["provider", "admin"])
def test_a_price_that_the_client_has_not_accepted_is_never_approved(business: Business, who: str) -> None:
    booking = book(business)
    take(business, who, booking, "quote", total_amount="99999.00")
    assert refusal(business, who, booking, "accept_quote", total_amount="99999.00", reason="by phone")[1] in (
        "not_allowed", "requirement_missing",
    )  # fmt: skip
    take(business, who, booking, "review")
    assert refusal(business, who, booking, "approve") == MISSING
    take(business, who, booking, "quote", total_amount="150.00")
    assert refusal(business, "client", booking, "accept_quote") == MISSING
    assert refusal(business, "client", booking, "accept_quote", total_amount="120.00") == MISSING
    accepted = take(business, "client", booking, "accept_quote", total_amount="150.00")
    assert (accepted.status, str(accepted.total_amount), accepted.offered_amount) == ("approved", "150.00", None)


def test_a_quote_is_accepted_by_the_version_that_was_read(business: Business) -> None:
    booking = book(business)
    seen = take(business, "provider", booking, "quote", total_amount="130.00")
    request = TransitionRequest(action="accept_quote")
    take(business, "provider", booking, "review")
    take(business, "provider", booking, "quote", total_amount="950.00")
    assert (
        refused(business, "client", lambda tx: transition_booking(tx, booking.id, request, seen.version))[0] == "stale"
    )
    now = business.run("client", lambda tx: get_booking(tx, booking.id))
    assert (
        business.run("client", lambda tx: transition_booking(tx, booking.id, request, now.version)).total_amount == 950
    )


def test_an_admin_accepts_for_the_client_with_a_reason(business: Business) -> None:
    booking = book(business)
    take(business, "provider", booking, "quote", total_amount="150.00")
    assert refusal(business, "admin", booking, "accept_quote", total_amount="150.00") == MISSING
    agreed = take(
        business, "admin", booking, "accept_quote", total_amount="150.00", reason="The client agreed by phone."
    )
    assert agreed.status == "approved"


@pytest.mark.parametrize(("who", "fields"), [("provider", {}), ("client", {"custom_quote": True})])
def test_a_booking_without_the_consent_of_its_client_needs_a_quote(
    business: Business, who: str, fields: dict[str, Any]
) -> None:
    assert refusal(business, "provider", book(business, who, **fields), "approve") == MISSING


def test_a_draft_accepts_its_price_when_the_client_submits_it(business: Business) -> None:
    booking = book(business, draft=True)
    assert take(business, "provider", booking, "submit").offered_amount == 120
    other = book(business, draft=True)
    assert take(business, "client", other, "submit").offered_amount is None
    unpriced = book(business, draft=True, custom_quote=True)
    take(business, "client", unpriced, "submit")
    assert refusal(business, "provider", unpriced, "approve") == MISSING


def test_a_deposit_is_accepted_by_name(business: Business) -> None:
    booking = book(business)
    take(business, "provider", booking, "quote", total_amount="150.00", deposit_amount="90.00")
    assert refusal(business, "client", booking, "accept_quote", total_amount="150.00") == MISSING
    accepted = take(business, "client", booking, "accept_quote", total_amount="150.00", deposit_amount="90.00")
    assert accepted.status == "approved"


@pytest.mark.parametrize(
    ("who", "fields", "expected"),
    [
        ("client", {"shares_provider_time": True}, ("forbidden", "not_allowed")),
        ("client", {"scheduled_end": datetime(2199, 1, 1, tzinfo=UTC)}, ("invalid", "too_long")),
        ("client", {"scheduled_end": NOW + 51 * HOUR}, ("invalid", "too_long")),
        ("client", {"scheduled_start": datetime(1970, 1, 2, tzinfo=UTC)}, ("invalid", "starts_too_early")),
        ("client", {"scheduled_start": datetime(2199, 1, 1, tzinfo=UTC)}, ("invalid", "starts_too_late")),
        ("provider", {"scheduled_end": datetime(2199, 1, 1, tzinfo=UTC)}, ("invalid", "too_long")),
        ("provider", {"scheduled_start": datetime(1970, 1, 2, tzinfo=UTC)}, ("invalid", "starts_too_early")),
    ],
)
def test_the_time_of_a_booking_has_bounds(
    business: Business, who: str, fields: dict[str, object], expected: tuple[str, str]
) -> None:
    people = {} if who == "client" else {"client_id": NORTH.client}
    body = {"service_id": NORTH.service, "scheduled_start": NOW + 48 * HOUR, **people, **fields}
    request = NewBooking.model_validate(body)

    assert refused(business, who, lambda tx: create_booking(tx, request), NOW) == expected
    booking = book(business, who, scheduled_start=NOW + 99 * HOUR)
    body = {name: value for name, value in body.items() if name in Reschedule.model_fields}
    moving = Reschedule.model_validate(body)
    assert refused(business, who, lambda tx: reschedule_booking(tx, booking.id, moving, None), NOW) == expected


def test_an_add_on_is_not_taken_a_thousand_times() -> None:
    with pytest.raises(ValueError, match="less than or equal to 100"):
        AddOn(add_on_id=UUID(int=1), quantity=1000)


def test_a_move_does_not_lower_the_fee(business: Business) -> None:
    booking = confirmed(business, NOW + 30 * HOUR)
    move(business, "client", booking, datetime(2033, 5, 3, 9, tzinfo=UTC))
    assert fee(business, booking) == 60


def test_a_move_in_time_costs_nothing(business: Business) -> None:
    booking = confirmed(business, NOW + 50 * HOUR)
    move(business, "client", booking, NOW + 75 * HOUR)
    assert fee(business, booking) == 0


def test_a_move_by_staff_does_not_raise_the_fee_nor_let_them_start(business: Business) -> None:
    booking = confirmed(business, NOW + 240 * HOUR)
    assert move(business, "provider", booking, NOW + 2 * HOUR).status == "scheduled"
    for action in ("start", "no_show"):
        assert refusal(business, "provider", booking, action, at=NOW + 3 * HOUR) == MISSING
    assert fee(business, booking) == 0


def test_a_client_owes_nothing_for_a_start_that_only_staff_know(business: Business) -> None:
    booking = confirmed(business, None)
    move(business, "provider", booking, NOW - HOUR, scheduled_end=NOW + HOUR)
    assert refusal(business, "provider", booking, "no_show") == MISSING
    assert take(business, "provider", booking, "start").status == "in_progress"
    other = confirmed(business, None)
    move(business, "provider", other, NOW + 2 * HOUR, scheduled_end=NOW + 3 * HOUR)
    assert fee(business, other) == 0


def test_the_client_agrees_to_a_move_by_an_admin_with_a_reason_or_by_the_version_of_a_quote(business: Business) -> None:
    booking = confirmed(business, NOW + 240 * HOUR)
    move(business, "admin", booking, NOW + 2 * HOUR)
    assert refusal(business, "provider", booking, "start") == MISSING
    move(business, "admin", booking, NOW + 2 * HOUR, reason="Agreed by telephone.")
    assert take(business, "provider", booking, "start").status == "in_progress"
    quoted = book(business, scheduled_start=NOW + 240 * HOUR)
    take(business, "provider", quoted, "quote", total_amount="150.00")
    read = move(business, "provider", quoted, NOW + 5 * HOUR).version
    request = TransitionRequest(action="accept_quote")
    business.run("client", lambda tx: transition_booking(tx, quoted.id, request, read), at=NOW)
    take(business, "provider", quoted, "confirm")
    assert take(business, "provider", quoted, "start").status == "in_progress"


def test_a_client_does_not_move_a_booking_whose_start_has_passed(business: Business) -> None:
    booking = confirmed(business, NOW + HOUR)
    request, later = Reschedule(scheduled_start=NOW + 99 * HOUR), NOW + 2 * HOUR
    moving = lambda tx: reschedule_booking(tx, booking.id, request, None)  # noqa: E731
    assert refused(business, "client", moving, later) == ("conflict", "start_passed")
    assert business.run("provider", moving, at=later).status == "scheduled"


def test_a_move_keeps_length_and_sharing(business: Business) -> None:
    booking = book(business, "admin", scheduled_start=NOW + 99 * HOUR, shares_provider_time=True)
    business.connection.execute("update app.services set duration_hours = null where id = %s", [NORTH.service])
    business.connection.execute(
        "update app.bookings set scheduled_end = scheduled_start + interval '400 days' where id = %s", [booking.id]
    )
    for who in ("client", "provider"):
        moved = move(business, who, booking, NOW + 100 * HOUR)
        assert moved.scheduled_end == NOW + timedelta(days=400, hours=100)
    business.connection.execute("update app.services set duration_hours = 2 where id = %s", [NORTH.service])
    assert not value(business, "select is_exclusive from app.bookings where id = %s", booking.id)


def test_a_rise_of_the_list_price_does_not_make_a_move_dearer(business: Business) -> None:
    booking = confirmed(business, NOW + 240 * HOUR)
    business.connection.execute("update app.services set base_price = 200 where id = %s", [NORTH.service])
    try:
        assert move(business, "client", booking, NOW + 264 * HOUR, total_amount="120.00").total_amount == 120
    finally:
        business.connection.execute("update app.services set base_price = 120 where id = %s", [NORTH.service])


def test_a_client_names_the_price_of_a_dearer_time(business: Business) -> None:
    saturday, sunday, tuesday = (datetime(2027, 3, day, 9, tzinfo=UTC) for day in (13, 14, 16))
    booking = confirmed(business, NOW + 240 * HOUR)
    request = Reschedule(scheduled_start=saturday)
    assert refused(business, "client", lambda tx: reschedule_booking(tx, booking.id, request, None)) == (
        "conflict", "price_changes",
    )  # fmt: skip
    assert move(business, "client", booking, saturday, total_amount="150.00").total_amount == 150
    for day in (sunday, tuesday, saturday):  # raised once, however often it is moved
        assert move(business, "client", booking, day).total_amount == 150


def test_a_move_by_staff_keeps_the_price(business: Business) -> None:
    saturday = datetime(2027, 3, 13, 9, tzinfo=UTC)
    booking = confirmed(business, NOW + 240 * HOUR)
    assert move(business, "provider", booking, saturday).total_amount == 120
    assert move(business, "client", booking, saturday + HOUR).total_amount == 120


def issue(business: Business, booking_id: UUID, kind: str) -> Invoice:
    request = NewInvoice.model_validate({"kind": kind})
    draft = business.run("provider", lambda tx: create_draft(tx, booking_id, request), at=NOW)
    return business.run("provider", lambda tx: issue_invoice(tx, draft.id, None), at=NOW)


def test_invoices_never_exceed_the_price(business: Business) -> None:
    booking = book(business)
    take(business, "provider", booking, "quote", total_amount="1995.00", deposit_amount="798.00")
    before = draft_of(business, booking.id, "10.00")
    assert refused(business, "provider", lambda tx: issue_invoice(tx, before.id, None)) == NOT_AGREED
    take(business, "client", booking, "accept_quote", total_amount="1995.00", deposit_amount="798.00")
    huge = draft_of(business, booking.id, "1000000.00")
    assert refused(business, "provider", lambda tx: issue_invoice(tx, huge.id, None)) == NOT_AGREED
    issue(business, booking.id, "final")
    take(business, "provider", booking, "request_payment")
    issued = business.run("client", lambda tx: list_invoices(tx, InvoiceFilter(), booking.id)).items
    assert [it.total_amount for it in issued] == [1995]
    one_more = draft_of(business, booking.id, "0.01")
    assert refused(business, "admin", lambda tx: issue_invoice(tx, one_more.id, None)) == NOT_AGREED


def test_the_final_invoice_deducts_every_invoice(business: Business) -> None:
    booking_id = booking_in(business, "in_progress", "100.00")
    custom = draft_of(business, booking_id, "35.00")
    business.run("provider", lambda tx: issue_invoice(tx, custom.id, None))
    assert issue(business, booking_id, "final").total_amount == 65


def test_a_rejected_approval_takes_the_invoices_back(business: Business) -> None:
    booking = book(business)
    take(business, "provider", booking, "approve")
    invoice = issue(business, booking.id, "final")
    levels = ApprovalRequest.model_validate({"levels": [{"role": "admin"}]})
    (level,) = business.run("provider", lambda tx: request_booking_approvals(tx, booking.id, levels)).items
    more = extra(business, "client", booking.id)
    business.run("provider", lambda tx: decide_extra(tx, more.id, ACCEPT))
    decision = Decision(decision="reject", reason="Too dear.")
    business.run("admin", lambda tx: decide_approval(tx, level.id, decision))
    assert value(business, "select status from app.invoices where id = %s", invoice.id) == "void"
    take(business, "provider", booking, "quote", total_amount="90.00")  # in place of price and extras
    assert value(business, "select status from app.booking_extras where id = %s", more.id) == "declined"


def extra(business: Business, who: str, booking_id: UUID) -> Extra:
    request = NewExtra(description="A second workshop", amount=Decimal("50.00"))
    return business.run(who, lambda tx: propose_extra(tx, booking_id, request))


@pytest.mark.parametrize(
    ("proposes", "accepts", "reason", "is_accepted"),
    [
        ("provider", "client", None, True),
        ("client", "provider", None, True),
        ("client", "admin", None, True),
        ("provider", "admin", "The client agreed by phone.", True),
        ("provider", "admin", None, False),
        ("admin", "admin", "The client agreed by phone.", False),
        ("admin", "provider", None, False),
        ("provider", "provider", None, False),
        ("client", "client", None, False),
    ],
)
def test_an_extra_counts_when_both_sides_agreed(
    business: Business, proposes: str, accepts: str, reason: str | None, is_accepted: bool
) -> None:
    booking_id = booking_in(business, "in_progress", "100.00")
    proposed = extra(business, proposes, booking_id)
    decision = ACCEPT.model_copy(update={"reason": reason})
    if not is_accepted:
        assert refused(business, accepts, lambda tx: decide_extra(tx, proposed.id, decision))[1] == "not_allowed"
        return
    assert business.run(accepts, lambda tx: decide_extra(tx, proposed.id, decision)).status == "accepted"
    assert issue(business, booking_id, "final").total_amount == 150
    assert refused(business, accepts, lambda tx: decide_extra(tx, proposed.id, decision))[1] == "already_decided"


def test_an_extra_can_be_declined_and_needs_an_agreed_price(business: Business) -> None:
    booking_id = booking_in(business, "in_progress", "100.00")
    proposed = extra(business, "provider", booking_id)
    decline = ExtraDecision(decision="decline")
    assert business.run("provider", lambda tx: decide_extra(tx, proposed.id, decline)).status == "declined"
    assert value(business, "select total_amount from app.bookings where id = %s", booking_id) == 100
    for status in ("requested", "quoted", "cancelled", "no_show"):
        other = booking_in(business, status)
        with pytest.raises(Refusal, match="does not let you agree on extras"):
            extra(business, "provider", other)
