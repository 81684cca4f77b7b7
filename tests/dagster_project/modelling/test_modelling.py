"""What is kept of the models: totals to the cent, forecasts by as_of, how good they were, what was dismissed."""

from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from uuid import UUID, uuid4

import pandas as pd
import psycopg
import pytest

from dagster_project.modelling import inputs, outputs
from dagster_project.modelling.fingerprint import fingerprint
from ml.forecasting import forecast

DAY = date(2026, 3, 10)
SERVICES = [uuid4(), uuid4(), uuid4()]


@pytest.fixture
def organization(connection: psycopg.Connection) -> inputs.Organization:
    """An organisation with a metric of each unit, eight weeks of which were alike."""
    organization = inputs.Organization(uuid4(), "ES", DAY)
    connection.execute("create schema marts")
    connection.execute(
        "create table marts.kpi_daily (org_id uuid, day date, metric text, dimension text, member text, value numeric)"
    )
    connection.execute("create table marts.dim_metric (metric text, unit text, day_column text, is_watched boolean)")
    connection.execute(
        "create table marts.dim_organization (org_id uuid, country text, as_of date, first_day date, last_day date, "
        "has_ended boolean, book_until date, bookings_complete_until date)"
    )
    connection.execute(
        "insert into marts.dim_organization values (%(org)s, 'ES', %(day)s, %(day)s::date - 55, %(day)s, false)",
        {"org": organization.id, "day": DAY},
    )
    units = {
        "bookings_created": "count",
        "booked_revenue": "money",
        "realized_revenue": "money",
        "tracked_hours": "hours",
    }
    for (metric, unit), value in zip(units.items(), (4, 800, 600, 30), strict=True):
        connection.execute("insert into marts.dim_metric values (%s, %s, 'day', true)", [metric, unit])
        connection.execute(
            "insert into marts.kpi_daily select %s, %s::date - n, %s, 'total', 'all', %s "
            "from generate_series(0, 55) as n",
            [organization.id, DAY, metric, value],
        )
    return organization


def predicted(total: float, members: tuple[float, ...]) -> pd.DataFrame:
    """The forecast of one day, total and services, with bounds 10 % away."""
    series = [inputs.TOTAL_REVENUE, *(f"realized_revenue|service|{each}" for each in SERVICES[: len(members)])]
    frame = pd.DataFrame({"series_id": series, "day": pd.Timestamp(DAY) + pd.Timedelta(days=1)})
    frame["forecast"] = [total, *members]
    for name, share in (("lower_95", 0.8), ("lower_80", 0.9), ("upper_80", 1.1), ("upper_95", 1.2)):
        frame[name] = frame["forecast"] * share
    return frame.assign(on_hand=None, model="test")


def kept(connection: psycopg.Connection, organization: inputs.Organization) -> dict[UUID | None, list[float]]:
    rows = connection.execute(
        "select service_id, forecast::float8, lower_80::float8, upper_80::float8 from ml.revenue_forecasts "
        "where org_id = %s and as_of = %s",
        [organization.id, organization.as_of],
    )
    return {service: figures for service, *figures in rows}


def test_a_total_is_to_the_cent_what_its_services_add_up_to(
    connection: psycopg.Connection, organization: inputs.Organization
) -> None:
    third = 100 / 3
    assert outputs.keep_forecasts(connection, organization, predicted(100.0, (third, third, third))) == 4
    forecasts = kept(connection, organization)
    assert forecasts[None] == [99.99, 90.0, 110.0]
    assert forecasts[SERVICES[0]] == [33.33, 30.0, 36.67]


def test_a_total_lies_within_its_bounds_whatever_its_services_say(
    connection: psycopg.Connection, organization: inputs.Organization
) -> None:
    outputs.keep_forecasts(connection, organization, predicted(100.0, (200.0, 50.0)))
    assert kept(connection, organization)[None] == [250.0, 90.0, 250.0]


