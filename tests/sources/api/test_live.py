"""GET /v1/events: visibility of events, resuming, and the end of a stream."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, suppress
from datetime import UTC, datetime
from threading import Event
from types import SimpleNamespace
from uuid import uuid4

import psycopg
import pytest

from sources.api import live
from sources.api.routes import live_changes as live_changes_route
from sources.operations.communication.live_changes import MISSED_LIMIT
from sources.operations.errors import Refusal
from sources.operations.transaction import Caller
from tests.sources.api.conftest import Api, token_of
from tests.sources.api.streams import Event as StreamEvent
from tests.sources.api.streams import Stream, listening
from tests.sources.business import NORTH, SOUTH, Organization
from tests.waiting import PATIENCE_S, wait_until


@pytest.fixture(autouse=True, scope="module")
def _impatient() -> Iterator[None]:
    """Shorten the pauses between readings."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(live, "PAUSE_S", 0.02)
        patch.setattr(live, "QUIET_S", 0.1)
        yield


def listen_as(api: Api, stack: ExitStack, who: str, last_id: str | None = None, org: Organization = NORTH) -> Stream:
    """Open a stream that starts after all earlier changes."""
    read = listeners_of(api).readings
    wait_until(lambda: listeners_of(api).readings > read + 1)
    return stack.enter_context(listening(api.url, token_of(org, who), last_id))


def listeners_of(api: Api) -> live.Live:
    running: live.Live = api.server.config.app.state.live  # type: ignore[union-attr]
    return running


def rest(api: Api, stream: Stream, org: Organization = NORTH) -> list[StreamEvent]:
    """Return the events of `stream` up to now, found by a `reload` that everyone of `org` gets."""
    mark = uuid4().hex
    api.business.connection.execute(
        "insert into app.live_changes (org_id, kind, data) values (%s, 'reload', %s)",
        [org.id, json.dumps({"mark": mark})],
    )
    return stream.until(mark)


def test_streams_have_the_callers_own_bookings(api: Api) -> None:
    with ExitStack() as stack:
        streams = {who: listen_as(api, stack, who) for who in ("client", "client2", "provider", "provider2", "admin")}
        south = listen_as(api, stack, "admin", org=SOUTH)
        booking = api.book(provider_id=str(NORTH.provider))
        event = streams["client"].next()
        assert event.kind == "booking.created"
        assert event.data["booking_id"] == booking["id"]
        assert event.data["status"] == "requested"
        assert streams["provider"].next() == streams["admin"].next() == event
        for stream in (streams["client2"], streams["provider2"]):
            assert rest(api, stream) == []
        assert rest(api, south, SOUTH) == []


def test_a_provider_who_loses_a_booking_gets_the_reassignment_only(api: Api) -> None:
    booking = api.book(provider_id=str(NORTH.provider))
    with ExitStack() as stack:
        former, new = listen_as(api, stack, "provider"), listen_as(api, stack, "provider2")
        api.business.connection.execute(
            "update app.bookings set provider_id = %s, title = 'Another' where id = %s",
            [NORTH.provider2, booking["id"]],
        )
        assert former.next().data == {
            "booking_id": booking["id"], "booking_number": booking["booking_number"], "reassigned": True
        }  # fmt: skip
        assert new.next().data["version"]
        assert rest(api, former) == rest(api, new) == []


def test_insights_are_for_admins_and_a_bulk_change_is_one_reload_for_everyone(api: Api) -> None:
    with ExitStack() as stack:
        admin, client = listen_as(api, stack, "admin"), listen_as(api, stack, "client")
        api.business.connection.execute(
            "insert into app.insight_events (org_id, kind, severity, metric, day, title, summary, dedupe_key,"
            " first_seen, last_seen) values (%s, 'anomaly', 'high', 'bookings', now(), 't', 's', %s, now(), now())",
            [NORTH.id, uuid4().hex],
        )
        assert admin.next().data["severity"] == "high"
        assert rest(api, client) == []
        api.business.connection.execute(
            "insert into app.bookings (org_id, booking_number, client_id, service_id, status, title, total_amount,"
            " currency) select %s, %s || n, %s, %s, 'draft', 'bulk', 1, 'EUR' from generate_series(1, 300) as n",
            [NORTH.id, uuid4().hex, NORTH.client2, NORTH.service],
        )
        for stream in (admin, client):
            assert [event.kind for event in rest(api, stream)] == ["reload"]


