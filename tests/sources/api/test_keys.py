"""API keys: shown once, hashed, limited to scopes, revoked."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from tests.sources.api.conftest import Api


def _make(client: httpx.Client, **fields: object) -> dict[str, Any]:
    answer = client.post("/v1/keys", json={"name": "Test", **fields})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def _with(api: Api, key: dict[str, Any]) -> httpx.Client:
    return api.new_client(**{"X-API-Key": key["secret"]})


def _code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_a_key_has_the_rights_of_its_person(api: Api) -> None:
    booking = api.book()
    key = _make(api.client("client"))
    assert key["secret"].startswith(key["prefix"])
    assert key["profile_id"] == str(api.org.client)
    url = f"/v1/bookings/{booking['id']}"
    assert _with(api, key).get(url).status_code == 200
    assert _with(api, _make(api.client("client2"))).get(url).status_code == 404


def test_the_secret_is_not_stored(api: Api) -> None:
    key = _make(api.client("client"))
    row = api.business.connection.execute(
        "select key_hash, to_jsonb(k)::text from app.api_keys as k where id = %s", [key["id"]]
    ).fetchone()
    assert row is not None
    assert row[0] == hashlib.sha256(key["secret"].encode()).digest()
    assert key["secret"] not in row[1]
    assert key["secret"] not in api.client("client").get("/v1/keys").text


def test_a_revoked_key_is_refused(api: Api) -> None:
    key = _make(api.client("client"))
    holder = _with(api, key)
    assert holder.get("/v1/keys").status_code == 200
    assert api.client("client").delete(f"/v1/keys/{key['id']}").status_code == 204
    assert _code(holder.get("/v1/keys")) == (401, "unknown_key")
    assert api.client("client").delete(f"/v1/keys/{key['id']}").status_code == 204
    listed = {item["id"]: item for item in api.client("client").get("/v1/keys").json()["items"]}
    assert listed[key["id"]]["revoked_at"] is not None


def test_last_use_is_recorded(api: Api) -> None:
    key = _make(api.client("client"))
    assert key["last_used_at"] is None
    used = next(item for item in _with(api, key).get("/v1/keys").json()["items"] if item["id"] == key["id"])
    age = datetime.now(UTC) - datetime.fromisoformat(used["last_used_at"])
    assert abs(age.total_seconds()) < 60


def test_people_manage_their_own_keys_and_admins_all(api: Api) -> None:
    key = _make(api.client("client"))
    assert key["id"] not in api.client("client2").get("/v1/keys").text
    assert api.client("client2").delete(f"/v1/keys/{key['id']}").status_code == 404
    assert api.client("admin", org=api.other).delete(f"/v1/keys/{key['id']}").status_code == 404
    for_other = {"name": "Test", "profile_id": str(api.org.client)}
    assert _code(api.client("client2").post("/v1/keys", json=for_other)) == (403, "not_allowed")
    of_admin = _make(api.client("admin"), profile_id=str(api.org.client))
    assert of_admin["id"] in api.client("client").get("/v1/keys").text
    assert {key["id"], of_admin["id"]} <= {item["id"] for item in api.client("admin").get("/v1/keys").json()["items"]}
    assert api.client("admin").delete(f"/v1/keys/{key['id']}").status_code == 204
    nobody = {"name": "Test", "profile_id": str(api.other.client)}
    assert _code(api.client("admin").post("/v1/keys", json=nobody)) == (422, "unknown_person")


def test_a_key_is_limited_to_its_scopes(api: Api) -> None:
    holder = _with(api, _make(api.client("client"), scopes=["bookings:read"]))
    booking = api.book()
    assert holder.get(f"/v1/bookings/{booking['id']}").status_code == 200
    assert _code(holder.post("/v1/bookings", json={"service_id": str(api.org.service)})) == (403, "scope_missing")
    unknown = api.client("client").post("/v1/keys", json={"name": "Test", "scopes": ["bookings:own"]})
    assert unknown.status_code == 422


def test_a_key_cannot_create_a_key_with_more_scopes(api: Api) -> None:
    holder = _with(api, _make(api.client("admin"), scopes=["keys:write", "bookings:read"]))
    for scopes in ([], ["bookings:write"], ["bookings:read", "bookings:write"]):
        answer = holder.post("/v1/keys", json={"name": "Test", "scopes": scopes, "profile_id": str(api.org.client)})
        assert _code(answer) == (403, "scope_wider"), scopes
    assert _make(holder, scopes=["bookings:read"])["scopes"] == ["bookings:read"]


def test_keys_of_an_inactive_person_are_refused(api: Api) -> None:
    holder = _with(api, _make(api.client("client2")))
    api.business.connection.execute("update app.profiles set is_active = false where id = %s", [api.org.client2])
    try:
        assert holder.get("/v1/keys").status_code == 401
    finally:
        api.business.connection.execute("update app.profiles set is_active = true where id = %s", [api.org.client2])


def test_a_key_expires(api: Api) -> None:
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    key = _make(api.client("client"), expires_at=soon)
    holder = _with(api, key)
    assert datetime.fromisoformat(key["expires_at"]) == datetime.fromisoformat(soon)
    assert holder.get("/v1/keys").status_code == 200
    of_key = _make(holder)
    assert of_key["expires_at"] == key["expires_at"], "a key that a key creates ends with it"
    assert _make(api.client("client"))["expires_at"] is None
    past = {"name": "Test", "expires_at": "2020-01-01T00:00:00Z"}
    assert _code(api.client("client").post("/v1/keys", json=past)) == (422, "expires_in_past")
    owner = api.business.connection
    owner.execute("update app.api_keys set expires_at = now() - interval '1 second' where id = %s", [key["id"]])
    assert _code(holder.get("/v1/keys")) == (401, "unknown_key")
    assert _with(api, of_key).get("/v1/keys").status_code == 200
    gone = owner.execute(
        "select * from app.without_access(array[%(org)s], array[%(person)s], array['client'], array[%(hash)s])",
        {"org": api.org.id, "person": api.org.client, "hash": hashlib.sha256(key["secret"].encode()).digest()},
    ).fetchall()
    assert gone == [(1,)], "its streams break off"
