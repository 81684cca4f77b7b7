"""Inputs of the models: daily figures, bookings on hand, holidays, known events, incidents, worth, hours."""

from datetime import timedelta
from typing import Final, LiteralString

import pandas as pd
import psycopg

from dagster_project.ingestion.public_holidays import holidays_of
from dagster_project.modelling.organizations import Organization
from dagster_project.modelling.series import (
    LEAST_NONZERO_DAYS,
    MOST_MEMBERS,
    NONZERO_WITHIN_DAYS,
    REVENUE,
    SEPARATOR,
    dense,
    forecastable,
    rest_of,
    with_rest,
)
from ml.forecasting import HORIZON_DAYS
from ml.panel import MEMORY_DAYS
from sources.row_values import CalendarEventKind

PLANNING_DAYS: Final = 90  # people plan staff and money by the quarter; accuracy is measured on it (docs/methods.md)
FIGURES: Final = ("value", "numerator", "denominator", "booked", "available", "expected")  # columns of floats
# Values of dim_metric.day_column: of the metrics by day of booking, and of those by a day on which people work.
DAY_OF_BOOKING: Final = "created_day"
DAYS_OF_WORK: Final = ("service_day", "started_day", "day")
CLOSURE: Final[CalendarEventKind] = "closure"
EVENT: Final[CalendarEventKind] = "event"


def history(connection: psycopg.Connection, organization: Organization) -> pd.DataFrame:
    """Return the daily figures up to as_of of every series to be checked for anomalies: series_id, day, value.

    Totals of the watched metrics, and their largest members with enough recent nonzero days; days without a row are
    zero. Metrics by day of booking are left out if as_of is after bookings_complete_until, stocks if the book ends
    within the horizon.
    """
    sparse = _read(
        connection,
        """
        with recent as (
            select metric, dimension, member, min(day) as first_day,
                count(*) filter (where value <> 0 and day > %(as_of)s::date - %(within)s) as nonzero_days,
                sum(abs(value)) filter (where day > %(as_of)s::date - %(within)s) as size
            from marts.kpi_daily
            where org_id = %(org_id)s and day <= %(as_of)s and %(is_modelled)s
            group by metric, dimension, member
        ),
        series as (
            select recent.*, row_number() over (
                partition by metric, dimension order by size desc nulls last, member
            ) as position
            from recent
            inner join marts.dim_metric as metrics using (metric)
            where metrics.is_watched and metrics.day_column <> all(%(unknown)s)
                and (metrics.kind <> 'stock' or %(knows_book)s)
                and (dimension = 'total' or nonzero_days >= %(least_nonzero)s)
        )
        select concat_ws(%(separator)s, metric, dimension, member), kpis.day, kpis.value::float8, series.first_day
        from marts.kpi_daily as kpis
        inner join series using (metric, dimension, member)
        where kpis.org_id = %(org_id)s and kpis.day <= %(as_of)s and kpis.day > %(as_of)s::date - %(memory)s
            and series.position <= %(most_members)s
        """,
        organization,
        ["series_id", "day", "value", "first_day"],
    )
    return dense(sparse, organization.as_of)


