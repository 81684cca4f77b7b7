"""Public holidays are landed for the countries of the organisations and the years around as_of."""

from datetime import date
from uuid import UUID, uuid4

import psycopg
import pytest

from dagster_project.ingestion.landing import create_raw_table
from dagster_project.ingestion.public_holidays import land_holidays
from sources.tables import organizations


@pytest.fixture
def warehouse(connection: psycopg.Connection) -> psycopg.Connection:
    create_raw_table(connection, organizations)
    return connection


def add(warehouse: psycopg.Connection, country: str | None, as_of: date, region: str | None = None) -> UUID:
    org_id = uuid4()
    warehouse.execute(
        "insert into raw.organizations (id, org_id, country, region) values (%s, %s, %s, %s)",
        [org_id, org_id, country, region],
    )
    warehouse.execute("insert into raw.run_clock (org_id, as_of, as_of_at) values (%s, %s, now())", [org_id, as_of])
    return org_id


def landed(warehouse: psycopg.Connection) -> dict[tuple[str, date], str]:
    rows = warehouse.execute("select country, day, name from raw.public_holidays").fetchall()
    return {(country, day): name for country, day, name in rows}


def test_each_country_has_the_holidays_of_the_years_around_as_of(warehouse: psycopg.Connection) -> None:
    add(warehouse, "US", date(2025, 11, 26))
    add(warehouse, "PT", date(2016, 10, 19))
    for unsupported in (None, "ZZ"):
        add(warehouse, unsupported, date(2025, 11, 26))
    assert land_holidays(warehouse) == len(landed(warehouse))
    names = landed(warehouse)
    assert names["US", date(2025, 11, 27)] == "Thanksgiving Day"
    assert names["PT", date(2016, 12, 8)] == "Immaculate Conception"
    assert {(country, day.year) for country, day in names} == {
        (country, year) for country, middle in (("US", 2025), ("PT", 2016)) for year in range(middle - 1, middle + 2)
    }


def test_a_region_has_its_own_holidays_beside_those_of_its_country(warehouse: psycopg.Connection) -> None:
    for region in (None, "BY", "unknown"):
        add(warehouse, "DE", date(2025, 11, 26), region)
    land_holidays(warehouse)
    unity, epiphany = date(2025, 10, 3), date(2025, 1, 6)
    regions = "select array_agg(region order by region) from raw.public_holidays where day = %s"
    assert warehouse.execute(regions, [unity]).fetchone() == (["", "BY", "unknown"],)
    assert warehouse.execute(regions, [epiphany]).fetchone() == (["BY"],)


def test_a_repetition_changes_nothing_and_other_years_are_deleted(warehouse: psycopg.Connection) -> None:
    org_id = add(warehouse, "US", date(2025, 11, 26))
    land_holidays(warehouse)
    before = warehouse.execute("select xmin, ctid, * from raw.public_holidays order by day").fetchall()
    land_holidays(warehouse)
    assert warehouse.execute("select xmin, ctid, * from raw.public_holidays order by day").fetchall() == before
    warehouse.execute("update raw.run_clock set as_of = '2030-01-15' where org_id = %s", [org_id])
    land_holidays(warehouse)
    assert {day.year for _, day in landed(warehouse)} == {2029, 2030, 2031}
    warehouse.execute("delete from raw.run_clock")
    assert land_holidays(warehouse) == 0
    assert landed(warehouse) == {}
