"""Idempotency keys: a repeated write runs once."""

import asyncio
from uuid import UUID

import httpx

from tests.sources.api.conftest import Api


def _count(api: Api, table: str) -> int:
    row = api.business.connection.execute(f"select count(*) from app.{table}").fetchone()
    assert row is not None
    return int(row[0])


def _book(api: Api, key: str, who: str = "client", **fields: object) -> httpx.Response:
    body = {"service_id": str(api.org.service), **fields}
    return api.client(who).post("/v1/bookings", json=body, headers={"Idempotency-Key": key})


def _same(one: httpx.Response, other: httpx.Response) -> bool:
    names = ("ETag", "Location", "Content-Type")
    return (one.status_code, one.content, [one.headers.get(name) for name in names]) == (
        other.status_code, other.content, [other.headers.get(name) for name in names],
    )  # fmt: skip


def test_a_repeated_request_gets_the_same_response(api: Api) -> None:
    first = _book(api, "again")
    before = _count(api, "bookings")
    second = _book(api, "again")
    assert first.status_code == 201
    assert first.headers["Location"] == f"/v1/bookings/{first.json()['id']}"
    assert _same(first, second)
    assert second.headers["Idempotency-Replayed"] == "true"
    assert _count(api, "bookings") == before


def test_another_request_with_the_same_key_is_refused(api: Api) -> None:
    _book(api, "other")
    before = _count(api, "bookings")
    for answer in (
        _book(api, "other", title="Another"),
        api.client("client").post(
            f"/v1/bookings/{api.book()['id']}/transitions",
            json={"action": "submit"},
            headers={"Idempotency-Key": "other"},
        ),
    ):
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert _count(api, "bookings") == before + 1  # the booking of api.book


def test_a_refusal_is_stored_and_its_writes_are_rolled_back(api: Api) -> None:
    booking = api.book()
    url = f"/v1/bookings/{booking['id']}/transitions"
    headers = {"Idempotency-Key": "refused"}
    first = api.client("client").post(url, json={"action": "accept"}, headers=headers)
    assert first.status_code == 409
    api.business.connection.execute(
        "update app.bookings set status = 'delivered' where id = %s", [UUID(booking["id"])]
    )  # now the request would succeed
    assert _same(first, api.client("client").post(url, json={"action": "accept"}, headers=headers))


def test_a_constraint_violation_is_stored(api: Api) -> None:
    slot = {
        "client_id": str(api.org.client), "provider_id": str(api.org.provider),
        "scheduled_start": "2031-01-06T09:00:00Z", "scheduled_end": "2031-01-06T10:00:00Z",
    }  # fmt: skip
    _book(api, "slot-1", "admin", **slot)
    taken = _book(api, "slot-2", "admin", **slot)
    assert (taken.status_code, taken.json()["code"]) == (409, "slot_taken")
    assert _same(taken, _book(api, "slot-2", "admin", **slot))


def test_keys_belong_to_a_person(api: Api) -> None:
    assert _book(api, "mine", "client").json()["id"] != _book(api, "mine", "client2").json()["id"]


def test_an_invalid_idempotency_key_is_refused(api: Api) -> None:
    for key in ("", "with space", "x" * 256):
        assert _book(api, key).status_code == 422


def test_fifty_concurrent_requests_with_a_key_create_one(api: Api) -> None:
    async def race() -> list[httpx.Response]:
        async with api.async_client("client") as client:
            return await asyncio.gather(
                *(
                    client.post(
                        "/v1/bookings", json={"service_id": str(api.org.service)}, headers={"Idempotency-Key": "race"}
                    )
                    for _ in range(50)
                )
            )

    before = _count(api, "bookings")
    answers = asyncio.run(race())
    assert all(_same(answers[0], response) for response in answers)
    assert answers[0].status_code == 201
    assert _count(api, "bookings") == before + 1
