"""The calendar: events are listed, created, changed and deleted by admins of their organisation alone."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.sources.api.conftest import Api
from tests.sources.business import NORTH, SOUTH

URL = "/v1/calendar-events"
BREAK = {"kind": "closure", "title": "Summer break", "starts_on": "2031-08-04", "ends_on": "2031-08-17"}


def make(client: httpx.Client, **fields: object) -> dict[str, Any]:
    answer = client.post(URL, json={**BREAK, **fields})
    assert answer.status_code == 201, answer.text
    assert answer.headers["Location"] == f"{URL}/{answer.json()['id']}"
    made: dict[str, Any] = answer.json()
    return made


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def titles(client: httpx.Client, **days: str) -> list[str]:
    return [item["title"] for item in client.get(URL, params=days).json()["items"]]


def test_an_event_is_created_listed_changed_and_deleted(api: Api) -> None:
    admin = api.client("admin")
    event = make(admin, service_id=str(NORTH.service), expected_effect="0.5")
    make(admin, title="Fair", kind="event", starts_on="2031-09-01", ends_on=None)
    assert event["service"]["id"] == str(NORTH.service)
    assert (event["provider"], event["expected_effect"]) == (None, "0.5000")
    assert titles(admin) == ["Summer break", "Fair"]
    assert titles(admin, first="2031-08-18") == ["Fair"]
    assert titles(admin, last="2031-08-04") == ["Summer break"]

    url = f"{URL}/{event['id']}"
    current = {"If-Match": admin.get(url).headers["ETag"]}
    change = {"ends_on": "2031-08-24", "service_id": None, "provider_id": str(NORTH.provider)}
    changed = admin.patch(url, json=change, headers=current).json()
    assert (changed["title"], changed["ends_on"], changed["service"]) == ("Summer break", "2031-08-24", None)
    assert changed["provider"]["id"] == str(NORTH.provider)
    assert code(admin.patch(url, json=change)) == (428, "if_match_required")
    assert code(admin.patch(url, json=change, headers=current)) == (412, "changed_meanwhile")
    current = {"If-Match": admin.get(url).headers["ETag"]}
    assert code(admin.patch(url, json={"ends_on": "2031-08-01"}, headers=current)) == (422, "ends_before_start")

    assert admin.delete(url).status_code == 204
    assert code(admin.delete(url)) == (404, "not_found")
    assert titles(admin) == ["Fair"]


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"ends_on": "2031-08-01"}, "ends_before_start"),
        ({"ends_on": "2041-08-11"}, "too_long"),
        ({"ends_on": "2200-01-01"}, "invalid_request"),
        ({"starts_on": "1969-12-31"}, "invalid_request"),
        ({"expected_effect": "0.1"}, "invalid_request"),
        ({"expected_effect": "6"}, "invalid_request"),
        ({"service_id": str(uuid4())}, "unknown_service"),
        ({"service_id": str(SOUTH.service)}, "unknown_service"),
        ({"provider_id": str(SOUTH.provider)}, "unknown_provider"),
        ({"provider_id": str(NORTH.client)}, "unknown_provider"),
        ({"service_id": str(NORTH.service), "provider_id": str(NORTH.provider)}, "service_and_provider"),
    ],
)
def test_a_wrong_value_is_refused(api: Api, fields: dict[str, str], refusal: str) -> None:
    assert code(api.client("admin").post(URL, json={**BREAK, **fields})) == (422, refusal)


def test_another_organisation_neither_sees_nor_changes_an_event(api: Api) -> None:
    event = make(api.client("admin"))
    stranger = api.client("admin", org=SOUTH)
    url = f"{URL}/{event['id']}"
    assert event["title"] not in titles(stranger)
    assert code(stranger.get(url)) == (404, "not_found")
    headers = {"If-Match": f'"{event["version"]}"'}
    assert code(stranger.patch(url, json={"title": "Mine"}, headers=headers)) == (404, "not_found")
    assert code(stranger.delete(url)) == (404, "not_found")
    assert api.client("admin").get(url).json() == event


@pytest.mark.parametrize("who", ["client", "provider"])
def test_the_calendar_is_for_admins(api: Api, who: str) -> None:
    event = make(api.client("admin"), provider_id=str(NORTH.provider))
    person, url = api.client(who), f"{URL}/{event['id']}"
    headers = {"If-Match": f'"{event["version"]}"'}
    refused = [
        person.get(URL), person.get(url), person.post(URL, json=BREAK), person.delete(url),
        person.patch(url, json={"title": "Mine"}, headers=headers),
    ]  # fmt: skip
    assert [code(answer) for answer in refused] == [(403, "not_allowed")] * 5
