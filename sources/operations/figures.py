"""Figures of the metrics by period, member and comparison: what there is, and a query of it. For those who see all."""

from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated, Final, Literal

import asyncpg
from pydantic import BaseModel, ConfigDict, Field

from sources.operations.calendar import Day
from sources.operations.errors import Refusal
from sources.operations.field_types import Request
from sources.operations.transaction import Tx
from sources.row_values import Grain

Comparison = Literal["previous", "year_ago", "target"]

MOST_METRICS: Final = 10  # in a query
MOST_MEMBERS: Final = 200  # in a filter
LISTED_MEMBERS: Final = 2_000
MOST_PERIODS: Final = 400
MOST_FIGURES: Final = 20_000  # of a metric
TOTAL: Final = "total"
DAYS_OF_GRAIN: Final[dict[Grain, int]] = {"day": 1, "week": 7, "month": 28, "quarter": 90, "year": 365}
MONTHS_OF_GRAIN: Final[dict[Grain, int]] = {"month": 1, "quarter": 3, "year": 12}
PERIODS_BY_DEFAULT: Final = 13
STEPS: Final[dict[Grain, str]] = {
    "day": "1 day", "week": "7 days", "month": "1 month", "quarter": "3 months", "year": "1 year",
}  # fmt: skip
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]+$")]


class Metric(BaseModel):
    """A metric, as the warehouse declares it."""

    metric: str
    label: str
    description: str = Field(description="Its definition, and the business day that it is counted by.")
    unit: str = Field(description="count, money, hours, days, score (from 1 to 5) or share (a part of one).")
    kind: str = Field(description="sum, stock (what stands at the end of a day), ratio, median or distinct.")
    numerator: str | None = Field(description="Of a ratio, the metric above the line.")
    denominator: str | None
    dimensions: list[str]
    good_direction: str = Field(description="The favourable direction: up or down.")
    final_after_days: int = Field(description="The age from which on the figures of a day are final, and are given.")
    is_watched: bool = Field(description="Checked for anomalies each day.")


class Metrics(BaseModel):
    """The metrics that there are. Before the first run there are none, and `as_of` is null."""

    as_of: date | None = Field(description="The last complete day of the figures.")
    currency: str | None = Field(description="Of the metrics of the unit money.")
    items: list[Metric]


class Member(BaseModel):
    """A member of a dimension, such as a service."""

    member: str
    label: str


class FiguresQuery(Request):
    """A query of figures: the periods of `grain` that touch the days from `from` to `to`."""

    model_config = ConfigDict(populate_by_name=True)
    metrics: list[Name] = Field(min_length=1, max_length=MOST_METRICS, examples=[["booked_revenue"]])
    dimension: Name = Field(TOTAL, description="total, or one of the metric's dimensions.")
    grain: Grain = "month"
    first: Day | None = Field(None, alias="from", description="By default so that there are 13 periods.")
    last: Day | None = Field(None, alias="to", description="By default the last complete day of the figures.")
    members: list[Name] = Field(
        default=[], max_length=MOST_MEMBERS, description="The members of the dimension to give; without: all."
    )
    compare: list[Comparison] = Field(
        default=[], max_length=3, description="What to give beside each figure. A period that is not over is compared "
        "to date: with as many days of the period before, and with the same weekdays a year ago.",
    )  # fmt: skip


class Figure(BaseModel):
    """A metric over the days of a period up to as_of. Null: not known, such as a ratio of nothing."""

    period_start: date
    period_end: date
    is_partial: bool = Field(description="The period is not over.")
    value: Decimal | None
    compared: dict[Comparison, Decimal | None] = Field(description="By each comparison that the query names.")


class Series(BaseModel):
    """The figures of one member, in the order of the periods."""

    member: str
    member_label: str
    figures: list[Figure]


class MetricFigures(BaseModel):
    """The figures of one metric: the members by the mean of their figures, the largest first."""

    metric: Metric
    series: list[Series]


