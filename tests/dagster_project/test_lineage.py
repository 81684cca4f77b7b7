"""Lineage: every relation that insights and messages read is a dependency of their asset and of their exposure."""

import ast
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

ROOT = Path(__file__).parents[2]
RELATION = re.compile(r"\b(raw|staging|intermediate|marts|analytics|ml)\.([a-z][a-z0-9_]*)")


@pytest.fixture(scope="module")
def manifest(defs: dg.Definitions) -> dict[str, Any]:
    """The dbt manifest."""
    from dagster_project.warehouse.assets import manifest

    parsed: dict[str, Any] = json.loads(manifest.read_text())
    return parsed


def strings(path: Path) -> Iterator[str]:
    """The string literals of a module, without its docstrings."""
    tree = ast.parse(path.read_text())
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


def modules(path: Path) -> Iterable[Path]:
    return [path] if path.is_file() else path.rglob("*.py")


def relations_read(*folders: str) -> set[str]:
    """The relations outside of schema app that the SQL of folders or modules reads, as schema/table."""
    return {
        f"{schema}/{table}"
        for folder in folders
        for path in modules(ROOT / folder)
        for text in strings(path)
        if "select" in text
        for schema, table in RELATION.findall(text)
    }


@pytest.mark.parametrize(
    ("folders", "asset", "exposure"),
    [
        (("insights", "dagster_project/insights"), "app/insight_events", "insights"),
        (("notifications", "sources/operations/figures.py"), "app/notification_deliveries", "messages"),
    ],
)
def test_all_that_is_read_is_a_dependency(
    defs: dg.Definitions,
    manifest: dict[str, Any],
    folders: tuple[str, ...],
    asset: str,
    exposure: str,
) -> None:
    read = relations_read(*folders)
    assert read
    parents = defs.resolve_asset_graph().get(dg.AssetKey(asset.split("/"))).parent_keys
    assert {key.to_user_string() for key in parents if key.path[0] != "app"} == read

    (declared,) = [each for each in manifest["exposures"].values() if each["name"] == exposure]
    nodes = [(manifest["nodes"] | manifest["sources"])[name] for name in declared["depends_on"]["nodes"]]
    assert {f"{node['schema']}/{node['name']}" for node in nodes} == read
