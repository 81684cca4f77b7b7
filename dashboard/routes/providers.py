"""Providers: load ahead, hours and ratings; and one provider."""

from uuid import UUID

from fastapi import APIRouter, Response

from dashboard.access import Owner
from dashboard.queries import providers as queries
from dashboard.rendering import PageRoute, page
from notifications import charts

router = APIRouter(prefix="/providers", route_class=PageRoute, include_in_schema=False, tags=["pages"])


@router.get("")
async def list_providers(visitor: Owner) -> Response:
    if visitor.as_of is None:
        return page(visitor, "not_built.html.j2")
    return page(visitor, "providers.html.j2", found=await queries.read_providers(visitor, visitor.as_of))


@router.get("/{provider_id}")
async def read_provider(visitor: Owner, provider_id: UUID) -> Response:
    if visitor.as_of is None:
        return page(visitor, "not_built.html.j2")
    found = await queries.read_provider(visitor, provider_id, visitor.as_of)
    weeks = [{"day": day, "value": hours} for day, hours in found.weeks.items()]
    return page(visitor, "provider.html.j2", found=found, chart=charts.with_rows(charts.line(), weeks))
