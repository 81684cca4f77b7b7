"""The page of receivables: what is issued and unpaid, by age, and whom to chase."""

from typing import Annotated, Literal, get_args

from fastapi import APIRouter, Query, Response

from dashboard.access import Owner
from dashboard.queries import receivables
from dashboard.rendering import PageRoute, page
from notifications import charts

router = APIRouter(route_class=PageRoute, include_in_schema=False, tags=["pages"])

Overdue = Literal["1-30 days", "31-60 days", "61-90 days", "over 90 days"]


@router.get("/receivables")
async def read_receivables(visitor: Owner, age: Annotated[Overdue | None, Query()] = None) -> Response:
    if visitor.as_of is None:
        return page(visitor, "not_built.html.j2")
    found = await receivables.read_receivables(visitor, age)
    return page(
        visitor,
        "receivables.html.j2",
        receivables=found,
        age=age,
        ages=get_args(Overdue),
        most=receivables.SHOWN_INVOICES,
        by_age=charts.with_rows(charts.bars(), [{"name": row["age"], "value": row["amount"]} for row in found.by_age]),
        course=charts.with_rows(charts.line(), found.course),
    )
