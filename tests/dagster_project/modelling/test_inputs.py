"""Inputs of the models: series with their zeros, the rest of revenue, incidents, the worth of a unit."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pandas as pd
import psycopg
import pytest

from dagster_project.modelling import inputs, outputs
from dagster_project.modelling.organizations import Organization
from dagster_project.modelling.series import MOST_MEMBERS, REVENUE, hierarchy, rest_of, total_of
from ml.forecasting import forecast
from tests.dagster_project.modelling.conftest import DAY, SERVICES

TOTAL_REVENUE, REST_REVENUE = total_of(REVENUE), rest_of(REVENUE)


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
    history = inputs.forecast_history(connection, shop)
    days = history.pivot(index="day", columns="series_id", values="value")
    assert set(days) == {TOTAL_REVENUE, REST_REVENUE, "realized_revenue|service|busy"}
    assert days[REST_REVENUE].sum() == 100
    assert (days[TOTAL_REVENUE] == days.drop(columns=TOTAL_REVENUE).sum(axis=1)).all()
    forecasts = forecast(history, as_of=DAY, hierarchy=hierarchy(history["series_id"]))
    forecasts["series_id"] = forecasts["series_id"].str.replace("busy", str(SERVICES[0]))
    assert outputs.write_forecasts(connection, shop, forecasts) == 2 * 28, "the rest is no service"


def test_too_little_revenue_has_no_forecast(connection: psycopg.Connection, shop: Organization) -> None:
    connection.execute("delete from marts.kpi_daily where day <= %s", [DAY - timedelta(days=48)])
    history = inputs.forecast_history(connection, shop)
    assert history.empty
    forecasts = forecast(history, as_of=DAY, hierarchy=hierarchy(history["series_id"]))
    assert outputs.write_forecasts(connection, shop, forecasts) == 0


def test_a_seasonal_business_is_forecast_before_its_season(connection: psycopg.Connection, shop: Organization) -> None:
    connection.execute("update marts.kpi_daily set day = day - 290")
    assert not inputs.forecast_history(connection, shop).empty


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


def test_the_hierarchy_is_the_parts_of_each_total() -> None:
    parts = ["realized_revenue|service|a", "booked_hours|provider|b", "booked_hours|rest|all"]
    tree = hierarchy(pd.Series([TOTAL_REVENUE, "booked_hours|total|all", *parts]))
    assert dict(zip(tree["series_id"], tree["total_id"], strict=True)) == {
        parts[0]: TOTAL_REVENUE, parts[1]: "booked_hours|total|all", parts[2]: "booked_hours|total|all",
    }  # fmt: skip


def test_of_a_dimension_the_largest_members_are_judged_and_forecast(
    connection: psycopg.Connection, organization: Organization
) -> None:
    connection.execute(
        "insert into marts.kpi_daily "
        "select %s, %s::date - n, 'realized_revenue', 'service', member::text, 100 - member "
        "from generate_series(0, 55) as n cross join generate_series(1, %s) as member",
        [organization.id, DAY, MOST_MEMBERS + 1],
    )
    for read in (inputs.history, inputs.forecast_history):
        series = set(read(connection, organization)["series_id"])
        assert f"realized_revenue|service|{MOST_MEMBERS}" in series
        assert f"realized_revenue|service|{MOST_MEMBERS + 1}" not in series


def test_a_stock_is_left_out_where_the_book_ends(connection: psycopg.Connection, organization: Organization) -> None:
    connection.execute("update marts.dim_metric set kind = 'stock' where metric = 'tracked_hours'")
    ends = replace(organization, book_until=DAY + timedelta(days=27))
    assert "tracked_hours|total|all" in set(inputs.history(connection, organization)["series_id"])
    assert "tracked_hours|total|all" not in set(inputs.history(connection, ends)["series_id"])


def test_a_ratio_has_both_its_parts_on_each_day(connection: psycopg.Connection, organization: Organization) -> None:
    connection.execute(
        "insert into marts.dim_metric (metric, unit, kind, numerator, denominator, dimensions) "
        "values ('average_booking_value', 'money', 'ratio', 'booked_revenue', 'bookings_created', '{total}')"
    )
    connection.execute("delete from marts.kpi_daily where day = %s and metric = 'booked_revenue'", [DAY])
    connection.execute(
        "insert into marts.kpi_daily values (%s, %s, 'bookings_created', 'service', 'a', 4)", [organization.id, DAY]
    )
    ratios = inputs.ratio_history(connection, organization)
    assert set(ratios["series_id"]) == {"average_booking_value|total|all"}
    assert len(ratios) == 56
    assert ratios[["numerator", "denominator"]].drop_duplicates().to_numpy().tolist() == [[800.0, 4.0], [0.0, 4.0]]
    assert "average_booking_value" not in set(inputs.history(connection, organization)["series_id"])


def test_a_ratio_is_forecast_from_the_days_that_have_it(
    connection: psycopg.Connection, organization: Organization
) -> None:
    assert inputs.forecast_ratios(connection, organization).empty
    connection.execute(
        "insert into marts.dim_metric (metric, unit, kind, numerator, denominator, dimensions, is_forecast) "
        "values ('average_booking_value', 'money', 'ratio', 'booked_revenue', 'bookings_created', '{total}', true)"
    )
    connection.execute(
        "update marts.kpi_daily set value = 0 where day = %s and metric = 'bookings_created'", [DAY - timedelta(days=2)]
    )
    ratios = inputs.forecast_ratios(connection, organization)
    assert set(ratios["series_id"]) == {"average_booking_value|total|all"}
    assert len(ratios) == 55
    assert pd.Timestamp(DAY - timedelta(days=2)) not in set(ratios["day"])
    assert set(ratios["value"]) == {200.0}
    assert "average_booking_value|total|all" not in set(inputs.forecast_history(connection, organization)["series_id"])


def test_an_event_concerns_the_series_of_its_member_and_a_closure_the_days_of_work(
    connection: psycopg.Connection, organization: Organization
) -> None:
    connection.execute("update marts.dim_metric set day_column = 'service_day' where metric = 'realized_revenue'")
    connection.execute("update marts.dim_metric set day_column = 'created_day' where metric = 'booked_revenue'")
    series = pd.Series(
        [f"{m}|{member}" for m in ("realized_revenue", "booked_revenue") for member in
         ("total|all", f"service|{SERVICES[0]}", f"service|{SERVICES[1]}")]
    )  # fmt: skip
    for kind, day, service in (
        ("closure", DAY + timedelta(days=1), None),
        ("closure", DAY + timedelta(days=2), SERVICES[0]),
        ("campaign", DAY - timedelta(days=1), SERVICES[0]),
        ("campaign", DAY + timedelta(days=91), None),
    ):
        for org_id in (organization.id, uuid4()):
            connection.execute(
                "insert into staging.stg_app__calendar_events values (%s, %s, %s, %s, %s)",
                [org_id, kind, day, day, service],
            )
    events = inputs.known_events(connection, organization, series)
    found = {
        (day.date() - DAY, kind, name.replace(str(SERVICES[0]), "0").replace(str(SERVICES[1]), "1"))
        for name, day, kind, _ in events.itertuples(index=False)
    }
    assert len(found) == len(events)
    members = ("total|all", "service|0", "service|1")
    assert found == {
        *((timedelta(days=1), "closure", f"realized_revenue|{member}") for member in members),
        *((timedelta(days=1), "event", f"booked_revenue|{member}") for member in members),
        (timedelta(days=2), "closure", "realized_revenue|service|0"),
        (timedelta(days=2), "event", "booked_revenue|service|0"),
        *(
            (timedelta(days=-1), "campaign", f"{metric}|{member}")
            for metric in ("realized_revenue", "booked_revenue")
            for member in members[:2]
        ),
    }


def test_an_expected_effect_is_of_what_is_booked_or_done_on_the_days(
    connection: psycopg.Connection, organization: Organization
) -> None:
    connection.execute("update marts.dim_metric set day_column = 'service_day' where metric = 'realized_revenue'")
    connection.execute("update marts.dim_metric set day_column = 'created_day' where metric = 'booked_revenue'")
    connection.execute("update marts.dim_metric set kind = 'stock' where metric = 'tracked_hours'")
    metrics = ("realized_revenue", "booked_revenue", "tracked_hours")
    series = pd.Series(
        [f"{metric}|{member}" for metric in metrics for member in ("total|all", f"service|{SERVICES[0]}")]
    )
    tomorrow, later = DAY + timedelta(days=1), DAY + timedelta(days=2)
    for kind, day, service, effect in (
        ("campaign", tomorrow, None, 1.5), ("campaign", tomorrow, None, None), ("event", later, SERVICES[0], 2),
    ):  # fmt: skip
        connection.execute(
            "insert into staging.stg_app__calendar_events values (%s, %s, %s, %s, %s, null, %s)",
            [organization.id, kind, day, day, service, effect],
        )
    events = inputs.known_events(connection, organization, series)
    known = events.dropna(subset=["expected_effect"])
    assert len(events) == 12
    assert {(*name.split("|")[:2], effect) for name, _, _, effect in known.itertuples(index=False)} == {
        ("booked_revenue", "total", 1.5), ("booked_revenue", "service", 1.5), ("realized_revenue", "service", 2.0),
    }  # fmt: skip


def test_holidays_are_those_of_the_region(organization: Organization) -> None:
    days = pd.Series(pd.to_datetime([DAY]))
    andalusia_day = pd.Timestamp(DAY.year, 2, 28)
    for region, is_holiday in ((None, False), ("AN", True)):
        holidays = inputs.public_holidays(replace(organization, region=region), days)
        assert holidays is not None
        assert (andalusia_day in set(holidays["day"])) is is_holiday
    assert inputs.public_holidays(replace(organization, country="ZZ"), days) is None


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
    connection.execute("insert into marts.dim_metric (metric, numerator) values ('price', 'booked_revenue')")
    for metric, worth in (("bookings_created", 200), ("booked_revenue", 1), ("tracked_hours", None)):
        connection.execute(
            "insert into intermediate.int_metric_worth values (%s, %s, %s)", [organization.id, metric, worth]
        )
    series = pd.Series(
        ["bookings_created|total|all", "booked_revenue|service|x", "tracked_hours|total|all", "new|a|b", "price|a|b"]
    )
    assert inputs.unit_worth(connection, organization, series) == {
        "bookings_created|total|all": 200.0,
        "booked_revenue|service|x": 1.0,
        "tracked_hours|total|all": 0.0,
        "new|a|b": 0.0,
        "price|a|b": 1.0,
    }
    assert inputs.unit_worth(connection, replace(organization, id=uuid4()), series[:1]) == {series[0]: 0.0}


def test_coming_hours_are_numbers_of_each_provider_and_day(
    connection: psycopg.Connection, organization: Organization
) -> None:
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
