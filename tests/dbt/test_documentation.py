"""Every model and column is described, and every description has its model and column."""

import re
from typing import Any

import psycopg
import pytest

from dagster_project.warehouse import comments, dbt_runner, overview
from dagster_project.warehouse.variables import VARIABLES
from sources.settings import Settings
from tests.dbt.conftest import RELATIONS, manifest_of, rows

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def models(built: Settings) -> dict[str, dict[str, Any]]:
    return {
        f"{node['schema']}.{node['name']}": node
        for node in manifest_of(built)["nodes"].values()
        if node["resource_type"] in ("model", "snapshot")
    }


def test_every_model_and_column_is_described(built: Settings, models: dict[str, dict[str, Any]]) -> None:
    described = {
        name: [column for column, known in node["columns"].items() if known["description"].strip()]
        for name, node in models.items()
        if node["description"].strip()
    }
    relations = {f"{row['schema']}.{row['name']}": row["columns"] for row in rows(built, RELATIONS)}
    assert described == relations


def test_every_mart_and_analytics_view_has_a_contract(models: dict[str, dict[str, Any]]) -> None:
    read = {name: node for name, node in models.items() if node["schema"] in ("marts", "analytics")}
    without = [name for name, node in read.items() if not node["config"]["contract"]["enforced"]]
    assert (len(read) > 30, without) == (True, [])


def test_descriptions_are_comments_of_the_database(writable: Settings) -> None:
    manifest = manifest_of(writable)
    nodes = [node for node in manifest["nodes"] if not node.startswith(("test.", "operation."))] + [
        *manifest["sources"]
    ]
    with psycopg.connect(writable.database_url, autocommit=True) as connection:
        assert comments.write(connection, manifest, nodes) > 700
        manifest["nodes"]["model.hub.kpi_daily"]["description"] += " It's edited."
        manifest["nodes"]["model.hub.v_booking_trends"]["columns"]["day"]["description"] += " Edited."
        manifest["sources"]["source.hub.ml.no_shows"]["columns"]["probability"]["description"] += " Edited."
        assert comments.write(connection, manifest, nodes) == 3
    [found] = rows(
        writable,
        "select obj_description('marts.kpi_daily'::regclass, 'pg_class') as of_table, "
        "col_description(attrelid, attnum) as of_column from pg_attribute "
        "where attrelid = 'analytics.v_booking_trends'::regclass and attname = 'day'",
    )
    assert found["of_table"].endswith(" It's edited.")
    assert found["of_column"].endswith(" Edited.")


def test_every_output_of_a_model_that_readers_see_is_described(built: Settings) -> None:
    sources = manifest_of(built)["sources"].values()
    described = {
        name: [column for column, known in source["columns"].items() if known["description"].strip()]
        for source in sources
        if source["schema"] == "ml" and (name := source["name"])
    }
    readable = rows(
        built,
        "select relname as name, array_agg(attname::text order by attnum) as columns from pg_class "
        "join pg_attribute on attrelid = pg_class.oid where relnamespace = 'ml'::regnamespace and relkind = 'r' "
        "and has_table_privilege('hub_reader', pg_class.oid, 'select') and attnum > 0 and not attisdropped "
        "group by relname",
    )
    assert described == {row["name"]: row["columns"] for row in readable}


def test_every_model_has_the_group_and_tag_of_its_layer(models: dict[str, dict[str, Any]]) -> None:
    assert {(node["group"], *node["tags"]) for node in models.values()} == {
        (layer, layer) for layer in ("snapshots", "staging", "intermediate", "marts", "analytics")
    }
    assert all(node["group"] == node["schema"] for node in models.values())


def test_readers_name_relations_of_marts_and_analytics_alone(built: Settings) -> None:
    """They may select from what is under the views, but have no usage of its schemas."""
    granted = rows(
        built,
        f"select schema, bool_and(has_schema_privilege('hub_reader', schema, 'usage')) as usage, "
        f"bool_and(has_table_privilege('hub_reader', schema || '.' || name, 'select')) as reads, "
        f"bool_or(has_table_privilege('hub_reader', schema || '.' || name, 'insert')) as writes "
        f"from ({RELATIONS}) as relations group by schema",
    )
    assert {row["schema"]: (row["usage"], row["reads"], row["writes"]) for row in granted} == {
        "snapshots": (False, True, False),
        "staging": (False, True, False),
        "intermediate": (False, True, False),
        "marts": (True, True, False),
        "analytics": (True, True, False),
    }


def test_the_first_page_names_every_metric_and_models_that_exist(built: Settings) -> None:
    manifest = dbt_runner.manifest(built)
    overview.add_metrics(manifest)
    page = manifest.docs[overview.PAGE].block_contents
    assert all(f"| `{metric['name']}` |" in page for metric in VARIABLES["metric_properties"])
    linked = set(re.findall(r"#!/model/([\w.]+)", page))
    assert len(linked) > 5
    assert linked <= manifest.nodes.keys()
