"""Operations that the Hub itself runs, outside of the API: by a command, or for a message."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from sources.errors import HubError
from sources.operations import transaction
from sources.operations.errors import Refusal
from sources.operations.transaction import Tx
from sources.settings import Settings

T = TypeVar("T")


def run_as_hub(
    settings: Settings, url: str, org_id: UUID, operation: Callable[[Tx], Awaitable[T]], *, at: datetime
) -> T:
    """Run an operation of an organisation in the database `url` and return its result; `at`: the time of its rows.

    Not within a running event loop. Raises HubError where the operation is refused.
    """
    try:
        return asyncio.run(_run(settings, url, org_id, operation, at))
    except Refusal as refusal:
        raise HubError(str(refusal)) from None


async def _run(settings: Settings, url: str, org_id: UUID, operation: Callable[[Tx], Awaitable[T]], at: datetime) -> T:
    pool = await transaction.make_pool(url, 1, settings.secret("api_entry_secret"))
    try:
        return await transaction.run(
            pool, transaction.System(org_id), operation, at=at, timeout_ms=settings.statement_timeout_ms
        )
    finally:
        await pool.close()
