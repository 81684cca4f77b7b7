"""What the models read of the warehouse: daily figures, the book, the calendar, hours, and what is known to be odd."""

from dataclasses import dataclass
from datetime import date
from typing import Final, LiteralString
from uuid import UUID

import holidays
import pandas as pd
import psycopg

from ml.anomalies import MINIMUM_NONZERO, NONZERO_DAYS
from ml.panel import MEMORY_DAYS

SEPARATOR: Final = "|"  # a series is metric|dimension|member
REVENUE: Final = "realized_revenue"
TOTAL_REVENUE: Final = SEPARATOR.join((REVENUE, "total", "all"))
REST_REVENUE: Final = SEPARATOR.join((REVENUE, "rest", "all"))  # of the services that move too little to be forecast
WORTH_DAYS: Final = 91  # what a booking and an hour are worth is taken from the last quarter


# A service or provider is judged by itself, and revenue is forecast at all, where so many days of the last twelve weeks
# moved: they are the fewest that ml.anomalies can make a scale of, and of fewer a daily forecast is a guess.
MOVING_DAYS: Final = MINIMUM_NONZERO
MOVING_WITHIN_DAYS: Final = NONZERO_DAYS
SEASON_DAYS: Final = 365  # a business that opens for a season moved at that time of the last year
DAY_OF_BOOKING: Final = "created_day"  # dim_metric.day_column of the metrics by day of booking


@dataclass(frozen=True)
class Organization:
    """An organisation and the day that the run speaks of.

    is_judged: whether there is anything to judge: its data have begun, and did not end long before as_of;
    book_until: the last service day that is known, bookings_complete_until: the last day of booking that is, where the
    data end at the edge of an export.
    """

    id: UUID
    country: str | None
    as_of: date
    is_judged: bool = True
    book_until: date | None = None
    bookings_complete_until: date | None = None


