"""Middleware: rate limits, headers, logs, metrics, and bounded waiting."""

import json
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI
from pythonjsonlogger.json import JsonFormatter

from sources.api import logs, server
from sources.api.middleware import MAX_BODY_BYTES
from sources.errors import HubError
from sources.operations import transaction
from tests.sources.api.conftest import Api, token_of
from tests.sources.business import NORTH
from tests.waiting import PATIENCE_S, wait_until

Serve = Callable[..., AbstractContextManager[Api]]


# --- limits ----------------------------------------------------------------------------------------


def _is_limited(answer: httpx.Response) -> bool:
    if answer.status_code != 429:
        return False
    assert answer.json()["code"] == "too_many_requests"
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    return True


def test_each_caller_has_a_separate_limit(serve: Serve) -> None:
    with serve(rate_limit="3/minute") as api:
        key = api.client("client").post("/v1/keys", json={"name": "Test"}).json()["secret"]
        assert [_is_limited(api.client("client").get("/v1/keys")) for _ in range(3)] == [False, False, True]
        another_token = api.new_client(Authorization=f"Bearer {token_of(NORTH, 'client', jti='2')}")
        assert _is_limited(another_token.get("/v1/keys"))
        assert not _is_limited(api.client("client2").get("/v1/keys"))
        with_key = api.new_client(**{"X-API-Key": key})
        assert [_is_limited(with_key.get("/v1/keys")) for _ in range(4)] == [False, False, False, True]
        assert 'hub_rate_limited_total{by="caller"}' in api.new_client().get("/metrics").text


def test_failed_logins_are_limited_by_address(serve: Serve) -> None:
    with serve(rate_limit_address="5/minute") as api:
        guesses = [api.new_client(**{"X-API-Key": f"hub_{number}"}).get("/v1/keys") for number in range(7)]
        assert [guess.status_code for guess in guesses] == [401] * 5 + [429] * 2
        assert _is_limited(api.client("client").get("/v1/keys"))
        assert api.new_client().get("/healthz").status_code == 200  # probes are never refused


def test_an_invalid_limit_is_reported() -> None:
    from sources.api.rate_limits import RateLimits
    from sources.settings import Settings

    with pytest.raises(HubError, match="HUB_RATE_LIMIT"):
        RateLimits(Settings(rate_limit="often"))


def test_several_workers_share_a_limit(serve: Serve) -> None:
    with serve(rate_limit="4/minute", api_workers=2) as api:
        assert [_is_limited(api.client("client").get("/v1/keys")) for _ in range(3)] == [False, False, True]


