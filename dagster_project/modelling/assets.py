"""Modelling assets: anomalies, revenue forecasts and provider workload, from the marts to schema ml."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Final

import dagster as dg
import pandas as pd
import psycopg
from psycopg import sql

from dagster_project.modelling import inputs, outputs
from dagster_project.modelling.fingerprints import fingerprint, is_unchanged, save_fingerprint
from dagster_project.modelling.judgement import judge
from dagster_project.modelling.organizations import Organization, organizations
from dagster_project.modelling.plots import anomaly_plot, forecast_plot, last_plot, plot_of_largest
from dagster_project.modelling.series import hierarchy
from dagster_project.organization_failures import forget_failures, isolated
from dagster_project.ownership import OWNERS
from dagster_project.resources import HubDatabase
from ml.forecasting import HORIZON_DAYS, forecast
from ml.workload import load

GROUP: Final = "modelling"

_Model = partial[pd.DataFrame]


@dg.asset(
    key=["ml", "anomalies"],
    # The dismissed app.insight_events that it reads as well are of earlier runs: the asset depends on this one.
    deps=[
        ["intermediate", "int_metric_worth"],
        ["marts", "dim_metric"],
        ["marts", "dim_organization"],
        ["marts", "fct_bookings_on_hand"],
        ["marts", "kpi_daily"],
        ["staging", "stg_app__calendar_events"],
    ],
    group_name=GROUP,
    kinds={"python", "postgres"},
    owners=OWNERS,
    description="Each daily figure of the last four weeks, compared with what the days before it lead to expect.",
)
def anomalies(context: dg.AssetExecutionContext, database: HubDatabase) -> dg.MaterializeResult[None]:
    with database.connect() as connection:
        scored = _run_models(connection, "anomalies", _anomaly_model, outputs.write_anomalies)
        if scored:
            connection.execute("analyze ml.anomalies")  # insights read it at once, before PostgreSQL has counted it
        counts = connection.execute("select count(*), count(*) filter (where is_anomaly) from ml.anomalies").fetchone()
        unchanged = {} if scored else last_plot(context.instance, dg.AssetKey(["ml", "anomalies"]))
        plot = unchanged or plot_of_largest(connection, anomaly_plot)
    rows, anomalous = counts or (0, 0)
    return dg.MaterializeResult(
        metadata={"dagster/row_count": rows, "anomalies": anomalous, "rows of this run": scored, **plot}
    )


def _forecast_spec(table: str, description: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        ["ml", table],
        deps=[
            ["analytics", "v_booking_trends"],  # the plot
            ["marts", "dim_metric"],
            ["marts", "dim_organization"],
            ["marts", "fct_bookings_on_hand"],
            ["marts", "kpi_daily"],
            ["staging", "stg_app__calendar_events"],
        ],
        group_name=GROUP,
        kinds={"python", "postgres"},
        owners=OWNERS,
        description=description,
    )


@dg.multi_asset(
    name="ml__forecasts",
    specs=[
        _forecast_spec(
            "forecasts", "Bookings, revenue, payments and booked hours of the next 90 days, with 80 and 95 % intervals."
        ),
        _forecast_spec(
            "revenue_forecasts",
            "Realized revenue of the next four weeks, in total and by service, with 80 and 95 % intervals.",
        ),
    ],
)
def forecasts(context: dg.AssetExecutionContext, database: HubDatabase) -> Iterator[dg.MaterializeResult[None]]:
    with database.connect() as connection:
        written = _run_models(connection, "revenue_forecasts", _forecast_model, outputs.write_forecasts)
        for table in ("forecasts", "revenue_forecasts"):
            name = sql.Identifier("ml", table)
            if written:
                connection.execute(
                    sql.SQL("analyze {}").format(name)
                )  # pages read it at once, as insights do anomalies
            rows = connection.execute(sql.SQL("select count(*) from {}").format(name)).fetchone()
            key, plot = dg.AssetKey(["ml", table]), {}
            if table == "revenue_forecasts":
                unchanged = {} if written else last_plot(context.instance, key)
                plot = unchanged or plot_of_largest(connection, forecast_plot)
            yield dg.MaterializeResult(
                asset_key=key,
                metadata={"dagster/row_count": rows[0] if rows else 0, "forecasts of this run": written, **plot},
            )


@dg.asset(
    key=["ml", "provider_workload"],
    deps=[["intermediate", "int_expected_hours"], ["marts", "dim_organization"]],
    group_name=GROUP,
    kinds={"python", "postgres"},
    owners=OWNERS,
    description="Booked, expected and available hours of each provider on each of the next 28 days.",
)
def provider_workload(database: HubDatabase) -> dg.MaterializeResult[None]:
    rows = overloads = 0
    with database.connect() as connection:
        forget_failures(connection, "provider_workload")
        for organization in organizations(connection):
            with isolated(connection, organization.id, organization.as_of, "provider_workload"):
                loads = _loads(connection, organization)
                outputs.write_workload(connection, organization, loads)
                rows += len(loads)
                overloads += int(loads["will_overload"].sum())
    return dg.MaterializeResult(metadata={"dagster/row_count": rows, "overloaded days": overloads})


def _run_models(
    connection: psycopg.Connection,
    name: str,
    prepare: Callable[[psycopg.Connection, Organization], _Model],
    write: Callable[[psycopg.Connection, Organization, pd.DataFrame], int],
) -> int:
    """Run a model for each organisation of which what models read, or their code, changed since its last run.

    Organisations run in parallel threads, one per core: training, which takes most of the time, releases Python's
    global lock. They run in batches, so that memory does not grow with their number. Returns how many rows it wrote.
    """
    forget_failures(connection, name)
    remaining, cores = organizations(connection), os.cpu_count() or 1
    rows = 0
    with ThreadPoolExecutor(cores) as workers:
        while remaining:
            batch, remaining = remaining[:cores], remaining[cores:]
            running = []
            for organization in batch:
                with isolated(connection, organization.id, organization.as_of, name):
                    mark = fingerprint(connection, organization)
                    if not is_unchanged(connection, organization, name, mark):
                        running.append((organization, mark, workers.submit(prepare(connection, organization))))
            for organization, mark, future in running:
                with isolated(connection, organization.id, organization.as_of, name):
                    rows += write(connection, organization, future.result())
                    save_fingerprint(connection, organization, name, mark)
    return rows


def _anomaly_model(connection: psycopg.Connection, organization: Organization) -> _Model:
    """Return `judge` for an organisation's last days, with its inputs bound."""
    history, ratios = inputs.history(connection, organization), inputs.ratio_history(connection, organization)
    series = pd.concat([history["series_id"], ratios["series_id"]])
    return partial(
        judge,
        history,
        ratios,
        on_hand=inputs.on_hand(connection, organization, history["series_id"], longest_lead=1),  # the evening before
        worth=inputs.unit_worth(connection, organization, series),
        start=organization.as_of - timedelta(days=outputs.SCORED_DAYS - 1),
        as_of=organization.as_of,
        holidays=inputs.public_holidays(organization, history["day"]),
        incidents=inputs.incidents(connection, organization),
        events=inputs.known_events(connection, organization, series),
        sensitivity=organization.sensitivity,
    )