def test_a_reader_resumes_without_a_gap_and_without_events_of_other_people(api: Api) -> None:
    with ExitStack() as stack:
        stream = listen_as(api, stack, "client")
        first = api.book()
        seen = stream.next()
    mine = [first["id"], api.book()["id"], api.book()["id"]]
    api.book("admin", client_id=str(NORTH.client2))
    with ExitStack() as stack:
        stream = listen_as(api, stack, "client", seen.id)
        mine.append(api.book()["id"])
        events = rest(api, stream)
        assert [event.data["booking_id"] for event in events] == mine[1:]
        assert len({event.id for event in events}) == len(events)


def test_a_change_of_a_long_transaction_is_not_missed(api: Api) -> None:
    """Its event has an older id and transaction than the last event of the reader."""
    booking = api.book()
    with ExitStack() as stack, psycopg.connect(api.business.settings.database_url) as slow:
        live_reader = listen_as(api, stack, "client")
        slow.execute("update app.bookings set title = 'Slow' where id = %s", [booking["id"]])
        later = api.book()
        last = live_reader.next()
        assert last.data["booking_id"] == later["id"]
        slow.commit()
        assert live_reader.next().data["booking_id"] == booking["id"]
        resumed = listen_as(api, stack, "client", last.id)
        assert [event.data["booking_id"] for event in rest(api, resumed)] == [booking["id"]]


def test_an_unknown_foreign_or_invalid_id_starts_with_a_reload(api: Api) -> None:
    with ExitStack() as stack:
        stranger = listen_as(api, stack, "admin", org=SOUTH)
        api.business.connection.execute(
            "insert into app.live_changes (org_id, kind, data) values (%s, 'insight.changed', '{}')", [SOUTH.id]
        )
        theirs = stranger.next().id
        for last_id in (str(uuid4()), theirs, "no id"):
            stream = listen_as(api, stack, "client", last_id)
            event = stream.next()
            assert (event.kind, event.data) == ("reload", {})
            assert rest(api, stream) == []


def test_a_reader_who_missed_too_many_changes_gets_a_reload(api: Api) -> None:
    api.book()  # without any change there is no position to resume from
    with ExitStack() as stack:
        position = listen_as(api, stack, "admin").position
    api.business.connection.execute(
        "insert into app.live_changes (org_id, kind, data)"
        " select %s, 'insight.changed', '{}' from generate_series(1, %s)",
        [NORTH.id, MISSED_LIMIT + 1],
    )
    with ExitStack() as stack:
        assert [event.kind for event in rest(api, listen_as(api, stack, "admin", position))] == ["reload"]


def test_no_change_is_missed_after_a_lost_connection(api: Api) -> None:
    with ExitStack() as stack:
        stream = listen_as(api, stack, "client")
        api.business.connection.execute(
            "select pg_terminate_backend(pid, 1000) from pg_stat_activity"
            " where application_name = 'hub-api-live' and datname = current_database()"
        )
        ids = [api.book()["id"] for _ in range(3)]
        assert [stream.next().data["booking_id"] for _ in ids] == ids