@pytest.mark.parametrize("declared", [True, False])
def test_a_body_that_is_too_large_is_a_problem(api: Api, declared: bool) -> None:
    body = b'{"title": "' + b"x" * MAX_BODY_BYTES + b'"}'
    content = body if declared else iter([body[:1000], body[1000:]])
    answer = api.client("client").post("/v1/bookings", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 413
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "content_too_large"


def test_a_long_wait_for_a_connection_gives_503(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(api_pool_size=1) as api:
        booking = api.book()
        url, anybody = f"/v1/bookings/{booking['id']}", api.new_client()
        with api.business.connection.transaction():
            api.business.connection.execute("select from app.bookings where id = %s for update", [booking["id"]])
            slow = threading.Thread(
                target=api.client("admin").post, args=(f"{url}/transitions",), kwargs={"json": {"action": "review"}}
            )
            slow.start()
            in_use = 'hub_pool_connections{state="in_use"} 1.0'
            wait_until(lambda: in_use in anybody.get("/metrics").text)
            with monkeypatch.context() as impatient:
                impatient.setattr(transaction, "ACQUIRE_TIMEOUT_S", 0.1)
                answer = api.client("client").get(url)
            assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
            assert int(answer.headers["Retry-After"]) > 0
            assert anybody.get("/readyz").status_code == 503
        slow.join()
        assert api.client("client").get(url).status_code == 200


# --- headers ---------------------------------------------------------------------------------------


def test_every_response_has_security_headers_and_an_id(api: Api) -> None:
    for answer in (
        api.client("client").get("/v1/keys"),
        api.new_client().get("/v1/keys"),
        api.new_client().get("/nowhere"),
        api.client("client").put("/v1/keys"),
    ):
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert len(answer.headers["X-Request-ID"]) == 32
        assert "Strict-Transport-Security" not in answer.headers


def test_a_valid_request_id_is_kept_and_an_invalid_one_replaced(api: Api) -> None:
    for given, kept in (("order-17.b", True), ("x" * 65, False), ("a b", False), ("<script>", False)):
        answer = api.new_client(**{"X-Request-ID": given}).get("/healthz")
        assert (answer.headers["X-Request-ID"] == given) is kept


def test_other_origins_are_allowed_by_setting_only(api: Api, serve: Serve) -> None:
    asks = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    assert "Access-Control-Allow-Origin" not in api.new_client().options("/v1/bookings", headers=asks).headers
    with serve(cors_origins=["https://app.example"], env="production") as open_api:
        answer = open_api.new_client().options("/v1/bookings", headers=asks)
        assert answer.headers["Access-Control-Allow-Origin"] == "https://app.example"
        assert "Strict-Transport-Security" in answer.headers
        answer = open_api.client("client").get("/v1/keys", headers={"Origin": "https://app.example"})
        assert "ETag" in answer.headers["Access-Control-Expose-Headers"]
        answer = open_api.client("client").get("/v1/keys", headers={"Origin": "https://evil.example"})
        assert "Access-Control-Allow-Origin" not in answer.headers


def test_an_unknown_path_is_a_problem(api: Api) -> None:
    for answer, status in (
        (api.new_client().get("/v1/nothing"), 404),
        (api.client("client").put("/v1/keys"), 405),
        (api.client("client").post("/v1/bookings", content=b"{"), 422),
        (api.client("client").get("/v1/bookings/17"), 422),
    ):
        assert (answer.status_code, answer.json()["status"]) == (status, status)
        assert answer.headers["Content-Type"] == "application/problem+json"


# --- logs and metrics ------------------------------------------------------------------------------


class _Lines(logging.Handler):
    """Collects the formatted log lines."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.addFilter(logs.WithRequest())
        settings = logs.CONFIG["formatters"]["json"]
        self.setFormatter(JsonFormatter(settings["fmt"], rename_fields=settings["rename_fields"], timestamp=True))

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def lines() -> Iterator[list[str]]:
    handler, logger = _Lines(), logging.getLogger("hub")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler.lines
    logger.removeHandler(handler)
    logger.setLevel(level)


def test_a_request_is_one_line_without_secrets(api: Api, lines: list[str]) -> None:
    booking = api.book(notes="a note that is nobody's business")
    secret = api.client("client").post("/v1/keys", json={"name": "Test"}).json()["secret"]
    lines.clear()
    holder = api.new_client(**{"X-API-Key": secret, "X-Request-ID": "from-outside"})
    holder.get(f"/v1/bookings/{booking['id']}", params={"token": "in-the-query"})
    api.book(notes="a note that is nobody's business")
    first, *_ = [json.loads(line) for line in lines]
    assert first.pop("ms") > 0
    assert first.pop("timestamp")
    assert first == {
        "level": "INFO", "logger": "hub.api", "message": "request", "method": "GET",
        "route": "/v1/bookings/{booking_id}", "status": 200, "profile_id": str(api.org.client),
        "request_id": "from-outside",
    }  # fmt: skip
    for word in (secret, "in-the-query", "business", token_of(NORTH, "client").split(".")[1][:20], booking["id"]):
        assert word not in "".join(lines)


def test_an_unexpected_error_is_logged_and_not_shown_to_the_caller(
    api: Api, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from sources.operations.bookings import booking

    booking_id = uuid4()

    async def fails(*_: object) -> None:
        raise RuntimeError(f"secret of {booking_id}")

    monkeypatch.setattr(booking, "get_booking", fails)
    answer = api.client("client").get(f"/v1/bookings/{booking_id}")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    error = next(line for line in map(json.loads, lines) if line["message"] == "unhandled")
    assert error["error"] == "RuntimeError"
    assert error["request_id"] == answer.headers["X-Request-ID"]
    assert any("in fails" in step for step in error["trace"])
    assert str(booking_id) not in "".join(lines) + answer.text


def test_metrics_have_latency_by_route_pool_and_errors(api: Api) -> None:
    api.client("client").get(f"/v1/bookings/{uuid4()}")
    answer = api.new_client().get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    for line in (
        'hub_http_request_seconds_bucket{le="0.1",method="GET",route="/v1/bookings/{booking_id}",status="404"}',
        'hub_pool_connections{state="in_use"} 0.0',
        f'hub_pool_connections{{state="limit"}} {api.business.settings.api_pool_size}.0',
        "hub_pool_waiting 0.0",
        "hub_unhandled_errors_total",
    ):
        assert line in answer.text


def test_nothing_is_sent_to_a_collector() -> None:
    from sources.api.app import create_app

    app: FastAPI = create_app()
    assert not app._native_telemetry.enabled()


# --- addresses and slow requests ----------------------------------------------------------------------


def test_forwarded_addresses_are_believed_of_configured_proxies_only(serve: Serve) -> None:
    for proxies, limited in ([], True), (["10.0.0.0/8"], True), (["127.0.0.1"], False):
        with serve(rate_limit_address="2/minute", trusted_proxies=proxies) as api:
            answers = [
                api.new_client(**{"X-Forwarded-For": f"203.0.113.{number}"}).get("/v1/keys") for number in range(4)
            ]
            assert _is_limited(answers[-1]) is limited, proxies
            own = f"{'203.0.113.9, ' * 3}203.0.113.77"  # what the client itself sent, before what the proxy added
            forged = [api.new_client(**{"X-Forwarded-For": own}).get("/v1/keys") for _ in range(4)]
            assert _is_limited(forged[-1]), proxies


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /healthz HTTP/1.1\r\nHost: hub\r\nX-Slow: ",
        b"POST /v1/bookings HTTP/1.1\r\nHost: hub\r\nContent-Length: 9\r\n\r\n{",
        b"GET /healthz HTTP/1.1\r\nHost: hub\r\n\r\nGET /healthz HTTP/1.1\r\nHo",
    ],
)
def test_a_request_that_does_not_arrive_in_time_is_closed(
    api: Api, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(server, "HEADERS_S", 0.2)
    monkeypatch.setattr(server, "BODY_S", 0.2)
    with socket.create_connection(("127.0.0.1", int(api.url.rpartition(":")[2])), timeout=PATIENCE_S) as connection:
        connection.sendall(sent)
        while connection.recv(4096):
            pass


def test_an_empty_line_keeps_no_connection_open(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_connection(("127.0.0.1", int(api.url.rpartition(":")[2])), timeout=PATIENCE_S) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: hub\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
        monkeypatch.setattr(server, "HEADERS_S", 0.2)
        connection.sendall(b"\r\n")
        while connection.recv(4096):
            pass
