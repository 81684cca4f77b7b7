"""The creation of bookings."""

import pytest

from sources.operations.bookings import booking
from sources.operations.bookings.booking import NewBooking, create_booking
from sources.operations.errors import Refusal
from tests.sources.business import NORTH, Business
from tests.sources.operations.work.helpers import race


def test_requests_at_the_same_time_do_not_exceed_the_number_of_pending_bookings(
    own_business: Business, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(booking, "MOST_PENDING", 2)
    request = NewBooking(service_id=NORTH.service)
    results = race(own_business, "client", [lambda tx: create_booking(tx, request)] * 12)
    refusals = {result.code for result in results if isinstance(result, Refusal)}
    assert refusals == {"too_many_pending"}
    assert sum(not isinstance(result, Refusal) for result in results) == 2