def test_after_a_defect_readers_get_a_reload_and_then_changes_again(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = Event()

    def broken(_: object) -> bytes:
        failed.set()
        raise ValueError

    with ExitStack() as stack:
        stream = listen_as(api, stack, "client")
        with monkeypatch.context() as patch:
            patch.setattr(live, "frame_of", broken)
            api.book()
            assert failed.wait(PATIENCE_S)
        assert stream.next().kind == "reload"
        booking = api.book()
        assert stream.next().data["booking_id"] == booking["id"]


def test_a_slow_reader_is_dropped_without_delaying_others(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "BATCHES_MAX", 10)
    listeners = listeners_of(api)
    wait_until(lambda: listeners.size == 0)
    with ExitStack() as stack, socket.socket() as slow:
        good = listen_as(api, stack, "admin")
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(("127.0.0.1", int(api.url.rpartition(":")[2])))
        request = f"GET /v1/events HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {token_of(NORTH, 'admin')}\r\n\r\n"
        slow.sendall(request.encode())
        wait_until(lambda: listeners.size == 2)
        deadline, number = time.monotonic() + PATIENCE_S, 0
        while listeners.size == 2:
            assert time.monotonic() < deadline, "the slow reader was never dropped"
            api.business.connection.execute(
                "insert into app.live_changes (org_id, kind, data) values (%s, 'insight.changed', %s)",
                [NORTH.id, json.dumps({"number": number, "filling": "x" * 1_000_000})],
            )
            # One after the other, so that each is a batch of its own.
            assert good.next().data["number"] == number
            number += 1
        assert number > live.BATCHES_MAX
        assert rest(api, good) == []
        slow.settimeout(PATIENCE_S)
        deadline = time.monotonic() + PATIENCE_S
        with suppress(ConnectionResetError):
            while slow.recv(1_000_000):  # the data in transit; then the connection is closed
                assert time.monotonic() < deadline, "the slow reader is still connected"


def test_a_stream_ends_with_its_lifetime(serve: Callable[..., AbstractContextManager[Api]]) -> None:
    with serve(live_stream_s=1) as api, ExitStack() as stack:
        stream = listen_as(api, stack, "client")
        assert stream.ended.wait(PATIENCE_S)


@pytest.mark.parametrize("header", ["Authorization", "X-API-Key"])
def test_a_stream_ends_with_its_token_or_key(api: Api, monkeypatch: pytest.MonkeyPatch, header: str) -> None:
    left_s = 0.5  # of the token or key, by the clock of the stream alone, so that a slow machine is in time
    expires = int(time.time()) + 3600
    now = SimpleNamespace(time=lambda: expires - left_s, monotonic=time.monotonic)
    monkeypatch.setattr(live_changes_route, "time", now)
    credential = token_of(NORTH, "client", exp=expires)
    if header == "X-API-Key":
        body = {"name": "Mine", "expires_at": datetime.fromtimestamp(expires, UTC).isoformat()}
        credential = api.client("client").post("/v1/keys", json=body).json()["secret"]
    began = time.monotonic()
    with listening(api.url, credential, header=header) as stream:
        assert stream.ended.wait(PATIENCE_S)
        assert time.monotonic() - began > left_s / 2


@pytest.mark.parametrize(
    "change",
    [
        "update app.profiles set is_active = false where id = %(client)s",
        "update app.profiles set role = 'provider' where id = %(client)s",
        "delete from app.api_keys where profile_id = %(client)s",
        "update app.api_keys set revoked_at = now() where profile_id = %(client)s",
    ],
)
def test_who_loses_access_loses_the_streams_at_once(
    serve: Callable[..., AbstractContextManager[Api]], change: str
) -> None:
    with serve() as api, ExitStack() as stack:
        key = api.client("client").post("/v1/keys", json={"name": "Mine"}).json()["secret"]
        others = listen_as(api, stack, "provider")
        by_key = stack.enter_context(listening(api.url, key, header="X-API-Key"))
        by_token = listen_as(api, stack, "client")
        api.business.connection.execute(change, {"client": NORTH.client})
        assert by_key.ended.wait(PATIENCE_S)
        if "profiles" in change:
            assert by_token.ended.wait(PATIENCE_S)
        else:
            assert rest(api, by_token) == []
        assert rest(api, others) == []
        assert not others.ended.is_set()


def test_a_person_has_a_limited_number_of_streams(serve: Callable[..., AbstractContextManager[Api]]) -> None:
    with serve(live_streams=2) as api, ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(listening(api.url, token_of(NORTH, "admin")))
        answer = api.client("admin").get("/v1/events")
        assert (answer.status_code, answer.json()["code"]) == (503, "too_many_listeners")
        stack.enter_context(listening(api.url, token_of(SOUTH, "admin")))
        stack.enter_context(listening(api.url, token_of(NORTH, "client")))


def test_the_streams_of_a_person_count_together_whatever_the_key() -> None:
    streams = live.Live("", "", lambda: None)
    callers = [Caller(NORTH.id, NORTH.admin, "admin", frozenset(scopes)) for scopes in ([], ["insights:read"])]
    streams.join(callers[0], None, most=1)
    with pytest.raises(Refusal, match="Too many streams"):
        streams.join(callers[1], b"key", most=1)
