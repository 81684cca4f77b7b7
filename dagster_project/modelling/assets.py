"""Modelling: the daily figures and the book in; anomalies, forecasts, how good they were, and the workload out."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Final

import dagster as dg
import pandas as pd
import psycopg

from dagster_project.modelling import inputs, outputs
from dagster_project.modelling.fingerprint import fingerprint
from dagster_project.ownership import OWNERS
from dagster_project.resources import HubDatabase
from dagster_project.run_failures import forget_failures, isolated
from ml.anomalies import detect
from ml.forecasting import forecast
from ml.workload import load

GROUP: Final = "modelling"
HORIZON_DAYS: Final = 28  # as far as fct_bookings_on_hand knows the book
_Model = partial[pd.DataFrame]
TOLD_LEADS: Final = (1, 7, 14, 28)  # days ahead whose accuracy the Dagster UI shows


@dg.asset(
    key=["ml", "anomalies"],
    deps=[
        ["marts", "kpi_daily"],
        ["marts", "dim_metric"],
        ["marts", "dim_organization"],
        ["marts", "fct_bookings_on_hand"],
    ],
    group_name=GROUP,
    kinds={"python", "postgres"},
    owners=OWNERS,
    description="Each daily figure of the last four weeks against what the days before it led to expect.",
)
def anomalies(database: HubDatabase) -> dg.MaterializeResult[None]:
    with database.connect() as connection:
        scored = _side_by_side(connection, "anomalies", _detection, outputs.keep_anomalies)
        found = connection.execute("select count(*), count(*) filter (where is_anomaly) from ml.anomalies").fetchone()
    rows, anomalies = found or (0, 0)
    return dg.MaterializeResult(metadata={"dagster/row_count": rows, "anomalies": anomalies, "judged anew": scored})


@dg.asset(
    key=["ml", "revenue_forecasts"],
    deps=[["marts", "kpi_daily"], ["marts", "dim_organization"], ["marts", "fct_bookings_on_hand"]],
    group_name=GROUP,
    kinds={"python", "postgres"},
    owners=OWNERS,
    description="Realised revenue of the next four weeks, total and by service, with 80 and 95 % intervals.",
)
def revenue_forecasts(database: HubDatabase) -> dg.MaterializeResult[None]:
    with database.connect() as connection:
        said = _side_by_side(connection, "revenue_forecasts", _forecast, outputs.keep_forecasts)
        rows = connection.execute("select count(*) from ml.revenue_forecasts").fetchone()
    return dg.MaterializeResult(metadata={"dagster/row_count": rows[0] if rows else 0, "forecast anew": said})


@dg.asset(
    key=["ml", "forecast_accuracy"],
    deps=[["ml", "revenue_forecasts"], ["marts", "kpi_daily"], ["marts", "dim_organization"]],
    group_name=GROUP,
    kinds={"python", "postgres"},
    owners=OWNERS,
    description="The forecasts of the last quarter against what came, by how many days ahead they were made.",
)
def forecast_accuracy(database: HubDatabase) -> dg.MaterializeResult[None]:
    with database.connect() as connection:
        judged = 0
        forget_failures(connection, "forecast_accuracy")
        for each in inputs.organizations(connection):
            with isolated(connection, each.id, each.as_of, "forecast_accuracy"):
                judged += outputs.judge_forecasts(connection, each)
        told = connection.execute(
            """
            select organization.organization_name, accuracy.lead_days, accuracy.days,
                round(100 * absolute_error / nullif(actual, 0), 1)::float8,
                round(100 * naive_absolute_error / nullif(actual, 0), 1)::float8,
                round(100.0 * covered_80 / days)::integer
            from ml.forecast_accuracy as accuracy
            inner join staging.stg_app__organizations as organization on organization.org_id = accuracy.org_id
            where service_id is null and lead_days = any(%s)
            order by 1, 2
            """,
            [list(TOLD_LEADS)],
        ).fetchall()
    columns = ("organisation", "days_ahead", "days", "error_percent", "same_weekday_error_percent", "held_80_percent")
    records = [dg.TableRecord(dict(zip(columns, row, strict=True))) for row in told]
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": judged,
            "total revenue": dg.MetadataValue.table(records) if records else "No forecast's day has come yet.",
        }
    )


@dg.asset(
    key=["ml", "provider_workload"],
    deps=[
        ["intermediate", "int_provider_days"],
        ["intermediate", "int_provider_capacity"],
        ["marts", "kpi_daily"],
        ["marts", "dim_organization"],
        ["ml", "revenue_forecasts"],
    ],
    group_name=GROUP,
    kinds={"python", "postgres"},
    owners=OWNERS,
    description="Booked, expected and available hours of each provider on each of the next 28 days.",
)
def provider_workload(database: HubDatabase) -> dg.MaterializeResult[None]:
    rows = overloads = 0
    with database.connect() as connection:
        forget_failures(connection, "provider_workload")
        for organization in inputs.organizations(connection):
            with isolated(connection, organization.id, organization.as_of, "provider_workload"):
                loads = load(
                    inputs.booked_hours(connection, organization),
                    inputs.available_hours(connection, organization),
                    as_of=organization.as_of,
                    horizon=HORIZON_DAYS,
                    expected=inputs.expected_hours(connection, organization),
                )
                loads = loads if organization.is_judged else loads.head(0)
                outputs.keep_workload(connection, organization, loads)
                rows += len(loads)
                overloads += int(loads["will_overload"].sum())
    return dg.MaterializeResult(metadata={"dagster/row_count": rows, "overloaded days": overloads})


def _side_by_side(
    connection: psycopg.Connection,
    name: str,
    prepare: Callable[[psycopg.Connection, inputs.Organization], _Model],
    keep: Callable[[psycopg.Connection, inputs.Organization, pd.DataFrame], int],
) -> int:
    """Run `prepare`'s model for each organisation whose inputs, or the model itself, changed since it last ran.

    A core an organisation: learning, which is most of the time, lets go of Python's lock. In batches, so that the
    memory does not grow with the organisations. Returns how many rows were kept anew.
    """
    forget_failures(connection, name)
    organizations, cores = inputs.organizations(connection), os.cpu_count() or 1
    rows = 0
    with ThreadPoolExecutor(cores) as workers:
        for begin in range(0, len(organizations), cores):
            started = []
            for organization in organizations[begin : begin + cores]:
                with isolated(connection, organization.id, organization.as_of, name):
                    model = prepare(connection, organization)
                    mark = fingerprint(model)
                    if not outputs.is_known(connection, organization, name, mark):
                        started.append((organization, mark, workers.submit(model)))
            for organization, mark, future in started:
                with isolated(connection, organization.id, organization.as_of, name):
                    rows += keep(connection, organization, future.result())
                    outputs.remember(connection, organization, name, mark)
    return rows


def _detection(connection: psycopg.Connection, organization: inputs.Organization) -> _Model:
    """The verdicts on an organisation's last days, with everything read that they need, yet to be computed."""
    history = inputs.history(connection, organization)
    return partial(
        detect,
        history,
        start=organization.as_of - timedelta(days=outputs.SCORED_DAYS - 1),
        as_of=organization.as_of,
        holidays=inputs.public_holidays(organization.country, history["day"]),
        on_hand=inputs.on_hand(connection, organization, history["series_id"], longest_lead=1),  # the evening before
        incidents=inputs.incidents(connection, organization),
        money=inputs.money(connection, organization, history["series_id"]),
    )


def _forecast(connection: psycopg.Connection, organization: inputs.Organization) -> _Model:
    """The forecast of an organisation's revenue, with everything read that it needs, yet to be computed."""
    history = inputs.revenue_history(connection, organization)
    return partial(
        forecast,
        history,
        as_of=organization.as_of,
        horizon=HORIZON_DAYS,
        holidays=inputs.public_holidays(organization.country, history["day"]),
        on_hand=inputs.on_hand(connection, organization, history["series_id"], longest_lead=HORIZON_DAYS),
        book_until=organization.book_until,
        hierarchy=inputs.revenue_hierarchy(history["series_id"]),
    )
