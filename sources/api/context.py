"""What a route needs to run an operation and to answer: one dependency."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, TypeVar

from fastapi import Depends, Header, Request, Response
from pydantic import BaseModel

from sources.api.auth import identify
from sources.operations import transaction
from sources.operations.transaction import Identity, Tx
from sources.settings import Settings

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Context:
    """A request: who calls, and the means to serve them."""

    request: Request
    identity: Identity
    if_match: str | None

    async def run(self, operation: Callable[[Tx], Awaitable[T]], *, timeout_ms: int | None = None) -> T:
        """Run `operation` as the caller. Raises Refusal."""
        state = self.request.app.state
        settings: Settings = state.settings
        return await transaction.run(
            state.pool,
            self.identity,
            operation,
            at=datetime.now(UTC),
            timeout_ms=timeout_ms or settings.statement_timeout_ms,
        )


async def _context(
    request: Request,
    identity: Annotated[Identity, Depends(identify)],
    if_match: Annotated[
        str | None, Header(description="The ETag last seen: refuse with 412 if it has changed.")
    ] = None,
) -> Context:
    return Context(request, identity, if_match.strip('W/"') if if_match and if_match != "*" else None)


Calling = Annotated[Context, Depends(_context)]


def reply(model: BaseModel, status: int = 200, **headers: str) -> Response:
    """`model` as JSON. FastAPI would validate and serialise it a second time: half the cost of a read."""
    version = getattr(model, "version", None)
    if version is not None:
        headers["ETag"] = f'"{version}"'
    return Response(model.__pydantic_serializer__.to_json(model), status, headers, "application/json")
