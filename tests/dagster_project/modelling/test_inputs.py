"""Inputs of the models: series with their zeros, the rest of revenue, incidents, the worth of a unit."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pandas as pd
import psycopg
import pytest

from dagster_project.modelling import inputs, outputs
from dagster_project.modelling.organizations import Organization
from dagster_project.modelling.series import REST_REVENUE, TOTAL_REVENUE, revenue_hierarchy
from ml.forecasting import forecast
from tests.dagster_project.modelling.conftest import DAY, SERVICES


def sell(connection: psycopg.Connection, organization: Organization, member: str, **days: object) -> None:
    """Revenue of a service on every n-th of the last `count` days, and as much of the total."""
    for dimension, each in (("service", member), ("total", "all")):
        connection.execute(
            "insert into marts.kpi_daily "
            "select %(org)s, %(day)s::date - n, 'realized_revenue', %(dimension)s, %(member)s, 50 "
            "from generate_series(0, %(count)s - 1, %(every)s) as n",
            {"org": organization.id, "day": organization.as_of, "dimension": dimension, "member": each, **days},
        )


@pytest.fixture
def shop(connection: psycopg.Connection, organization: Organization) -> Organization:
    """A service with 14 nonzero days in twelve weeks, and one with 2."""
    connection.execute("delete from marts.kpi_daily")
    sell(connection, organization, "busy", count=84, every=6)
    sell(connection, organization, "rare", count=84, every=50)
    connection.execute(
        "create temp table summed as select org_id, day, metric, dimension, member, sum(value) as value "
        "from marts.kpi_daily group by 1, 2, 3, 4, 5"
    )
    connection.execute("delete from marts.kpi_daily")
    connection.execute("insert into marts.kpi_daily select * from summed")
    return organization


def test_the_history_has_totals_and_members_with_enough_nonzero_days(
    connection: psycopg.Connection, shop: Organization
) -> None:
    history = inputs.history(connection, shop)
    assert set(history["series_id"]) == {TOTAL_REVENUE, "realized_revenue|service|busy"}
    busy = history[history["series_id"] == "realized_revenue|service|busy"]
    assert list(busy["day"]) == list(pd.date_range(end=DAY, periods=79))
    assert (busy["value"] > 0).sum() == 14
    assert inputs.history(connection, replace(shop, is_modelled=False)).empty


def test_services_with_too_few_nonzero_days_are_forecast_as_the_rest(
    connection: psycopg.Connection, shop: Organization
) -> None:
    history = inputs.revenue_history(connection, shop)
    days = history.pivot(index="day", columns="series_id", values="value")
    assert set(days) == {TOTAL_REVENUE, REST_REVENUE, "realized_revenue|service|busy"}
    assert days[REST_REVENUE].sum() == 100
    assert (days[TOTAL_REVENUE] == days.drop(columns=TOTAL_REVENUE).sum(axis=1)).all()
    forecasts = forecast(history, as_of=DAY, hierarchy=revenue_hierarchy(history["series_id"]))
    forecasts["series_id"] = forecasts["series_id"].str.replace("busy", str(SERVICES[0]))
    assert outputs.write_forecasts(connection, shop, forecasts) == 2 * 28, "the rest is no service"


def test_too_little_revenue_has_no_forecast(connection: psycopg.Connection, shop: Organization) -> None:
    connection.execute("delete from marts.kpi_daily where day <= %s", [DAY - timedelta(days=48)])
    history = inputs.revenue_history(connection, shop)
    assert history.empty
    forecasts = forecast(history, as_of=DAY, hierarchy=revenue_hierarchy(history["series_id"]))
    assert outputs.write_forecasts(connection, shop, forecasts) == 0


def test_a_seasonal_business_is_forecast_before_its_season(connection: psycopg.Connection, shop: Organization) -> None:
    connection.execute("update marts.kpi_daily set day = day - 290")
    assert not inputs.revenue_history(connection, shop).empty


def test_metrics_by_day_of_booking_are_left_out_near_the_edge_of_an_export(
    connection: psycopg.Connection, organization: Organization
) -> None:
    connection.execute("update marts.dim_metric set day_column = 'created_day' where metric like 'book%'")
    whole = set(inputs.history(connection, organization)["series_id"])
    cut = replace(organization, bookings_complete_until=DAY - timedelta(days=1))
    assert whole - set(inputs.history(connection, cut)["series_id"]) == {
        "bookings_created|total|all", "booked_revenue|total|all",
    }  # fmt: skip
    complete = replace(organization, bookings_complete_until=DAY)
    assert set(inputs.history(connection, complete)["series_id"]) == whole


def test_the_hierarchy_is_the_services_of_the_total() -> None:
    tree = revenue_hierarchy(pd.Series([TOTAL_REVENUE, "realized_revenue|service|a"]))
    assert tree.to_dict("records") == [
        {"series_id": "realized_revenue|service|a", "total_id": TOTAL_REVENUE, "dimension": "service"}
    ]


def test_dismissed_anomalies_are_incidents_from_their_beginning(
    connection: psycopg.Connection, organization: Organization
) -> None:
    for status, metric, reason in (
        ("dismissed", "booked_revenue", None),
        ("open", "tracked_hours", None),
        ("dismissed", "collected_revenue", "not_interesting"),  # what is usual from now on
        ("dismissed", "bookings_created", "known_event"),  # from whose days later ones are learnt
    ):
        connection.execute(
            "insert into app.insight_events (org_id, kind, severity, metric, started_on, day, title, summary, "
            "dedupe_key, status, feedback_reason, first_seen, last_seen) "
            "values (%s, 'anomaly', 'high', %s, %s, %s, 't', 's', %s, %s, %s, now(), now())",
            [organization.id, metric, DAY - timedelta(days=1), DAY, metric, status, reason],
        )
    found = inputs.incidents(connection, organization)
    assert found.values.tolist() == [
        ["booked_revenue|total|all", pd.Timestamp(DAY - timedelta(days=1))],
        ["booked_revenue|total|all", pd.Timestamp(DAY)],
    ]


def test_a_unit_is_worth_what_the_warehouse_says(connection: psycopg.Connection, organization: Organization) -> None:
    connection.execute("create schema intermediate")
    connection.execute("create table intermediate.int_metric_worth (org_id uuid, metric text, worth numeric)")
    for metric, worth in (("bookings_created", 200), ("booked_revenue", 1), ("tracked_hours", None)):
        connection.execute(
            "insert into intermediate.int_metric_worth values (%s, %s, %s)", [organization.id, metric, worth]
        )
    series = pd.Series(["bookings_created|total|all", "booked_revenue|service|x", "tracked_hours|total|all", "new|a|b"])
    assert inputs.unit_worth(connection, organization, series) == {
        "bookings_created|total|all": 200.0,
        "booked_revenue|service|x": 1.0,
        "tracked_hours|total|all": 0.0,
        "new|a|b": 0.0,
    }
    assert inputs.unit_worth(connection, replace(organization, id=uuid4()), series[:1]) == {series[0]: 0.0}


def test_coming_hours_are_numbers_of_each_provider_and_day(
    connection: psycopg.Connection, organization: Organization
) -> None:
    connection.execute("create schema intermediate")
    connection.execute(
        "create table intermediate.int_expected_hours (org_id uuid, provider_id uuid, day date, booked_hours numeric, "
        "capacity_hours numeric, expected_hours numeric)"
    )
    provider = uuid4()
    for org_id in (organization.id, uuid4()):
        connection.execute(
            "insert into intermediate.int_expected_hours values (%s, %s, %s, 3, 8, 3.5)", [org_id, provider, DAY]
        )
    hours = inputs.coming_hours(connection, organization)
    assert hours.to_dict("records") == [
        {"provider_id": str(provider), "day": pd.Timestamp(DAY), "booked": 3.0, "available": 8.0, "expected": 3.5}
    ]
    nothing = inputs.coming_hours(connection, replace(organization, id=uuid4()))
    assert nothing.empty
    assert nothing["expected"].dtype == float
