"""The page of data health: how fresh the figures are, what failed, and which rows of imports were rejected."""

from fastapi import APIRouter, Response

from dashboard.access import Owner, now_of
from dashboard.queries import data_health
from dashboard.rendering import PageRoute, page

router = APIRouter(route_class=PageRoute, include_in_schema=False, tags=["pages"])


@router.get("/data-health")
async def read_data_health(visitor: Owner) -> Response:
    found = await data_health.read_data_health(visitor)
    now = now_of(visitor)
    return page(visitor, "data_health.html.j2", health=found, now=now, overdue=found.overdue(now))
