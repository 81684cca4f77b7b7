"""Forecasts of the newest run: of one series, with the days before it, its accuracy so far, and what is planned."""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

from dashboard.access import Visitor
from sources.operations.transaction import Tx

DAYS_BEFORE: Final = 56
LEADS: Final = (1, 7, 14, 28)

_SERIES: Final = """
select distinct metric, metric_label, unit, dimension, member, member_name
from analytics.v_forecast where org_id = $1
order by metric_label, dimension desc, member_name
"""
_FORECAST: Final = """
select day, forecast, lower_80, upper_80, lower_95, upper_95, on_hand, as_of, model
from analytics.v_forecast
where org_id = $1 and metric = $2 and dimension = $3 and member = $4 and day <= $5
order by day
"""
# Every metric that is forecast is a sum: a day without a row is a day of zero.
_ACTUAL: Final = """
select days.day::date as day, coalesce(kpis.value, 0) as value
from generate_series(
    greatest($5::date + 1, (
        select min(first.day) from marts.kpi_daily as first where first.org_id = $1 and first.metric = $2
    )),
    $6::date, '1 day'
) as days (day)
left join marts.kpi_daily as kpis
    on kpis.org_id = $1 and kpis.metric = $2 and kpis.dimension = $3 and kpis.member = $4 and kpis.day = days.day::date
order by day
"""
# Of the same days a year before by weekday, and of as many days before the forecast.
_COMPARED: Final = """
select
    sum(value) filter (where day > $5::date and day <= $6::date) as before,
    sum(value) filter (where day > $6::date - 364 and day <= $6::date - 364 + ($6::date - $5::date)) as year_ago,
    min(day) as first_day
from marts.kpi_daily
where org_id = $1 and metric = $2 and dimension = $3 and member = $4
"""
_ACCURACY: Final = """
select lead_days, days, error_share, naive_error_share, covered_80_share
from analytics.v_metric_forecast_accuracy
where org_id = $1 and metric = $2 and dimension = $3 and member = $4 and lead_days = any($5)
order by lead_days
"""

_EVENTS: Final = """
select kind, title, starts_on, ends_on from app.calendar_events
where org_id = $1 and ends_on > $2 and starts_on <= $3
order by starts_on, title
"""


@dataclass(frozen=True, slots=True)
class Series:
    """A series that is forecast."""

    metric: str
    metric_label: str
    unit: str
    dimension: str
    member: str
    member_name: str

    @property
    def key(self) -> str:
        return f"{self.metric}.{self.dimension}.{self.member}"

    @property
    def name(self) -> str:
        return self.metric_label if self.dimension == "total" else f"{self.metric_label}, {self.member_name}"


@dataclass(frozen=True, slots=True)
class Forecast:
    """The forecast of one series. `before` and `year_ago` are sums of as many days; None where they are not known."""

    series: Series
    days: list[dict[str, Any]]
    actual: list[dict[str, Any]]
    before: Decimal | None
    year_ago: Decimal | None
    accuracy: list[dict[str, Any]]
    events: list[dict[str, Any]]

    @property
    def total(self) -> Decimal:
        return sum((day["forecast"] for day in self.days), Decimal(0))

    @property
    def on_hand(self) -> Decimal | None:
        """What is booked already for the days of which it is known."""
        known = [day["on_hand"] for day in self.days if day["on_hand"] is not None]
        return sum(known, Decimal(0)) if known else None


async def read_series(visitor: Visitor) -> list[Series]:
    """Return what is forecast: metrics by label, the total of each before its members."""
    return [Series(**row) for row in await visitor.rows(_SERIES, visitor.org_id)]


async def read_forecast(visitor: Visitor, series: Series, as_of: date, horizon: int) -> Forecast:
    """Return the forecast of `series` for `horizon` days after `as_of`."""
    return await visitor.read(lambda tx: forecast_of(tx, visitor, series, as_of, horizon))


async def forecast_of(tx: Tx, visitor: Visitor, series: Series, as_of: date, horizon: int) -> Forecast:
    """Return the same within a transaction."""
    of_series = (visitor.org_id, series.metric, series.dimension, series.member)
    last, first_before = as_of + timedelta(horizon), as_of - timedelta(horizon)
    compared = await tx.one(_COMPARED, *of_series, first_before, as_of)
    first_day = compared["first_day"]
    return Forecast(
        series=series,
        days=[dict(row) for row in await tx.rows(_FORECAST, *of_series, last)],
        actual=[dict(row) for row in await tx.rows(_ACTUAL, *of_series, as_of - timedelta(DAYS_BEFORE), as_of)],
        before=compared["before"] if first_day and first_day <= first_before else None,
        year_ago=compared["year_ago"] if first_day and first_day <= as_of - timedelta(364) else None,
        accuracy=[dict(row) for row in await tx.rows(_ACCURACY, *of_series, list(LEADS))],
        events=[dict(row) for row in await tx.rows(_EVENTS, visitor.org_id, as_of, last)],
    )
