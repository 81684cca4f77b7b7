"""The context of a request: routes run operations and respond with it.

`Writing` adds If-Match and Idempotency-Key to `Reading`.
"""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Final, TypeVar

from fastapi import Depends, Header, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel

from sources.api import problems
from sources.api.auth import identify
from sources.operations import idempotency, transaction
from sources.operations.errors import Refusal
from sources.operations.idempotency import StoredResponse
from sources.operations.transaction import Identity, Tx
from sources.settings import Settings

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel | None)
JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Context:
    """A request with its identity. `if_match`: the version that the caller last read."""

    request: Request
    identity: Identity
    if_match: str | None = None
    idempotency_key: str | None = None

    async def run(self, operation: Callable[[Tx], Awaitable[T]], *, timeout_ms: int | None = None) -> T:
        """Run `operation` as the caller. Raises Refusal."""
        state = self.request.app.state
        settings: Settings = state.settings
        asgi_scope = self.request.scope

        async def run_with_profile(tx: Tx) -> T:
            asgi_scope["hub.profile_id"] = tx.caller.profile_id  # for the log
            return await operation(tx)

        state.in_flight += 1
        try:
            return await transaction.run(
                state.pool,
                self.identity,
                run_with_profile,
                at=datetime.now(UTC),
                timeout_ms=timeout_ms or settings.statement_timeout_ms,
                scope=required_scope(asgi_scope["method"], asgi_scope["route"].tags[0]),
            )
        finally:
            state.in_flight -= 1

    async def write(
        self,
        operation: Callable[[Tx], Awaitable[M]],
        *,
        status: int = 200,
        location: Callable[[M], str] | None = None,
        timeout_ms: int | None = None,
    ) -> Response:
        """Run `operation` as the caller and respond with its result (None: no body), with its `version` as the ETag.

        With an Idempotency-Key the operation runs once, and a repeated request gets the same response, even a refusal.
        `location`: the path of the created resource. Raises Refusal.
        """

        async def respond(tx: Tx) -> StoredResponse:
            model = await operation(tx)
            headers = {"Location": location(model)} if location else {}
            return _response_of(model, status, headers)

        key = self.idempotency_key
        if key is None:
            return _respond(await self.run(respond, timeout_ms=timeout_ms))
        request_hash = await self._request_hash()
        return _respond(
            await self.run(
                lambda tx: idempotency.respond_once(tx, key, request_hash, respond, _refused), timeout_ms=timeout_ms
            )
        )

    async def _request_hash(self) -> bytes:
        url = self.request.url
        request_line = f"{self.request.method} {url.path}?{url.query}\n".encode()
        return hashlib.sha256(request_line + await self.request.body()).digest()


def required_scope(method: str, tag: str) -> str:
    """Return the scope that an API key needs for a route with this first tag: `tag:read` for GET, else `tag:write`."""
    return f"{tag}:{'read' if method == 'GET' else 'write'}"


async def _reading(request: Request, identity: Annotated[Identity, Depends(identify)]) -> Context:
    return Context(request, identity)


async def _writing(
    request: Request,
    identity: Annotated[Identity, Depends(identify)],
    if_match: Annotated[
        str | None, Header(description="The ETag last read: 412 if the resource has changed since. PATCH requires it.")
    ] = None,
    idempotency_key: Annotated[
        str | None,
        Header(
            description="Any text: a repeated request with the same key gets the first response and changes nothing.",
            min_length=1,
            max_length=255,
            pattern=r"^[\x21-\x7e]+$",
        ),
    ] = None,
) -> Context:
    version = _version(if_match)
    if version is None and request.method == "PATCH" and _has_version(request.scope["route"]):
        raise Refusal("unconditional", "if_match_required", "Send the ETag that you last read as If-Match.")
    return Context(request, identity, version, idempotency_key)


Reading = Annotated[Context, Depends(_reading)]
Writing = Annotated[Context, Depends(_writing)]


def _has_version(route: APIRoute) -> bool:
    return "version" in getattr(route.response_model, "model_fields", ())


def _version(etag: str | None) -> str | None:
    return etag.removeprefix("W/").strip('"') if etag and etag != "*" else None


def _response_of(model: BaseModel | None, status: int, headers: dict[str, str]) -> StoredResponse:
    if model is None:
        return StoredResponse(status, headers, "")
    version = getattr(model, "version", None)
    if version is not None:
        headers["ETag"] = f'"{version}"'
    return StoredResponse(status, headers, model.__pydantic_serializer__.to_json(model).decode())


def _refused(refusal: Refusal) -> StoredResponse:
    response = problems.of_refusal(refusal)
    return StoredResponse(response.status_code, {}, bytes(response.body).decode())


def _respond(stored: StoredResponse) -> Response:
    media_type = problems.MEDIA_TYPE if stored.status >= 400 else JSON
    return Response(stored.text or None, stored.status, stored.headers, media_type if stored.text else None)


def reply(model: BaseModel, status: int = 200, **headers: str) -> Response:
    """Respond with `model` as JSON. FastAPI would validate and serialise it again, at half the cost of a read."""
    return _respond(_response_of(model, status, headers))
