"""Inputs of the models: daily figures, bookings on hand, holidays, incidents, the worth of a unit, hours."""

from typing import Final, LiteralString

import holidays
import pandas as pd
import psycopg

from dagster_project.modelling.organizations import Organization
from dagster_project.modelling.series import (
    LEAST_NONZERO_DAYS,
    NONZERO_WITHIN_DAYS,
    REST_REVENUE,
    REVENUE,
    SEPARATOR,
    dense,
    forecastable,
    with_rest,
)
from ml.panel import MEMORY_DAYS

FIGURES: Final = ("value", "booked", "available", "expected")  # columns of floats
DAY_OF_BOOKING: Final = "created_day"  # dim_metric.day_column of the metrics by day of booking


def history(connection: psycopg.Connection, organization: Organization) -> pd.DataFrame:
    """Return the daily figures up to as_of of every series to be checked for anomalies: series_id, day, value.

    Totals of the watched metrics, and their services and providers with enough recent nonzero days; days without a row
    are zero. All metrics by day of booking are left out if as_of is after bookings_complete_until.
    """
    complete_until = organization.bookings_complete_until
    sparse = _read(
        connection,
        """
        with series as (
            select metric, dimension, member, min(day) as first_day
            from marts.kpi_daily
            where org_id = %(org_id)s and day <= %(as_of)s and %(is_modelled)s
            group by metric, dimension, member
            having dimension = 'total' or count(*) filter (
                where value <> 0 and day > %(as_of)s::date - %(within)s
            ) >= %(least_nonzero)s
        )
        select concat_ws(%(separator)s, metric, dimension, member), kpis.day, kpis.value::float8, series.first_day
        from marts.kpi_daily as kpis
        inner join series using (metric, dimension, member)
        inner join marts.dim_metric as metrics using (metric)
        where kpis.org_id = %(org_id)s and kpis.day <= %(as_of)s and kpis.day > %(as_of)s::date - %(memory)s
            and metrics.is_watched and (%(is_complete)s or metrics.day_column <> %(day_of_booking)s)
        """,
        organization,
        ["series_id", "day", "value", "first_day"],
        memory=MEMORY_DAYS,
        within=NONZERO_WITHIN_DAYS,
        least_nonzero=LEAST_NONZERO_DAYS,
        is_complete=complete_until is None or complete_until >= organization.as_of,
        day_of_booking=DAY_OF_BOOKING,
    )
    return dense(sparse, organization.as_of)


def revenue_history(connection: psycopg.Connection, organization: Organization) -> pd.DataFrame:
    """Return daily realized revenue up to as_of, with its zeros: series_id, day, value.

    The series are the total, each service with enough nonzero days, and the rest. Empty where the total has too few.
    """
    sparse = _read(
        connection,
        """
        select concat_ws(%(separator)s, metric, dimension, member), day, value::float8,
            min(day) over (partition by dimension, member)
        from marts.kpi_daily
        where org_id = %(org_id)s and day <= %(as_of)s and metric = %(revenue)s and dimension in ('total', 'service')
            and %(is_modelled)s
        """,
        organization,
        ["series_id", "day", "value", "first_day"],
    )
    return with_rest(dense(forecastable(sparse, organization.as_of), organization.as_of), ["day"])


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
        memory=MEMORY_DAYS,
        series=list(series.unique()),
    )
    return (
        with_rest(revenue_on_hand, ["service_day", "lead_days"]) if (series == REST_REVENUE).any() else revenue_on_hand
    )


def public_holidays(country: str | None, days: pd.Series) -> pd.DataFrame | None:
    """Return the public holidays of `country` (ISO 3166-1 alpha-2) in the years of `days` and the next: day, name."""
    if country is None or days.empty or country not in holidays.list_supported_countries():
        return None
    years = range(days.min().year, days.max().year + 2)
    names = holidays.country_holidays(country, years=years)
    return pd.DataFrame({"day": pd.to_datetime(list(names.keys())), "name": list(names.values())})


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
    """Return the money that one unit of each of `series` is worth; 0 where it is not known."""
    rows = connection.execute(
        "select metric, coalesce(worth, 0)::float8 from intermediate.int_metric_worth where org_id = %s",
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
    parameters |= {
        "separator": SEPARATOR,
        "revenue": REVENUE,
        "org_id": organization.id,
        "as_of": organization.as_of,
        "is_modelled": organization.is_modelled,
    }
    frame = pd.DataFrame(connection.execute(query, parameters).fetchall(), columns=columns)
    for column in columns:
        if column.endswith("day"):
            frame[column] = pd.to_datetime(frame[column])
        elif column in FIGURES:
            frame[column] = frame[column].astype(float)
    return frame
