"""The settings of people: invite, change, end access and hand over; and the pages of an analyst."""

import re

import httpx
import pytest

from tests.dashboard.conftest import Pages, rows_of, send
from tests.sources.business import NORTH, SOUTH

LIST = "/settings/people"


@pytest.fixture(scope="module")
def admin(pages: Pages) -> httpx.Client:
    return pages.visit("admin@north.example")


def invite(admin: httpx.Client, **fields: str) -> httpx.Response:
    return send(admin, LIST, f"{LIST}/invite", key=fields["email"], **fields)


def test_an_invited_person_signs_in_with_the_link_that_the_page_shows_once(pages: Pages, admin: httpx.Client) -> None:
    answer = invite(admin, name="Ann Alyst", role="analyst", email="ann@north.example")
    link = re.search(r"<code>(\S+)</code>", answer.text)
    assert link
    analyst = pages.browser(link[1])
    assert analyst.get("/").status_code == 200
    again = invite(admin, name="Ann Alyst", role="analyst", email="ann@north.example")
    assert again.headers["location"] == LIST
    taken = send(admin, LIST, f"{LIST}/invite", key="2", name="Ann", role="client", email="Ann@north.example")
    assert (taken.status_code, "Another person has this e-mail address" in taken.text) == (422, True)


def test_the_page_of_a_person_changes_them_and_says_what_follows(pages: Pages, admin: httpx.Client) -> None:
    invite(admin, name="Paul Provider", role="provider", email="paul@north.example")
    person = rows_of(pages, "select id::text from app.profiles where email = 'paul@north.example'")[0]["id"]
    path = f"{LIST}/{person}"
    assert "Nothing is open" in admin.get(path).text
    rows_of(
        pages,
        "insert into app.bookings (org_id, booking_number, client_id, service_id, provider_id, status, title, "
        "total_amount, currency) values (%s, 'P-1', %s, %s, %s, 'confirmed', 'A', 1, 'EUR') returning id",
        NORTH.id, NORTH.client, NORTH.service, person,
    )  # fmt: skip
    assert "1 booking and 0 tasks go to another provider" in admin.get(path).text
    assert "1 open booking and 0 open tasks stay theirs" in admin.get(path).text
    refused = send(admin, path, f"{path}/role", key="r", role="admin")
    assert "P-1" in refused.text
    wrong = send(admin, path, f"{path}/handover", key="w", provider_id=str(SOUTH.provider))
    assert "Choose another active provider" in wrong.text
    for name, fields in (
        ("handover", {"provider_id": str(NORTH.provider)}),
        ("change", {"name": "Paul Other", "email": "paul@north.example"}),
        ("role", {"role": "analyst"}),
        ("access", {"is_active": "false"}),
    ):
        answer = send(admin, path, f"{path}/{name}", key=name, **fields)
        assert answer.headers.get("location") == path, answer.text
    row = rows_of(pages, "select full_name, role, is_active from app.profiles where id = %s", person)[0]
    assert row == {"full_name": "Paul Other", "role": "analyst", "is_active": False}
    assert "Give access again" in admin.get(path).text


def test_people_of_others_are_not_found_and_only_admins_come_in(pages: Pages, admin: httpx.Client) -> None:
    assert admin.get(f"{LIST}/{SOUTH.client}").status_code == 404
    assert send(admin, LIST, f"{LIST}/{SOUTH.client}/access", key="x", is_active="false").status_code == 404
    for who in ("analyst", "provider", "client"):
        browser = pages.visit(f"{who}@north.example")
        assert browser.get(LIST).status_code == 403
        assert browser.get(f"{LIST}/{NORTH.client}").status_code == 403


def test_a_person_is_erased_by_typing_the_name(pages: Pages, admin: httpx.Client) -> None:
    path = f"{LIST}/{NORTH.client2}"
    wrong = send(admin, path, f"{path}/erase", key="e1", name="North")
    assert (wrong.status_code, "not the name of the person" in wrong.text) == (422, True)
    assert send(admin, path, f"{path}/erase", key="e2", name="North Client2").headers["location"] == path
    assert "North Client2" not in admin.get(path).text
    assert rows_of(pages, "select email, is_active from app.profiles where id = %s", NORTH.client2) == [
        {"email": None, "is_active": False}
    ]


def test_the_last_admin_stays_one(admin: httpx.Client) -> None:
    path = f"{LIST}/{NORTH.admin}"
    answer = send(admin, path, f"{path}/access", key="last", is_active="false")
    assert (answer.status_code, "last active admin" in answer.text) == (422, True)


def test_an_analyst_reads_every_booking_and_changes_none(pages: Pages) -> None:
    rows_of(
        pages,
        "insert into app.bookings (org_id, booking_number, client_id, service_id, status, title, total_amount, "
        "currency) values (%s, 'A-1', %s, %s, 'requested', 'Read only', 1, 'EUR') returning id",
        NORTH.id, NORTH.client, NORTH.service,
    )  # fmt: skip
    booking = rows_of(pages, "select id::text from app.bookings where booking_number = 'A-1'")[0]["id"]
    analyst, path = pages.visit("analyst@north.example"), f"/bookings/{booking}"
    assert "A-1" in analyst.get("/bookings").text
    page = analyst.get(path)
    assert "Read only" in page.text
    assert f'action="{path}' not in page.text
    assert "Settings" not in page.text
    for closed in ("/bookings/new", f"{path}/actions/approve", "/settings", "/settings/keys"):
        assert analyst.get(closed).status_code == 403, closed
    token = {"form_token": re.findall(r'name="form_token" value="([0-9a-f]+)"', analyst.get("/dashboards").text)[0]}
    for form in ("details", "message", "transition", "cancel"):
        assert analyst.post(f"{path}/{form}", data=token).status_code in (403, 404), form
    assert analyst.post("/dashboards", data=token | {"name": "Mine"}).status_code in (303, 404)
