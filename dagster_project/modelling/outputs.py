"""Outputs of the models, written to schema ml: the same output again changes nothing."""

from collections.abc import Iterator
from typing import Final

import pandas as pd
import psycopg
from psycopg import sql

from dagster_project.modelling.organizations import Organization
from dagster_project.modelling.series import REST, REVENUE, SEPARATOR, is_total, metrics_of, total_of
from ml.forecasting import HORIZON_DAYS

KEPT_DAYS: Final = 120  # past days of ml.forecasts: accuracy is judged on the last 90 (thresholds.yml), with a margin
BOUNDS: Final = ("lower_95", "lower_80", "upper_80", "upper_95")
KEY: Final = ("metric", "dimension", "member", "day")
JUDGEMENT: Final = (
    "value", "expected", "lower", "upper", "score", "is_anomaly", "direction", "severity", "pattern",
    "began", "since_value", "since_expected",
)  # fmt: skip
SCORED_DAYS: Final = 28  # scored anew on each run, so that figures that arrive late are scored as well


def write_anomalies(connection: psycopg.Connection, organization: Organization, scores: pd.DataFrame) -> int:
    """Replace the last SCORED_DAYS of ml.anomalies by `scores`, and return their number of rows.

    Equal rows stay untouched; rows of those days that `scores` lacks are deleted.
    """
    parts = scores["series_id"].astype(str).str.split(SEPARATOR, n=2)
    frame = scores.assign(metric=parts.str[0], dimension=parts.str[1], member=parts.str[2])[[*KEY, *JUDGEMENT]]
    connection.execute("create temp table scores (like ml.anomalies including defaults) on commit drop")
    _copy(connection, sql.Identifier("scores"), organization, frame)
    connection.execute(
        """
        delete from ml.anomalies as anomalies
        where anomalies.org_id = %(org_id)s and anomalies.day <= %(as_of)s
            and anomalies.day > %(as_of)s::date - %(scored)s
            and not exists (
                select from scores
                where (scores.metric, scores.dimension, scores.member, scores.day)
                    = (anomalies.metric, anomalies.dimension, anomalies.member, anomalies.day)
            )
        """,
        {"org_id": organization.id, "as_of": organization.as_of, "scored": SCORED_DAYS},
    )
    listed, existing, excluded = (
        sql.SQL(", ").join(sql.Identifier(*table, column) for column in ("as_of", *JUDGEMENT))
        for table in ((), ("anomalies",), ("excluded",))
    )
    connection.execute(
        sql.SQL(
            """
            insert into ml.anomalies as anomalies
            select * from scores
            on conflict (org_id, metric, dimension, member, day) do update
            set ({listed}, updated_at) = row ({excluded}, now())
            where ({existing}) is distinct from ({excluded})
            """
        ).format(listed=listed, existing=existing, excluded=excluded)
    )
    connection.execute("drop table scores")
    return len(frame)


def write_forecasts(connection: psycopg.Connection, organization: Organization, forecasts: pd.DataFrame) -> int:
    """Replace the organisation's forecasts of this as_of, and return the number of rows of ml.forecasts.

    Earlier forecasts stay, to be compared with the actuals, until their days are KEPT_DAYS past. The revenue of the
    coming HORIZON_DAYS is in ml.revenue_forecasts too.
    """
    parts = forecasts["series_id"].astype(str).str.split(SEPARATOR, n=2)
    frame = _to_the_cent(forecasts).assign(metric=parts.str[0], dimension=parts.str[1], member=parts.str[2])
    frame = frame[frame["dimension"] != REST]
    figures = ["day", "forecast", *BOUNDS, "on_hand", "model"]
    revenue = frame[
        (frame["metric"] == REVENUE)
        & (frame["day"] <= pd.Timestamp(organization.as_of) + pd.Timedelta(days=HORIZON_DAYS))
    ]
    service_id = revenue["member"].where(revenue["dimension"] == "service")
    for table, columns in (
        ("forecasts", frame[["metric", "dimension", "member", *figures]]),
        ("revenue_forecasts", revenue.assign(service_id=service_id)[["service_id", *figures]]),
    ):
        name = sql.Identifier("ml", table)
        connection.execute(
            sql.SQL("delete from {} where org_id = %s and as_of = %s").format(name),
            [organization.id, organization.as_of],
        )
        _copy(connection, name, organization, columns)
    connection.execute(
        "delete from ml.forecasts where org_id = %s and day < %s::date - %s",
        [organization.id, organization.as_of, KEPT_DAYS],
    )
    return len(frame)


def write_workload(connection: psycopg.Connection, organization: Organization, loads: pd.DataFrame) -> None:
    """Replace the organisation's workload of the coming days."""
    connection.execute("delete from ml.provider_workload where org_id = %s", [organization.id])
    _copy(connection, sql.Identifier("ml", "provider_workload"), organization, loads)


def _to_the_cent(forecasts: pd.DataFrame) -> pd.DataFrame:
    """Round to cents; the total of a metric and day is the sum of its parts, and its bounds are widened to hold it."""
    cents = forecasts.assign(**{name: forecasts[name].round(2) for name in ("forecast", *BOUNDS)})
    of_total, total_ids = is_total(cents["series_id"]), metrics_of(cents["series_id"]).map(total_of)
    parts = cents[~of_total].assign(series_id=total_ids[~of_total])
    sums = parts.groupby(["series_id", "day"])["forecast"].sum().round(2)
    keys = pd.MultiIndex.from_frame(cents[["series_id", "day"]])
    total = pd.Series(sums.reindex(keys).to_numpy(), index=cents.index)
    has_parts = of_total & total.notna()
    cents.loc[has_parts, "forecast"] = total[has_parts]
    for name in BOUNDS:
        bound, centre = cents.loc[has_parts, name], total[has_parts]
        cents.loc[has_parts, name] = bound.clip(upper=centre) if "lower" in name else bound.clip(lower=centre)
    return cents


def _copy(
    connection: psycopg.Connection, table: sql.Identifier, organization: Organization, frame: pd.DataFrame
) -> None:
    """Append the rows of `frame` to `table`, with org_id and as_of."""
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
