"""What a route needs to run an operation and to answer: one dependency, `Calling` to read and `Writing` to write."""

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
from sources.operations.idempotency import Answer
from sources.operations.transaction import Identity, Tx
from sources.settings import Settings

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel | None)
JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Context:
    """A request: who calls, and the means to serve them. `if_match`: the version that the caller last saw."""

    request: Request
    identity: Identity
    if_match: str | None = None
    idempotency_key: str | None = None

    async def run(self, operation: Callable[[Tx], Awaitable[T]], *, timeout_ms: int | None = None) -> T:
        """Run `operation` as the caller. Raises Refusal."""
        state = self.request.app.state
        settings: Settings = state.settings
        scope = self.request.scope

        async def noted(tx: Tx) -> T:
            scope["hub.profile_id"] = tx.caller.profile_id  # for the log
            return await operation(tx)

        state.in_flight += 1
        try:
            return await transaction.run(
                state.pool,
                self.identity,
                noted,
                at=datetime.now(UTC),
                timeout_ms=timeout_ms or settings.statement_timeout_ms,
                scope=needed_scope(scope["method"], scope["route"].tags[0]),
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
        """Run `operation` as the caller and answer what it returns (None: no body), with its `version` as the ETag.

        With an Idempotency-Key it is done once, and its answer, a refusal as well, is given again. `location`: where
        what was made is found. Raises Refusal.
        """

        async def answered(tx: Tx) -> Answer:
            model = await operation(tx)
            headers = {"Location": location(model)} if location else {}
            return _answer(model, status, headers)

        key = self.idempotency_key
        if key is None:
            return _respond(await self.run(answered, timeout_ms=timeout_ms))
        request_hash = await self._request_hash()
        return _respond(
            await self.run(
                lambda tx: idempotency.answer_once(tx, key, request_hash, answered, _refused), timeout_ms=timeout_ms
            )
        )

    async def _request_hash(self) -> bytes:
        url = self.request.url
        what = f"{self.request.method} {url.path}?{url.query}\n".encode()
        return hashlib.sha256(what + await self.request.body()).digest()


def needed_scope(method: str, tag: str) -> str:
    """The scope that an API key needs for a route, by its first tag: `bookings:read` for GET, else `bookings:write`."""
    return f"{tag}:{'read' if method == 'GET' else 'write'}"


async def _reading(request: Request, identity: Annotated[Identity, Depends(identify)]) -> Context:
    return Context(request, identity)


async def _writing(
    request: Request,
    identity: Annotated[Identity, Depends(identify)],
    if_match: Annotated[
        str | None, Header(description="The ETag last seen: refused with 412 if it has changed. A PATCH requires it.")
    ] = None,
    idempotency_key: Annotated[
        str | None,
        Header(
            description="Any text of your own: the same request, sent again with it, is answered and not done again.",
            min_length=1,
            max_length=255,
            pattern=r"^[\x21-\x7e]+$",
        ),
    ] = None,
) -> Context:
    version = _version(if_match)
    if version is None and request.method == "PATCH" and _has_version(request.scope["route"]):
        raise Refusal("unconditional", "if_match_required", "Send the ETag that you last saw as If-Match.")
    return Context(request, identity, version, idempotency_key)


Calling = Annotated[Context, Depends(_reading)]
Writing = Annotated[Context, Depends(_writing)]


def _has_version(route: APIRoute) -> bool:
    return "version" in getattr(route.response_model, "model_fields", ())


def _version(etag: str | None) -> str | None:
    return etag.removeprefix("W/").strip('"') if etag and etag != "*" else None


def _answer(model: BaseModel | None, status: int, headers: dict[str, str]) -> Answer:
    if model is None:
        return Answer(status, headers, "")
    version = getattr(model, "version", None)
    if version is not None:
        headers["ETag"] = f'"{version}"'
    return Answer(status, headers, model.__pydantic_serializer__.to_json(model).decode())


def _refused(refusal: Refusal) -> Answer:
    response = problems.of_refusal(refusal)
    return Answer(response.status_code, {}, bytes(response.body).decode())


def _respond(answer: Answer) -> Response:
    media_type = problems.MEDIA_TYPE if answer.status >= 400 else JSON
    return Response(answer.text or None, answer.status, answer.headers, media_type if answer.text else None)


def reply(model: BaseModel, status: int = 200, **headers: str) -> Response:
    """`model` as JSON. FastAPI would validate and serialise it a second time: half the cost of a read."""
    return _respond(_answer(model, status, headers))
