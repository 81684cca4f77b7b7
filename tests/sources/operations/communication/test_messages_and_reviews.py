"""Messages of a booking, and its review."""

from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import pytest

from sources.lifecycle import STATUSES
from sources.operations.communication.messages import (
    Message,
    NewMessage,
    ReadUpTo,
    list_messages,
    mark_read,
    post_message,
)
from sources.operations.communication.reviews import NewReview, get_review, review_booking
from sources.operations.errors import Refusal
from tests.sources.business import Business
from tests.sources.operations.work.helpers import booking_in, race, refused, set_status, value

NOW: Final = datetime(2026, 3, 2, 9, tzinfo=UTC)
GOOD: Final = NewReview(rating=5, comment="Beautiful")


def write(business: Business, who: str, booking_id: UUID, minute: int = 0) -> Message:
    at = NOW + timedelta(minutes=minute)
    return business.run(who, lambda tx: post_message(tx, booking_id, NewMessage(body=f"From {who}")), at=at)


@pytest.mark.parametrize("who", ["client", "provider", "admin"])
def test_messages_have_their_sender(business: Business, who: str) -> None:
    booking_id = booking_in(business, "cancelled")
    made = write(business, who, booking_id)
    for reader in ("client", "provider", "admin"):
        (seen,) = business.run(reader, lambda tx: list_messages(tx, booking_id, None, 10)).items
        assert (seen.id, seen.sender.name, seen.read_at) == (made.id, f"North {who.title()}", None)
    for stranger in ("client2", "provider2"):
        assert refused(business, stranger, lambda tx: post_message(tx, booking_id, NewMessage(body="Me too")))[0] == (
            "not_found"
        )
        assert refused(business, stranger, lambda tx: list_messages(tx, booking_id, None, 10))[0] == "not_found"


def test_messages_are_paged_from_the_latest(business: Business) -> None:
    booking_id = booking_in(business, "requested")
    first, second, third = (write(business, "client", booking_id, minute) for minute in (1, 2, 2))
    page = business.run("provider", lambda tx: list_messages(tx, booking_id, None, 2))
    rest = business.run("provider", lambda tx: list_messages(tx, booking_id, page.next, 2))
    assert [item.id for item in page.items] == sorted([second.id, third.id], reverse=True)
    assert ([item.id for item in rest.items], rest.next) == ([first.id], None)


def test_marking_as_read_covers_messages_of_other_people_up_to_one(business: Business) -> None:
    booking_id = booking_in(business, "requested")
    first, own, second, third = (
        write(business, who, booking_id, minute)
        for minute, who in enumerate(["client", "provider", "client", "client"])
    )
    up_to = ReadUpTo(message_id=second.id)
    assert business.run("provider", lambda tx: mark_read(tx, booking_id, up_to)).messages == 2
    assert business.run("provider", lambda tx: mark_read(tx, booking_id, up_to)).messages == 0
    listed = business.run("client", lambda tx: list_messages(tx, booking_id, None, 9)).items
    assert {item.id: item.read_at is not None for item in listed} == {
        third.id: False, second.id: True, own.id: False, first.id: True,
    }  # fmt: skip
    elsewhere = booking_in(business, "requested")
    assert refused(business, "provider", lambda tx: mark_read(tx, elsewhere, up_to))[0] == "not_found"
    assert refused(business, "client2", lambda tx: mark_read(tx, booking_id, up_to))[0] == "not_found"


@pytest.mark.parametrize("status", STATUSES)
def test_only_a_completed_booking_can_be_reviewed(business: Business, status: str) -> None:
    booking_id = booking_in(business, status)
    if status == "completed":
        made = business.run("client", lambda tx: review_booking(tx, booking_id, GOOD))
        assert (made.rating, made.comment, made.provider_id) == (5, "Beautiful", business.org.provider)
        assert business.run("provider", lambda tx: get_review(tx, booking_id)).id == made.id
    else:
        assert refused(business, "client", lambda tx: review_booking(tx, booking_id, GOOD)) == (
            "conflict",
            "wrong_status",
        )
        assert refused(business, "client", lambda tx: get_review(tx, booking_id)) == ("not_found", "not_found")


@pytest.mark.parametrize(
    ("who", "kind"),
    [("provider", "forbidden"), ("admin", "forbidden"), ("client2", "not_found"), ("provider2", "not_found")],
)
def test_only_the_client_can_review_a_booking(business: Business, who: str, kind: str) -> None:
    booking_id = booking_in(business, "completed")
    assert refused(business, who, lambda tx: review_booking(tx, booking_id, GOOD))[0] == kind


def test_of_concurrent_reviews_one_succeeds(business: Business) -> None:
    booking_id = booking_in(business, "completed")
    results = race(business, "client", [lambda tx: review_booking(tx, booking_id, GOOD)] * 20)
    assert [result.code for result in results if isinstance(result, Refusal)] == ["already_reviewed"] * 19
    assert value(business, "select count(*) from app.reviews where booking_id = %s", booking_id) == 1
    set_status(business, booking_id, "disputed")
    assert business.run("client", lambda tx: get_review(tx, booking_id)).rating == 5
