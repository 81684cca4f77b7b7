"""Invoices: computed and custom drafts, numbers without gaps, voiding, and visibility."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from pydantic import ValidationError

from sources.operations.bookings.summary import summarise
from sources.operations.errors import Refusal
from sources.operations.money.invoice_writing import (
    DraftChanges,
    NewInvoice,
    Voiding,
    change_draft,
    create_draft,
    issue_invoice,
    void_invoice,
)
from sources.operations.money.invoices import InvoiceFilter, get_invoice, list_invoices
from sources.operations.money.payments import NewRefund, refund_payment
from sources.operations.transaction import Tx
from tests.sources.business import NORTH, Business
from tests.sources.operations.money.helpers import draft_of, issued, pay, read
from tests.sources.operations.work.helpers import booking_in, race, refused

WRONG_STATUS = ("conflict", "wrong_status")


def compute(business: Business, booking_id: UUID, kind: str) -> object:
    request = NewInvoice.model_validate({"kind": kind})
    return business.run("provider", lambda tx: create_draft(tx, booking_id, request))


def set_deposit(business: Business, booking_id: UUID, deposit: str) -> None:
    business.connection.execute("update app.bookings set deposit_amount = %s where id = %s", [deposit, booking_id])


def test_a_draft_has_its_lines_and_no_number(business: Business) -> None:
    booking_id = booking_in(business, "in_progress")
    request = NewInvoice.model_validate(
        {
            "lines": [
                {"description": "Hours", "quantity": "1.5", "unit_price": "33.33"},
                {"description": "Rebate", "unit_price": "-10.00"},
            ]
        }
    )
    made = business.run("provider", lambda tx: create_draft(tx, booking_id, request))
    assert (made.status, made.invoice_number, made.total_amount) == ("draft", None, Decimal("40.00"))
    assert [line.amount for line in made.lines] == [Decimal("50.00"), Decimal("-10.00")]
    assert made.client.id == NORTH.client


@pytest.mark.parametrize("body", [{}, {"kind": "final", "lines": [{"description": "x", "unit_price": "1"}]}])
def test_only_a_custom_invoice_takes_lines(body: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="custom invoice"):
        NewInvoice.model_validate(body)


def test_the_final_invoice_deducts_the_deposit(business: Business) -> None:
    booking_id = booking_in(business, "delivered")
    set_deposit(business, booking_id, "30")
    deposit = compute(business, booking_id, "deposit")
    number = business.run("provider", lambda tx: issue_invoice(tx, deposit.id, None)).invoice_number  # type: ignore[attr-defined]
    final = compute(business, booking_id, "final")
    assert [(line.description, line.amount) for line in final.lines] == [  # type: ignore[attr-defined]
        ("North Consultation", Decimal("100.00")), (f"Less the deposit, {number}", Decimal("-30.00")),
    ]  # fmt: skip
    again = NewInvoice.model_validate({"kind": "final"})
    assert refused(business, "admin", lambda tx: create_draft(tx, booking_id, again)) == (
        "conflict", "already_invoiced",
    )  # fmt: skip


def test_a_fee_invoice_requires_a_fee(business: Business) -> None:
    booking_id = booking_in(business, "cancelled")
    assert refused(business, "admin", lambda tx: create_draft(tx, booking_id, NewInvoice(kind="fee"))) == (
        "conflict", "nothing_to_invoice",
    )  # fmt: skip


def test_a_draft_can_be_changed_and_an_issued_invoice_cannot(business: Business) -> None:
    made = draft_of(business, booking_in(business, "in_progress", "140.00"))
    changes = DraftChanges.model_validate({"lines": [{"description": "More", "quantity": 2, "unit_price": "70.00"}]})
    changed = business.run("provider", lambda tx: change_draft(tx, made.id, changes, made.version))
    assert (changed.total_amount, len(changed.lines)) == (Decimal("140.00"), 1)
    assert refused(business, "provider", lambda tx: change_draft(tx, made.id, changes, made.version))[0] == "stale"
    assert refused(business, "provider", lambda tx: issue_invoice(tx, made.id, made.version))[0] == "stale"
    now = business.run("provider", lambda tx: issue_invoice(tx, made.id, changed.version))
    assert now.status == "issued"
    assert now.issued_at is not None
    assert now.due_at == now.issued_at + timedelta(days=15)
    assert refused(business, "provider", lambda tx: change_draft(tx, made.id, changes, None)) == WRONG_STATUS
    assert refused(business, "provider", lambda tx: issue_invoice(tx, made.id, None)) == WRONG_STATUS


def test_an_invoice_without_an_amount_cannot_be_issued(business: Business) -> None:
    made = draft_of(business, booking_in(business, "in_progress"), "0.00")
    assert refused(business, "admin", lambda tx: issue_invoice(tx, made.id, None)) == ("conflict", "nothing_to_invoice")


def test_the_due_date_must_be_in_the_future(business: Business) -> None:
    booking_id = booking_in(business, "in_progress")
    request = NewInvoice.model_validate(
        {"lines": [{"description": "x", "unit_price": "1"}], "due_at": datetime.now(UTC) - timedelta(days=1)}
    )
    assert refused(business, "admin", lambda tx: create_draft(tx, booking_id, request)) == ("invalid", "due_in_past")


def test_numbers_have_no_gaps_despite_concurrent_failures(own_business: Business) -> None:
    business = own_business
    old = issued(business)
    business.connection.execute("delete from app.number_series")
    business.connection.execute("update app.invoices set invoice_number = 'INV-000041' where id = %s", [old.id])
    drafts = [draft_of(business, booking_in(business, "in_progress")).id for _ in range(50)]

    async def fails(tx: Tx, invoice_id: UUID) -> str | None:
        await issue_invoice(tx, invoice_id, None)
        raise Refusal("conflict", "after_all", "Not after all.")

    async def issues(tx: Tx, invoice_id: UUID) -> str | None:
        return (await issue_invoice(tx, invoice_id, None)).invoice_number

    results = race(
        business,
        "admin",
        [lambda tx, draft=draft, do=do: do(tx, draft) for draft in drafts for do in (fails, issues)],  # type: ignore[misc]
    )
    numbers = sorted(result for result in results if isinstance(result, str))
    assert numbers == [f"INV-{number:06d}" for number in range(42, 92)]
    codes = {result.code for result in results if isinstance(result, Refusal)}
    assert codes <= {"after_all", "wrong_status"}
    # Invoices loaded in another way: the series continues after them.
    business.connection.execute("update app.invoices set invoice_number = 'INV-000092' where id = %s", [old.id])
    assert issued(business).invoice_number == "INV-000093"


def test_each_organisation_has_its_own_numbers(own_business: Business) -> None:
    assert issued(own_business).invoice_number == "INV-000001"
    booking_id = own_business.connection.execute(
        "insert into app.bookings (org_id, booking_number, client_id, service_id, status, title, total_amount, "
        "currency) values (%s, 'S-1', %s, %s, 'in_progress', 'x', 10, 'EUR') returning id",
        [own_business.other.id, own_business.other.client, own_business.other.service],
    ).fetchone()[0]  # type: ignore[index]
    request = NewInvoice.model_validate({"kind": "final"})
    made = own_business.run("admin", lambda tx: create_draft(tx, booking_id, request), org=own_business.other)
    number = own_business.run("admin", lambda tx: issue_invoice(tx, made.id, None), org=own_business.other)
    assert number.invoice_number == "INV-000001"
    assert refused(own_business, "admin", lambda tx: get_invoice(tx, made.id)) == ("not_found", "not_found")


def test_a_client_sees_only_their_own_issued_invoices(own_business: Business) -> None:
    business = own_business
    booking_id = booking_in(business, "in_progress")
    hidden, seen = draft_of(business, booking_id), issued(business, booking_id=booking_id)
    assert refused(business, "client", lambda tx: get_invoice(tx, hidden.id)) == ("not_found", "not_found")
    assert refused(business, "client2", lambda tx: get_invoice(tx, seen.id)) == ("not_found", "not_found")
    assert refused(business, "client", lambda tx: pay(tx, hidden.id, "1.00")) == ("not_found", "not_found")
    assert read(business, seen.id, "client").invoice_number == seen.invoice_number
    business.run("provider", lambda tx: void_invoice(tx, hidden.id, Voiding(reason="A slip."), None))
    for who, found in {
        "client": [seen.id], "client2": [], "provider": [seen.id, hidden.id], "provider2": [],
        "admin": [seen.id, hidden.id],
    }.items():  # fmt: skip
        page = business.run(who, lambda tx: list_invoices(tx, InvoiceFilter()))
        assert [item.id for item in page.items] == found, who
    assert refused(business, "client2", lambda tx: list_invoices(tx, InvoiceFilter(), booking_id))[0] == "not_found"


@pytest.mark.parametrize(
    "operation",
    [
        lambda tx, invoice_id: issue_invoice(tx, invoice_id, None),
        lambda tx, invoice_id: void_invoice(tx, invoice_id, Voiding(reason="No."), None),
        lambda tx, invoice_id: change_draft(tx, invoice_id, DraftChanges(), None),
    ],
)
def test_a_client_cannot_write_invoices(business: Business, operation) -> None:  # type: ignore[no-untyped-def]
    made = issued(business)
    assert refused(business, "client", lambda tx: operation(tx, made.id)) == ("forbidden", "not_allowed")


def test_a_list_is_filtered_and_paged_by_key(own_business: Business) -> None:
    business = own_business
    booking_id = booking_in(business, "in_progress", "500.00")
    made = [issued(business, booking_id=booking_id).id for _ in range(5)][::-1]
    business.run("admin", lambda tx: pay(tx, made[1], "100.00"))

    def listed(**wanted: object) -> list[UUID]:
        page = business.run("admin", lambda tx: list_invoices(tx, InvoiceFilter.model_validate(wanted), booking_id))
        return [item.id for item in page.items]

    first = business.run("admin", lambda tx: list_invoices(tx, InvoiceFilter(limit=2)))
    assert [item.id for item in first.items] == made[:2]
    assert first.next == made[1]
    assert listed(after=first.next) == made[2:]
    assert listed(status="paid") == [made[1]]
    assert listed(client_id=NORTH.client2) == []
    assert listed(due_until=datetime.now(UTC)) == []
    assert listed(due_from=datetime.now(UTC), client_id=NORTH.client, status="issued") == [made[0], *made[2:]]


def test_only_an_invoice_without_payments_can_be_voided(business: Business) -> None:
    made = issued(business)
    paid = business.run("admin", lambda tx: pay(tx, made.id, "40.00"))
    assert paid.status == "succeeded"
    reason = Voiding(reason="Wrong client.")
    assert refused(business, "admin", lambda tx: void_invoice(tx, made.id, reason, None)) == (
        "conflict", "money_received",
    )  # fmt: skip
    other = issued(business)
    void = business.run("admin", lambda tx: void_invoice(tx, other.id, reason, None))
    assert (void.status, void.void_reason) == ("void", "Wrong client.")
    assert void.outstanding_amount == 0
    assert refused(business, "admin", lambda tx: void_invoice(tx, other.id, reason, None)) == WRONG_STATUS


def test_the_summary_has_the_sum_of_the_outstanding_amounts(own_business: Business) -> None:
    business = own_business
    draft_of(business, booking_in(business, "in_progress"))
    voided, part_paid, paid, refunded, _ = [issued(business) for _ in range(5)]
    business.run("admin", lambda tx: void_invoice(tx, voided.id, Voiding(reason="A slip."), None))
    business.run("admin", lambda tx: pay(tx, part_paid.id, "40.00"))
    business.run("admin", lambda tx: pay(tx, paid.id, "100.00"))
    payment = business.run("admin", lambda tx: pay(tx, refunded.id, "100.00"))
    business.run("admin", lambda tx: refund_payment(tx, payment.id, NewRefund(amount=Decimal(30), reason="Agreed.")))

    invoices = business.run("admin", lambda tx: list_invoices(tx, InvoiceFilter()))
    assert sum(invoice.outstanding_amount for invoice in invoices.items) == 60 + 0 + 30 + 100
    (amounts,) = business.run("admin", summarise).amounts
    assert amounts.outstanding_amount == 190
