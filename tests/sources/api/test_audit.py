"""The audit log: who did what, by whom it is read, and that nobody changes it."""

from uuid import UUID

import psycopg
import pytest

from tests.sources.api.conftest import Api
from tests.sources.business import NORTH, SOUTH


def test_a_change_names_the_person_and_what_was_before(api: Api) -> None:
    admin = api.client("admin")
    service = admin.post("/v1/services", json={"name": "Audited", "base_price": "10.00"}).json()
    changed = admin.patch(
        f"/v1/services/{service['id']}", json={"base_price": "12.50"}, headers={"If-Match": service["version"]}
    )
    assert changed.status_code == 200
    entries = admin.get("/v1/audit", params={"row_id": service["id"]}).json()["items"]
    assert [entry["action"] for entry in entries] == ["update", "insert"]
    assert entries[0]["actor"]["id"] == str(NORTH.admin)
    assert (entries[0]["before"], entries[0]["after"]) == ({"base_price": 10.0}, {"base_price": 12.5})
    assert entries[1]["after"]["name"] == "Audited"


def test_a_key_is_named_beside_its_person_and_its_hash_is_not(api: Api) -> None:
    made = api.client("admin").post("/v1/keys", json={"name": "Audit"}).json()
    by_key = api.new_client(**{"X-API-Key": made["secret"]})
    booking = api.book()
    assert by_key.patch(
        f"/v1/bookings/{booking['id']}", json={"title": "By key"}, headers={"If-Match": booking["version"]}
    ).is_success
    [entry] = by_key.get("/v1/audit", params={"row_id": booking["id"], "limit": 1}).json()["items"]
    assert (entry["key_id"], entry["after"]["title"]) == (made["id"], "By key")
    [created] = by_key.get("/v1/audit", params={"row_id": made["id"], "table": "api_keys"}).json()["items"]
    assert "key_hash" not in created["after"]


def test_it_is_for_admins_of_the_organization(api: Api) -> None:
    api.book()
    for who in ("client", "provider"):
        assert api.client(who).get("/v1/audit").status_code == 403
    foreign = api.client("admin", org=SOUTH).get("/v1/audit", params={"limit": 200}).json()["items"]
    assert {UUID(entry["actor"]["id"]) for entry in foreign if entry["actor"]} <= {SOUTH.admin}


@pytest.mark.parametrize("change", ["update app.audit_log set actor_role = 'x'", "delete from app.audit_log",
                                    "truncate app.audit_log"])  # fmt: skip
def test_nobody_changes_it(api: Api, change: str) -> None:
    api.book()
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
        api.business.connection.execute(change.encode())


def test_imports_and_the_command_line_are_no_part_of_it(api: Api) -> None:
    before = api.business.connection.execute("select count(*) from app.audit_log").fetchone()
    api.business.connection.execute("update app.services set category = 'x' where org_id = %s", [NORTH.id])
    assert api.business.connection.execute("select count(*) from app.audit_log").fetchone() == before
