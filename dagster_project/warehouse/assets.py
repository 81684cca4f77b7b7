"""The warehouse: one asset per dbt model, one asset check per dbt test."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import dagster as dg
import psycopg
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, DbtProject, dbt_assets

from dagster_project.freshness import POLICY
from dagster_project.ownership import OWNERS
from dagster_project.resources import HubDatabase
from dagster_project.warehouse import dbt_runner
from dagster_project.warehouse.dbt_resource import Dbt
from sources.settings import get_settings

# These models read tables that modelling writes, so they are built after it; those that read the forecasts are built
# before the provider workload, which reads one of them.
READS_ML: Final = "source:ml+"
READS_FORECASTS: Final = "source:ml.revenue_forecasts+ source:ml.forecasts+"
ACCURACY: Final = dg.AssetKey(["analytics", "v_forecast_accuracy"])
FRESH_SCHEMAS: Final = ("marts", "analytics")  # what people read; the age of the other models is theirs
SHOWN_LEADS: Final = (1, 7, 14, 28)  # lead times in days whose accuracy the Dagster UI shows


class HubTranslator(DagsterDbtTranslator):
    """Keys of assets are schema and table, as in SQL; the group of a model is its schema."""

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        if dbt_resource_props["resource_type"] == "source":
            return dg.AssetKey([dbt_resource_props["schema"], dbt_resource_props["name"]])
        return dg.AssetKey([dbt_resource_props["config"]["schema"], dbt_resource_props["name"]])

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        return None if dbt_resource_props["resource_type"] == "source" else dbt_resource_props["config"]["schema"]

    def get_asset_spec(self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None) -> dg.AssetSpec:
        spec = super().get_asset_spec(manifest, unique_id, project)
        return spec.replace_attributes(freshness_policy=POLICY) if spec.group_name in FRESH_SCHEMAS else spec

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> list[str]:
        return OWNERS


translator: Final = HubTranslator(settings=DagsterDbtTranslatorSettings(enable_code_references=False))
manifest: Final = dbt_runner.prepare(get_settings())
project: Final = dbt_runner.project(get_settings())


@dbt_assets(
    manifest=manifest,
    project=project,
    dagster_dbt_translator=translator,
    exclude=READS_ML,
    name="dbt_warehouse",
)
def warehouse(context: dg.AssetExecutionContext, dbt: Dbt, database: HubDatabase) -> Iterator[Any]:
    """Build staging, intermediate, marts, and the analytics views on them."""
    yield from dbt.build(context, database)


@dbt_assets(
    manifest=manifest,
    project=project,
    dagster_dbt_translator=translator,
    select=READS_FORECASTS,
    name="dbt_forecasts",
)
def forecast_models(context: dg.AssetExecutionContext, dbt: Dbt, database: HubDatabase) -> Iterator[Any]:
    """Build the models that read the forecasts: their changes and errors, the expected hours, and the views on them."""
    for reported in dbt.build(context, database):
        if isinstance(reported, dg.Output) and reported.output_name == ACCURACY.to_python_identifier():
            with database.connect() as connection:
                accuracy = _accuracy(connection)
            yield reported.with_metadata({**reported.metadata, **accuracy})
        else:
            yield reported


def _accuracy(connection: psycopg.Connection) -> dict[str, Any]:
    """Return the accuracy of the forecasts of total revenue by lead time, as a table for the Dagster UI."""
    rows = connection.execute(
        """
        select organizations.organization_name, accuracy.lead_days, accuracy.days,
            round(100 * accuracy.error_share, 1)::float8, round(100 * accuracy.naive_error_share, 1)::float8,
            round(100 * accuracy.covered_80_share)::integer
        from analytics.v_forecast_accuracy as accuracy
        inner join marts.dim_organization as organizations on organizations.org_id = accuracy.org_id
        where accuracy.service_id is null and accuracy.lead_days = any(%s)
        order by 1, 2
        """,
        [list(SHOWN_LEADS)],
    ).fetchall()
    columns = ("organisation", "days_ahead", "days", "error_percent", "same_weekday_error_percent", "held_80_percent")
    records = [dg.TableRecord(dict(zip(columns, row, strict=True))) for row in rows]
    return {"total revenue": dg.MetadataValue.table(records) if records else "No day of a forecast is over yet."}


@dbt_assets(
    manifest=manifest,
    project=project,
    dagster_dbt_translator=translator,
    select=READS_ML,
    exclude=READS_FORECASTS,
    name="dbt_published",
)
def published(context: dg.AssetExecutionContext, dbt: Dbt, database: HubDatabase) -> Iterator[Any]:
    """Build the models that read the other tables of schema ml."""
    yield from dbt.build(context, database)


def _read_by_functions() -> list[dg.AssetKey]:
    """Return the models that the functions read."""
    parsed = json.loads(manifest.read_text())
    parents = {parent for node in parsed["functions"].values() for parent in node["depends_on"]["nodes"]}
    return [translator.get_asset_key(parsed["nodes"][parent]) for parent in sorted(parents)]


_TELL_FIGURES: Final = """
insert into app.live_changes (org_id, kind, data) select org_id, 'figures.changed', '{}' from raw.run_clock
"""


@dg.asset(
    key=["analytics", "functions"],
    deps=_read_by_functions(),
    group_name="analytics",
    kinds={"dbt", "postgres"},
    owners=OWNERS,
    freshness_policy=POLICY,
    description="The functions of schema analytics for BI tools, with the caller's rights.",
)
def functions(dbt: Dbt, database: HubDatabase) -> dg.MaterializeResult[None]:
    """Create the functions that are missing or whose definition has changed; tell open pages of the new figures."""
    created = dbt.build_functions(database, json.loads(manifest.read_text()))
    with database.connect() as connection:
        connection.execute(_TELL_FIGURES)
    return dg.MaterializeResult(metadata={"created": created})