def ratio_history(connection: psycopg.Connection, organization: Organization) -> pd.DataFrame:
    """Return the daily parts of every ratio up to as_of: series_id, day, numerator, denominator.

    Totals of the ratios, and their largest members with enough recent days with a denominator.
    """
    sparse = _read(
        connection,
        """
        with days as (
            select metrics.metric, kpis.dimension, kpis.member, kpis.day,
                sum(kpis.value) filter (where kpis.metric = metrics.numerator) as numerator,
                sum(kpis.value) filter (where kpis.metric = metrics.denominator) as denominator
            from marts.dim_metric as metrics
            inner join marts.kpi_daily as kpis
                on kpis.metric in (metrics.numerator, metrics.denominator) and kpis.dimension = any(metrics.dimensions)
            where metrics.kind = 'ratio' and metrics.is_watched and metrics.day_column <> all(%(unknown)s)
                and kpis.org_id = %(org_id)s and kpis.day <= %(as_of)s and kpis.day > %(as_of)s::date - %(memory)s
                and %(is_modelled)s
            group by metrics.metric, kpis.dimension, kpis.member, kpis.day
        ),
        recent as (
            select metric, dimension, member, min(day) as first_day,
                sum(denominator) filter (where day > %(as_of)s::date - %(within)s) as size,
                count(*) filter (where denominator <> 0 and day > %(as_of)s::date - %(within)s) as nonzero_days
            from days
            group by metric, dimension, member
        ),
        series as (
            select *, row_number() over (
                partition by metric, dimension order by size desc nulls last, member
            ) as position
            from recent
            where dimension = 'total' or nonzero_days >= %(least_nonzero)s
        )
        select concat_ws(%(separator)s, metric, dimension, member), days.day, coalesce(days.numerator, 0)::float8,
            coalesce(days.denominator, 0)::float8, series.first_day
        from days
        inner join series using (metric, dimension, member)
        where series.position <= %(most_members)s
        """,
        organization,
        ["series_id", "day", "numerator", "denominator", "first_day"],
    )
    parts = [dense(sparse, organization.as_of, figure) for figure in ("numerator", "denominator")]
    return parts[0].merge(parts[1], on=["series_id", "day"])


def forecast_history(connection: psycopg.Connection, organization: Organization) -> pd.DataFrame:
    """Return the daily figures up to as_of of every series to be forecast, with its zeros: series_id, day, value.

    Of each metric the series are the total, each service (of a metric without services: each provider) with enough
    nonzero days, the largest of them, and the rest. A metric whose total has too few nonzero days has none.
    """
    sparse = _read(
        connection,
        """
        with kpis as (
            select kpi_daily.*, sum(abs(value) * (day > %(as_of)s::date - %(within)s)::integer) over (
                partition by metric, dimension, member
            ) as size
            from marts.kpi_daily
            inner join marts.dim_metric as metrics using (metric)
            where org_id = %(org_id)s and day <= %(as_of)s and %(is_modelled)s and metrics.is_forecast
                and dimension in (
                    'total', case when 'service' = any(metrics.dimensions) then 'service' else 'provider' end
                )
                and metrics.day_column <> all(%(unknown)s)
        ),
        positions as (
            select kpis.*, dense_rank() over (partition by metric, dimension order by size desc, member) as position
            from kpis
        )
        select concat_ws(%(separator)s, metric, dimension, member), day, value::float8,
            min(day) over (partition by metric, dimension, member)
        from positions
        where position <= %(most_members)s
        """,
        organization,
        ["series_id", "day", "value", "first_day"],
    )
    return with_rest(dense(forecastable(sparse, organization.as_of), organization.as_of), ["day"])


def forecast_ratios(connection: psycopg.Connection, organization: Organization) -> pd.DataFrame:
    """Return the daily figures up to as_of of the totals of the ratios to be forecast: series_id, day, value.

    A day whose denominator is zero has none. A ratio with too few nonzero days is left out.
    """
    figures = _read(
        connection,
        """
        select concat_ws(%(separator)s, metrics.metric, 'total', 'all'), numerators.day,
            (numerators.value / denominators.value)::float8
        from marts.dim_metric as metrics
        inner join marts.kpi_daily as denominators on denominators.metric = metrics.denominator
        inner join marts.kpi_daily as numerators using (org_id, day, dimension, member)
        where metrics.is_forecast and metrics.day_column <> all(%(unknown)s) and numerators.metric = metrics.numerator
            and denominators.org_id = %(org_id)s and denominators.dimension = 'total' and denominators.value <> 0
            and denominators.day <= %(as_of)s and %(is_modelled)s
        """,
        organization,
        ["series_id", "day", "value"],
    )
    return forecastable(figures, organization.as_of)


