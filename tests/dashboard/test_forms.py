"""Forms of pages: times of a clock change, what was said before an action, and secrets that are shown once."""

import re
from typing import Final

import httpx
import pytest

from tests.dashboard.conftest import TOKEN, Pages, rows_of, send

KEY: Final = re.compile(r'name="key" value="([^"]+)"')
SEEN: Final = re.compile(r'name="seen" value="([^"]+)"')


@pytest.fixture(scope="module")
def client(pages: Pages) -> httpx.Client:
    return pages.visit("client@north.example")


def booked(pages: Pages, client: httpx.Client, **fields: str) -> httpx.Response:
    """Send the form of a new booking of the first service."""
    service = re.search(r"/bookings/new\?service=([0-9a-f-]{36})", client.get("/bookings/new").text)
    assert service
    page = f"/bookings/new?service={service[1]}"
    values = {"service_id": service[1], "key": fields.get("title", "x"), **fields}
    return send(client, page, "/bookings/new", **values)


def test_a_time_that_the_clocks_pass_over_is_refused_at_its_field(pages: Pages, client: httpx.Client) -> None:
    zone = rows_of(pages, "select timezone from app.organizations where slug = 'north'")[0]["timezone"]
    assert zone.startswith("Europe/"), "the test knows the day on which Europe puts its clocks forward"
    hour = "01" if zone in ("Europe/Lisbon", "Europe/London") else "02"
    answer = booked(pages, client, title="Spring", scheduled_start=f"2027-03-28T{hour}:30")
    assert answer.status_code == 422
    assert "The clocks are put forward over this time" in answer.text
    assert f'value="2027-03-28T{hour}:30"' in answer.text


def test_an_action_that_would_do_something_else_than_was_said_is_not_taken(pages: Pages, client: httpx.Client) -> None:
    booking = booked(pages, client, title="Seen").headers["location"]
    asked = client.get(f"{booking}/actions/cancel").text
    token, key, seen = TOKEN.search(asked), KEY.search(asked), SEEN.search(asked)
    assert token
    assert key
    assert seen
    fields = {"form_token": token[1], "key": key[1], "action": "cancel", "reason": "No time"}
    refused = client.post(f"{booking}/transition", data={**fields, "key": "other", "seen": "0" * 64})
    assert refused.status_code == 422
    assert "What happens has changed meanwhile" in refused.text
    for _ in range(2):  # the second time as a double click
        assert client.post(f"{booking}/transition", data={**fields, "seen": seen[1]}).headers["location"] == booking


def test_a_form_that_is_sent_twice_makes_one_key_and_shows_it_once(pages: Pages) -> None:
    admin = pages.visit("admin@north.example")
    page = admin.get("/settings/keys").text
    form = page[page.index('action="/settings/keys/add"') :]
    key, token = KEY.search(form), TOKEN.search(form)
    assert key
    assert token
    fields = {"form_token": token[1], "key": key[1], "name": "For the till"}
    first, second = (admin.post("/settings/keys/add", data=fields) for _ in range(2))
    assert first.status_code == 200
    assert second.headers["location"] == "/settings/keys"
    assert "The secret was shown then, once." in admin.get("/settings/keys").text
    assert len(rows_of(pages, "select id from app.api_keys where name = 'For the till'")) == 1
