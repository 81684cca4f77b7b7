"""What the models read of the warehouse: daily figures, the book, the calendar, hours, and what is known to be odd."""

from dataclasses import dataclass
from datetime import date
from typing import Final, LiteralString
from uuid import UUID

import holidays
import pandas as pd
import psycopg

SEPARATOR: Final = "|"  # a series is metric|dimension|member
REVENUE: Final = "realized_revenue"
TOTAL_REVENUE: Final = SEPARATOR.join((REVENUE, "total", "all"))
WORTH_DAYS: Final = 91  # what a booking and an hour are worth is taken from the last quarter


@dataclass(frozen=True)
class Organization:
    """An organisation and the day that the run speaks of."""

    id: UUID
    country: str | None
    as_of: date


def organizations(connection: psycopg.Connection) -> list[Organization]:
    """Every organisation that the run speaks of, in a fixed order."""
    rows = connection.execute(
        """
        select clock.org_id, organization.country, clock.as_of
        from raw.run_clock as clock
        inner join staging.stg_app__organizations as organization on organization.org_id = clock.org_id
        order by clock.org_id
        """
    )
    return [Organization(*row) for row in rows]


def public_holidays(country: str | None, days: pd.Series) -> pd.DataFrame | None:
    """Public holidays of `country` (ISO 3166-1 alpha-2) over the years of `days` and the next: day, name."""
    if country is None or days.empty or country not in holidays.list_supported_countries():
        return None
    years = range(days.min().year, days.max().year + 2)
    named = holidays.country_holidays(country, years=years)
    return pd.DataFrame({"day": pd.to_datetime(list(named.keys())), "name": list(named.values())})


def history(connection: psycopg.Connection, organization: Organization) -> pd.DataFrame:
    """Every daily figure up to as_of: series_id, day, value."""
    return _frame(
        connection,
        """
        select concat_ws(%(separator)s, metric, dimension, member), day, value::float8
        from marts.kpi_daily
        where org_id = %(org_id)s and day <= %(as_of)s
        """,
        organization,
        ["series_id", "day", "value"],
    )


def revenue_history(connection: psycopg.Connection, organization: Organization) -> pd.DataFrame:
    """Realised revenue up to as_of, total and by service: series_id, day, value."""
    return _frame(
        connection,
        """
        select concat_ws(%(separator)s, metric, dimension, member), day, value::float8
        from marts.kpi_daily
        where org_id = %(org_id)s and day <= %(as_of)s and metric = %(revenue)s and dimension in ('total', 'service')
        """,
        organization,
        ["series_id", "day", "value"],
    )


def revenue_hierarchy(series: pd.Series) -> pd.DataFrame:
    """The services among `series` add up to the total: series_id, total_id, dimension."""
    ids = pd.Series(series.unique())
    services = ids[ids.str.startswith(SEPARATOR.join((REVENUE, "service", "")))]
    return pd.DataFrame({"series_id": services, "total_id": TOTAL_REVENUE, "dimension": "service"})


def on_hand(connection: psycopg.Connection, organization: Organization, *, longest_lead: int) -> pd.DataFrame:
    """What stood on the books: series_id, service_day, lead_days, value."""
    return _frame(
        connection,
        """
        select concat_ws(%(separator)s, %(revenue)s::text, dimension, member), service_day, lead_days, revenue::float8
        from marts.fct_bookings_on_hand
        where org_id = %(org_id)s and service_day - lead_days <= %(as_of)s and lead_days <= %(longest_lead)s
        """,
        organization,
        ["series_id", "service_day", "lead_days", "value"],
        longest_lead=longest_lead,
    )


def incidents(connection: psycopg.Connection, organization: Organization) -> pd.DataFrame:
    """Days that somebody dismissed as no news: judged, but not learnt from. series_id, day."""
    return _frame(
        connection,
        """
        select distinct concat_ws(%(separator)s, event.metric, event.dimension, event.member), known.day::date
        from app.insight_events as event
        -- The last part of an anomaly's key is the day on which it began.
        cross join generate_series(
            split_part(event.dedupe_key, '|', -1)::date, event.day, interval '1 day'
        ) as known (day)
        where event.org_id = %(org_id)s and event.kind = 'anomaly' and event.status = 'dismissed'
        order by 1, 2
        """,
        organization,
        ["series_id", "day"],
    )


