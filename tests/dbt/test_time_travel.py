"""A real hotel as of any day, compared with the state of each stay read from its file."""

import csv
import gzip
import random
from calendar import month_name
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from cli.example import HOTEL
from sources.importing import find_mapping, import_files
from sources.settings import Settings
from tests.conftest import TEMPLATE, clone
from tests.dbt.conftest import Dbt, land_tables, rows, set_clock

DAYS = random.Random(20160219).sample([date(2015, 7, 1) + timedelta(days=number) for number in range(790)], 3)
NO_UNIT_TESTS = ("--exclude-resource-type", "unit_test")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def hotel(server: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Every booking of the hotel, landed but not built."""
    settings = Settings(home=tmp_path_factory.mktemp("hotel"), database_url=clone(server, TEMPLATE))
    import_files(settings, find_mapping("resort_hotel"), [HOTEL], as_of_now=datetime(2017, 10, 1, tzinfo=UTC))
    land_tables(settings)
    return settings


def stays() -> list[dict[str, str]]:
    with gzip.open(HOTEL, "rt") as file:
        return list(csv.DictReader(file))


def arrival(stay: dict[str, str]) -> date:
    month = list(month_name).index(stay["arrival_date_month"])
    return date(int(stay["arrival_date_year"]), month, int(stay["arrival_date_day_of_month"]))


def outcome(stay: dict[str, str], day: date) -> str | None:
    """Return the outcome of a stay at the end of `day`: completed, cancelled (no-shows too) or open; None before it."""
    if arrival(stay) - timedelta(days=int(stay["lead_time"])) > day:
        return None
    ended = date.fromisoformat(stay["reservation_status_date"])
    if stay["reservation_status"] == "No-Show":
        ended = arrival(stay)  # a no-show is known on the day of arrival
    if stay["reservation_status"] == "Check-Out":
        ended = max(ended, arrival(stay))
    if ended > day:
        return "open"
    return "completed" if stay["reservation_status"] == "Check-Out" else "cancelled"


@pytest.mark.parametrize("day", DAYS, ids=str)
def test_counts_as_of_a_past_day_equal_those_of_that_day(hotel: Settings, dbt: Dbt, day: date) -> None:
    set_clock(hotel, day)
    dbt(hotel, "build", "--select", "+v_booking_status", "+v_booking_status_metrics", *NO_UNIT_TESTS, "test")
    outcomes = [outcome(stay, day) for stay in stays()]
    query = """
        select case when derived_status in ('completed', 'cancelled') then derived_status else 'open' end as outcome,
            count(*) as n
        from analytics.v_booking_status group by 1
    """
    shown = {row["outcome"]: row["n"] for row in rows(hotel, query)}
    assert shown == {name: outcomes.count(name) for name in ("completed", "cancelled", "open")}
    [now] = rows(
        hotel, "select pending_now, active_now, at_risk_now, overdue_now from analytics.v_booking_status_metrics"
    )
    assert sum(now.values()) == outcomes.count("open")


def test_total_revenue_equals_that_of_the_file(hotel: Settings, dbt: Dbt) -> None:
    set_clock(hotel, date(2017, 9, 30))
    dbt(hotel, "build", *NO_UNIT_TESTS)
    amounts = [
        Decimal(stay["adr"]) * (int(stay["stays_in_weekend_nights"]) + int(stay["stays_in_week_nights"]))
        for stay in stays()
        if stay["reservation_status"] == "Check-Out"
    ]
    query = "select sum(value) as s from marts.kpi_daily where metric = %s and dimension = 'total'"
    for metric in ("realized_revenue", "earned_revenue"):
        assert rows(hotel, query, metric) == [{"s": sum(amounts)}] == [{"s": Decimal("11601850.23")}]
    [kept] = rows(
        hotel, "select count(*) as n from marts.kpi_daily where metric in ('kept_revenue', 'collected_revenue')"
    )
    assert kept["n"] == 0  # the file has no payments
