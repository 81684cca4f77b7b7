"""Routes of the hours of providers."""

from uuid import UUID

from fastapi import APIRouter, Response

from sources.api.problems import CHANGES, COMMON
from sources.api.request_context import Reading, Writing, reply
from sources.operations.settings import providers
from sources.operations.settings.providers import Provider, ProviderChange

router = APIRouter(prefix="/v1/providers", tags=["settings"], responses=COMMON)


@router.get("/{provider_id}", response_model=Provider, summary="Read the hours of a provider")
async def get_provider(context: Reading, provider_id: UUID) -> Response:
    """For admins, and the provider."""
    return reply(await context.run(lambda tx: providers.get_provider(tx, provider_id)))


@router.patch("/{provider_id}", response_model=Provider, responses=CHANGES, summary="Change the hours of a provider")
async def edit_provider(context: Writing, provider_id: UUID, body: ProviderChange) -> Response:
    """For admins. The workload of the next run knows them; bookings are not restricted by them."""
    return await context.write(lambda tx: providers.edit_provider(tx, provider_id, body, context.if_match))
