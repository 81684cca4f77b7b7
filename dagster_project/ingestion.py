"""Ingestion: one asset per operational table, `app` -> `raw`, and the clock that a run speaks of."""

from datetime import UTC, date, datetime
from typing import Final

import dagster as dg
from pydantic import Field
from sqlalchemy import Table

from dagster_project.landing import Landing, land
from dagster_project.ownership import OWNERS
from dagster_project.resources import HubDatabase
from sources.errors import HubError
from sources.tables import OPERATIONAL

GROUP: Final = "ingestion"
SOURCE_GROUP: Final = "sources"
RETRY: Final = dg.RetryPolicy(max_retries=2, delay=1, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.FULL)

operational_tables: Final = [
    dg.AssetSpec(
        key=["app", table.name],
        group_name=SOURCE_GROUP,
        kinds={"postgres", "table"},
        owners=OWNERS,
        description=f"Operational table app.{table.name}, written by the API and the importer.",
    )
    for table in OPERATIONAL
]


def _landing_asset(table: Table) -> dg.AssetsDefinition:
    @dg.asset(
        key=["raw", table.name],
        deps=[["app", table.name]],
        group_name=GROUP,
        kinds={"postgres", "copy"},
        owners=OWNERS,
        retry_policy=RETRY,
        description=f"Rows of app.{table.name} as landed: what changed since the last load; deleted rows marked.",
    )
    def landing_asset(database: HubDatabase) -> dg.MaterializeResult[None]:
        with database.connect_source() as source, database.connect() as target:
            return dg.MaterializeResult(metadata=_metadata(land(source, target, table)))

    return landing_asset


def _metadata(landing: Landing) -> dict[str, int | bool]:
    return {
        "dagster/row_count": landing.rows_total,
        "rows_read": landing.rows_read,
        "rows_deleted": landing.rows_deleted,
        "watermark": landing.watermark,
        "reloaded": landing.reloaded,
    }


landed_tables: Final = [_landing_asset(table) for table in OPERATIONAL]


class RunClock(dg.Config):
    """What day a run speaks of."""

    as_of: str | None = Field(
        None, description="A day (YYYY-MM-DD): the run speaks of its end. Empty: of now, and of yesterday."
    )
    now: str | None = Field(None, description="The moment taken for now (ISO 8601); empty: the run's start.")


@dg.asset(
    key=["raw", "run_clock"],
    deps=[["raw", "organizations"]],
    group_name=GROUP,
    kinds={"postgres"},
    owners=OWNERS,
    description="The moment that this run speaks of, and the last complete business day, by organisation.",
)
def run_clock(context: dg.AssetExecutionContext, config: RunClock, database: HubDatabase) -> dg.MaterializeResult[None]:
    started = context.instance.get_run_record_by_id(context.run.run_id)
    default_now = started.create_timestamp if started else datetime.now(UTC)
    now = datetime.fromisoformat(config.now) if config.now else default_now
    as_of = _parse_day(config.as_of) if config.as_of else None
    with database.connect() as connection:
        connection.execute(
            """
            with told as (
                select org_id, timezone,
                    coalesce(%(as_of)s::date, (%(now)s::timestamptz at time zone timezone)::date - 1) as as_of
                from raw.organizations
                where _deleted_at is null
            )
            merge into raw.run_clock as clock
            using (
                select org_id, as_of,
                    case when %(as_of)s::date is null then %(now)s::timestamptz
                        else (as_of + 1)::timestamp at time zone timezone end as as_of_at
                from told
            ) as told on clock.org_id = told.org_id
            when matched then update set as_of = told.as_of, as_of_at = told.as_of_at
            when not matched then insert (org_id, as_of, as_of_at) values (org_id, told.as_of, told.as_of_at)
            when not matched by source then delete
            """,
            {"as_of": as_of, "now": now},
        )
        rows = connection.execute("select org_id::text, as_of::text from raw.run_clock order by 1").fetchall()
    return dg.MaterializeResult(metadata={"dagster/row_count": len(rows), "as_of": dict(rows)})


def _parse_day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise HubError(f"as_of is {text!r}, which is not a day: write it as YYYY-MM-DD.") from None