def test_without_services_the_total_is_what_was_forecast(
    connection: psycopg.Connection, organization: inputs.Organization
) -> None:
    outputs.keep_forecasts(connection, organization, predicted(100.004, ()))
    assert kept(connection, organization) == {None: [100.0, 90.0, 110.0]}


def test_forecasts_of_earlier_days_stay(connection: psycopg.Connection, organization: inputs.Organization) -> None:
    before = inputs.Organization(organization.id, None, DAY - timedelta(days=1))
    for each in (before, organization, organization):
        outputs.keep_forecasts(connection, each, predicted(100.0, ()))
    rows = connection.execute("select as_of from ml.revenue_forecasts order by 1").fetchall()
    assert [row[0] for row in rows] == [before.as_of, DAY]


def test_forecasts_are_held_against_what_came(
    connection: psycopg.Connection, organization: inputs.Organization
) -> None:
    """Two days forecast 3 days ahead: 600 came, 630 and 500 were said; the weekday before was 600 and 590."""
    connection.execute("update marts.kpi_daily set value = 590 where day = %s", [DAY - timedelta(days=8)])
    for as_of, said, width in ((DAY - timedelta(days=3), 630, 40), (DAY - timedelta(days=4), 500, 50)):
        connection.execute(
            "insert into ml.revenue_forecasts (org_id, as_of, day, forecast, lower_80, upper_80, lower_95, upper_95, "
            "model) values (%(org)s, %(as_of)s, %(as_of)s::date + 3, %(said)s, %(said)s - %(width)s, "
            "%(said)s + %(width)s, %(said)s - 2 * %(width)s, %(said)s + 2 * %(width)s, 'test')",
            {"org": organization.id, "as_of": as_of, "said": said, "width": width},
        )
    for _ in range(2):
        assert outputs.judge_forecasts(connection, organization) == 1
    judged = connection.execute(
        "select service_id, lead_days, days, actual::float8, forecast::float8, absolute_error::float8, "
        "naive_absolute_error::float8, covered_80, covered_95 from ml.forecast_accuracy"
    ).fetchall()
    assert judged == [(None, 3, 2, 1200.0, 1130.0, 130.0, 10.0, 1, 2)]


def test_days_to_come_are_not_judged(connection: psycopg.Connection, organization: inputs.Organization) -> None:
    outputs.keep_forecasts(connection, organization, predicted(100.0, ()))
    assert outputs.judge_forecasts(connection, organization) == 0


def test_a_unit_is_worth_what_it_brought_of_late(
    connection: psycopg.Connection, organization: inputs.Organization
) -> None:
    series = pd.Series(["bookings_created|total|all", "booked_revenue|service|x", "tracked_hours|total|all", "new|a|b"])
    assert inputs.money(connection, organization, series) == {
        "bookings_created|total|all": 200.0,
        "booked_revenue|service|x": 1.0,
        "tracked_hours|total|all": 20.0,
        "new|a|b": 0.0,
    }


def test_what_was_dismissed_is_an_incident_from_its_beginning(
    connection: psycopg.Connection, organization: inputs.Organization
) -> None:
    for status, metric in (("dismissed", "booked_revenue"), ("open", "tracked_hours")):
        connection.execute(
            "insert into app.insight_events (org_id, kind, severity, metric, day, title, summary, dedupe_key, status, "
            "first_seen, last_seen) values (%s, 'anomaly', 'high', %s, %s, 't', 's', %s, %s, now(), now())",
            [organization.id, metric, DAY, f"anomaly|{metric}|total|all|down|{DAY - timedelta(days=1)}", status],
        )
    found = inputs.incidents(connection, organization)
    assert found.values.tolist() == [
        ["booked_revenue|total|all", pd.Timestamp(DAY - timedelta(days=1))],
        ["booked_revenue|total|all", pd.Timestamp(DAY)],
    ]


def sell(connection: psycopg.Connection, organization: inputs.Organization, member: str, **days: object) -> None:
    """Revenue of a service on every n-th of the last `count` days, and as much of the total."""
    for dimension, each in (("service", member), ("total", "all")):
        connection.execute(
            "insert into marts.kpi_daily "
            "select %(org)s, %(day)s::date - n, 'realized_revenue', %(dimension)s, %(member)s, 50 "
            "from generate_series(0, %(count)s - 1, %(every)s) as n",
            {"org": organization.id, "day": organization.as_of, "dimension": dimension, "member": each, **days},
        )


