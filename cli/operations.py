"""Operations of the API, run by a command as the Hub itself."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeVar
from uuid import UUID

from sources.errors import HubError
from sources.operations import transaction
from sources.operations.errors import Refusal
from sources.operations.transaction import Tx
from sources.settings import get_settings

T = TypeVar("T")


def run_operation(url: str, org_id: UUID, operation: Callable[[Tx], Awaitable[T]]) -> T:
    """Run an operation in the database `url` and return its result. Raises HubError where it is refused."""
    try:
        return asyncio.run(_run(url, org_id, operation))
    except Refusal as refusal:
        raise HubError(str(refusal)) from None


async def _run(url: str, org_id: UUID, operation: Callable[[Tx], Awaitable[T]]) -> T:
    pool = await transaction.make_pool(url, 1, get_settings().secret("api_entry_secret"))
    try:
        return await transaction.run(
            pool,
            transaction.System(org_id),
            operation,
            at=datetime.now(UTC),
            timeout_ms=get_settings().statement_timeout_ms,
        )
    finally:
        await pool.close()
