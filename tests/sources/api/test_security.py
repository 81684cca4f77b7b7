"""Every operation of the OpenAPI document, with invalid credentials and with ids of other people.

A new route is in it by itself; a new kind of id needs a row in everything.py.
"""

import base64
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from typing import Final
from uuid import UUID, uuid4

import httpx
import pytest

from sources.operations.api_keys import RESOURCES, SCOPES
from tests.sources.api.conftest import Api, served, token_of
from tests.sources.api.documented import Operation, operations, random_ids
from tests.sources.business import NORTH, SOUTH, Organization
from tests.sources.conftest import seeded_settings
from tests.sources.everything import ROWS, write_everything

OPEN: Final = {
    "GET /healthz", "GET /readyz", "GET /metrics",
    "POST /v1/payments/webhooks/stripe",  # by its signature
}  # fmt: skip
# Ids that everybody in the organisation may see.
SHARED: Final = ("service", "package", "add_on", "price_rule", "series", "provider", "admin")
REVOKED: Final = "hub_revoked"
NARROW: Final = "hub_narrow"


@pytest.fixture(scope="module")
def api(seeded: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """An API with a row in every table of both organisations, and two API keys of the admin of NORTH."""
    with seeded_settings(seeded, tmp_path_factory.mktemp("hub")) as settings, served(settings) as running:
        owner = running.business.connection
        write_everything(owner)
        for secret, scopes, revoked in ((REVOKED, [], "now()"), (NARROW, ["keys:read"], "null")):
            owner.execute(
                "insert into app.api_keys (org_id, profile_id, name, prefix, key_hash, scopes, revoked_at) "
                f"values (%s, %s, 'Test', 'hub_', %s, %s, {revoked})",
                [NORTH.id, NORTH.admin, hashlib.sha256(secret.encode()).digest(), scopes],
            )
        owner.execute("update app.profiles set is_active = false where id = %s", [SOUTH.provider2])
        yield running


@pytest.fixture(scope="module")
def protected(api: Api) -> list[Operation]:
    document = api.new_client().get("/openapi.json").json()
    return [operation for operation in operations(document) if operation.needs_credentials]


def ids_of(org: Organization) -> Callable[[str], UUID]:
    """Return the function from the name of a parameter or field to the id of its row."""
    known = {name for name, _ in ROWS.values()} | {"service", "package", "client", "provider"}
    people = {"profile": "client", "approver": "client", "assignee": "provider", "person": "client"}

    def id_of(name: str) -> UUID:
        row = name.removesuffix("_id")
        row = people.get(row, row)
        assert row in known, f"write a row {row!r} in everything.py: the parameter {name} has none"
        return org.id_of(row)

    return id_of


def _state(api: Api, condition: str = "true", *values: object) -> dict[str, str]:
    """Return a hash of the rows of each table."""
    tables = api.business.connection.execute(
        "select relname from pg_class where relnamespace = 'app'::regnamespace and relkind = 'r' "
        "and 2 = (select count(*) from pg_attribute where attrelid = pg_class.oid and attname in ('id', 'org_id'))"
    ).fetchall()
    state = {}
    for (table,) in tables:
        row = api.business.connection.execute(
            f"select md5(string_agg(t::text, '|' order by t::text)) from app.{table} as t where {condition}", values
        ).fetchone()
        assert row is not None
        state[table] = row[0]
    return state


def _unsigned(org: Organization, who: str) -> str:
    _, claims, _ = token_of(org, who).split(".")
    header = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": "JWT"}).encode()).decode().rstrip("=")
    return f"{header}.{claims}."


def _tampered() -> str:
    """Return the client's token with the claims of the admin."""
    header, _, signature = token_of(NORTH, "client").split(".")
    return f"{header}.{token_of(NORTH, 'admin').split('.')[1]}.{signature}"


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


BAD_CREDENTIALS: Final[dict[str, Callable[[], dict[str, str]]]] = {
    "none": dict,
    "no bearer": lambda: {"Authorization": "Basic YWRtaW46YWRtaW4="},
    "no token": lambda: _bearer("x.y.z"),
    "nested": lambda: _bearer(base64.urlsafe_b64encode(b"[" * 3000).decode() + ".e30."),
    "expired": lambda: _bearer(token_of(NORTH, "admin", exp=int(time.time()) - 60)),
    "not yet": lambda: _bearer(token_of(NORTH, "admin", nbf=int(time.time()) + 3600)),
    "without expiry": lambda: _bearer(token_of(NORTH, "admin", exp=None)),
    "unsigned": lambda: _bearer(token_of(NORTH, "admin").rpartition(".")[0] + "."),
    "alg none": lambda: _bearer(_unsigned(NORTH, "admin")),
    "wrong audience": lambda: _bearer(token_of(NORTH, "admin", aud="another-service")),
    "without audience": lambda: _bearer(token_of(NORTH, "admin", aud=None)),
    "another secret": lambda: _bearer(token_of(NORTH, "admin", secret="somebody else's secret, long enough")),
    "tampered": lambda: _bearer(_tampered()),
    "unknown person": lambda: _bearer(token_of(NORTH, "admin", sub=str(uuid4()))),
    "person of another organization": lambda: _bearer(token_of(SOUTH, "admin", org_id=str(NORTH.id))),
    "not their role": lambda: _bearer(token_of(NORTH, "client", role="admin")),
    "left the organization": lambda: _bearer(token_of(SOUTH, "provider2")),
    "no organization": lambda: _bearer(token_of(NORTH, "admin", org_id="north")),
    "revoked key": lambda: {"X-API-Key": REVOKED},
    "unknown key": lambda: {"X-API-Key": "hub_unknown"},
    "unknown key beside a good token": lambda: {"X-API-Key": "hub_unknown", **_bearer(token_of(NORTH, "admin"))},
}


def test_operations_without_credentials(api: Api) -> None:
    everything = operations(api.new_client().get("/openapi.json").json())
    assert {str(item) for item in everything if not item.needs_credentials} == OPEN


@pytest.mark.parametrize("name", BAD_CREDENTIALS)
def test_bad_credentials_are_refused_everywhere(api: Api, protected: list[Operation], name: str) -> None:
    before = _state(api)
    client = api.new_client(**BAD_CREDENTIALS[name]())
    for operation in protected:
        answer = operation.request(client, ids_of(NORTH))
        assert answer.status_code == 401, (str(operation), answer.text)
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert answer.json()["code"]
    assert _state(api) == before


@pytest.mark.parametrize("who", ["admin", "analyst", "provider", "client"])
def test_ids_of_another_organization_are_not_found(api: Api, protected: list[Operation], who: str) -> None:
    rows = [name for name, _ in ROWS.values()]
    names = ["North", *(str(NORTH.id_of(name)) for name in (*rows, *SHARED))]
    before = _state(api, "org_id = %s", NORTH.id)
    for operation in protected:
        if not operation.streams:
            _crossed(operation, api.client(who, org=SOUTH), names, allowed=())
    assert _state(api, "org_id = %s", NORTH.id) == before


@pytest.mark.parametrize("who", ["provider2", "client2"])
def test_ids_of_another_person_are_not_found(api: Api, protected: list[Operation], who: str) -> None:
    private = [name for name, _ in ROWS.values() if name not in SHARED]
    names = ["North Secret", *(str(NORTH.id_of(name)) for name in private), str(NORTH.client)]
    of_others = [NORTH.id_of(name) for name in private]
    before = _state(api, "id = any(%s)", of_others)
    for operation in protected:
        if not operation.streams:
            _crossed(operation, api.client(who), names, allowed=SHARED)
    assert _state(api, "id = any(%s)", of_others) == before


def test_an_analyst_reads_and_changes_nothing(api: Api, protected: list[Operation]) -> None:
    before = _state(api, "org_id = %s and id <> %s", NORTH.id, NORTH.analyst)
    read = 0
    for operation in protected:
        if operation.streams:
            continue
        answer = operation.request(api.client("analyst"), ids_of(NORTH))
        assert answer.status_code < 500, (str(operation), answer.text)
        if operation.method == "get":
            read += answer.is_success
        elif not operation.path.startswith("/v1/notifications"):
            assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed"), (str(operation), answer.text)
    assert read > 30
    assert _state(api, "org_id = %s and id <> %s", NORTH.id, NORTH.analyst) == before


def _crossed(operation: Operation, client: httpx.Client, names: list[str], allowed: tuple[str, ...]) -> None:
    """Call the operation with ids of NORTH: it is refused, or its response has no data of NORTH."""
    answer = operation.request(client, ids_of(NORTH))
    assert answer.status_code < 500, (str(operation), answer.text)
    if any(path_parameter.removesuffix("_id") not in allowed for path_parameter in operation.path_parameters):
        assert answer.status_code in (403, 404), (str(operation), answer.status_code, answer.text)
    sent = answer.request.content.decode() + str(answer.request.url)
    for name in names:
        if name not in sent or answer.is_success:  # a refusal may name the id that it refuses
            assert name not in answer.text, (str(operation), answer.text)


def test_ids_that_do_not_exist_are_not_found(api: Api, protected: list[Operation]) -> None:
    """The response is the same as for rows of other people: nobody learns which ids exist."""
    for operation in protected:
        if operation.path_parameters:
            unknown = operation.request(api.client("admin"), random_ids)
            assert unknown.status_code in (403, 404), (str(operation), unknown.text)
            crossed = operation.request(api.client("admin", org=SOUTH), ids_of(NORTH))
            assert unknown.content == crossed.content, str(operation)


def test_a_key_may_call_the_operations_of_its_scopes_only(api: Api, protected: list[Operation]) -> None:
    before = _state(api, "id = any(%s)", [NORTH.id_of(name) for name, _ in ROWS.values()])
    client = api.new_client(**{"X-API-Key": NARROW})
    for operation in protected:
        answer = operation.request(client, ids_of(NORTH))
        if str(operation) == "GET /v1/keys":
            assert answer.status_code == 200
        else:
            assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing"), (str(operation), answer.text)
    assert _state(api, "id = any(%s)", [NORTH.id_of(name) for name, _ in ROWS.values()]) == before


def test_scopes_match_the_tags_of_the_routes(protected: list[Operation]) -> None:
    assert sorted({item.description["tags"][0] for item in protected}) == sorted(RESOURCES)
    assert len(SCOPES) == 2 * len(RESOURCES)


def test_every_patch_requires_a_version(api: Api, protected: list[Operation]) -> None:
    before = _state(api)
    changes = [item for item in protected if "428" in item.description["responses"]]
    assert len(changes) >= 4
    for operation in changes:
        for etag, status in (("*", 428), ('"0"', 412)):
            answer = operation.request(api.client("admin"), ids_of(NORTH), **{"If-Match": etag})
            assert answer.status_code == status, (str(operation), answer.text)
    assert _state(api) == before


def test_every_write_takes_an_idempotency_key(protected: list[Operation]) -> None:
    without = {
        str(item)
        for item in protected
        if item.method != "get" and "idempotency-key" not in {p["name"] for p in item.description.get("parameters", [])}
    }
    # The response has a secret, and would be stored.
    assert without == {"POST /v1/keys", "POST /v1/channels/{channel_id}/secret"}