def on_hand(
    connection: psycopg.Connection, organization: Organization, series: pd.Series, *, longest_lead: int
) -> pd.DataFrame:
    """Return the revenue on hand of each of `series`: series_id, service_day, lead_days, value."""
    revenue_on_hand = _read(
        connection,
        """
        select concat_ws(%(separator)s, %(revenue)s::text, dimension, member), service_day, lead_days, revenue::float8
        from marts.fct_bookings_on_hand
        where org_id = %(org_id)s and service_day - lead_days <= %(as_of)s and lead_days <= %(longest_lead)s
            and service_day > %(as_of)s::date - %(memory)s
            and concat_ws(%(separator)s, %(revenue)s::text, dimension, member) = any(%(series)s)
        """,
        organization,
        ["series_id", "service_day", "lead_days", "value"],
        longest_lead=longest_lead,
        series=list(series.unique()),
    )
    has_rest = (series == rest_of(REVENUE)).any()
    return with_rest(revenue_on_hand, ["service_day", "lead_days"]) if has_rest else revenue_on_hand


def public_holidays(organization: Organization, days: pd.Series) -> pd.DataFrame | None:
    """Return the public holidays of the organisation in the years of `days` and the next: day, name."""
    if organization.country is None or days.empty:
        return None
    years = range(days.min().year, days.max().year + 2)
    names = holidays_of(organization.country, organization.region or "", years)
    return pd.DataFrame({"day": pd.to_datetime(list(names)), "name": list(names.values())}) if names else None


def known_events(connection: psycopg.Connection, organization: Organization, series: pd.Series) -> pd.DataFrame:
    """Return the known events of each of `series`, past and coming: series_id, day, kind, expected_effect.

    An event of the whole organisation concerns all its series, one of a service or provider the series of that member
    and, unless it is a closure, the totals. A closure closes what is counted by the day of service or work; bookings
    and payments may come nevertheless, so that for them it is an event whose effect the past shows. An expected effect
    is that of a campaign on what is booked on its days, and of an event in town on the work of its days; it is unknown
    for other series, and for the total where it is that of a member.
    """
    events = _read(
        connection,
        """
        select days.day::date, events.kind, metrics.metric,
            case when events.service_id is not null then 'service' when events.provider_id is not null then 'provider'
            end,
            coalesce(events.service_id, events.provider_id)::text,
            metrics.kind <> 'stock' and metrics.day_column = any(%(days_of_work)s),
            case
                when metrics.kind = 'stock' then null
                when events.kind = 'campaign' and metrics.day_column = %(day_of_booking)s then events.expected_effect
                when events.kind = %(event)s and metrics.day_column = any(%(days_of_work)s) then events.expected_effect
            end::float8
        from staging.stg_app__calendar_events as events
        cross join generate_series(events.starts_on, events.ends_on, interval '1 day') as days (day)
        cross join marts.dim_metric as metrics
        where events.org_id = %(org_id)s and days.day > %(as_of)s::date - %(memory)s
            and days.day <= %(as_of)s::date + %(horizon)s
        """,
        organization,
        ["day", "kind", "metric", "dimension", "member", "is_of_work", "expected_effect"],
        days_of_work=list(DAYS_OF_WORK),
        day_of_booking=DAY_OF_BOOKING,
        event=EVENT,
        horizon=PLANNING_DAYS,
    )
    parts = pd.Series(series.unique(), dtype=object).astype(str).str.split(SEPARATOR, n=2)
    names = pd.DataFrame({"series_id": parts.str.join(SEPARATOR), "metric": parts.str[0]})
    pairs = events.merge(names.assign(own=parts.str[1], own_member=parts.str[2]), on="metric")
    is_own = (pairs["own"] == pairs["dimension"]) & (pairs["own_member"] == pairs["member"])
    is_of_total = (pairs["own"] == "total") & (pairs["kind"] != CLOSURE)
    concerned = pairs[pairs["dimension"].isna() | is_own | is_of_total]
    closes = (concerned["kind"] != CLOSURE) | concerned["is_of_work"].astype(bool)
    kinds = concerned["kind"].where(closes, EVENT)
    effects = concerned["expected_effect"].astype(float).where(concerned["dimension"].isna() | is_own)
    found = concerned.assign(kind=kinds, expected_effect=effects)[["series_id", "day", "kind", "expected_effect"]]
    # Of several events of a kind on a day the largest expected effect counts.
    largest = found.groupby(["series_id", "day", "kind"], sort=False)["expected_effect"].max()
    return largest.reset_index()


