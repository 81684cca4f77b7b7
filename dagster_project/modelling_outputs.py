"""What the models said, kept in schema ml: a repeat of a run changes nothing."""

from collections.abc import Iterator
from typing import Final

import pandas as pd
import psycopg
from psycopg import sql

from dagster_project.modelling_inputs import REVENUE, SEPARATOR, TOTAL_REVENUE, Organization

BOUNDS: Final = ("lower_95", "lower_80", "upper_80", "upper_95")
ACCURACY_DAYS: Final = 90  # forecasts are judged by the days of the last quarter


def is_new(connection: psycopg.Connection, organization: Organization, model: str, fingerprint: str) -> bool:
    """Whether the model was last run on something else; what it is now run on is kept, in the caller's transaction."""
    kept = connection.execute(
        """
        insert into ml.fingerprints as known (org_id, model, fingerprint) values (%s, %s, %s)
        on conflict (org_id, model) do update set fingerprint = excluded.fingerprint
        where known.fingerprint <> excluded.fingerprint
        returning true
        """,
        [organization.id, model, fingerprint],
    )
    return kept.fetchone() is not None


def keep_anomalies(connection: psycopg.Connection, organization: Organization, decided: pd.DataFrame) -> None:
    """Bring ml.anomalies up to what was decided; days that are judged as before stay untouched."""
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
            pattern = excluded.pattern, updated_at = now()
        where (kept.as_of, kept.value, kept.expected, kept.lower, kept.upper, kept.score, kept.is_anomaly,
                kept.direction, kept.severity, kept.pattern)
            is distinct from (excluded.as_of, excluded.value, excluded.expected, excluded.lower,
                excluded.upper, excluded.score, excluded.is_anomaly, excluded.direction, excluded.severity,
                excluded.pattern)
        """
    )
    connection.execute("drop table decided")


def keep_forecasts(connection: psycopg.Connection, organization: Organization, predicted: pd.DataFrame) -> int:
    """Replace this as_of's forecasts of the organisation; earlier ones stay, to be judged by what came."""
    member = predicted["series_id"].str.split(SEPARATOR, n=1).str[1]
    service_id = member.where(predicted["series_id"] != TOTAL_REVENUE).str.removeprefix("service" + SEPARATOR)
    columns = ["service_id", "day", "forecast", *BOUNDS, "on_hand", "model"]
    frame = _to_the_cent(predicted).assign(service_id=service_id)[columns]
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

    One row a series and number of days ahead, beside repeating the last known value of the same weekday.
    """
    connection.execute("delete from ml.forecast_accuracy where org_id = %s", [organization.id])
    judged = connection.execute(
        """
        insert into ml.forecast_accuracy
        select said.org_id, %(as_of)s, said.service_id, said.day - said.as_of as lead_days, count(*),
            sum(came.value), sum(said.forecast), sum(abs(came.value - said.forecast)),
            sum(abs(came.value - week_before.value)),
            count(*) filter (where came.value between said.lower_80 and said.upper_80),
            count(*) filter (where came.value between said.lower_95 and said.upper_95)
        from ml.revenue_forecasts as said
        inner join marts.kpi_daily as came
            on (came.org_id, came.metric, came.day) = (said.org_id, %(revenue)s, said.day)
            and came.dimension = case when said.service_id is null then 'total' else 'service' end
            and came.member = coalesce(said.service_id::text, 'all')
        -- The newest day of the same weekday that was known when it was said.
        left join marts.kpi_daily as week_before
            on (week_before.org_id, week_before.metric, week_before.dimension, week_before.member)
                = (came.org_id, came.metric, came.dimension, came.member)
            and week_before.day = said.day - 7 * ((said.day - said.as_of + 6) / 7)
        where said.org_id = %(org_id)s and said.day <= %(as_of)s and said.day > %(as_of)s::date - %(days)s
        group by said.org_id, said.service_id, lead_days
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
