"""Outputs of the models in schema ml: totals to the cent, and one set of forecasts per as_of."""

from datetime import timedelta
from uuid import UUID

import pandas as pd
import psycopg

from dagster_project.modelling import outputs
from dagster_project.modelling.organizations import Organization
from dagster_project.modelling.series import REVENUE, total_of
from tests.dagster_project.modelling.conftest import DAY, SERVICES

TOTAL_REVENUE = total_of(REVENUE)


def forecasts_of_a_day(total: float, members: tuple[float, ...]) -> pd.DataFrame:
    """The forecast of one day, total and services, with bounds 10 % away."""
    series = [TOTAL_REVENUE, *(f"realized_revenue|service|{each}" for each in SERVICES[: len(members)])]
    frame = pd.DataFrame({"series_id": series, "day": pd.Timestamp(DAY) + pd.Timedelta(days=1)})
    frame["forecast"] = [total, *members]
    for name, share in (("lower_95", 0.8), ("lower_80", 0.9), ("upper_80", 1.1), ("upper_95", 1.2)):
        frame[name] = frame["forecast"] * share
    return frame.assign(on_hand=None, model="test")


def written(connection: psycopg.Connection, organization: Organization) -> dict[UUID | None, list[float]]:
    rows = connection.execute(
        "select service_id, forecast::float8, lower_80::float8, upper_80::float8 from ml.revenue_forecasts "
        "where org_id = %s and as_of = %s",
        [organization.id, organization.as_of],
    )
    return {service: figures for service, *figures in rows}


def test_a_total_is_the_sum_of_its_services_to_the_cent(
    connection: psycopg.Connection, organization: Organization
) -> None:
    third = 100 / 3
    assert outputs.write_forecasts(connection, organization, forecasts_of_a_day(100.0, (third, third, third))) == 4
    forecasts = written(connection, organization)
    assert forecasts[None] == [99.99, 90.0, 110.0]
    assert forecasts[SERVICES[0]] == [33.33, 30.0, 36.67]


def test_a_total_lies_within_its_bounds(connection: psycopg.Connection, organization: Organization) -> None:
    outputs.write_forecasts(connection, organization, forecasts_of_a_day(100.0, (200.0, 50.0)))
    assert written(connection, organization)[None] == [250.0, 90.0, 250.0]


def test_a_total_without_services_is_rounded(connection: psycopg.Connection, organization: Organization) -> None:
    outputs.write_forecasts(connection, organization, forecasts_of_a_day(100.004, ()))
    assert written(connection, organization) == {None: [100.0, 90.0, 110.0]}


def test_forecasts_of_earlier_days_stay(connection: psycopg.Connection, organization: Organization) -> None:
    before = Organization(organization.id, None, DAY - timedelta(days=1))
    for each in (before, organization, organization):
        outputs.write_forecasts(connection, each, forecasts_of_a_day(100.0, ()))
    rows = connection.execute("select as_of from ml.revenue_forecasts order by 1").fetchall()
    assert [row[0] for row in rows] == [before.as_of, DAY]


def test_other_metrics_and_days_beyond_four_weeks_are_in_the_forecasts_alone(
    connection: psycopg.Connection, organization: Organization
) -> None:
    revenue = forecasts_of_a_day(100.0, (50.0,))
    later = revenue.assign(day=pd.Timestamp(DAY) + pd.Timedelta(days=29))
    hours = revenue.assign(series_id=["booked_hours|total|all", f"booked_hours|provider|{SERVICES[0]}"])
    assert outputs.write_forecasts(connection, organization, pd.concat([revenue, later, hours])) == 6
    assert len(written(connection, organization)) == 2
    kept = connection.execute("select metric, dimension, count(*) from ml.forecasts group by 1, 2 order by 1, 2")
    assert kept.fetchall() == [
        ("booked_hours", "provider", 1), ("booked_hours", "total", 1),
        ("realized_revenue", "service", 2), ("realized_revenue", "total", 2),
    ]  # fmt: skip
    later_run = Organization(organization.id, None, DAY + timedelta(days=outputs.KEPT_DAYS + 3))
    outputs.write_forecasts(connection, later_run, revenue.head(0))
    left = connection.execute("select distinct day from ml.forecasts").fetchall()
    assert left == [(DAY + timedelta(days=29),)], "past days are kept as long as accuracy is judged on them"


def test_the_condition_of_an_anomaly_is_written_and_changed(
    connection: psycopg.Connection, organization: Organization
) -> None:
    score = {
        "series_id": "booked_revenue|total|all", "day": pd.Timestamp(DAY), "value": 1.0, "expected": 4.0, "lower": 2.0,
        "upper": 6.0, "score": -5.0, "is_anomaly": True, "direction": "down", "severity": "high",
        "pattern": "level_shift", "began": pd.Timestamp(DAY - timedelta(days=3)), "since_value": 5.0,
        "since_expected": 16.0,
    }  # fmt: skip

    def write(row: dict[str, object]) -> None:
        with connection.transaction():
            outputs.write_anomalies(connection, organization, pd.DataFrame([row]))

    written_rows = "select began, since_value::float8, since_expected::float8, xmin::text from ml.anomalies"
    write(score)
    (before,) = connection.execute(written_rows).fetchall()
    assert before[:3] == (DAY - timedelta(days=3), 5.0, 16.0)
    write(score)
    assert connection.execute(written_rows).fetchall() == [before], "equal rows stay untouched"
    write(score | {"since_expected": 18.0})
    assert connection.execute("select since_expected::float8 from ml.anomalies").fetchall() == [(18.0,)]
