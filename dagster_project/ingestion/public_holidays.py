"""The public holidays of the organisations' countries: whoever works there does not work on them."""

from typing import Final

import dagster as dg
import holidays
import psycopg

from dagster_project.ingestion.assets import GROUP
from dagster_project.ownership import OWNERS
from dagster_project.resources import HubDatabase

LANGUAGE: Final = "en_US"  # of the names, where the country's are known in it; not that of the machine


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
    """Bring raw.public_holidays up to the organisations' countries and as_of; return how many there are.

    Countries that are not known have none.
    """
    asked = connection.execute(
        """
        select distinct organization.country, extract(year from clock.as_of)::integer + step
        from raw.run_clock as clock
        inner join raw.organizations as organization on organization.id = clock.org_id
        cross join generate_series(-1, 1) as step
        where organization.country is not null and organization._deleted_at is null
        order by 1, 2
        """
    ).fetchall()
    supported = holidays.list_supported_countries()
    named = [
        (country, day, name)
        for country, year in asked
        if country in supported
        for day, name in sorted(holidays.country_holidays(country, years=year, language=LANGUAGE).items())
    ]
    countries, days, names = map(list, zip(*named, strict=True)) if named else ([], [], [])
    connection.execute(
        """
        merge into raw.public_holidays as held
        using unnest(%s::text[], %s::date[], %s::text[]) as known (country, day, name)
        on (held.country, held.day) = (known.country, known.day)
        when matched and held.name <> known.name then update set name = known.name
        when not matched then insert values (known.country, known.day, known.name)
        when not matched by source then delete
        """,
        [countries, days, names],
    )
    return len(named)
