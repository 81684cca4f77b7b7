"""The page of forecasts: one series with its range, what is booked, and how good earlier forecasts were."""

from collections.abc import Collection
from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response

from dashboard.access import Owner
from dashboard.queries import forecasts
from dashboard.queries.forecasts import Forecast
from dashboard.rendering import PageRoute, page
from notifications import charts
from sources.operations.errors import not_found

router = APIRouter(route_class=PageRoute, include_in_schema=False, tags=["pages"])

FIRST_SHOWN = "realized_revenue.total.all"


@router.get("/forecast")
async def read_forecast(
    visitor: Owner,
    of: Annotated[str, Query(max_length=200)] = FIRST_SHOWN,
    days: Annotated[Literal["28", "90"], Query()] = "28",
) -> Response:
    if visitor.as_of is None:
        return page(visitor, "not_built.html.j2")
    every = await forecasts.read_series(visitor)
    if not every:
        return page(visitor, "forecast_none.html.j2")
    chosen = next((series for series in every if series.key == of), every[0] if of == FIRST_SHOWN else None)
    if chosen is None:
        raise not_found("forecast")
    found = await forecasts.read_forecast(visitor, chosen, visitor.as_of, int(days))
    return page(
        visitor,
        "forecast.html.j2",
        forecast=found,
        every=every,
        horizon=int(days),
        before=forecasts.DAYS_BEFORE,
        chart=charts.series(rows_of(found)),
    )


def rows_of(forecast: Forecast, unusual_days: Collection[date] = ()) -> list[dict[str, object]]:
    """Return the rows of charts.series: the days before, and those of the forecast with its 80 % range and events."""
    past = [
        {
            "day": day["day"], "actual": day["value"], "expected": None, "lower": None, "upper": None,
            "is_marked": day["day"] in unusual_days, "begins": False, "event": None,
        }
        for day in forecast.actual
    ]  # fmt: skip
    coming = [
        {
            "day": day["day"], "actual": None, "expected": day["forecast"], "lower": day["lower_80"],
            "upper": day["upper_80"], "is_marked": False, "begins": position == 0,
            "event": ", ".join(
                event["title"] for event in forecast.events if event["starts_on"] <= day["day"] <= event["ends_on"]
            ) or None,
        }
        for position, day in enumerate(forecast.days)
    ]  # fmt: skip
    return [*past, *coming]
