"""Services: what each brings in, at which price and in how many hours."""

from datetime import date
from typing import Any, Final

from dashboard.access import Visitor

_SERVICES: Final = """
select services.*, catalogue.base_price, catalogue.is_active
from analytics.get_service_performance($1, $2, $3) as services
left join marts.dim_service as catalogue on catalogue.service_id = services.service_id
order by services.realized_revenue desc nulls last, services.service_name
"""


async def read_services(visitor: Visitor, first: date, last: date) -> list[dict[str, Any]]:
    """Return the performance of each service for the bookings made in these days."""
    return await visitor.rows(_SERVICES, visitor.org_id, first, last)
