"""Ingestion of the public holidays of the organisations' countries and regions: providers do not work on them."""

from collections.abc import Iterable
from datetime import date
from typing import Final

import dagster as dg
import holidays
import psycopg

from dagster_project.freshness import POLICY
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
    freshness_policy=POLICY,
    description="Public holidays of the organisations, by country and region, in the years around as_of.",
)
def public_holidays(database: HubDatabase) -> dg.MaterializeResult[None]:
    with database.connect() as connection:
        return dg.MaterializeResult(metadata={"dagster/row_count": land_holidays(connection)})


def land_holidays(connection: psycopg.Connection) -> int:
    """Update raw.public_holidays from the year before as_of to the year after it, and return the number of holidays.

    Each pair of country and region of the organisations has its own rows; those of a region include the country's.
    """
    years = connection.execute(
        """
        select distinct organizations.country, coalesce(organizations.region, ''),
            extract(year from clock.as_of)::integer + offsets.years
        from raw.run_clock as clock
        inner join raw.organizations as organizations on organizations.id = clock.org_id
        cross join generate_series(-1, 1) as offsets (years)
        where organizations.country is not null and organizations._deleted_at is null
        order by 1, 2, 3
        """
    ).fetchall()
    rows = [
        (country, region, day, name)
        for country, region, year in years
        for day, name in holidays_of(country, region, [year]).items()
    ]
    countries, regions, days, names = map(list, zip(*rows, strict=True)) if rows else ([], [], [], [])
    connection.execute(
        """
        merge into raw.public_holidays as existing
        using unnest(%s::text[], %s::text[], %s::date[], %s::text[]) as holidays (country, region, day, name)
        on (existing.country, existing.region, existing.day) = (holidays.country, holidays.region, holidays.day)
        when matched and existing.name <> holidays.name then update set name = holidays.name
        when not matched then
            insert (country, region, day, name)
            values (holidays.country, holidays.region, holidays.day, holidays.name)
        when not matched by source then delete
        """,
        [countries, regions, days, names],
    )
    return len(rows)


def holidays_of(country: str, region: str, years: Iterable[int]) -> dict[date, str]:
    """Return the public holidays of a country, and of its region where the package `holidays` knows that, by day.

    A country that it does not support has none; a region that it does not know has those of the country.
    """
    regions = holidays.list_supported_countries().get(country)
    if regions is None:
        return {}
    subdivision = region if region in regions else None
    return dict(sorted(holidays.country_holidays(country, subdiv=subdivision, years=years, language=LANGUAGE).items()))