def incidents(connection: psycopg.Connection, organization: Organization) -> pd.DataFrame:
    """Return the days of dismissed anomalies, which models check but do not learn from: series_id, day.

    Not those that were dismissed as not interesting, because they show what is usual from now on, nor those of a known
    event, from whose days later ones are learnt.
    """
    return _read(
        connection,
        """
        select distinct concat_ws(%(separator)s, events.metric, events.dimension, events.member), days.day::date
        from app.insight_events as events
        cross join generate_series(events.started_on, events.day, interval '1 day') as days (day)
        where events.org_id = %(org_id)s and events.kind = 'anomaly' and events.status = 'dismissed'
            and coalesce(events.feedback_reason, 'expected') in ('expected', 'wrong')
        order by 1, 2
        """,
        organization,
        ["series_id", "day"],
    )


def unit_worth(connection: psycopg.Connection, organization: Organization, series: pd.Series) -> dict[str, float]:
    """Return the money that one unit of each of `series` is worth (of a ratio: of its numerator); 0 where unknown."""
    rows = connection.execute(
        """
        select metrics.metric, worth.worth::float8
        from marts.dim_metric as metrics
        inner join intermediate.int_metric_worth as worth
            on worth.metric = coalesce(metrics.numerator, metrics.metric)
        where worth.org_id = %s and worth.worth is not null
        """,
        [organization.id],
    )
    worth: dict[str, float] = dict(rows.fetchall())
    return {str(each): worth.get(str(each).split(SEPARATOR, 1)[0], 0.0) for each in series.unique()}


def coming_hours(connection: psycopg.Connection, organization: Organization) -> pd.DataFrame:
    """Return the hours of each provider of known capacity on each day after as_of.

    Columns: provider_id, day, booked, available, expected.
    """
    return _read(
        connection,
        """
        select provider_id::text, day, booked_hours::float8, capacity_hours::float8, expected_hours::float8
        from intermediate.int_expected_hours
        where org_id = %(org_id)s
        """,
        organization,
        ["provider_id", "day", "booked", "available", "expected"],
    )


def _read(
    connection: psycopg.Connection,
    query: LiteralString,
    organization: Organization,
    columns: list[str],
    **parameters: object,
) -> pd.DataFrame:
    """Return the rows of `query` as a DataFrame with `columns`, days as timestamps and figures as floats."""
    complete_until, book_until = organization.bookings_complete_until, organization.book_until
    is_complete = complete_until is None or complete_until >= organization.as_of
    parameters |= {
        "separator": SEPARATOR,
        "revenue": REVENUE,
        "org_id": organization.id,
        "as_of": organization.as_of,
        "is_modelled": organization.is_modelled,
        "unknown": [] if is_complete else [DAY_OF_BOOKING],
        "knows_book": book_until is None or book_until >= organization.as_of + timedelta(days=HORIZON_DAYS),
        "memory": MEMORY_DAYS,
        "within": NONZERO_WITHIN_DAYS,
        "least_nonzero": LEAST_NONZERO_DAYS,
        "most_members": MOST_MEMBERS,
    }
    frame = pd.DataFrame(connection.execute(query, parameters).fetchall(), columns=columns)
    for column in columns:
        if column.endswith("day"):
            frame[column] = pd.to_datetime(frame[column])
        elif column in FIGURES:
            frame[column] = frame[column].astype(float)
    return frame
