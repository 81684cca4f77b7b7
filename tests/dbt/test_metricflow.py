"""Every metric by every grain and dimension: marts.metrics_period and MetricFlow give the same answer."""

import json
import math
from collections.abc import Callable
from datetime import timedelta
from itertools import product
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from dagster_project.warehouse import dbt_runner
from dagster_project.warehouse.variables import VARIABLES
from sources.row_values import GRAINS
from sources.settings import Settings
from tests.dbt.conftest import AS_OF, rows

pytestmark = pytest.mark.slow

ENTITIES = ("service", "provider")  # dimensions that are entities of semantic models
DIGITS = 6  # of a ratio in metrics_period
UP_TO = "{{{{ TimeDimension('metric_time', 'day') }}}} <= '{}'"  # MetricFlow knows no as_of
FINAL_AFTER = {each["name"]: timedelta(each["final_after"]) for each in VARIABLES["metric_properties"]}
OURS = """
select org_id::text, grain, metric, dimension, member, period_start, value::float8 as value from marts.metrics_period
"""

Answer = dict[tuple[Any, ...], float]
Query = Callable[[str, list[str]], str]


@pytest.fixture(scope="module")
def manifest(built: Settings) -> dict[str, Any]:
    """MetricFlow's manifest of the project, for any database."""
    found: dict[str, Any] = json.loads((dbt_runner.folder(built) / "semantic_manifest.json").read_text())
    for each in [*found["semantic_models"], *found["project_configuration"]["time_spines"]]:
        relation = each["node_relation"]
        relation["relation_name"] = f"{relation['schema_name']}.{relation['alias']}"
    return found


@pytest.fixture(scope="module")
def metricflow(manifest: dict[str, Any]) -> Query:
    """A function that compiles a query: metricflow(metric, group_by) is SQL for the days that are final at AS_OF."""
    from dbt_metricflow.cli.dbt_connectors.adapter_backed_client import SupportedAdapterTypes
    from metricflow.engine.metricflow_engine import MetricFlowEngine, MetricFlowQueryRequest
    from metricflow_semantics.model.dbt_manifest_parser import parse_manifest_from_dbt_generated_manifest
    from metricflow_semantics.model.semantic_manifest_lookup import SemanticManifestLookup

    postgres = SupportedAdapterTypes("postgres")
    client = SimpleNamespace(sql_engine_type=postgres.sql_engine_type, sql_plan_renderer=postgres.sql_plan_renderer)
    engine = MetricFlowEngine(
        SemanticManifestLookup(parse_manifest_from_dbt_generated_manifest(json.dumps(manifest))), client
    )

    def compiled(metric: str, group_by: list[str]) -> str:
        request = MetricFlowQueryRequest.create(
            metric_names=[metric],
            group_by_names=group_by,
            where_constraints=[UP_TO.format(AS_OF - FINAL_AFTER[metric])],
        )
        return str(engine.explain(request).sql_statement.sql)

    return compiled


def qualifiers(manifest: dict[str, Any]) -> dict[str, str]:
    """Measure -> the entity that qualifies the dimensions of its semantic model."""
    found: dict[str, str] = {}
    for model in manifest["semantic_models"]:
        primary = [entity["name"] for entity in model["entities"] if entity["type"] == "primary"]
        found |= {measure["name"]: model["primary_entity"] or primary[0] for measure in model["measures"]}
    return found


def test_metricflow_gives_the_same_figures(built: Settings, manifest: dict[str, Any], metricflow: Query) -> None:
    entities = qualifiers(manifest)
    names = {metric["name"] for metric in manifest["metrics"]}
    metrics = [
        each for each in VARIABLES["metric_properties"] if each["name"] in names
    ]  # without the parts of averages
    ours: Answer = {
        (row["org_id"], row["grain"], row["metric"], row["dimension"], row["member"], row["period_start"]): row["value"]
        for row in rows(built, OURS)
        if row["value"] is not None
    }
    theirs: Answer = {}
    with psycopg.connect(built.database_url) as connection:
        for metric in metrics:
            name, numerator = metric["name"], metric.get("numerator")
            for dimension, grain in product(metric["dimensions"], GRAINS):
                entity = entities.get(name) or entities[numerator]
                member = dimension if dimension in ENTITIES else f"{entity}__{dimension}"
                group_by = [f"metric_time__{grain}", "organization", *([] if dimension == "total" else [member])]
                for start, org, *members, value in connection.execute(metricflow(name, group_by).encode()):
                    of = str(members[0]) if members and members[0] is not None else "all" if not members else None
                    if of and start and value is not None:
                        theirs[str(org), grain, name, dimension, of, start.date()] = float(value)
    assert len(metrics) == len(names) >= 40
    assert len(theirs) > 40_000
    different = [
        (key, ours.get(key), theirs.get(key))
        for key in ours.keys() | theirs.keys()
        if key[2] in names and not math.isclose(ours.get(key, 0), theirs.get(key, 0), rel_tol=1e-9, abs_tol=10**-DIGITS)
    ]
    assert different == [], f"{len(different)} of {len(theirs)}"
