"""Operations of the API, run by a command as the Hub itself."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeVar
from uuid import UUID

from sources.operations.of_the_hub import run_as_hub
from sources.operations.transaction import Tx
from sources.settings import get_settings

T = TypeVar("T")


def run_operation(url: str, org_id: UUID, operation: Callable[[Tx], Awaitable[T]]) -> T:
    """Run an operation in the database `url` at this moment. Raises HubError where it is refused."""
    return run_as_hub(get_settings(), url, org_id, operation, at=datetime.now(UTC))
