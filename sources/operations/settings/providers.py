"""The hours of providers: their capacity on a working day, and their working days."""

from decimal import Decimal
from typing import Annotated, Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from sources.operations.field_types import Request, Weekdays
from sources.operations.settings import rows
from sources.operations.settings.rows import Resource, demand_admin
from sources.operations.settings.services import Version
from sources.operations.transaction import Tx

Capacity = Annotated[Decimal, Field(ge=0, le=24, max_digits=5, decimal_places=2, examples=["7.5"])]


class ProviderChange(Request):
    """The fields to change; a field that is absent is kept."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"capacity_hours_per_day": "6"}]})
    capacity_hours_per_day: Capacity | None = Field(None, description="Null: not stated.")
    working_days: Weekdays | None = Field(None, description="Null: those of the organisation.")


class Provider(BaseModel):
    """A provider with their hours."""

    id: UUID
    name: str
    is_active: bool
    capacity_hours_per_day: Decimal | None
    working_days: list[int] | None
    version: Version


PROVIDER: Final = Resource(
    "profiles", "provider",
    "select id, full_name as name, is_active, capacity_hours_per_day, working_days, row_version::text as version "
    "from app.profiles where org_id = $1 and id = $2 and role = 'provider'",
)  # fmt: skip


async def get_provider(tx: Tx, provider_id: UUID) -> Provider:
    """Return the provider. Raises Refusal: forbidden for others than admins and the provider, not_found."""
    if tx.caller.profile_id != provider_id:
        _demand_admin(tx)
    return Provider.model_construct(**dict(await rows.find(tx, PROVIDER, provider_id)))


async def edit_provider(tx: Tx, provider_id: UUID, change: ProviderChange, expected: str | None) -> Provider:
    """Change the hours of a provider; `expected`: the version that the caller last read, if given.

    Raises Refusal: forbidden, not_found, stale.
    """
    _demand_admin(tx)
    await rows.lock(tx, PROVIDER, provider_id, expected)
    await rows.update(tx, PROVIDER, provider_id, rows.changes_of(change))
    return await get_provider(tx, provider_id)


def _demand_admin(tx: Tx) -> None:
    demand_admin(tx, "Hours of providers are")
