"""States of the dbt models: a model or test whose definition and input are those of its last build is not built again.

The state of a model has two hashes. `definition`: its SQL, its configuration, the macros and variables that they name,
and the definitions of its parents. `inputs`: the states of the sources that it is computed from, the moment of the run
(raw.run_clock) among them. A description is in neither.
"""

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from typing import Any, Final
from uuid import uuid4

import psycopg

from dagster_project.ingestion.table_states import table_state

Manifest = Mapping[str, Any]

WORD: Final = re.compile(r"\w+")
# Configuration that changes nothing in the database.
UNBUILT: Final = {"meta", "tags", "group", "docs", "access"}
# Their macros are parts of what is built.
DBT_PACKAGES: Final = ("dbt-core", "dbt-adapters", "dbt-postgres")


@dataclass(frozen=True)
class State:
    """What a model was built from. row_count: the rows of a table of the marts after that."""

    definition: str
    inputs: str
    row_count: int | None = None


@dataclass(frozen=True)
class Plan:
    """The nodes to build, by the state that each then has.

    What is below a redefined node is redefined too, so that outdated nodes can be built before those.
    """

    outdated: dict[str, State]  # their input has changed, or they are tests that did not pass
    redefined: dict[str, State]  # without a table, or of another definition, or below such a node: a full refresh
    unchanged: dict[str, State]


def plan(
    connection: psycopg.Connection, manifest: Manifest, nodes: Collection[str], variables: Mapping[str, Any]
) -> Plan:
    """Return which of `nodes` (unique ids of models, snapshots and tests) a build must build."""
    held = _held(connection, manifest)
    targets = _targets(connection, manifest, nodes, held, variables)

    @cache
    def is_redefined(node: str) -> bool:
        if node in manifest["sources"]:
            return False
        if any(is_redefined(parent) for parent in manifest["nodes"][node]["depends_on"]["nodes"]):
            return True
        # A test has no table that a new definition would have to replace.
        if node not in nodes or node.startswith("test."):
            return False
        return node not in held or held[node].definition != targets[node].definition

    result = Plan({}, {}, {})
    for node, target in targets.items():
        last = held.get(node)
        if is_redefined(node):
            result.redefined[node] = target
        elif last and (_is_view(manifest["nodes"][node]) or replace(last, row_count=None) == target):
            result.unchanged[node] = last
        else:
            result.outdated[node] = target
    return result


def begin(connection: psycopg.Connection, built: Plan) -> None:
    """Save that the nodes to build are in an unknown state, until they are built: a build may be killed halfway.

    The definition of the table of an outdated node stays known.
    """
    outdated = {node: State(target.definition, uuid4().hex) for node, target in built.outdated.items()}
    save(connection, outdated | {node: State("", uuid4().hex) for node in built.redefined})


def save(connection: psycopg.Connection, states: Mapping[str, State]) -> None:
    """Save the states of nodes that were built, or of tests that passed."""
    with connection.cursor() as cursor:
        cursor.executemany(
            """
            insert into raw.model_states (node, definition, inputs, row_count) values (%s, %s, %s, %s)
            on conflict (node) do update set definition = excluded.definition, inputs = excluded.inputs,
                row_count = excluded.row_count, built_at = now()
            """,
            [(node, state.definition, state.inputs, state.row_count) for node, state in states.items()],
        )


def _held(connection: psycopg.Connection, manifest: Manifest) -> dict[str, State]:
    """Return the state of each node at its last build, without models whose relation does not exist any more."""
    rows = connection.execute(
        """
        select node, definition, inputs, row_count from raw.model_states
        where node like 'test.%%' or exists (
            select from pg_class
            where relname = split_part(node, '.', 3) and relnamespace = any(
                select oid from pg_namespace where nspname = any(%s)
            )
        )
        """,
        [list({node["schema"] for node in manifest["nodes"].values()})],
    ).fetchall()
    return {node: State(*values) for node, *values in rows}


def _targets(
    connection: psycopg.Connection,
    manifest: Manifest,
    nodes: Collection[str],
    held: Mapping[str, State],
    variables: Mapping[str, Any],
) -> dict[str, State]:
    """Return the state of each of `nodes` after a build of all of them; what is not among them stays as it is held."""
    own = _own_definitions(manifest, variables)

    @cache
    def target(node: str) -> State:
        if source := manifest["sources"].get(node):
            return State("", table_state(connection, source["schema"], source["name"]))
        # The rows of a table are those of its last build, but those of a view are always those of its parents.
        stays = node not in nodes and node in held
        if stays and not _is_view(manifest["nodes"][node]):
            return held[node]
        parents = [target(parent) for parent in sorted(manifest["nodes"][node]["depends_on"]["nodes"])]
        definition = _hash([own[node], *(parent.definition for parent in parents)])
        return State(held[node].definition if stays else definition, _hash([parent.inputs for parent in parents]))

    return {node: target(node) for node in nodes}


def _is_view(node: Mapping[str, Any]) -> bool:
    return bool(node["config"]["materialized"] == "view")


def _own_definitions(manifest: Manifest, variables: Mapping[str, Any]) -> dict[str, str]:
    """Return a hash of the definition of each node without its parents.

    Macros and variables belong to it if their names occur in its text, or in that of a macro that does. Macros that no
    node names, such as materializations and those of hooks, belong to each, and so do the packages of dbt.
    """
    macros: dict[str, list[str]] = {}
    for macro in manifest["macros"].values():
        if macro["package_name"] == manifest["metadata"]["project_name"]:
            # A dispatched macro is called without the prefix of its adapter.
            macros.setdefault(macro["name"].rpartition("__")[2], []).append(macro["macro_sql"])
    texts = {name: json.dumps(value, sort_keys=True) for name, value in variables.items()}
    for name, parts in macros.items():  # a variable may have the name of a macro
        texts[name] = "\n".join([*([texts[name]] if name in texts else []), *sorted(parts)])
    words = {name: texts.keys() & WORD.findall(text) for name, text in texts.items()}

    def named_in(names: Iterable[str]) -> set[str]:
        found, new = set[str](), texts.keys() & names
        while new:
            found |= new
            new = set().union(*(words[name] for name in new)) - found
        return found

    own = {node: _text(properties) for node, properties in manifest["nodes"].items()}
    hooks = [own.pop(node) for node in sorted(own) if node.startswith("operation.")]
    named = {node: named_in(WORD.findall(text)) for node, text in own.items()}
    everywhere = named_in({*macros.keys() - set().union(*named.values()), *WORD.findall("\n".join(hooks))})
    shared = [*map(version, DBT_PACKAGES), *hooks]
    return {
        node: _hash([*shared, text, *(texts[name] for name in sorted(named[node] | everywhere))])
        for node, text in own.items()
    }


def _text(node: Mapping[str, Any]) -> str:
    config = {name: value for name, value in node["config"].items() if name not in UNBUILT}
    columns = [
        (column["name"], column.get("data_type"), column.get("constraints")) for column in node["columns"].values()
    ]
    properties = [
        node["raw_code"],
        node["checksum"],  # the rows of a seed are in no other property
        config,
        [column for column in columns if any(column[1:])],
        node.get("constraints"),
        node.get("test_metadata"),  # the arguments of a test of dbt
    ]
    return json.dumps(properties, sort_keys=True, default=str)


def _hash(parts: list[str]) -> str:
    return sha256("\n".join(parts).encode()).hexdigest()
