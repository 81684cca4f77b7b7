"""What surrounds every request: its id, its log line and metrics, limits of number and size, security headers.

Plain ASGI: a middleware on BaseHTTPMiddleware costs more than a read of a booking.
"""

import logging
import re
import time
from typing import Final
from uuid import uuid4

from fastapi import HTTPException, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sources.api import limits, logs, metrics, problems

log = logging.getLogger("hub.api")

MAX_BODY_BYTES: Final = 1_000_000
TOO_LARGE: Final = f"A body has at most {MAX_BODY_BYTES} bytes."
UNLIMITED: Final = frozenset({"/healthz", "/readyz", "/metrics"})  # asked by machines, often
HAS_SCRIPTS: Final = frozenset({"/docs", "/redoc"})
SANE_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")

_HEADERS: Final = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-site"),
]
# What the API answers is data: no page may run it, no cache may keep it.
_OF_DATA: Final = [
    *_HEADERS,
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
]
_OVER_HTTPS: Final = (b"strict-transport-security", b"max-age=31536000")


class Surroundings:
    """The outermost middleware. `app.state.limits` counts the requests of an address."""

    def __init__(self, app: ASGIApp, *, production: bool) -> None:
        self.app = app
        self._headers = [*_HEADERS, _OVER_HTTPS] if production else _HEADERS
        self._headers_of_data = [*_OF_DATA, _OVER_HTTPS] if production else _OF_DATA

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        given = dict(scope["headers"])
        request_id = given.get(b"x-request-id", b"")
        if not SANE_ID.fullmatch(request_id):
            request_id = uuid4().hex.encode()
        logs.request_id.set(request_id.decode())
        headers = self._headers if scope["path"] in HAS_SCRIPTS else self._headers_of_data
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *headers, (b"x-request-id", request_id)]
                metrics.observe_request(scope["method"], _route(scope), status, time.perf_counter() - began)
            await send(message)

        try:
            refused = _refused(scope, given)
            await (refused or self.app)(scope, _bounded(receive), send_with_headers)
        except Exception as error:
            metrics.unhandled.inc()
            log.error("unhandled", extra=logs.anatomy(error))
            if status:
                raise  # half an answer is sent: only breaking off tells the caller
            answer = problems.answer(500, "internal_error", "Something failed on our side; it has been logged.")
            await answer(scope, receive, send_with_headers)
        finally:
            log.info(
                "request",
                extra={
                    "method": scope["method"],
                    "route": _route(scope),
                    "status": status,
                    "ms": round((time.perf_counter() - began) * 1000, 1),
                    "profile_id": scope.get("hub.profile_id"),
                },
            )


def _route(scope: Scope) -> str:
    """The template of the route; the path itself holds ids, and has no end of values."""
    return getattr(scope.get("route"), "path", "unmatched")


def _refused(scope: Scope, given: dict[bytes, bytes]) -> Response | None:
    """The answer to a request that goes no further: one too many of its address, or too large."""
    client = scope["client"]
    if client and scope["path"] not in UNLIMITED:
        wait = scope["app"].state.limits.count("address", client[0])
        if wait is not None:
            return problems.answer(429, "too_many_requests", limits.DETAIL, headers={"Retry-After": str(wait)})
    length = given.get(b"content-length", b"")
    if length.isdigit() and int(length[:20]) > MAX_BODY_BYTES:
        return problems.answer(413, "content_too_large", TOO_LARGE)
    return None


def _bounded(receive: Receive) -> Receive:
    """`receive`, for a body whose length was not declared. FastAPI's own limit answers in plain text."""
    received = 0

    async def receive_bounded() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > MAX_BODY_BYTES:
            raise HTTPException(413, TOO_LARGE)
        return message

    return receive_bounded
