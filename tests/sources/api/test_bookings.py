"""Bookings over HTTP: details, rescheduling, cancellation, lists, the catalogue, and concurrent bookings of a slot."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from sources.operations.bookings import booking as booking_operations
from tests.sources.api.conftest import Api
from tests.sources.business import NORTH, SOUTH

MONDAY: Final = datetime.now(UTC).replace(hour=9, minute=0, second=0, microsecond=0) + timedelta(days=30)
RULES: Final = '[{"hours_before": 72, "fee_pct": 25}, {"hours_before": 24, "fee_pct": 50}]'


def at(hours: float) -> str:
    return (MONDAY + timedelta(hours=hours)).isoformat()


def step(api: Api, who: str, booking: dict[str, Any], action: str, **fields: object) -> dict[str, Any]:
    answer = api.client(who).post(f"/v1/bookings/{booking['id']}/transitions", json={"action": action, **fields})
    assert answer.status_code == 200, answer.text
    moved: dict[str, Any] = answer.json()
    return moved


def confirmed(api: Api, who: str = "client", **fields: Any) -> dict[str, Any]:
    """Create a confirmed booking of the client with the provider, made by `who`."""
    booking = api.book(who, provider_id=str(NORTH.provider), **fields)
    step(api, "provider", booking, "approve")
    return step(api, "provider", booking, "confirm")


def test_fifty_concurrent_bookings_of_a_slot_create_one(api: Api) -> None:
    body = {"service_id": str(NORTH.service), "provider_id": str(NORTH.provider2), "scheduled_start": at(400)}

    async def race() -> list[int]:
        async with api.async_client("client") as client:
            answers = await asyncio.gather(*(client.post("/v1/bookings", json=body) for _ in range(50)))
        assert {response.json()["code"] for response in answers if response.status_code != 201} == {"slot_taken"}
        return [response.status_code for response in answers]

    codes = asyncio.run(race())
    assert sorted(codes) == [201] + [409] * 49
    held = api.business.connection.execute(
        "select count(*) from app.bookings where provider_id = %s and scheduled_start = %s", [NORTH.provider2, at(400)]
    ).fetchone()
    assert held == (1,)


def test_a_change_requires_the_current_version(api: Api) -> None:
    booking = api.book(title="First")
    path = f"/v1/bookings/{booking['id']}"
    assert api.client("client").patch(path, json={"title": "Second"}).status_code == 428
    etag = api.client("client").get(path).headers["ETag"]
    changed = api.client("client").patch(path, json={"title": "Second"}, headers={"If-Match": etag})
    assert (changed.status_code, changed.json()["title"]) == (200, "Second")
    assert changed.headers["ETag"] != etag
    stale = api.client("client").patch(path, json={"title": "Third"}, headers={"If-Match": etag})
    assert (stale.status_code, stale.json()["code"]) == (412, "changed_meanwhile")


@pytest.mark.parametrize(
    ("who", "change", "code"),
    [
        ("client", {"title": "T", "notes": "N"}, 200),
        ("client", {"notes": None}, 200),
        ("client", {"priority": "high"}, 403),
        ("client", {"provider_id": str(NORTH.provider)}, 403),
        ("provider", {"priority": "high"}, 200),
        ("provider", {"provider_id": str(NORTH.provider2)}, 403),
        ("admin", {"provider_id": str(NORTH.provider2), "priority": "urgent"}, 200),
        ("admin", {"provider_id": str(NORTH.client)}, 422),
        ("admin", {"provider_id": str(SOUTH.provider)}, 422),
        ("admin", {"title": None}, 422),
        ("admin", {"total_amount": "1.00"}, 422),
        ("client2", {"title": "T"}, 404),
    ],
)
def test_fields_that_each_role_may_change(api: Api, who: str, change: dict[str, object], code: int) -> None:
    booking = api.book(provider_id=str(NORTH.provider))
    answer = api.client(who).patch(
        f"/v1/bookings/{booking['id']}", json=change, headers={"If-Match": f'"{booking["version"]}"'}
    )
    assert answer.status_code == code, answer.text
    if code == 200:
        shown = answer.json() | {"provider_id": (answer.json()["provider"] or {}).get("id")}
        assert {name: shown[name] for name in change} == change


def test_an_ended_booking_cannot_be_changed(api: Api) -> None:
    booking = step(api, "client", api.book(), "cancel", reason="no need")
    headers = {"If-Match": f'"{booking["version"]}"'}
    answer = api.client("admin").patch(f"/v1/bookings/{booking['id']}", json={"title": "T"}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (409, "wrong_status")


def test_a_rescheduled_booking_has_a_message_about_it(api: Api) -> None:
    booking = confirmed(api, scheduled_start=at(0))
    answer = api.client("client").post(
        f"/v1/bookings/{booking['id']}/reschedule", json={"scheduled_start": at(24), "reason": "a holiday"}
    )
    moved = answer.json()
    assert answer.status_code == 200, answer.text
    assert (datetime.fromisoformat(moved["scheduled_start"]), datetime.fromisoformat(moved["scheduled_end"])) == (
        MONDAY + timedelta(hours=24), MONDAY + timedelta(hours=26),
    )  # fmt: skip
    assert moved["status"] == "scheduled"
    messages = api.business.connection.execute(
        "select sender_id, body from app.messages where booking_id = %s", [booking["id"]]
    ).fetchall()
    assert [sender for sender, _ in messages] == [NORTH.client]
    assert messages[0][1].startswith("Moved from ")
    assert messages[0][1].endswith(": a holiday")


def test_a_booking_cannot_be_rescheduled_to_a_taken_slot(api: Api) -> None:
    confirmed(api, scheduled_start=at(100))
    other = confirmed(api, scheduled_start=at(110))
    path = f"/v1/bookings/{other['id']}/reschedule"
    taken = api.client("provider").post(path, json={"scheduled_start": at(101)})
    assert (taken.status_code, taken.json()["code"]) == (409, "slot_taken")
    assert api.client("provider").post(path, json={"scheduled_start": at(102)}).status_code == 200
    shared = api.client("provider").post(path, json={"scheduled_start": at(101), "shares_provider_time": True})
    assert shared.status_code == 200


@pytest.mark.parametrize(
    ("who", "body", "code"),
    [
        ("client", {"scheduled_start": at(1), "provider_id": str(NORTH.provider2)}, 403),
        ("client", {"scheduled_start": at(1), "scheduled_end": at(1)}, 422),
        ("client", {"scheduled_start": at(1)[:-6]}, 422),
        ("client2", {"scheduled_start": at(1)}, 404),
        ("admin", {"scheduled_start": at(200), "provider_id": str(NORTH.provider2)}, 200),
    ],
)
def test_an_invalid_reschedule_is_refused(api: Api, who: str, body: dict[str, object], code: int) -> None:
    booking = api.book("admin", provider_id=str(NORTH.provider), scheduled_start=at(150), shares_provider_time=True)
    assert api.client(who).post(f"/v1/bookings/{booking['id']}/reschedule", json=body).status_code == code


def test_a_client_cannot_reschedule_a_started_booking(api: Api) -> None:
    booking = confirmed(api, scheduled_start=at(300))
    path = f"/v1/bookings/{booking['id']}"
    early = api.client("provider").post(f"{path}/transitions", json={"action": "start"})
    assert early.json()["code"] == "requirement_missing"
    soon = (datetime.now(UTC) + timedelta(hours=23)).isoformat()
    assert api.client("client").post(f"{path}/reschedule", json={"scheduled_start": soon}).status_code == 200
    step(api, "provider", booking, "start")
    path += "/reschedule"
    assert api.client("client").post(path, json={"scheduled_start": at(320)}).status_code == 403
    assert api.client("provider").post(path, json={"scheduled_start": at(320)}).status_code == 200


@pytest.mark.parametrize(
    ("who", "hours", "fee"),
    [
        ("client", 100, "0.00"),
        ("client", 48, "30.00"),
        ("client", 2, "60.00"),
        ("admin", 2, "0.00"),
        ("provider", 2, "0.00"),
    ],
)
def test_a_late_cancellation_costs_the_client_a_fee(api: Api, who: str, hours: int, fee: str) -> None:
    connection = api.business.connection
    connection.execute(
        "update app.organizations set settings = jsonb_build_object('cancellation_rules', %s::jsonb) where id = %s",
        [RULES, NORTH.id],
    )
    start = datetime.now(UTC) + timedelta(hours=hours)
    booking = confirmed(api, "admin", scheduled_start=start.isoformat(), shares_provider_time=True)
    answer = api.client(who).post(f"/v1/bookings/{booking['id']}/cancel", json={"reason": "change of plans"})
    assert answer.status_code == 200, answer.text
    given_up = answer.json()
    assert (given_up["status"], given_up["cancellation_fee"], given_up["cancel_reason"]) == (
        "cancelled", fee, "change of plans",
    )  # fmt: skip


def test_cancelling_a_request_is_free(api: Api) -> None:
    booking = api.book(scheduled_start=(datetime.now(UTC) + timedelta(hours=1)).isoformat())
    assert step(api, "client", booking, "cancel", reason="no need")["cancellation_fee"] == "0.00"


def test_only_a_quote_takes_amounts(api: Api) -> None:
    booking = api.book(provider_id=str(NORTH.provider), custom_quote=True)
    path = f"/v1/bookings/{booking['id']}/transitions"
    too_much = {"action": "quote", "total_amount": "100.00", "deposit_amount": "100.01"}
    assert api.client("provider").post(path, json=too_much).json()["code"] == "deposit_too_large"
    elsewhere = {"action": "review", "total_amount": "100.00"}
    assert api.client("provider").post(path, json=elsewhere).json()["code"] == "not_a_quote"
    quoted = step(api, "provider", booking, "quote", total_amount="100.00", deposit_amount="40.00")
    assert (quoted["total_amount"], quoted["deposit_amount"]) == ("100.00", "40.00")


def test_the_history_has_actor_and_reason(api: Api) -> None:
    booking = api.book(provider_id=str(NORTH.provider))
    step(api, "provider", booking, "decline", reason="outside our services")
    items = api.client("client").get(f"/v1/bookings/{booking['id']}/history").json()["items"]
    assert [(item["from_status"], item["to_status"], item["actor"]["name"], item["reason"]) for item in items] == [
        (None, "requested", "North Client", None),
        ("requested", "declined", "North Provider", "outside our services"),
    ]
    assert api.client("client2").get(f"/v1/bookings/{booking['id']}/history").status_code == 404


def test_the_list_has_pages_and_search(api: Api) -> None:
    made = [api.book(title=f"Quillwork {number}")["id"] for number in range(3)]
    answer = api.client("client").get("/v1/bookings", params={"q": "quillw", "limit": 2, "count": True}).json()
    assert [item["id"] for item in answer["items"]] == made[:0:-1]
    assert answer["count"] == {"value": 3, "exact": True}
    rest = api.client("client").get("/v1/bookings", params={"q": "quillw", "limit": 2, "after": answer["next"]}).json()
    assert ([item["id"] for item in rest["items"]], rest["next"]) == (made[:1], None)
    for who, org in (("client2", NORTH), ("provider", NORTH), ("admin", SOUTH)):
        assert api.client(who, org=org).get("/v1/bookings", params={"q": "quillw"}).json()["items"] == []


@pytest.mark.parametrize(
    "params",
    [{"status": "gone"}, {"limit": 0}, {"limit": 201}, {"sort": "title"}, {"after": "x"}, {"colour": "red"},
     {"created_from": "yesterday"}, {"amount_min": "NaN"}, {"q": ""}, {"q": "a\x00"}, {"client_id": "1"}],
)  # fmt: skip
def test_an_invalid_list_query_is_refused(api: Api, params: dict[str, object]) -> None:
    answer = api.client("admin").get("/v1/bookings", params=params)  # type: ignore[arg-type]
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_catalogue_of_services_and_people(api: Api) -> None:
    services = api.client("client").get("/v1/services").json()["items"]
    assert [
        (service["name"], [package["name"] for package in service["packages"]], service["add_ons"])
        for service in services
    ] == [("North Consultation", ["North Half day"], [])]
    api.book("admin", client_id=str(NORTH.client), provider_id=str(NORTH.provider))

    def names(who: str, **params: str) -> set[str]:
        found = api.client(who).get("/v1/people", params=params).json()
        return {item["name"].removeprefix("North ") for item in found["items"]}

    assert names("client") == {"Client", "Provider", "Provider2"}
    assert names("client", role="client") == {"Client"}
    assert names("provider") == {"Client", "Provider", "Provider2"}
    assert names("admin") == {"Admin", "Analyst", "Client", "Client2", "Provider", "Provider2"}
    assert names("admin", q="PROV") == {"Provider", "Provider2"}
    first = api.client("admin").get("/v1/people", params={"limit": 3}).json()
    rest = api.client("admin").get("/v1/people", params={"limit": 3, "after": first["next"]}).json()
    assert (len(first["items"]), len(rest["items"]), rest["next"]) == (3, 3, None)
    assert api.client("client").get("/v1/people").json()["items"][0]["email"] is None


def test_booking_numbers_are_counted_in_each_organization(serve: Callable[..., AbstractContextManager[Api]]) -> None:
    with serve() as api:
        body = {"service_id": str(SOUTH.service)}
        first = api.client("client", org=SOUTH).post("/v1/bookings", json=body).json()["booking_number"]
        for _ in range(3):
            api.book()
        second = api.client("client", org=SOUTH).post("/v1/bookings", json=body).json()["booking_number"]
        assert int(second.rpartition("-")[2]) == int(first.rpartition("-")[2]) + 1


def test_a_client_has_a_limited_number_of_unanswered_bookings(
    serve: Callable[..., AbstractContextManager[Api]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(booking_operations, "MOST_PENDING", 2)
    with serve() as api:
        held = [api.book()["id"] for _ in range(2)]
        answer = api.client("client").post("/v1/bookings", json={"service_id": str(NORTH.service)})
        assert (answer.status_code, answer.json()["code"]) == (409, "too_many_pending")
        api.book("client2", client_id=str(NORTH.client2))
        api.book("admin")  # staff may go on booking for them
        api.client("client").post(f"/v1/bookings/{held[0]}/transitions", json={"action": "cancel", "reason": "Ill"})
        api.client("client").post(f"/v1/bookings/{held[1]}/transitions", json={"action": "cancel", "reason": "Ill"})
        api.book()
