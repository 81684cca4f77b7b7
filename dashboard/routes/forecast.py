"""The page of forecasts: one series with its range, what is booked, and how good earlier forecasts were."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response

from dashboard.access import Owner
from dashboard.queries import forecasts
from dashboard.queries.forecasts import Forecast
from dashboard.rendering import PageRoute, page
from notifications import charts
from notifications.messages import Plot
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
        chart=charts.of_plot(_plot(found)),
    )


def _plot(forecast: Forecast) -> Plot:
    """Return the days before and the days of the forecast, with its 80 % range."""
    past, coming = forecast.actual, forecast.days
    none = (None,) * len(past)
    return Plot(
        title=forecast.series.name,
        days=tuple(day["day"] for day in (*past, *coming)),
        actual=(*(float(day["value"]) for day in past), *((None,) * len(coming))),
        expected=(*none, *(float(day["forecast"]) for day in coming)),
        lower=(*none, *(float(day["lower_80"]) for day in coming)),
        upper=(*none, *(float(day["upper_80"]) for day in coming)),
    )
