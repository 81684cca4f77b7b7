"""Ingestion: one asset per operational table, which copies its changed rows from `app` to `raw`."""

from typing import Final

import dagster as dg
from sqlalchemy import Table

from dagster_project.freshness import POLICY
from dagster_project.ingestion.landing import Landing, land
from dagster_project.ownership import OWNERS
from dagster_project.resources import HubDatabase
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
        freshness_policy=POLICY,
        retry_policy=RETRY,
        description=f"Copy of app.{table.name}: each load adds the changed rows and marks the deleted ones.",
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
