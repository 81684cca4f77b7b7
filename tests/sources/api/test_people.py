"""People by the API: invitations, roles, access that ends at once, and work that goes to another provider."""

import asyncio
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pydantic import SecretStr

from sources.operations.errors import Refusal
from sources.operations.settings import people
from sources.operations.settings.people import PersonChange
from sources.operations.transaction import Tx
from tests.notifications.servers import mail_server
from tests.sources.api.conftest import Api
from tests.sources.business import NORTH, SOUTH, Business
from tests.waiting import PATIENCE_S, wait_until


def invite(api: Api, **fields: object) -> dict[str, Any]:
    body = {"name": "Mary Smith", "role": "provider", "email": f"{uuid4().hex}@north.example", **fields}
    answer = api.client("admin").post("/v1/people", json=body)
    assert answer.status_code == 201, answer.text
    person: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"/v1/people/{person['id']}"
    return person


def change(api: Api, person: str, **fields: object) -> httpx.Response:
    admin = api.client("admin")
    etag = admin.get(f"/v1/people/{person}").headers["etag"]
    return admin.patch(f"/v1/people/{person}", json=fields, headers={"If-Match": etag})


def sign_in(api: Api, person: dict[str, Any]) -> httpx.Client:
    browser = api.new_client(Origin=api.url)
    answer = browser.post("/sign-in", data={"link": person["link"].rpartition("link=")[2]})
    assert answer.status_code == 303, answer.text
    return browser


def is_signed_in(browser: httpx.Client) -> bool:
    return "Sign out" in browser.get("/sign-in").text


def test_an_invited_person_signs_in_once_with_the_link_that_is_shown(api: Api) -> None:
    person = invite(api)
    assert (person["is_mailed"], person["is_active"]) == (False, True)
    assert is_signed_in(sign_in(api, person))
    again = api.new_client(Origin=api.url).post("/sign-in", data={"link": person["link"].rpartition("link=")[2]})
    assert again.status_code == 403


def test_the_link_is_mailed_where_mail_is_set_up(serve: Callable[..., AbstractContextManager[Api]]) -> None:
    with mail_server() as mail, serve(smtp_url=SecretStr(mail.url)) as api:
        person = invite(api, role="analyst")
        assert (person["is_mailed"], person["link"]) == (True, None)
        assert mail.recipients == [person["email"]]
        text = mail.mails[0].get_body(("plain",))
        assert text is not None
        assert "invited as analyst" in text.get_content()
        link = re.search(r"sign-in\?link=[\w-]+", text.get_content())
        assert link
        assert is_signed_in(sign_in(api, {"link": link[0]}))
        mail.script.append("550 No such mailbox")
        assert invite(api)["link"]  # not accepted: the admin hands it over


def test_a_repeated_invitation_adds_nobody_and_stores_no_link(api: Api) -> None:
    body = {"name": "Twice", "role": "client", "email": "twice@north.example"}
    headers = {"Idempotency-Key": uuid4().hex}
    first, second = (api.client("admin").post("/v1/people", json=body, headers=headers) for _ in range(2))
    assert first.json()["link"]
    assert second.json() == first.json() | {"link": None}
    taken = api.client("admin").post("/v1/people", json=body | {"email": "Twice@North.example"})
    assert (taken.status_code, taken.json()["code"]) == (409, "address_taken")
    secret = first.json()["link"].rpartition("link=")[2]
    kept = api.business.connection.execute("select response_body::text from app.idempotency_keys").fetchall()
    assert all(secret not in text for (text,) in kept if text)


@pytest.mark.parametrize("email", [None, "nobody", "a@b, c@d"])
def test_who_works_with_the_hub_needs_one_address(api: Api, email: str | None) -> None:
    body = {"name": "Nobody", "role": "analyst", "email": email}
    assert api.client("admin").post("/v1/people", json=body).status_code == 422


def test_a_client_without_an_address_gets_no_link(api: Api) -> None:
    assert invite(api, role="client", email=None)["link"] is None


def test_a_key_with_scopes_makes_nobody_who_may_more(api: Api) -> None:
    key = api.client("admin").post("/v1/keys", json={"name": "People", "scopes": ["settings:write", "settings:read"]})
    narrow = api.new_client(**{"X-API-Key": key.json()["secret"]})
    body = {"name": "Raised", "role": "admin", "email": "raised@north.example"}
    assert narrow.post("/v1/people", json=body).json()["code"] == "scope_wider"
    person = narrow.post("/v1/people", json=body | {"role": "client"})
    raised = narrow.patch(
        f"/v1/people/{person.json()['id']}", json={"role": "admin"},
        headers={"If-Match": narrow.get(f"/v1/people/{person.json()['id']}").headers["etag"]},
    )  # fmt: skip
    assert raised.json()["code"] == "scope_wider"


