"""Middleware of every request: request id, log line, metrics, limits of rate and size, security headers.

Plain ASGI: a middleware on BaseHTTPMiddleware costs more than a read of a booking.
"""

import logging
import re
import time
from typing import Final
from uuid import uuid4

from fastapi import HTTPException, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sources.api import logs, metrics, problems, rate_limits
from sources.settings import DAGSTER_PATH

log = logging.getLogger("hub.api")

MAX_BODY_BYTES: Final = 1_000_000
MAX_UPLOAD_BYTES: Final = 20_000_000
UPLOADS: Final = frozenset({"/settings/import"})  # the addresses that files are sent to
UNLIMITED: Final = frozenset({"/healthz", "/readyz", "/metrics"})  # read often, by monitoring
HAS_SCRIPTS: Final = frozenset({"/docs", "/redoc"})
VALID_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")

_HEADERS: Final = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    # Not no-referrer: a browser would then send the forms of these pages with the origin null.
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-site"),
]
# Responses of the API are data: no page may run them, no cache may store them.
_OF_DATA: Final = [
    *_HEADERS,
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
]
_OVER_HTTPS: Final = (b"strict-transport-security", b"max-age=31536000")


class RequestMiddleware:
    """The outermost middleware. `app.state.limits` counts the requests of each address."""

    def __init__(self, app: ASGIApp, *, production: bool) -> None:
        self.app = app
        self._headers = [*_HEADERS, _OVER_HTTPS] if production else _HEADERS
        self._headers_of_data = [*_OF_DATA, _OVER_HTTPS] if production else _OF_DATA

    async def __call__(self, asgi_scope: Scope, receive: Receive, send: Send) -> None:
        if asgi_scope["type"] != "http":
            await self.app(asgi_scope, receive, send)
            return
        began = time.perf_counter()
        received = dict(asgi_scope["headers"])
        request_id = received.get(b"x-request-id", b"")
        if not VALID_ID.fullmatch(request_id):
            request_id = uuid4().hex.encode()
        logs.request_id.set(request_id.decode())
        has_scripts = asgi_scope["path"] in HAS_SCRIPTS or _is_of_dagster(asgi_scope)
        headers = self._headers if has_scripts else self._headers_of_data
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                own = {name for name, _ in message["headers"]}
                added = [header for header in headers if header[0] not in own]
                message["headers"] = [*message["headers"], *added, (b"x-request-id", request_id)]
                metrics.observe_request(asgi_scope["method"], _route(asgi_scope), status, time.perf_counter() - began)
            await send(message)

        try:
            refused = _refused(asgi_scope, received)
            await (refused or self.app)(asgi_scope, _bounded(receive, _limit(asgi_scope)), send_with_headers)
        except Exception as error:
            metrics.unhandled.inc()
            log.error("unhandled", extra=logs.describe_error(error))
            if status:
                raise  # the response is partly sent: only a broken connection tells the caller
            response = problems.respond(500, "internal_error", "An unexpected error occurred; it has been logged.")
            await response(asgi_scope, receive, send_with_headers)
        finally:
            log.info(
                "request",
                extra={
                    "method": asgi_scope["method"],
                    "route": _route(asgi_scope),
                    "status": status,
                    "ms": round((time.perf_counter() - began) * 1000, 1),
                    "profile_id": asgi_scope.get("hub.profile_id"),
                },
            )


def _route(asgi_scope: Scope) -> str:
    """Return the path template of the route; the path itself contains ids, and has unlimited values."""
    return getattr(asgi_scope.get("route"), "path", "unmatched")


def _is_of_dagster(asgi_scope: Scope) -> bool:
    """Return True for the Dagster UI: its pages have scripts, and load hundreds of files, so that it limits itself."""
    path: str = asgi_scope["path"]
    return path.startswith(f"{DAGSTER_PATH}/")


def _refused(asgi_scope: Scope, received: dict[bytes, bytes]) -> Response | None:
    """Return the response to a request that is refused: over the rate limit of its address, or too large."""
    client = asgi_scope["client"]
    if client and asgi_scope["path"] not in UNLIMITED and not _is_of_dagster(asgi_scope):
        wait = asgi_scope["app"].state.limits.count("address", client[0])
        if wait is not None:
            return problems.respond(429, "too_many_requests", rate_limits.DETAIL, headers={"Retry-After": str(wait)})
    length = received.get(b"content-length", b"")
    if length.isdigit() and int(length[:20]) > (limit := _limit(asgi_scope)):
        return problems.respond(413, "content_too_large", _too_large(limit))
    return None


def _limit(asgi_scope: Scope) -> int:
    return MAX_UPLOAD_BYTES if asgi_scope["path"] in UPLOADS else MAX_BODY_BYTES


def _too_large(limit: int) -> str:
    return f"A body has at most {limit} bytes."


def _bounded(receive: Receive, limit: int) -> Receive:
    """Limit the size of a body whose length was not declared. FastAPI's own limit responds in plain text."""
    received = 0

    async def receive_bounded() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > limit:
            raise HTTPException(413, _too_large(limit))
        return message

    return receive_bounded