@pytest.fixture
def shop(connection: psycopg.Connection, organization: inputs.Organization) -> inputs.Organization:
    """A service that moves on 14 days of twelve weeks, and one that moves on 2."""
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


def test_totals_and_members_that_move_are_judged_with_their_zeros(
    connection: psycopg.Connection, shop: inputs.Organization
) -> None:
    history = inputs.history(connection, shop)
    assert set(history["series_id"]) == {inputs.TOTAL_REVENUE, "realized_revenue|service|busy"}
    busy = history[history["series_id"] == "realized_revenue|service|busy"]
    assert list(busy["day"]) == list(pd.date_range(end=DAY, periods=79))
    assert (busy["value"] > 0).sum() == 14
    assert inputs.history(connection, replace(shop, is_judged=False)).empty


def test_what_moves_too_little_is_forecast_as_the_rest(
    connection: psycopg.Connection, shop: inputs.Organization
) -> None:
    history = inputs.revenue_history(connection, shop)
    days = history.pivot(index="day", columns="series_id", values="value")
    assert set(days) == {inputs.TOTAL_REVENUE, inputs.REST_REVENUE, "realized_revenue|service|busy"}
    assert days[inputs.REST_REVENUE].sum() == 100
    assert (days[inputs.TOTAL_REVENUE] == days.drop(columns=inputs.TOTAL_REVENUE).sum(axis=1)).all()
    predicted = forecast(history, as_of=DAY, hierarchy=inputs.revenue_hierarchy(history["series_id"]))
    predicted["series_id"] = predicted["series_id"].str.replace("busy", str(SERVICES[0]))
    assert outputs.keep_forecasts(connection, shop, predicted) == 2 * 28, "the rest is no service"


def test_nothing_is_forecast_from_too_little_and_that_is_kept(
    connection: psycopg.Connection, shop: inputs.Organization
) -> None:
    connection.execute("delete from marts.kpi_daily where day <= %s", [DAY - timedelta(days=48)])
    history = inputs.revenue_history(connection, shop)
    assert history.empty
    predicted = forecast(history, as_of=DAY, hierarchy=inputs.revenue_hierarchy(history["series_id"]))
    assert outputs.keep_forecasts(connection, shop, predicted) == 0


def test_a_season_that_comes_again_is_forecast(connection: psycopg.Connection, shop: inputs.Organization) -> None:
    connection.execute("update marts.kpi_daily set day = day - 290")
    assert not inputs.revenue_history(connection, shop).empty


def test_near_the_edge_of_an_export_metrics_by_day_of_booking_are_not_judged(
    connection: psycopg.Connection, organization: inputs.Organization
) -> None:
    connection.execute("update marts.dim_metric set day_column = 'created_day' where metric like 'book%'")
    whole = set(inputs.history(connection, organization)["series_id"])
    cut = replace(organization, bookings_complete_until=DAY - timedelta(days=1))
    assert whole - set(inputs.history(connection, cut)["series_id"]) == {
        "bookings_created|total|all", "booked_revenue|total|all",
    }  # fmt: skip
    complete = replace(organization, bookings_complete_until=DAY)
    assert set(inputs.history(connection, complete)["series_id"]) == whole


def test_a_day_without_revenue_is_a_zero_that_came(
    connection: psycopg.Connection, organization: inputs.Organization
) -> None:
    outputs.keep_forecasts(
        connection, replace(organization, as_of=DAY - timedelta(days=1)), predicted(100.0, ()).assign(day=DAY)
    )
    connection.execute("delete from marts.kpi_daily where day = %s", [DAY])
    assert outputs.judge_forecasts(connection, organization) == 1
    assert connection.execute("select days, actual::float8 from ml.forecast_accuracy").fetchall() == [(1, 0.0)]


