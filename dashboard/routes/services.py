"""Services: mix, price, cancellations and revenue of an hour."""

from datetime import timedelta
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query, Response

from dashboard.access import Owner
from dashboard.queries import services
from dashboard.rendering import PageRoute, page
from notifications import charts

router = APIRouter(route_class=PageRoute, include_in_schema=False, tags=["pages"])

Days = Literal["28", "91", "364"]
PERIODS: Final[dict[Days, str]] = {"28": "last 4 weeks", "91": "last 13 weeks", "364": "last 52 weeks"}


@router.get("/services")
async def list_services(visitor: Owner, days: Annotated[Days, Query()] = "91") -> Response:
    if visitor.as_of is None:
        return page(visitor, "not_built.html.j2")
    found = await services.read_services(visitor, visitor.as_of - timedelta(int(days) - 1), visitor.as_of)
    rows = [{"name": row["service_name"], "value": row["booked_revenue"]} for row in found if row["booked_revenue"]]
    return page(
        visitor,
        "services.html.j2",
        services=found,
        days=days,
        periods=PERIODS,
        chart=charts.ranked_bars(rows),
    )