def money(connection: psycopg.Connection, organization: Organization, series: pd.Series) -> dict[str, float]:
    """What one unit of each of `series` is worth: 1 of an amount, else what a booking and an hour brought of late."""
    rows = connection.execute(
        """
        with sums as (
            select metric, sum(value) as value from marts.kpi_daily
            where org_id = %(org_id)s and dimension = 'total' and day > %(as_of)s::date - %(days)s and day <= %(as_of)s
            group by metric
        ),
        units (unit, worth) as (values
            ('money', 1.0),
            ('count', (select value from sums where metric = 'booked_revenue')
                / nullif((select value from sums where metric = 'bookings_created'), 0)),
            ('hours', (select value from sums where metric = %(revenue)s)
                / nullif((select value from sums where metric = 'tracked_hours'), 0))
        )
        select metric.metric, coalesce(units.worth, 0)::float8
        from marts.dim_metric as metric
        inner join units on units.unit = metric.unit
        """,
        {**_scope(organization), "days": WORTH_DAYS},
    ).fetchall()
    worth = {str(metric): float(unit) for metric, unit in rows}
    return {str(each): worth.get(str(each).split(SEPARATOR, 1)[0], 0.0) for each in series.unique()}


def booked_hours(connection: psycopg.Connection, organization: Organization) -> pd.DataFrame:
    """Hours on the books for the days to come, as far as they are known: provider_id, day, hours."""
    return _frame(
        connection,
        """
        select provider_id::text, day, coalesce(sum(booked_hours), 0)::float8
        from intermediate.int_provider_days
        where org_id = %(org_id)s and day > %(as_of)s
        group by provider_id, day
        """,
        organization,
        ["provider_id", "day", "hours"],
    )


def available_hours(connection: psycopg.Connection, organization: Organization) -> pd.DataFrame:
    """Hours that each provider of known capacity can work on the days to come: provider_id, day, hours."""
    return _frame(
        connection,
        """
        select provider_id::text, day, capacity_hours::float8
        from intermediate.int_provider_capacity
        where org_id = %(org_id)s and day > %(as_of)s and capacity_hours is not null
        """,
        organization,
        ["provider_id", "day", "hours"],
    )


def expected_hours(connection: psycopg.Connection, organization: Organization) -> pd.DataFrame:
    """Hours that the days to come will come to, of each provider of known capacity: provider_id, day, hours.

    What is booked, and the work that the revenue forecast expects still to come in: as many hours as the revenue of the
    last four weeks took, given to those who have hours free, in proportion.
    """
    return _frame(
        connection,
        """
        with capacity as (
            select provider_id, day, capacity_hours
            from intermediate.int_provider_capacity
            where org_id = %(org_id)s and capacity_hours is not null
        ),
        booked as (
            select provider_id, day, sum(booked_hours) as hours
            from intermediate.int_provider_days
            where org_id = %(org_id)s
            group by provider_id, day
        ),
        worked as (
            select sum(booked.hours) as hours
            from capacity
            inner join booked using (provider_id, day)
            where capacity.day <= %(as_of)s
        ),
        earned as (
            select sum(kpi.value) as revenue
            from marts.kpi_daily as kpi
            where kpi.org_id = %(org_id)s and kpi.metric = %(revenue)s and kpi.dimension = 'total'
                and kpi.day between (select min(day) from capacity) and %(as_of)s
        ),
        to_come as (
            select forecast.day,
                greatest(forecast.forecast - coalesce(forecast.on_hand, 0), 0)
                    * worked.hours / nullif(earned.revenue, 0) as hours
            from ml.revenue_forecasts as forecast
            cross join worked
            cross join earned
            where forecast.org_id = %(org_id)s and forecast.as_of = %(as_of)s and forecast.service_id is null
        ),
        ahead as (
            select capacity.provider_id, capacity.day, coalesce(booked.hours, 0) as booked_hours,
                greatest(capacity.capacity_hours - coalesce(booked.hours, 0), 0) as free_hours,
                coalesce(to_come.hours, 0) as hours_to_come
            from capacity
            left join booked using (provider_id, day)
            left join to_come using (day)
            where capacity.day > %(as_of)s
        )
        select provider_id::text, day,
            (
                booked_hours
                + coalesce(hours_to_come * free_hours / nullif(sum(free_hours) over (partition by day), 0), 0)
            )::float8
        from ahead
        """,
        organization,
        ["provider_id", "day", "hours"],
    )


def _scope(organization: Organization) -> dict[str, object]:
    return {"separator": SEPARATOR, "revenue": REVENUE, "org_id": organization.id, "as_of": organization.as_of}


def _frame(
    connection: psycopg.Connection,
    query: LiteralString,
    organization: Organization,
    columns: list[str],
    **more: object,
) -> pd.DataFrame:
    rows = connection.execute(query, {**_scope(organization), **more}).fetchall()
    frame = pd.DataFrame(rows, columns=columns)
    for column in columns:
        if column.endswith("day"):
            frame[column] = pd.to_datetime(frame[column])
        elif column in ("value", "hours"):
            frame[column] = frame[column].astype(float)
    return frame