def test_the_hierarchy_is_the_services_of_the_total() -> None:
    tree = inputs.revenue_hierarchy(pd.Series([inputs.TOTAL_REVENUE, "realized_revenue|service|a"]))
    assert tree.to_dict("records") == [
        {"series_id": "realized_revenue|service|a", "total_id": inputs.TOTAL_REVENUE, "dimension": "service"}
    ]


def test_the_work_still_to_come_goes_to_those_who_have_hours_free(
    connection: psycopg.Connection, organization: inputs.Organization
) -> None:
    """29 days of 600 brought 58 h: 300 more to come are 1 h, of Ana 8/13, whose day is free, and of Ben 5/13. Cy's
    capacity is not known."""
    ana, ben, cy = uuid4(), uuid4(), uuid4()
    connection.execute("create schema intermediate")
    connection.execute(
        "create table intermediate.int_provider_days (org_id uuid, provider_id uuid, day date, booked_hours numeric)"
    )
    connection.execute(
        "create table intermediate.int_provider_capacity "
        "(org_id uuid, provider_id uuid, day date, capacity_hours numeric)"
    )
    for provider, capacity in ((ana, 8), (ben, 8), (cy, None)):
        connection.execute(
            "insert into intermediate.int_provider_capacity select %(org)s, %(who)s, %(day)s::date + n, "
            "case when n = 2 then 0 * %(capacity)s::integer else %(capacity)s end from generate_series(-28, 2) as n",
            {"org": organization.id, "who": provider, "day": DAY, "capacity": capacity},
        )
    connection.execute(
        "insert into intermediate.int_provider_days select %s, %s, %s::date - n, 2 from generate_series(0, 28) as n",
        [organization.id, ana, DAY],
    )
    tomorrow, after = DAY + timedelta(days=1), DAY + timedelta(days=2)
    for provider, hours in ((ben, 3), (cy, 3), (cy, None)):
        connection.execute(
            "insert into intermediate.int_provider_days values (%s, %s, %s, %s)",
            [organization.id, provider, tomorrow, hours],
        )
    for day in (tomorrow, after):
        connection.execute(
            "insert into ml.revenue_forecasts (org_id, as_of, day, forecast, lower_80, upper_80, lower_95, upper_95, "
            "on_hand, model) values (%s, %s, %s, 500, 500, 500, 500, 500, 200, 'test')",
            [organization.id, DAY, day],
        )
    found = inputs.expected_hours(connection, organization)
    rows = zip(found["provider_id"], found["day"].dt.date, found["hours"].round(6), strict=True)
    assert {(who, day): hours for who, day, hours in rows} == {
        (str(ana), tomorrow): round(8 / 13, 6),
        (str(ben), tomorrow): round(3 + 5 / 13, 6),
        (str(ana), after): 0.0,
        (str(ben), after): 0.0,
    }
    booked = inputs.booked_hours(connection, organization)
    assert dict(zip(booked["provider_id"], booked["hours"], strict=True)) == {str(ben): 3.0, str(cy): 3.0}
    assert set(inputs.available_hours(connection, organization)["provider_id"]) == {str(ana), str(ben)}


def test_a_model_is_run_again_where_its_inputs_changed(
    connection: psycopg.Connection, organization: inputs.Organization
) -> None:
    history = pd.DataFrame({"series_id": ["a", "b"], "day": pd.Timestamp(DAY), "value": [1.0, 2.0]})

    def is_known(frame: pd.DataFrame, as_of: date = DAY) -> bool:
        return outputs.is_known(connection, organization, "m", fingerprint(partial(forecast, frame, as_of=as_of)))

    assert not is_known(history)
    assert not is_known(history), "nothing is remembered of a model that was not run to its end"
    outputs.remember(connection, organization, "m", fingerprint(partial(forecast, history, as_of=DAY)))
    assert is_known(history.iloc[::-1]), "the order of rows says nothing"
    assert not is_known(history.assign(value=[1.0, 2.5]))
    assert not is_known(history, as_of=DAY + timedelta(days=1))
