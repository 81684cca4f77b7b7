"""States of the dbt models: a model or test whose definition and input are those of its last build is not built again.

The state of a model has two hashes. `definition`: its SQL, its configuration, the macros and variables that they name,
and the definitions of its parents. `inputs`: the states of the sources that it is computed from, the moment of the run
(raw.run_clock) among them. A description is in neither.
"""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from typing import Any, Final

import psycopg
from psycopg import sql

Manifest = Mapping[str, Any]

WORD: Final = re.compile(r"\w+")
# Configuration that changes nothing in the database.
UNBUILT: Final = {"meta", "tags", "group", "docs", "access"}


@dataclass(frozen=True)
class State:
    """What a model was built from. row_count: the rows of a table of the marts after that."""

    definition: str
    inputs: str
    row_count: int | None = None


@dataclass(frozen=True)
class Plan:
    """The nodes to build, by the state that each then has.

    A child of a node that is redefined is redefined too, so that outdated nodes can be built before those.
    """

    outdated: dict[str, State]  # their input has changed
    redefined: dict[str, State]  # never built, or their definition has changed: a full refresh
    unchanged: dict[str, State]


def plan(
    connection: psycopg.Connection, manifest: Manifest, nodes: Collection[str], variables: Mapping[str, Any]
) -> Plan:
    """Return which of `nodes` (unique ids of models, snapshots and tests) a build must build."""
    held = _held(connection, manifest)
    targets = _targets(manifest, nodes, held, _source_states(connection, manifest), variables)
    result = Plan({}, {}, {})
    for node, target in targets.items():
        last, is_view = held.get(node), _is_view(manifest["nodes"][node])
        if last is None or last.definition != target.definition:
            result.redefined[node] = target
        elif last.inputs != target.inputs and not is_view:
            result.outdated[node] = target
        else:
            result.unchanged[node] = last
    return result


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
    manifest: Manifest,
    nodes: Collection[str],
    held: Mapping[str, State],
    sources: Mapping[str, str],
    variables: Mapping[str, Any],
) -> dict[str, State]:
    """Return the state of each of `nodes` after a build of all of them; what is not among them stays as it is held."""
    own = _own_definitions(manifest, variables)

    @cache
    def target(node: str) -> State:
        if node in sources:
            return State("", sources[node])
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


def _source_states(connection: psycopg.Connection, manifest: Manifest) -> dict[str, str]:
    """Return a text for each source table that changes with its rows: the newest load, else a hash of all rows."""
    states = {}
    for source, node in manifest["sources"].items():
        table = sql.Identifier(node["schema"], node["name"])
        loaded = connection.execute(
            "select true from pg_attribute where attrelid = to_regclass(%s) and attname = '_loaded_at'",
            [table.as_string(None)],
        )
        query = "select max(_loaded_at)::text from {}"
        if loaded.fetchone() is None:
            query = "select count(*), sum(hash_record_extended(source, 0)::numeric) from {} as source"
        states[source] = repr(connection.execute(sql.SQL(query).format(table)).fetchone())
    return states


def _own_definitions(manifest: Manifest, variables: Mapping[str, Any]) -> dict[str, str]:
    """Return a hash of the definition of each node without its parents.

    Macros and variables belong to it if their names occur in its text, or in that of a macro that does. Macros that no
    node names, such as materializations, belong to each.
    """
    macros: dict[str, list[str]] = {}
    for macro in manifest["macros"].values():
        if macro["package_name"] == manifest["metadata"]["project_name"]:
            # A dispatched macro is called without the prefix of its adapter.
            macros.setdefault(macro["name"].rpartition("__")[2], []).append(macro["macro_sql"])
    texts = {name: json.dumps(value, sort_keys=True) for name, value in variables.items()}
    texts |= {name: "\n".join(sorted(parts)) for name, parts in macros.items()}
    words = {name: texts.keys() & WORD.findall(text) for name, text in texts.items()}

    named: dict[str, set[str]] = {}
    own = {node: _text(properties) for node, properties in manifest["nodes"].items()}
    for node, text in own.items():
        found, new = set[str](), texts.keys() & WORD.findall(text)
        while new:
            found |= new
            new = set().union(*(words[name] for name in new)) - found
        named[node] = found
    everywhere = macros.keys() - set().union(*named.values())
    version = manifest["metadata"]["dbt_version"]
    return {
        node: _hash([version, text, *(texts[name] for name in sorted(named[node] | everywhere))])
        for node, text in own.items()
    }


def _text(node: Mapping[str, Any]) -> str:
    config = {name: value for name, value in node["config"].items() if name not in UNBUILT}
    types = [(column["name"], column["data_type"]) for column in node["columns"].values() if column.get("data_type")]
    # The arguments of a test of dbt are in its metadata.
    return json.dumps([node["raw_code"], config, types, node.get("test_metadata")], sort_keys=True, default=str)


def _hash(parts: list[str]) -> str:
    return sha256("\n".join(parts).encode()).hexdigest()