class Figures(BaseModel):
    """The figures of a query, with the days that it was resolved to."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)
    as_of: date
    currency: str
    dimension: str
    grain: Grain
    first: date = Field(alias="from")
    last: date = Field(alias="to")
    items: list[MetricFigures]


HAS_MARTS: Final = "select to_regclass('marts.metrics_period') is not null as is_built"
SELECT_ORGANIZATION: Final = "select as_of, currency from marts.dim_organization where org_id = $1"
SELECT_METRICS: Final = """
select
    metric, label, description, unit, kind, numerator, denominator, dimensions, good_direction, final_after_days,
    is_watched
from marts.dim_metric
where $1::text[] is null or metric = any($1)
order by position
"""
# A period without a row is zero for what is counted, from the first day of the metric on, and not known for the others.
SELECT_FIGURES: Final = """
with found as (
    select period_start, member, value, previous, year_ago, target
    from marts.metrics_period
    where org_id = $1 and metric = $2 and dimension = $3 and grain = $4 and period_end >= $5 and period_start <= $6
        and ($7::text[] is null or member = any($7))
),

metrics as (
    select kind, final_after_days from marts.dim_metric where metric = $2
),

organizations as (
    select org_id, as_of from marts.dim_organization where org_id = $1
),

first_days as (
    select coalesce(
        case when metrics.kind in ('sum', 'stock') then greatest($5, (
            select min(day) from marts.kpi_daily where org_id = $1 and metric = $2 and dimension = 'total'
        )) end,
        (select min(period_start) from found)
    ) as day
    from metrics
),

periods as (
    select
        cast(days.start as date) as period_start,
        cast(days.start + cast($8::text as interval) as date) - 1 as period_end
    from first_days, metrics, organizations, generate_series(
        date_trunc($4::text, cast(first_days.day as timestamp)),
        cast(least($6, organizations.as_of - metrics.final_after_days) as timestamp),
        cast($8::text as interval)
    ) as days (start)
),

members as (
    select distinct found.member, coalesce(names.member_name, found.member) as member_label
    from found
    left join marts.dim_member as names
        on names.org_id = $1 and names.dimension = $3 and names.member = found.member
)

select
    periods.period_start,
    periods.period_end,
    periods.period_end > organizations.as_of - metrics.final_after_days as is_partial,
    members.member,
    members.member_label,
    case
        when found.member is not null then found.value
        when metrics.kind in ('sum', 'stock', 'distinct') then 0
    end as value,
    found.previous,
    found.year_ago,
    found.target
