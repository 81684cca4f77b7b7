"""What the models said, kept in schema ml: a repeat of a run changes nothing."""

from collections.abc import Iterator
from typing import Final

import pandas as pd
import psycopg
from psycopg import sql

from dagster_project.modelling.inputs import REST_REVENUE, REVENUE, SEPARATOR, TOTAL_REVENUE, Organization

BOUNDS: Final = ("lower_95", "lower_80", "upper_80", "upper_95")
SCORED_DAYS: Final = 28  # decided anew on each run, so that figures that came late are judged as well
ACCURACY_DAYS: Final = 90  # forecasts are judged by the days of the last quarter


def is_known(connection: psycopg.Connection, organization: Organization, model: str, fingerprint: str) -> bool:
    """Whether the model last ran on the same."""
    known = connection.execute(
        "select true from ml.fingerprints where (org_id, model, fingerprint) = (%s, %s, %s)",
        [organization.id, model, fingerprint],
    )
    return known.fetchone() is not None


def remember(connection: psycopg.Connection, organization: Organization, model: str, fingerprint: str) -> None:
    """Keep what the model ran on, and of which day it spoke: also where it had nothing to say."""
    connection.execute(
        """
        insert into ml.fingerprints (org_id, model, fingerprint, as_of) values (%s, %s, %s, %s)
        on conflict (org_id, model) do update set fingerprint = excluded.fingerprint, as_of = excluded.as_of
        """,
        [organization.id, model, fingerprint, organization.as_of],
    )


def keep_anomalies(connection: psycopg.Connection, organization: Organization, decided: pd.DataFrame) -> int:
    """Bring ml.anomalies up to what was decided, and return how many rows that is.

    Days that are judged as before stay untouched; what is not judged any more goes.
    """
    columns = [
        "metric", "dimension", "member", "day", "value", "expected", "lower", "upper", "score", "is_anomaly",
        "direction", "severity", "pattern",
    ]  # fmt: skip
    parts = decided["series_id"].astype(str).str.split(SEPARATOR, n=2)
    frame = decided.assign(metric=parts.str[0], dimension=parts.str[1], member=parts.str[2])[columns]
    connection.execute("create temp table decided (like ml.anomalies including defaults) on commit drop")
    _copy(connection, sql.Identifier("decided"), organization, frame)
    connection.execute(
        """
        delete from ml.anomalies as kept
        where kept.org_id = %(org_id)s and kept.day <= %(as_of)s and kept.day > %(as_of)s::date - %(scored)s
            and not exists (
                select from decided
                where (decided.metric, decided.dimension, decided.member, decided.day)
                    = (kept.metric, kept.dimension, kept.member, kept.day)
            )
        """,
        {"org_id": organization.id, "as_of": organization.as_of, "scored": SCORED_DAYS},
    )
    connection.execute(
        """
        insert into ml.anomalies as kept
        select * from decided
        on conflict (org_id, metric, dimension, member, day) do update
        set as_of = excluded.as_of, value = excluded.value, expected = excluded.expected,
            lower = excluded.lower, upper = excluded.upper, score = excluded.score,
            is_anomaly = excluded.is_anomaly, direction = excluded.direction, severity = excluded.severity,
            pattern = excluded.pattern, updated_at = now()
        where (kept.as_of, kept.value, kept.expected, kept.lower, kept.upper, kept.score, kept.is_anomaly,
                kept.direction, kept.severity, kept.pattern)
            is distinct from (excluded.as_of, excluded.value, excluded.expected, excluded.lower,
                excluded.upper, excluded.score, excluded.is_anomaly, excluded.direction, excluded.severity,
                excluded.pattern)
        """
    )
    connection.execute("drop table decided")
    return len(frame)


def keep_forecasts(connection: psycopg.Connection, organization: Organization, predicted: pd.DataFrame) -> int:
    """Replace this as_of's forecasts of the organisation; earlier ones stay, to be judged by what came."""
    member = predicted["series_id"].str.split(SEPARATOR, n=1).str[1]
    service_id = member.where(predicted["series_id"] != TOTAL_REVENUE).str.removeprefix("service" + SEPARATOR)
    columns = ["service_id", "day", "forecast", *BOUNDS, "on_hand", "model"]
    frame = _to_the_cent(predicted).assign(service_id=service_id)[columns][predicted["series_id"] != REST_REVENUE]
    connection.execute(
        "delete from ml.revenue_forecasts where org_id = %s and as_of = %s", [organization.id, organization.as_of]
    )
    _copy(connection, sql.Identifier("ml", "revenue_forecasts"), organization, frame)
    return len(frame)


