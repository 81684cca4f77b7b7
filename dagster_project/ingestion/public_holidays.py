"""Ingestion of the public holidays in the countries of the organisations: providers do not work on them."""

from typing import Final

import dagster as dg
import holidays
import psycopg

from dagster_project.ingestion.assets import GROUP
from dagster_project.ownership import OWNERS
from dagster_project.resources import HubDatabase

LANGUAGE: Final = "en_US"  # of the names, where available; the default would be the language of the machine


@dg.asset(
    key=["raw", "public_holidays"],
    deps=[["raw", "organizations"], ["raw", "run_clock"]],
    group_name=GROUP,
    kinds={"python", "postgres"},
    owners=OWNERS,
    description="Public holidays of the organisations' countries, from the year before as_of to the year after it.",
)
def public_holidays(database: HubDatabase) -> dg.MaterializeResult[None]:
    with database.connect() as connection:
        return dg.MaterializeResult(metadata={"dagster/row_count": land_holidays(connection)})


def land_holidays(connection: psycopg.Connection) -> int:
    """Update raw.public_holidays for the organisations' countries, from the year before as_of to the year after it.

    Return the number of holidays. A country that the package `holidays` does not support has none.
    """
    years = connection.execute(
        """
        select distinct organizations.country, extract(year from clock.as_of)::integer + offsets.years
        from raw.run_clock as clock
        inner join raw.organizations as organizations on organizations.id = clock.org_id
        cross join generate_series(-1, 1) as offsets (years)
        where organizations.country is not null and organizations._deleted_at is null
        order by 1, 2
        """
    ).fetchall()
    supported = holidays.list_supported_countries()
    rows = [
        (country, day, name)
        for country, year in years
        if country in supported
        for day, name in sorted(holidays.country_holidays(country, years=year, language=LANGUAGE).items())
    ]
    countries, days, names = map(list, zip(*rows, strict=True)) if rows else ([], [], [])
    connection.execute(
        """
        merge into raw.public_holidays as existing
        using unnest(%s::text[], %s::date[], %s::text[]) as holidays (country, day, name)
        on (existing.country, existing.day) = (holidays.country, holidays.day)
        when matched and existing.name <> holidays.name then update set name = holidays.name
        when not matched then insert values (holidays.country, holidays.day, holidays.name)
        when not matched by source then delete
        """,
        [countries, days, names],
    )
    return len(rows)
