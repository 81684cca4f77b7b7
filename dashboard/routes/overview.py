"""The overview: what an owner sees first."""

from typing import Final, Literal

from fastapi import Response

from dashboard.access import Visitor
from dashboard.queries import overview
from dashboard.rendering import page
from dashboard.routes.forecast import rows_of
from notifications import charts
from sources.row_values import CALENDAR_EVENT_KINDS

Period = Literal["day", "week", "month", "quarter"]
# Period -> its words: to date, the period before, and the same a year ago.
WORDS: Final[dict[Period, tuple[str, str, str]]] = {
    "day": ("Day", "the day before", "the same weekday last year"),
    "week": ("Week to date", "the same days of the week before", "the same days last year"),
    "month": ("Month to date", "the same days of the month before", "the same days last year"),
    "quarter": ("Quarter to date", "the same days of the quarter before", "the same days last year"),
}


async def show(visitor: Visitor, period: Period) -> Response:
    """Return the page; `period` is that of the key figures."""
    if visitor.as_of is None:
        return page(visitor, "not_built.html.j2")
    found = await overview.read_overview(visitor, visitor.as_of, period)
    pace = [
        {"name": f"{row['first_day']:%-d %b}", "series": series, "value": row[column]}
        for row in found.pace
        for series, column in (("This year", "revenue"), ("Last year", "revenue_year_ago"))
    ]
    ages = [{"name": row["age"], "value": row["amount"]} for row in found.receivables]
    return page(
        visitor,
        "overview.html.j2",
        overview=found,
        period=period,
        words=WORDS,
        outlook=charts.series(rows_of(found.outlook, found.unusual_days)),
        pace=charts.with_rows(charts.columns_of_two(), pace),
        ages=charts.with_rows(charts.bars(), ages),
        event_kinds=CALENDAR_EVENT_KINDS,
    )
