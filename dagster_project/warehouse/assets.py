"""The warehouse: every dbt model as an asset, its tests as asset checks."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import dagster as dg
import psycopg
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, dbt_assets
from psycopg import sql

from dagster_project.ownership import OWNERS
from dagster_project.resources import HubDatabase
from dagster_project.warehouse import dbt_runner
from dagster_project.warehouse.dbt_resource import Dbt
from sources.settings import get_settings

READS_ML: Final = "source:ml+"  # these models show what modelling wrote, so they are built after it


class HubTranslator(DagsterDbtTranslator):
    """Names a dbt model as SQL does: schema, then table; and groups it by its layer."""

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        if dbt_resource_props["resource_type"] == "source":
            return dg.AssetKey([dbt_resource_props["schema"], dbt_resource_props["name"]])
        return dg.AssetKey([dbt_resource_props["config"]["schema"], dbt_resource_props["name"]])

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        return None if dbt_resource_props["resource_type"] == "source" else dbt_resource_props["config"]["schema"]

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
    """Staging, intermediate, marts, and the analytics views on them.

    Built anew from raw where a file of the dbt project changed since this database's last whole build.
    """
    with database.connect() as connection:
        connection.autocommit = True
        built_from, is_from = _built_from(connection), dbt_runner.fingerprint()
        yield from dbt.build(context, connection, full_refresh=built_from not in (None, is_from))
        if not context.is_subset:
            connection.execute(sql.SQL("comment on schema marts is {}").format(is_from))


def _built_from(connection: psycopg.Connection) -> str | None:
    """The fingerprint of the dbt project that the marts were last built from; None before the first build."""
    row = connection.execute("select obj_description(to_regnamespace('marts'), 'pg_namespace')").fetchone()
    return row[0] if row else None


@dbt_assets(
    manifest=manifest,
    project=project,
    dagster_dbt_translator=translator,
    select=READS_ML,
    name="dbt_published",
)
def published(context: dg.AssetExecutionContext, dbt: Dbt, database: HubDatabase) -> Iterator[Any]:
    """The analytics views that show model outputs."""
    with database.connect() as connection:
        connection.autocommit = True
        yield from dbt.build(context, connection)
