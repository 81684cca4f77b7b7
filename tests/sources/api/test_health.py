"""Probes, and the shutdown of the server."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from threading import Thread
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest

from sources.operations import transaction
from tests.conftest import execute, free_port
from tests.sources.api.conftest import Api, token_of
from tests.sources.business import NORTH, Business
from tests.waiting import PATIENCE_S, wait_until

Serve = Callable[..., AbstractContextManager[Api]]


def test_a_running_api_is_alive_and_ready(api: Api) -> None:
    anybody = api.new_client()
    assert anybody.get("/healthz").json() == {"status": "ok", "detail": ""}
    assert anybody.get("/readyz").json() == {"status": "ok", "detail": ""}


def test_not_ready_with_another_schema_revision(api: Api) -> None:
    connection = api.business.connection
    newest = connection.execute("select version_num from app.alembic_version").fetchone()
    connection.execute("update app.alembic_version set version_num = '0001'")
    try:
        answer = api.new_client().get("/readyz")
        assert answer.status_code == 503
        assert "hub db migrate" in answer.json()["detail"]
    finally:
        connection.execute("update app.alembic_version set version_num = %s", newest)
    assert api.new_client().get("/readyz").status_code == 200


def test_not_ready_without_a_database_and_responds_at_once(
    serve: Serve, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transaction, "ACQUIRE_TIMEOUT_S", 3600)  # a request that waits for a connection fails the test
    with serve() as api:
        name = urlsplit(api.business.settings.database_url).path[1:]
        execute(server, f"alter database {name} connection limit 0")
        api.business.connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s and usename = 'hub_api'", [name]
        )
        assert api.new_client().get("/readyz").status_code == 503
        answer = api.client("client").get("/v1/keys")
        assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
        assert int(answer.headers["Retry-After"]) > 0
        assert api.new_client().get("/healthz").status_code == 200
        execute(server, f"alter database {name} connection limit -1")
        assert api.client("client").get("/v1/keys").status_code == 200


def test_not_ready_while_stopping(serve: Serve) -> None:
    with serve() as api:
        api.stop_soon()
        answer = api.new_client().get("/readyz")
        assert (answer.status_code, answer.json()["detail"]) == (503, "The server is stopping.")


@pytest.mark.slow
def test_two_workers_finish_requests_in_flight(own_business: Business) -> None:
    """SIGTERM to a process as `hub up` starts it, while a request waits for a lock."""
    settings, port = own_business.settings, free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "dashboard"],
        stderr=subprocess.PIPE,
        text=True,
        env={
            **os.environ,
            "HUB_HOME": str(settings.home),
            "HUB_DATABASE_URL": settings.database_url,
            "HUB_JWT_SECRET": settings.jwt_secret.get_secret_value(),
            "HUB_PORT_API": str(port),
            "HUB_API_WORKERS": "2",
        },
    )
    lines: list[str] = []
    assert process.stderr
    reading = Thread(target=lines.extend, args=(process.stderr,))
    reading.start()
    client = httpx.Client(
        base_url=f"http://127.0.0.1:{port}",
        headers={"Authorization": f"Bearer {token_of(NORTH, 'admin')}"},
        timeout=PATIENCE_S,
    )
    try:
        wait_until(lambda: _answers(client))
        booking = client.post(
            "/v1/bookings", json={"service_id": str(NORTH.service), "client_id": str(NORTH.client)}
        ).json()
        answers: list[httpx.Response] = []
        slow = Thread(target=lambda: answers.append(_review(client, booking["id"])))
        with own_business.connection.transaction():
            own_business.connection.execute("select from app.bookings where id = %s for update", [booking["id"]])
            slow.start()
            wait_until(lambda: _waits_for_lock(own_business.connection))
            metrics = httpx.get(f"http://127.0.0.1:{port}/metrics").text
            assert 'route="/v1/bookings",status="201"} 1.0' in metrics  # of any worker
            process.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            assert process.poll() is None
            assert not answers
        slow.join(PATIENCE_S)
        assert answers[0].status_code == 200
        assert answers[0].json()["status"] == "under_review"
        process.wait(PATIENCE_S)
        assert not _answers(client)
    finally:
        process.kill()
        reading.join(10)
        client.close()
    requests = [line for line in map(json.loads, lines) if line["message"] == "request"]
    assert "/v1/bookings/{booking_id}/transitions" in {request["route"] for request in requests}
    assert not [line for line in map(json.loads, lines) if line["level"] in ("ERROR", "CRITICAL")]


def _review(client: httpx.Client, booking_id: str) -> httpx.Response:
    return client.post(f"/v1/bookings/{booking_id}/transitions", json={"action": "review"})


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").is_success
    except httpx.TransportError:
        return False


def _waits_for_lock(connection: psycopg.Connection) -> bool:
    waiting = "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    return connection.execute(waiting).fetchone() is not None
