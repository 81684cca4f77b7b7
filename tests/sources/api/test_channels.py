"""Channels by the API: added, changed, paused, removed, tested; their secrets are written and rotated, never read."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from notifications.routing import routes_of_digest
from notifications.sending import deliver_due
from sources.api.app import create_app
from sources.errors import HubError
from sources.operations.transaction import Tx
from sources.settings import Settings
from tests.notifications.servers import Answer, WebhookServer, webhook_server
from tests.sources.api.conftest import Api, served
from tests.sources.api.test_catalogue import changed, code, made
from tests.sources.business import NORTH, SOUTH
from tests.sources.conftest import seeded_settings

URL = "/v1/channels"


@pytest.fixture
def hook() -> Iterator[WebhookServer]:
    with webhook_server() as server:
        yield server


def add(client: httpx.Client, **fields: object) -> dict[str, Any]:
    body = {"name": f"Channel {uuid4()}", "kind": "email", "target": "ana@example.com", **fields}
    return made(client.post(URL, json=body))


def deliver(api: Api, after: timedelta = timedelta(0)) -> None:
    """Send what is due, as the sensor does."""
    report = deliver_due(api.business.settings, now=lambda: datetime.now(UTC) + after)
    assert not report.broken


def test_a_channel_is_added_changed_paused_and_removed(api: Api) -> None:
    admin = api.client("admin")
    channel = add(admin, target="ana@example.com,bo@example.com", min_severity="high", insight_kinds=["anomaly"])
    assert (channel["target"], channel["min_severity"]) == ("ana@example.com, bo@example.com", "high")
    assert (channel["insight_kinds"], channel["sends_digest"], channel["waiting"]) == (["anomaly"], True, 0)
    url = f"{URL}/{channel['id']}"

    def reached() -> list[str]:
        routes = routes_of_digest(api.business.connection, NORTH.id, datetime.now(UTC).date())
        return [route.recipient for route in routes if route.channel_id == UUID(channel["id"])]

    assert reached() == ["ana@example.com", "bo@example.com"]
    after = changed(admin, url, target="cy@example.com", insight_kinds=[], alerts_per_week=0)
    assert (after["target"], after["insight_kinds"], after["alerts_per_week"]) == ("cy@example.com", [], 0)
    assert reached() == ["cy@example.com"]
    changed(admin, url, is_active=False)
    assert reached() == []
    assert code(admin.post(f"{url}/test")) == (409, "channel_paused")
    changed(admin, url, is_active=True)
    assert admin.post(f"{url}/test").status_code == 202
    assert admin.delete(url).status_code == 204
    for answer in (admin.get(url), admin.delete(url), admin.post(f"{url}/test"), admin.post(f"{url}/secret")):
        assert code(answer) == (404, "not_found")
    assert channel["id"] not in admin.get(URL).text
    assert reached() == []
    rows = api.business.connection.execute(
        "select channels.target, deliveries.state, deliveries.last_error from app.notification_channels as channels "
        "join app.notification_deliveries as deliveries on deliveries.channel_id = channels.id where channels.id = %s",
        [channel["id"]],
    ).fetchall()
    assert rows == [("", "dead", "The channel was removed.")], "what waits is not sent, and the ledger keeps it"
    assert add(admin, name=channel["name"])["name"] == channel["name"], "the name is free again"


def test_a_test_message_goes_the_way_of_alerts(api: Api, hook: WebhookServer) -> None:
    admin = api.client("admin")
    channel = add(admin, kind="webhook", target=hook.url)
    url = f"{URL}/{channel['id']}"
    hook.secrets.append(admin.post(f"{url}/secret").json()["secret"])
    [waiting] = admin.post(f"{url}/test").json()["last_test"]
    assert (waiting["state"], waiting["attempts"]) == ("pending", 0)
    assert code(admin.post(f"{url}/test")) == (409, "test_waiting")
    hook.script.append(Answer(500))
    deliver(api)
    [failed] = admin.get(url).json()["last_test"]
    assert (failed["state"], failed["id"]) == ("failed", waiting["id"])
    assert "answered 500" in failed["last_error"]
    deliver(api, after=timedelta(minutes=2))
    sent = admin.get(url).json()
    assert (sent["last_test"][0]["state"], sent["sent"], sent["dead"]) == ("sent", 1, 0)
    assert [event["type"] for event in hook.verified] == ["test"]
    [again] = admin.post(f"{url}/test").json()["last_test"]
    assert again["id"] != waiting["id"]


def test_a_secret_is_rotated_without_an_interruption(api: Api, hook: WebhookServer) -> None:
    admin = api.client("admin")
    channel = add(admin, kind="webhook", target=hook.url)
    url = f"{URL}/{channel['id']}"
    secrets = [admin.post(f"{url}/secret").json()["secret"] for _ in range(3)]
    assert len(set(secrets)) == 3

    def accepted(secret: str, after: timedelta) -> bool:
        hook.secrets[:] = [secret]
        before = len(hook.verified)
        assert admin.post(f"{url}/test").status_code == 202
        deliver(api, after)
        # The receiver refuses a signature that is not of its secret: the delivery then waits, and is given up here.
        api.business.connection.execute(
            "update app.notification_deliveries set state = 'dead' where channel_id = %s and state <> 'sent'",
            [channel["id"]],
        )
        return len(hook.verified) > before

    assert [accepted(secret, timedelta(0)) for secret in secrets] == [False, True, True]
    owner = api.business.connection
    owner.execute(
        "update app.notification_channels set secret_changed_at = now() - interval '8 days' where id = %s",
        [channel["id"]],
    )
    assert [accepted(secret, timedelta(0)) for secret in secrets] == [False, False, True]
    assert code(admin.post(f"{URL}/{add(admin)['id']}/secret")) == (409, "not_signed")


def test_a_secret_is_never_read_back(api: Api) -> None:
    admin = api.client("admin")
    channel = add(admin, kind="webhook", target="https://hooks.example.com:8443/services/T0/verysecret")
    assert channel["target"] == "https://hooks.example.com:8443/..."
    url = f"{URL}/{channel['id']}"
    secret = admin.post(f"{url}/secret").json()["secret"]
    texts = [admin.get(URL).text, admin.get(url).text, admin.post(f"{url}/test").text]
    assert not any("verysecret" in text or secret in text for text in texts)
    stored = api.business.connection.execute("select string_agg(k::text, '') from app.idempotency_keys as k").fetchone()
    assert stored is not None
    assert secret not in (stored[0] or "")


def test_a_missing_setting_is_named(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: Settings, name: str) -> str:
        raise HubError(f"{name} is missing")

    channel = add(api.client("admin"), kind="webhook", target="https://example.org/hook")
    monkeypatch.setattr(Settings, "secret", missing)
    answer = api.client("admin").post(f"{URL}/{channel['id']}/secret")
    assert code(answer) == (503, "secret_missing")
    assert answer.json()["detail"] == "webhook_secret is missing"


@pytest.mark.parametrize(
    ("fields", "refusal", "sentence"),
    [
        ({"kind": "pigeon"}, "unknown_kind", "The kinds of channels are: email, slack, webhook."),
        ({"target": "nobody"}, "invalid_target", "'nobody' is not an e-mail address"),
        ({"kind": "slack", "target": "alerts"}, "invalid_target", "write #name"),
        ({"kind": "webhook", "target": "https://a:b@example.org"}, "invalid_target", "no user or password"),
        ({"min_severity": "awful"}, "invalid_request", ""),
        ({"insight_kinds": ["gossip"]}, "invalid_request", ""),
        ({"alerts_per_week": -1}, "invalid_request", ""),
    ],
)
def test_a_wrong_value_is_refused(api: Api, fields: dict[str, object], refusal: str, sentence: str) -> None:
    body = {"name": "Wrong", "kind": "email", "target": "ana@example.com", **fields}
    answer = api.client("admin").post(URL, json=body)
    assert code(answer) == (422, refusal)
    assert sentence in answer.json()["detail"]


def test_a_name_is_taken_once(api: Api) -> None:
    admin = api.client("admin")
    channel = add(admin)
    body = {"name": channel["name"], "kind": "slack", "target": "#alerts"}
    assert code(admin.post(URL, json=body)) == (409, "name_taken")
    assert add(api.client("admin", org=SOUTH), name=channel["name"])["name"] == channel["name"]


@pytest.mark.parametrize("who", ["client", "provider"])
def test_channels_are_for_admins(api: Api, who: str) -> None:
    url = f"{URL}/{add(api.client('admin'))['id']}"
    person = api.client(who)
    refused = [
        person.get(URL), person.get(url), person.delete(url), person.post(f"{url}/test"), person.post(f"{url}/secret"),
        person.post(URL, json={"name": "Mine", "kind": "email", "target": "me@example.com"}),
        person.patch(url, json={"target": "me@example.com"}, headers={"If-Match": '"1"'}),
    ]  # fmt: skip
    assert [code(answer) for answer in refused] == [(403, "not_allowed")] * 7


def test_the_api_writes_no_other_delivery(api: Api) -> None:
    """Row security: as hub_api, an admin inserts pending tests alone."""
    channel = add(api.client("admin"))
    insert = (
        "insert into app.notification_deliveries (org_id, channel_id, recipient, event, state, digest_day) "
        "values ($1, $2, 'ana@example.com', $3, $4, $5)"
    )
    day = datetime.now(UTC).date()
    for row in (("digest", "pending", day), ("test", "failed", None)):

        async def write(tx: Tx, values: tuple[object, ...] = row) -> None:
            await tx.execute(insert, NORTH.id, UUID(channel["id"]), *values)

        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            api.business.run("admin", write)


def test_without_kinds_no_channel_is_added(seeded: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    with seeded_settings(seeded, tmp_path_factory.mktemp("hub")) as settings, served(settings, create_app) as api:
        body = {"name": "Mail", "kind": "email", "target": "ana@example.com"}
        assert code(api.client("admin").post(URL, json=body)) == (422, "unknown_kind")
