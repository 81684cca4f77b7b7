"""Clients: the list with retention and who is missed, and one client."""

from typing import Annotated, get_args
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Query, Response

from dashboard.access import Owner
from dashboard.queries import clients as queries
from dashboard.rendering import PageRoute, page
from notifications import charts

router = APIRouter(prefix="/clients", route_class=PageRoute, include_in_schema=False, tags=["pages"])


@router.get("")
async def list_clients(
    visitor: Owner,
    q: Annotated[str, Query(max_length=100)] = "",
    sort: queries.Sort = "value",
    number: Annotated[int, Query(ge=0, le=10_000)] = 0,
) -> Response:
    if visitor.as_of is None:
        return page(visitor, "not_built.html.j2")
    found = await queries.read_clients(visitor, visitor.as_of, q.strip() or None, sort, number)
    kept = {"q": q, "sort": sort}
    return page(
        visitor,
        "clients.html.j2",
        found=found,
        q=q,
        sort=sort,
        sorts=get_args(queries.Sort),
        next_page=f"/clients?{urlencode({**kept, 'number': number + 1})}"
        if found.found > (number + 1) * queries.PAGE
        else None,
        previous_page=f"/clients?{urlencode({**kept, 'number': number - 1})}" if number else None,
        months=range(1, queries.COHORTS + 1),
    )


@router.get("/{client_id}")
async def read_client(visitor: Owner, client_id: UUID) -> Response:
    if visitor.as_of is None:
        return page(visitor, "not_built.html.j2")
    found = await queries.read_client(visitor, client_id, visitor.as_of)
    return page(visitor, "client.html.j2", found=found, chart=charts.with_rows(charts.monthly_bars(), found.months))
