"""Every model and column is described, and every description has its model and column."""

import json
from typing import Any

import pytest

from dagster_project.warehouse import dbt_runner
from sources.settings import Settings
from tests.dbt.conftest import RELATIONS, rows

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def models(built: Settings) -> dict[str, dict[str, Any]]:
    manifest = json.loads((dbt_runner.folder(built) / "manifest.json").read_text())
    return {
        f"{node['schema']}.{node['name']}": node
        for node in manifest["nodes"].values()
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


def test_every_model_has_the_group_and_tag_of_its_layer(models: dict[str, dict[str, Any]]) -> None:
    assert {(node["group"], *node["tags"]) for node in models.values()} == {
        (layer, layer) for layer in ("snapshots", "staging", "intermediate", "marts", "analytics")
    }
    assert all(node["group"] == node["schema"] for node in models.values())


def test_readers_see_marts_and_analytics_alone(built: Settings) -> None:
    granted = rows(
        built,
        f"select schema, bool_and(has_schema_privilege('hub_reader', schema, 'usage')) as usage, "
        f"bool_and(has_table_privilege('hub_reader', schema || '.' || name, 'select')) as reads, "
        f"bool_or(has_table_privilege('hub_reader', schema || '.' || name, 'insert')) as writes "
        f"from ({RELATIONS}) as relations group by schema",
    )
    assert {row["schema"]: (row["usage"], row["reads"], row["writes"]) for row in granted} == {
        "snapshots": (False, False, False),
        "staging": (False, False, False),
        "intermediate": (False, False, False),
        "marts": (True, True, False),
        "analytics": (True, True, False),
    }