def test_access_ends_at_once_and_is_not_opened_again_by_activation(api: Api) -> None:
    person = invite(api, role="provider")
    unused = invite(api)
    browser = sign_in(api, person)
    secret = api.client("admin").post("/v1/keys", json={"name": "Own", "profile_id": person["id"]}).json()["secret"]
    key = api.new_client(**{"X-API-Key": secret})
    assert key.get("/v1/bookings").status_code == 200
    shown = api.client("admin").get(f"/v1/people/{person['id']}").json()
    assert (shown["running_sessions"], shown["valid_keys"]) == (1, 1)
    for one in (person, unused):
        assert change(api, one["id"], is_active=False).status_code == 200
    assert key.get("/v1/bookings").status_code == 401
    assert not is_signed_in(browser)
    for one in (person, unused):
        assert change(api, one["id"], is_active=True).json()["running_sessions"] == 0
    assert key.get("/v1/bookings").status_code == 401
    assert not is_signed_in(browser)
    wrong = invite(api)
    assert change(api, wrong["id"], email=f"{uuid4().hex}@north.example").status_code == 200
    for late in (unused, wrong):  # the former address has the link
        answer = api.new_client(Origin=api.url).post("/sign-in", data={"link": late["link"].rpartition("link=")[2]})
        assert answer.status_code == 403


def test_a_role_changes_but_not_with_open_bookings(api: Api) -> None:
    provider = invite(api)
    booking = api.book("admin", provider_id=provider["id"])
    refused = change(api, provider["id"], role="client")
    assert (refused.status_code, refused.json()["code"]) == (409, "open_bookings")
    assert booking["booking_number"] in refused.json()["detail"]
    other = invite(api)
    assert change(api, other["id"], role="analyst").json()["role"] == "analyst"
    assert change(api, other["id"], email=None).json()["code"] == "address_missing"
    audit = api.client("admin").get("/v1/audit", params={"row_id": other["id"]}).json()["items"]
    assert ({"role": "provider"}, {"role": "analyst"}) in [(entry["before"], entry["after"]) for entry in audit]


def test_open_work_goes_to_another_provider_unless_they_are_booked(api: Api) -> None:
    one, other = invite(api), invite(api, name="John Doe")
    at = {"scheduled_start": "2031-03-04T09:00:00Z", "scheduled_end": "2031-03-04T11:00:00Z"}
    mine = api.book("admin", provider_id=one["id"], **at)
    theirs = api.book("admin", provider_id=other["id"], **at)
    admin, path = api.client("admin"), f"/v1/people/{one['id']}/handover"
    refused = admin.post(path, json={"provider_id": other["id"]})
    assert (refused.status_code, refused.json()["code"]) == (409, "slot_taken")
    assert mine["booking_number"] in refused.json()["detail"]
    assert theirs["booking_number"] in refused.json()["detail"]
    admin.post(f"/v1/bookings/{theirs['id']}/cancel", json={"reason": "so"})
    assert admin.post(path, json={"provider_id": other["id"]}).json() == {"bookings": 1, "tasks": 0, "approvals": 0}
    assert admin.get(f"/v1/bookings/{mine['id']}").json()["provider"]["name"] == "John Doe"
    for wrong in (one["id"], str(NORTH.client), str(SOUTH.provider)):
        assert admin.post(path, json={"provider_id": wrong}).json()["code"] == "unknown_provider"


def test_the_last_admin_stays_one(own_business: Business) -> None:
    """Of two admins who are demoted at once the second waits for the first, and is refused."""
    demote = PersonChange(role="analyst")
    row = own_business.connection.execute(
        "insert into app.profiles (org_id, role, full_name, email) values (%s, 'admin', 'Second', 's@north.example') "
        "returning id",
        [NORTH.id],
    ).fetchone()
    assert row
    started, may_end = threading.Event(), threading.Event()

    async def demote_second(tx: Tx) -> None:
        await people.edit_person(tx, row[0], demote, None)
        started.set()
        await asyncio.to_thread(may_end.wait)

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(own_business.run, "system", demote_second)
        assert started.wait(PATIENCE_S)
        second = threads.submit(
            own_business.run, "system", lambda tx: people.edit_person(tx, NORTH.admin, demote, None)
        )
        waiting = (
            "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        )
        wait_until(lambda: second.done() or own_business.connection.execute(waiting).fetchone() == (1,))
        may_end.set()
        first.result(PATIENCE_S)
        with pytest.raises(Refusal, match="the last active admin"):
            second.result(PATIENCE_S)
    with pytest.raises(Refusal, match="the last active admin"):
        own_business.run("admin", lambda tx: people.edit_person(tx, NORTH.admin, PersonChange(is_active=False), None))
