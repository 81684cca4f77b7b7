"""What the owner sees first: key figures, what needs attention, the outlook, and the load of the next two weeks."""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any, Final, Literal

from dashboard.access import Visitor
from dashboard.queries import forecasts, receivables
from dashboard.queries.forecasts import Forecast, Series
from sources.operations.transaction import Tx

Grain = Literal["day", "week", "month", "quarter", "year"]
KEY_METRICS: Final = (
    "bookings_created", "booked_revenue", "realized_revenue", "collected_revenue", "cancellation_rate", "utilization",
    "receivables", "average_rating",
)  # fmt: skip
SPARK_PERIODS: Final = 12
SHOWN_INSIGHTS: Final = 5
OUTLOOK: Final = Series("realized_revenue", "Realized revenue", "money", "total", "all", "")
OUTLOOK_DAYS: Final = 28
LOAD_DAYS: Final = 14
SHOWN_PROVIDERS: Final = 12

# The periods of a grain up to the one that as_of lies in; of that one, the figures of the same length before.
_FIGURES: Final = """
select
    periods.metric, metrics.label, metrics.unit, metrics.good_direction, periods.value, periods.previous,
    periods.year_ago, periods.target, metrics.kind = 'sum' as is_sum,
    periods.period_end >= $5::date - metrics.final_after_days as is_newest
from marts.metrics_period as periods
inner join marts.dim_metric as metrics on periods.metric = metrics.metric
where periods.org_id = $1 and periods.grain = $2 and periods.metric = any($3) and periods.dimension = 'total'
    and periods.period_start between $4 and $5
order by array_position($3, periods.metric), periods.period_start
"""
_INSIGHTS: Final = """
select
    id, kind, severity, status, title, summary, recommendation, impact, started_on, day, first_seen, actions,
    effects, count(*) over () as insights
from app.insight_events
where org_id = $1 and status = 'open'
order by coalesce(abs(impact), 0) desc, array_position('{critical,high,medium,low}', severity), id desc
limit $2
"""
_ANOMALOUS_DAYS: Final = """
select distinct day from analytics.v_booking_anomalies
where org_id = $1 and metric = $2 and dimension = 'total' and day > $3
"""
_PACE: Final = """
select week_ahead, first_day, last_day, bookings, bookings_year_ago, revenue, revenue_year_ago, revenue_change
from analytics.v_booking_pace
where org_id = $1 and service_id is null
order by week_ahead
"""
_LOAD: Final = """
select provider_id, provider_name, day, booked_hours, capacity_hours, utilization, load_level, will_overload
from analytics.v_provider_workload_analytics
where org_id = $1 and day > $2 and day <= $3
order by provider_name, provider_id, day
"""


@dataclass(frozen=True, slots=True)
class KeyFigure:
    """A metric in its newest period. `course`: its values in the last periods, that one included."""

    metric: str
    label: str
    unit: str
    good_direction: str
    value: Decimal | None
    previous: Decimal | None
    year_ago: Decimal | None
    target: Decimal | None
    course: list[float | None]


@dataclass(frozen=True, slots=True)
class ProviderLoad:
    """The coming days of a provider; a day without capacity has no utilization."""

    provider_id: Any
    name: str
    days: list[dict[str, Any]]

    @property
    def overloaded(self) -> int:
        return sum(day["load_level"] == "overloaded" for day in self.days)

    @property
    def hours(self) -> Decimal:
        return sum((day["booked_hours"] for day in self.days), Decimal(0))


@dataclass(frozen=True, slots=True)
class Overview:
    """All that the page shows."""

    figures: list[KeyFigure]
    insights: list[dict[str, Any]]
    outlook: Forecast
    unusual_days: set[date]
    pace: list[dict[str, Any]]
    load: list[ProviderLoad]
    providers: int
    overloaded_providers: int
    receivables: list[dict[str, Any]]


async def read_key_figures(tx: Tx, visitor: Visitor, as_of: date, grain: Grain) -> list[KeyFigure]:
    """Return the key figures of the period of `grain` that contains `as_of`, to date."""
    first = as_of - timedelta({"day": 1, "week": 7, "month": 31, "quarter": 92, "year": 366}[grain] * SPARK_PERIODS)
    rows = await tx.rows(_FIGURES, visitor.org_id, grain, list(KEY_METRICS), first, as_of)
    figures = []
    for _, group in groupby(rows, key=lambda row: row["metric"]):
        periods = [dict(row) for row in group]
        newest = periods[-1].copy()
        is_sum = newest.pop("is_sum")
        if not newest.pop("is_newest"):  # nothing happened in the period, nor in those that it is compared with
            newest |= {"value": Decimal(0) if is_sum else None, "previous": None, "year_ago": None, "target": None}
            periods.append(newest)
        course = [None if row["value"] is None else float(row["value"]) for row in periods[-SPARK_PERIODS:]]
        figures.append(KeyFigure(**newest, course=course))
    return figures


async def read_overview(visitor: Visitor, as_of: date, grain: Grain) -> Overview:
    async def rows(tx: Tx, query: str, *values: object) -> list[dict[str, Any]]:
        return [dict(row) for row in await tx.rows(query, visitor.org_id, *values)]

    async def read(tx: Tx) -> Overview:
        load = await read_load(tx, visitor, as_of, LOAD_DAYS)
        first_shown = as_of - timedelta(forecasts.DAYS_BEFORE)
        unusual = await rows(tx, _ANOMALOUS_DAYS, OUTLOOK.metric, first_shown)
        return Overview(
            figures=await read_key_figures(tx, visitor, as_of, grain),
            insights=await rows(tx, _INSIGHTS, SHOWN_INSIGHTS),
            outlook=await forecasts.forecast_of(tx, visitor, OUTLOOK, as_of, OUTLOOK_DAYS),
            unusual_days={row["day"] for row in unusual},
            pace=await rows(tx, _PACE),
            load=load[:SHOWN_PROVIDERS],
            providers=len(load),
            overloaded_providers=sum(provider.overloaded > 0 for provider in load),
            receivables=await receivables.by_age(tx, visitor),
        )

    return await visitor.read(read)


async def read_load(tx: Tx, visitor: Visitor, as_of: date, days: int) -> list[ProviderLoad]:
    """Return the load of each provider who works in the coming days: the overloaded first, then by hours."""
    rows = [dict(row) for row in await tx.rows(_LOAD, visitor.org_id, as_of, as_of + timedelta(days))]
    found = [
        ProviderLoad(provider_id, name, list(days))
        for (provider_id, name), days in groupby(rows, key=lambda row: (row["provider_id"], row["provider_name"]))
    ]
    working = [load for load in found if any(day["capacity_hours"] or day["booked_hours"] for day in load.days)]
    return sorted(working, key=lambda load: (-load.overloaded, -load.hours, load.name))