def keep_workload(connection: psycopg.Connection, organization: Organization, loads: pd.DataFrame) -> None:
    """Replace the workload of the days to come."""
    connection.execute("delete from ml.provider_workload where org_id = %s", [organization.id])
    _copy(connection, sql.Identifier("ml", "provider_workload"), organization, loads)


def judge_forecasts(connection: psycopg.Connection, organization: Organization) -> int:
    """Hold the kept forecasts of the last ACCURACY_DAYS days against what came; return how many leads were judged.

    One row a series and number of days ahead, beside repeating the last known value of the same weekday. A day without
    a row in kpi_daily is zero, up to the last day of the data.
    """
    connection.execute("delete from ml.forecast_accuracy where org_id = %s", [organization.id])
    judged = connection.execute(
        """
        with ahead as (
            select forecasts.*, coalesce(actual.value, 0) as actual,
                -- The newest day of the same weekday that was known when the forecast was made.
                forecasts.day - 7 * ((forecasts.day - forecasts.as_of + 6) / 7) as week_before,
                case when forecasts.service_id is null then 'total' else 'service' end as dimension,
                coalesce(forecasts.service_id::text, 'all') as member
            from ml.revenue_forecasts as forecasts
            inner join marts.dim_organization as organization on organization.org_id = forecasts.org_id
            left join marts.kpi_daily as actual
                on (actual.org_id, actual.metric, actual.day) = (forecasts.org_id, %(revenue)s, forecasts.day)
                and actual.dimension = case when forecasts.service_id is null then 'total' else 'service' end
                and actual.member = coalesce(forecasts.service_id::text, 'all')
            where forecasts.org_id = %(org_id)s and forecasts.day <= least(%(as_of)s, organization.last_day)
                and forecasts.day > %(as_of)s::date - %(days)s
        )
        insert into ml.forecast_accuracy
        select ahead.org_id, %(as_of)s, ahead.service_id, ahead.day - ahead.as_of as lead_days, count(*),
            sum(ahead.actual), sum(ahead.forecast), sum(abs(ahead.actual - ahead.forecast)),
            sum(abs(ahead.actual - coalesce(naive.value, 0))),
            count(*) filter (where ahead.actual between ahead.lower_80 and ahead.upper_80),
            count(*) filter (where ahead.actual between ahead.lower_95 and ahead.upper_95)
        from ahead
        left join marts.kpi_daily as naive
            on (naive.org_id, naive.metric, naive.day) = (ahead.org_id, %(revenue)s, ahead.week_before)
            and (naive.dimension, naive.member) = (ahead.dimension, ahead.member)
        group by ahead.org_id, ahead.service_id, lead_days
        """,
        {"org_id": organization.id, "as_of": organization.as_of, "revenue": REVENUE, "days": ACCURACY_DAYS},
    )
    return judged.rowcount


def _to_the_cent(predicted: pd.DataFrame) -> pd.DataFrame:
    """Forecasts in cents, the total of each day exactly what its services add up to, within its own bounds."""
    cents = predicted.assign(**{name: predicted[name].round(2) for name in ("forecast", *BOUNDS)})
    is_total = cents["series_id"] == TOTAL_REVENUE
    if is_total.all():
        return cents
    sums = cents[~is_total].groupby("day")["forecast"].sum().round(2)
    total = cents.loc[is_total, "day"].map(sums)
    cents.loc[is_total, "forecast"] = total
    for name in BOUNDS:
        bound = cents.loc[is_total, name]
        cents.loc[is_total, name] = bound.where(bound <= total, total) if "lower" in name else bound.clip(lower=total)
    return cents


def _copy(
    connection: psycopg.Connection, table: sql.Identifier, organization: Organization, frame: pd.DataFrame
) -> None:
    """Append the frame's columns of the organisation's as_of to the table."""
    listed = sql.SQL(", ").join(map(sql.Identifier, ["org_id", "as_of", *frame.columns]))
    with (
        connection.cursor() as cursor,
        cursor.copy(sql.SQL("copy {} ({}) from stdin").format(table, listed)) as copy,
    ):
        for row in _rows(frame):
            copy.write_row((organization.id, organization.as_of, *row))


def _rows(frame: pd.DataFrame) -> Iterator[tuple[object, ...]]:
    clean = frame.astype(object).where(frame.notna(), None)
    yield from clean.itertuples(index=False, name=None)
