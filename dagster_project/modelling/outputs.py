"""Outputs of the models, written to schema ml: the same output again changes nothing."""

from collections.abc import Iterator
from typing import Final

import pandas as pd
import psycopg
from psycopg import sql

from dagster_project.modelling.organizations import Organization
from dagster_project.modelling.series import REST_REVENUE, SEPARATOR, TOTAL_REVENUE

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
    """Replace the organisation's forecasts of this as_of, and return their number of rows.

    Earlier forecasts stay, to be compared with the actuals.
    """
    member = forecasts["series_id"].str.split(SEPARATOR, n=1).str[1]
    service_id = member.where(forecasts["series_id"] != TOTAL_REVENUE).str.removeprefix("service" + SEPARATOR)
    columns = ["service_id", "day", "forecast", *BOUNDS, "on_hand", "model"]
    frame = _to_the_cent(forecasts).assign(service_id=service_id)[columns][forecasts["series_id"] != REST_REVENUE]
    connection.execute(
        "delete from ml.revenue_forecasts where org_id = %s and as_of = %s", [organization.id, organization.as_of]
    )
    _copy(connection, sql.Identifier("ml", "revenue_forecasts"), organization, frame)
    return len(frame)


def write_workload(connection: psycopg.Connection, organization: Organization, loads: pd.DataFrame) -> None:
    """Replace the organisation's workload of the coming days."""
    connection.execute("delete from ml.provider_workload where org_id = %s", [organization.id])
    _copy(connection, sql.Identifier("ml", "provider_workload"), organization, loads)


def _to_the_cent(forecasts: pd.DataFrame) -> pd.DataFrame:
    """Round to cents; the total of a day is the sum of its parts, and its bounds are widened to hold it."""
    cents = forecasts.assign(**{name: forecasts[name].round(2) for name in ("forecast", *BOUNDS)})
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