def organizations(connection: psycopg.Connection) -> list[Organization]:
    """Every organisation that the run speaks of, in a fixed order."""
    rows = connection.execute(
        """
        select org_id, country, as_of, first_day is not null and (not has_ended or last_day = as_of),
            book_until, bookings_complete_until
        from marts.dim_organization
        where as_of is not null
        order by org_id
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
    """The daily figures up to as_of of every series that is judged, with their zeros: series_id, day, value.

    Of the metrics that are watched: totals always, members where they moved of late. Metrics by day of booking not so
    near the edge of an export that bookings are missing.
    """
    complete_until = organization.bookings_complete_until
    return _dense(
        _frame(
            connection,
            """
            with series as (
                select metric, dimension, member, min(day) as first_day
                from marts.kpi_daily
                where org_id = %(org_id)s and day <= %(as_of)s and %(is_judged)s
                group by metric, dimension, member
                having dimension = 'total' or count(*) filter (
                    where value <> 0 and day > %(as_of)s::date - %(within)s
                ) >= %(moving)s
            )
            select concat_ws(%(separator)s, metric, dimension, member), kpi.day, kpi.value::float8,
                series.first_day
            from marts.kpi_daily as kpi
            inner join series using (metric, dimension, member)
            inner join marts.dim_metric as metrics using (metric)
            where kpi.org_id = %(org_id)s and kpi.day <= %(as_of)s and kpi.day > %(as_of)s::date - %(memory)s
                and metrics.is_watched and (%(is_complete)s or metrics.day_column <> %(day_of_booking)s)
            """,
            organization,
            ["series_id", "day", "value", "first_day"],
            memory=MEMORY_DAYS,
            within=MOVING_WITHIN_DAYS,
            moving=MOVING_DAYS,
            is_complete=complete_until is None or complete_until >= organization.as_of,
            day_of_booking=DAY_OF_BOOKING,
        ),
        organization.as_of,
    )


def revenue_history(connection: psycopg.Connection, organization: Organization) -> pd.DataFrame:
    """Realised revenue up to as_of with its zeros: the total, each service that moves, the rest: series_id, day, value.

    Empty where even the total moves too little to be forecast: neither of late nor in the coming weeks of a year ago.
    """
    sparse = _frame(
        connection,
        """
        select concat_ws(%(separator)s, metric, dimension, member), day, value::float8,
            min(day) over (partition by dimension, member)
        from marts.kpi_daily
        where org_id = %(org_id)s and day <= %(as_of)s and metric = %(revenue)s and dimension in ('total', 'service')
            and %(is_judged)s
        """,
        organization,
        ["series_id", "day", "value", "first_day"],
    )
    as_of = pd.Timestamp(organization.as_of)
    total = sparse["series_id"] == TOTAL_REVENUE
    last_season = as_of - pd.Timedelta(days=SEASON_DAYS - MOVING_WITHIN_DAYS)
    if not (_moves(sparse[total], as_of).any() or _moves(sparse[total], last_season).any()):
        return _dense(sparse.head(0), organization.as_of)
    moves = _moves(sparse, as_of)
    judged = total | sparse["series_id"].map(moves).fillna(False).astype(bool)
    recent = sparse[sparse["day"] > as_of - pd.Timedelta(days=MEMORY_DAYS)]
    return with_rest(_dense(recent[judged.loc[recent.index]], organization.as_of), ["day"])


def _moves(sparse: pd.DataFrame, last: pd.Timestamp) -> "pd.Series[bool]":
    """Whether each series (series_id) moved on enough of the days up to `last`."""
    within = (sparse["day"] <= last) & (sparse["day"] > last - pd.Timedelta(days=MOVING_WITHIN_DAYS))
    moved = (within & (sparse["value"] != 0)).groupby(sparse["series_id"]).sum()
    return moved >= MOVING_DAYS


def with_rest(frame: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """`frame` (series_id, *keys, value) and, where the services in it are not the whole total, REST_REVENUE."""
    is_total = frame["series_id"] == TOTAL_REVENUE
    rest = frame[is_total].groupby(keys)["value"].sum()
    rest = rest.sub(frame[~is_total].groupby(keys)["value"].sum().reindex(rest.index, fill_value=0.0)).round(2)
    if is_total.all() or not rest.any():
        return frame
    return pd.concat([frame, rest.reset_index().assign(series_id=REST_REVENUE)[frame.columns]], ignore_index=True)


def _dense(sparse: pd.DataFrame, as_of: date) -> pd.DataFrame:
    """series_id, day, value of each day from first_day, or the first that models remember, to `as_of`."""
    if sparse.empty:
        return sparse[["series_id", "day", "value"]]
    first = sparse.groupby("series_id")["first_day"].first()
    days = pd.date_range(max(first.min(), pd.Timestamp(as_of) - pd.Timedelta(days=MEMORY_DAYS - 1)), as_of, name="day")
    wide = sparse.pivot(index="day", columns="series_id", values="value").reindex(days).fillna(0.0)
    known = days.to_numpy()[:, None] >= first[wide.columns].to_numpy()[None, :]
    return wide.where(known).melt(ignore_index=False).dropna().reset_index()[["series_id", "day", "value"]]


def revenue_hierarchy(series: pd.Series) -> pd.DataFrame:
    """The services among `series`, and the rest, add up to the total: series_id, total_id, dimension."""
    ids = pd.Series(series.unique(), dtype=object)
    return pd.DataFrame({"series_id": ids[ids != TOTAL_REVENUE], "total_id": TOTAL_REVENUE, "dimension": "service"})


def on_hand(
    connection: psycopg.Connection, organization: Organization, series: pd.Series, *, longest_lead: int
) -> pd.DataFrame:
    """What stood on the books of each of `series`: series_id, service_day, lead_days, value."""
    book = _frame(
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
    return with_rest(book, ["service_day", "lead_days"]) if (series == REST_REVENUE).any() else book


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
    return {
        "separator": SEPARATOR,
        "revenue": REVENUE,
        "org_id": organization.id,
        "as_of": organization.as_of,
        "is_judged": organization.is_judged,
    }


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
