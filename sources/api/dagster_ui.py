"""The Dagster UI behind the front door: requests of signed-in analysts are passed on to Dagster's webserver.

Dagster itself asks for no login, and takes mutations by GET, of any type and from any page. What passes here: reading
by GET except from /graphql; POST of JSON; and web sockets; each with a session, the Hub's own name and, where it may
change something, the Hub's own page as its origin.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import quote

import httpx
import websockets
from starlette.background import BackgroundTask
from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from sources import sign_in
from sources.api import problems, rate_limits, sessions
from sources.operations.errors import Refusal
from sources.settings import Settings

TIMEOUT: Final = httpx.Timeout(60, connect=5)  # the webserver's own queries end after 15 s
GRAPHQL: Final = "/graphql"
PATH_CHARACTERS: Final = "/%:@!$&'()*+,;=-._~"  # RFC 3986 section 3.3; others are percent-encoded
SESSION_CHECKED_EVERY_S: Final = 2.0  # of an open web socket
POLICY_VIOLATION: Final = 1008  # RFC 6455 section 7.4.1

PASSED_ON: Final = frozenset({
    "accept", "accept-encoding", "accept-language", "content-type", "if-modified-since", "if-none-match", "range",
})  # fmt: skip
# The rest of a response is about its own connection, or is set by RequestMiddleware.
RETURNED: Final = frozenset({
    "accept-ranges", "cache-control", "content-disposition", "content-encoding", "content-length", "content-range",
    "content-security-policy", "content-type", "etag", "last-modified", "location",
})  # fmt: skip


@asynccontextmanager
async def transport(settings: Settings) -> AsyncIterator[httpx.AsyncHTTPTransport]:
    """Open the way to Dagster's webserver, which listens on a unix socket that nobody else may reach.

    No client of httpx: it would keep cookies, and send those of one person for the next.
    """
    async with httpx.AsyncHTTPTransport(uds=settings.dagster_socket) as opened:
        yield opened


async def pass_on(asgi_scope: Scope, receive: Receive, send: Send) -> None:
    """The ASGI application of every path under DAGSTER_PATH."""
    if asgi_scope["type"] == "websocket":
        await _pass_socket(WebSocket(asgi_scope, receive, send))
        return
    request = Request(asgi_scope, receive)
    try:
        response = await _answer(request)
    except Refusal as refusal:
        response = problems.of_refusal(refusal)
    await response(asgi_scope, receive, send)


async def _answer(request: Request) -> Response:
    settings: Settings = request.app.state.settings
    sessions.check_host(request.headers, settings)
    if (wait := _limits(request).reached("address", _address(request))) is not None:
        return _too_many(wait)
    if (session := await sessions.of_request(request)) is None:
        return _not_signed_in(request)
    _check_rights(session)
    sent = httpx.Request(
        request.method,
        f"http://dagster{_target(request)}",
        headers=[(name, value) for name, value in request.headers.items() if name in PASSED_ON],
        content=await request.body(),
        extensions={"timeout": TIMEOUT.as_dict()},
    )
    if request.method == "POST":
        sessions.check_origin(request.headers, settings)
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return problems.respond(415, "json_required", "Send application/json.")
    elif request.method != "GET" or sent.url.path.rstrip("/").endswith(GRAPHQL):  # as Dagster sees it, without dots
        return problems.respond(405, "method_not_allowed", "Send a GraphQL query as JSON by POST.")
    upstream: httpx.AsyncHTTPTransport = request.app.state.dagster
    try:
        received = await upstream.handle_async_request(sent)
    except httpx.HTTPError:
        raise _unavailable() from None
    returned = {name: value for name, value in received.headers.items() if name in RETURNED}
    return StreamingResponse(
        received.aiter_raw(), received.status_code, returned, background=BackgroundTask(received.aclose)
    )


def _target(connection: HTTPConnection) -> str:
    path: bytes = connection.scope["raw_path"]
    return quote(path, safe=PATH_CHARACTERS) + (f"?{connection.url.query}" if connection.url.query else "")


def _not_signed_in(request: Request) -> Response:
    """A page leads to the sign-in; every such request counts against the limit of its address."""
    if (wait := _limits(request).count("address", _address(request))) is not None:
        return _too_many(wait)
    if request.method == "GET" and "text/html" in request.headers.get("accept", ""):
        return RedirectResponse(sign_in.PATH, 303)
    raise Refusal("unauthenticated", "not_signed_in", "Sign in first: `hub login` prints a one-time link.")


def _limits(connection: HTTPConnection) -> rate_limits.RateLimits:
    limits: rate_limits.RateLimits = connection.app.state.limits
    return limits


def _address(connection: HTTPConnection) -> str:
    return connection.client.host if connection.client else ""


def _too_many(wait: int) -> Response:
    return problems.respond(429, "too_many_requests", rate_limits.DETAIL, headers={"Retry-After": str(wait)})


def _check_rights(session: sessions.Session) -> None:
    if not session.opens_dagster:
        raise Refusal(
            "forbidden", "not_allowed", "The Dagster UI shows every organisation: `hub login EMAIL --dagster` opens it."
        )


def _unavailable() -> Refusal:
    return Refusal("unavailable", "dagster_unavailable", "The Dagster UI does not answer. Try again shortly.")


async def _pass_socket(socket: WebSocket) -> None:
    """Pass on the messages of a web socket in both directions, until either side or the session ends."""
    settings: Settings = socket.app.state.settings
    session = None
    try:
        sessions.check_host(socket.headers, settings)
        sessions.check_origin(socket.headers, settings)
        if _limits(socket).reached("address", _address(socket)) is None:
            session = await sessions.of_request(socket)
    except Refusal:
        pass
    if session is None or not session.opens_dagster:
        _limits(socket).count("address", _address(socket))
        await socket.close(POLICY_VIOLATION)
        return
    protocols = [websockets.Subprotocol(name) for name in socket.scope["subprotocols"]]
    try:
        async with websockets.unix_connect(
            settings.dagster_socket, f"ws://dagster{_target(socket)}", subprotocols=protocols or None, max_size=None
        ) as upstream:
            await socket.accept(upstream.subprotocol)
            directions = [_to_dagster(socket, upstream), _from_dagster(socket, upstream), _session_ended(socket)]
            tasks = [asyncio.create_task(direction) for direction in directions]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    except (OSError, websockets.WebSocketException):
        pass  # the page connects again
    if socket.client_state.name != "DISCONNECTED" and socket.application_state.name != "DISCONNECTED":
        await socket.close(POLICY_VIOLATION)


async def _to_dagster(socket: WebSocket, upstream: websockets.ClientConnection) -> None:
    try:
        while True:
            await upstream.send(await socket.receive_text())
    except WebSocketDisconnect:
        return


async def _from_dagster(socket: WebSocket, upstream: websockets.ClientConnection) -> None:
    async for message in upstream:
        await socket.send_text(message if isinstance(message, str) else message.decode())


async def _session_ended(socket: WebSocket) -> None:
    """Return when the session of the web socket has ended, or its person has lost the right."""
    while (session := await sessions.of_request(socket)) and session.opens_dagster:
        await asyncio.sleep(SESSION_CHECKED_EVERY_S)
