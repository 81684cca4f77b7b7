"""Modelling: the daily figures in, `ml.anomalies` and `ml.revenue_forecasts` out."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final
from uuid import UUID

import dagster as dg
import holidays
import pandas as pd
import psycopg
from psycopg import sql

from dagster_project.ownership import OWNERS
from dagster_project.resources import HubDatabase
from ml.anomalies import detect
from ml.forecasting import forecast

GROUP: Final = "modelling"
SCORED_DAYS: Final = 28  # re-decided on each run, so that figures that came late are judged as well
HORIZON_DAYS: Final = 28  # as far as fct_bookings_on_hand knows the book
SEPARATOR: Final = "|"
TOTAL: Final = SEPARATOR.join(("total", "all"))


@dataclass(frozen=True)
class Organization:
    """An organisation and the day that the run speaks of."""

    id: UUID
    country: str | None
    as_of: date


@dg.asset(
    key=["ml", "anomalies"],
    deps=[["marts", "kpi_daily"], ["marts", "fct_bookings_on_hand"]],
    group_name=GROUP,
    kinds={"python", "postgres"},
    owners=OWNERS,
    description="Each daily figure of the last four weeks against what the days before it led to expect.",
)
def anomalies(database: HubDatabase) -> dg.MaterializeResult[None]:
    found = scored = 0
    with database.connect() as connection:
        for organization in organizations(connection):
            history = _history(connection, organization)
            decided = detect(
                history,
                start=organization.as_of - timedelta(days=SCORED_DAYS - 1),
                as_of=organization.as_of,
                holidays=public_holidays(organization.country, history["day"]),
                on_hand=_on_hand(connection, organization, longest_lead=1),  # what stood there the evening before
            )
            _keep_anomalies(connection, organization, decided)
            scored += len(decided)
            found += int(decided["is_anomaly"].sum())
    return dg.MaterializeResult(metadata={"dagster/row_count": scored, "anomalies": found})


@dg.asset(
    key=["ml", "revenue_forecasts"],
    deps=[["marts", "kpi_daily"], ["marts", "fct_bookings_on_hand"]],
    group_name=GROUP,
    kinds={"python", "postgres"},
    owners=OWNERS,
    description="Realised revenue of the next four weeks, total and by service, with 80 and 95 % intervals.",
)
def revenue_forecasts(database: HubDatabase) -> dg.MaterializeResult[None]:
    rows = 0
    with database.connect() as connection:
        for organization in organizations(connection):
            history = _history(connection, organization, metric="realized_revenue")
            predicted = forecast(
                history,
                as_of=organization.as_of,
                horizon=HORIZON_DAYS,
                holidays=public_holidays(organization.country, history["day"]),
                on_hand=_on_hand(connection, organization, longest_lead=HORIZON_DAYS),
            )
            rows += _keep_forecasts(connection, organization, predicted)
    return dg.MaterializeResult(metadata={"dagster/row_count": rows})


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


def _history(connection: psycopg.Connection, organization: Organization, metric: str | None = None) -> pd.DataFrame:
    """The daily figures up to as_of: series_id (metric|dimension|member), day, value."""
    rows = connection.execute(
        """
        select concat_ws(%(separator)s, metric, dimension, member), day, value::float8
        from marts.kpi_daily
        where org_id = %(org_id)s and day <= %(as_of)s and (%(metric)s::text is null or metric = %(metric)s)
            and (%(metric)s::text is null or dimension in ('total', 'service'))
        """,
        {
            "separator": SEPARATOR,
            "org_id": organization.id,
            "as_of": organization.as_of,
            "metric": metric,
        },
    ).fetchall()
    frame = pd.DataFrame(rows, columns=["series_id", "day", "value"])
    return frame.assign(day=pd.to_datetime(frame["day"]), value=frame["value"].astype(float))


def _on_hand(connection: psycopg.Connection, organization: Organization, *, longest_lead: int) -> pd.DataFrame:
    """What stood on the books: series_id as in _history, service_day, lead_days, value."""
    rows = connection.execute(
        """
        select concat_ws(%s, 'realized_revenue', dimension, member), service_day, lead_days, revenue::float8
        from marts.fct_bookings_on_hand
        where org_id = %s and service_day - lead_days <= %s and lead_days <= %s
        """,
        [SEPARATOR, organization.id, organization.as_of, longest_lead],
    ).fetchall()
    frame = pd.DataFrame(rows, columns=["series_id", "service_day", "lead_days", "value"])
    return frame.assign(service_day=pd.to_datetime(frame["service_day"]), value=frame["value"].astype(float))


def _keep_anomalies(connection: psycopg.Connection, organization: Organization, decided: pd.DataFrame) -> None:
    """Bring ml.anomalies up to what was decided; days that are judged as before stay untouched."""
    columns = [
        "metric", "dimension", "member", "day", "value", "expected", "lower", "upper", "score", "is_anomaly",
        "direction", "severity",
    ]  # fmt: skip
    parts = decided["series_id"].str.split(SEPARATOR, n=2, expand=True, regex=False)
    frame = decided.assign(metric=parts[0], dimension=parts[1], member=parts[2])[columns]
    connection.execute("create temp table decided (like ml.anomalies including defaults) on commit drop")
    _copy(connection, "decided", ["org_id", "as_of", *columns], _rows(organization, frame))
    connection.execute(
        """
        delete from ml.anomalies as kept
        using (select min(day) as first_day, max(day) as last_day from decided) as judged
        where kept.org_id = %s and kept.day between judged.first_day and judged.last_day
            and not exists (
                select from decided
                where (decided.metric, decided.dimension, decided.member, decided.day)
                    = (kept.metric, kept.dimension, kept.member, kept.day)
            )
        """,
        [organization.id],
    )
    connection.execute(
        """
        insert into ml.anomalies as kept
        select * from decided
        on conflict (org_id, metric, dimension, member, day) do update
        set as_of = excluded.as_of, value = excluded.value, expected = excluded.expected,
            lower = excluded.lower, upper = excluded.upper, score = excluded.score,
            is_anomaly = excluded.is_anomaly, direction = excluded.direction, severity = excluded.severity,
            updated_at = now()
        where (kept.as_of, kept.value, kept.expected, kept.lower, kept.upper, kept.score, kept.is_anomaly,
                kept.direction, kept.severity)
            is distinct from (excluded.as_of, excluded.value, excluded.expected, excluded.lower,
                excluded.upper, excluded.score, excluded.is_anomaly, excluded.direction, excluded.severity)
        """
    )
    connection.execute("drop table decided")


def _keep_forecasts(connection: psycopg.Connection, organization: Organization, predicted: pd.DataFrame) -> int:
    """Replace this as_of's forecasts of the organisation; earlier ones stay, to be judged by what came."""
    columns = [
        "service_id",
        "day",
        "forecast",
        "lower_80",
        "upper_80",
        "lower_95",
        "upper_95",
        "on_hand",
        "model",
    ]
    member = predicted["series_id"].str.split(SEPARATOR, n=1).str[1]
    service_id = member.where(member != TOTAL).str.removeprefix("service" + SEPARATOR)
    frame = predicted.assign(service_id=service_id)[columns]
    connection.execute(
        "delete from ml.revenue_forecasts where org_id = %s and as_of = %s",
        [organization.id, organization.as_of],
    )
    _copy(
        connection,
        sql.Identifier("ml", "revenue_forecasts"),
        ["org_id", "as_of", *columns],
        _rows(organization, frame),
    )
    return len(frame)


def _rows(organization: Organization, frame: pd.DataFrame) -> Iterator[tuple[object, ...]]:
    clean = frame.astype(object).where(frame.notna(), None)
    for row in clean.itertuples(index=False, name=None):
        yield (organization.id, organization.as_of, *row)


def _copy(
    connection: psycopg.Connection,
    table: sql.Identifier | str,
    columns: list[str],
    rows: Iterator[tuple[object, ...]],
) -> None:
    target = sql.Identifier(table) if isinstance(table, str) else table
    listed = sql.SQL(", ").join(map(sql.Identifier, columns))
    with (
        connection.cursor() as cursor,
        cursor.copy(sql.SQL("copy {} ({}) from stdin").format(target, listed)) as copy,
    ):
        for row in rows:
            copy.write_row(row)