def _forecast_model(connection: psycopg.Connection, organization: Organization) -> _Model:
    """Return ml.forecasting.forecast for an organisation's metrics, with its inputs bound."""
    sums = inputs.forecast_history(connection, organization)
    history = pd.concat([sums, inputs.forecast_ratios(connection, organization)], ignore_index=True)
    return partial(
        forecast,
        history,
        as_of=organization.as_of,
        horizon=inputs.PLANNING_DAYS,
        holidays=inputs.public_holidays(organization, history["day"]),
        on_hand=inputs.on_hand(connection, organization, sums["series_id"], longest_lead=HORIZON_DAYS),
        events=inputs.known_events(connection, organization, sums["series_id"]),  # a closed day has no ratio, not zero
        book_until=organization.book_until,
        hierarchy=hierarchy(sums["series_id"]),
    )


def _loads(connection: psycopg.Connection, organization: Organization) -> pd.DataFrame:
    """Return the load of the organisation's providers on the coming days.

    No rows where its data have not begun, or have ended.
    """
    hours = inputs.coming_hours(connection, organization)
    kinds = {
        kind: hours[["provider_id", "day"]].assign(hours=hours[kind]) for kind in ("booked", "available", "expected")
    }
    loads = load(**kinds, as_of=organization.as_of, horizon=HORIZON_DAYS)
    return loads if organization.is_modelled else loads.head(0)