from periods
cross join metrics
cross join organizations
cross join members
left join found on found.period_start = periods.period_start and found.member = members.member
order by members.member_label, members.member, periods.period_start
limit $9
"""
SELECT_MEMBERS: Final = """
select member, member_name as label from marts.dim_member
where org_id = $1 and dimension = $2
order by member_name, member
limit $3
"""


async def list_metrics(tx: Tx) -> Metrics:
    """Return the metrics that there are. Raises Refusal forbidden."""
    _demand_rights(tx)
    organization = await _organization(tx)
    if organization is None:
        return Metrics(as_of=None, currency=None, items=[])
    return Metrics(
        as_of=organization["as_of"], currency=organization["currency"],
        items=[Metric.model_construct(**row) for row in await tx.rows(SELECT_METRICS, None)],
    )  # fmt: skip


async def list_members(tx: Tx, dimension: str) -> list[Member]:
    """Return the members of a dimension by name, at most LISTED_MEMBERS. Raises Refusal forbidden."""
    _demand_rights(tx)
    rows = await tx.rows(SELECT_MEMBERS, tx.org_id, dimension, LISTED_MEMBERS)
    return [Member.model_construct(**row) for row in rows]


async def query_figures(tx: Tx, query: FiguresQuery) -> Figures:
    """Return the figures of a query.

    Raises Refusal: forbidden, not_found (not_built), invalid (unknown_metric, unknown_dimension, ends_before_start,
    too_many_periods, too_many_figures).
    """
    _demand_rights(tx)
    organization = await _organization(tx)
    if organization is None:
        raise Refusal("not_found", "not_built", "There are no figures yet: the first run of the Hub builds them.")
    known = {row["metric"]: Metric.model_construct(**row) for row in await tx.rows(SELECT_METRICS, query.metrics)}
    for name in query.metrics:
        _demand_metric(known.get(name), name, query.dimension)
    first, last = resolved_days(query, organization["as_of"])
    # A generic plan, which is right for rows by key, would read whole marts where a query asks for few days.
    await tx.execute("select set_config('plan_cache_mode', 'force_custom_plan', true)")
    return Figures(
        as_of=organization["as_of"], currency=organization["currency"], dimension=query.dimension, grain=query.grain,
        first=first, last=last,
        items=[await _figures(tx, known[name], query, first, last) for name in dict.fromkeys(query.metrics)],
    )  # fmt: skip


def resolved_days(query: FiguresQuery, as_of: date) -> tuple[date, date]:
    """Return the first and the last day of a query. Raises Refusal invalid."""
    days = DAYS_OF_GRAIN[query.grain]
    last = query.last or as_of
    first = query.first or _first_by_default(query.grain, last)
    if last < first:
        raise Refusal("invalid", "ends_before_start", "The last day is before the first one.", field="to")
    if (last - first).days // days >= MOST_PERIODS:
        raise Refusal(
            "invalid", "too_many_periods",
            f"These are more than {MOST_PERIODS} periods. Ask for fewer days, or for longer periods.", field="grain",
        )  # fmt: skip
    return first, last


def _first_by_default(grain: Grain, last: date) -> date:
    """Return the first day of the earliest of the PERIODS_BY_DEFAULT periods of which the last one contains `last`."""
    if grain in MONTHS_OF_GRAIN:
        months = MONTHS_OF_GRAIN[grain]
        return first_of_month(last, (last.month - 1) % months + months * (PERIODS_BY_DEFAULT - 1))
    first = last if grain == "day" else last - timedelta(days=last.weekday())
    return first - timedelta(days=DAYS_OF_GRAIN[grain] * (PERIODS_BY_DEFAULT - 1))


def first_of_month(day: date, months_before: int) -> date:
    """Return the first day of the month that is so many months before that of `day`."""
    year, month = divmod(day.year * 12 + day.month - 1 - months_before, 12)
    return date(year, month + 1, 1)


async def _figures(tx: Tx, metric: Metric, query: FiguresQuery, first: date, last: date) -> MetricFigures:
    rows = await tx.rows(
        SELECT_FIGURES, tx.org_id, metric.metric, query.dimension, query.grain, first, last, query.members or None,
        STEPS[query.grain], MOST_FIGURES + 1,
    )  # fmt: skip
    if len(rows) > MOST_FIGURES:
        raise Refusal(
            "invalid", "too_many_figures",
            f"These are more than {MOST_FIGURES:,} figures. Ask for fewer periods, or for some members.",
            field="members",
        )  # fmt: skip
    members: dict[tuple[str, str], list[Figure]] = defaultdict(list)
    for row in rows:
        members[row["member"], row["member_label"]].append(
            Figure.model_construct(
                period_start=row["period_start"], period_end=row["period_end"], is_partial=row["is_partial"],
                value=row["value"], compared={name: row[name] for name in query.compare},
            )
        )  # fmt: skip
    series = [
        Series.model_construct(member=member, member_label=label, figures=figures)
        for (member, label), figures in members.items()
    ]
    return MetricFigures.model_construct(metric=metric, series=sorted(series, key=_mean, reverse=True))


def _mean(series: Series) -> Decimal:
    values = [figure.value for figure in series.figures if figure.value is not None]
    return sum(values, Decimal(0)) / len(values) if values else Decimal("-Infinity")


def _demand_rights(tx: Tx) -> None:
    if tx.caller.role in ("client", "provider"):
        raise Refusal("forbidden", "not_allowed", "The figures are for the admins and analysts of the organisation.")


def _demand_metric(metric: Metric | None, name: str, dimension: str) -> None:
    if metric is None:
        raise Refusal("invalid", "unknown_metric", f"There is no metric {name!r}.", field="metrics")
    if dimension not in metric.dimensions:
        raise Refusal(
            "invalid", "unknown_dimension",
            f"{metric.label} is not kept by {dimension!r}, but by {', '.join(metric.dimensions)}.", field="dimension",
        )  # fmt: skip


async def _organization(tx: Tx) -> asyncpg.Record | None:
    """Return as_of and currency; None before the first run."""
    if not (await tx.one(HAS_MARTS))["is_built"]:
        return None
    return await tx.row(SELECT_ORGANIZATION, tx.org_id)
