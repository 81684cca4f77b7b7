"""A small sample business, landed and built by dbt once per session; tests that write use a clone of it."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from dbt.contracts.graph.manifest import Manifest
from psycopg.rows import dict_row

from dagster_project.ingestion import run_clock
from dagster_project.ingestion.landing import create_raw_table, land
from dagster_project.warehouse import dbt_runner, model_states
from dagster_project.warehouse.model_states import Plan
from dagster_project.warehouse.variables import VARIABLES
from sources.settings import Settings
from sources.simulate import load_sample
from sources.tables import OPERATIONAL
from tests.conftest import TEMPLATE, clone

AS_OF = date(2025, 6, 30)
RELATIONS = """
select nspname as schema, relname as name, relkind = 'r' as is_table,
    array_agg(attname::text order by attnum) as columns
from pg_class
join pg_namespace on pg_namespace.oid = relnamespace
join pg_attribute on attrelid = pg_class.oid
where nspname in ('snapshots', 'staging', 'intermediate', 'marts', 'analytics') and relkind in ('r', 'v')
    and attnum > 0 and not attisdropped
group by nspname, relname, relkind
"""

# Tables without org_id, the same for every BI login.
COMMON = {"marts.dim_date", "marts.dim_metric", "intermediate.int_period_days"}
READABLE = """
select nspname || '.' || relname as name, relkind = 'r' as is_table, relrowsecurity as is_secure,
    array(
        select pg_get_expr(polqual, polrelid) from pg_policy
        where polrelid = pg_class.oid and polcmd in ('r', '*') and not polroles = array['hub_api'::regrole::oid]
    ) as policies,
    coalesce(reloptions @> '{security_invoker=true}', false) as is_invoker
from pg_class
join pg_namespace on pg_namespace.oid = relnamespace
where relkind in ('r', 'v') and has_any_column_privilege('hub_reader', pg_class.oid, 'select')
    and nspname not in ('pg_catalog', 'information_schema')
"""
OWN_ROWS = "(org_id = ANY (( SELECT app.organizations_of_login() AS organizations_of_login)::uuid[]))"

Dbt = Callable[..., None]


def land_tables(settings: Settings, *names: str) -> None:
    """Land the named tables of app, or all of them, and set as_of to AS_OF."""
    for table in OPERATIONAL:
        if not names or table.name in names:
            with psycopg.connect(settings.database_url) as source, psycopg.connect(settings.database_url) as hub:
                land(source, hub, table)
    set_clock(settings, AS_OF)


def set_clock(settings: Settings, as_of: date) -> None:
    """Set the as_of of the next build."""
    with psycopg.connect(settings.database_url) as hub:
        run_clock.set_clock(hub, as_of=as_of, now=datetime.now(UTC))


def rows(settings: Settings, query: str, *parameters: object) -> list[dict[str, Any]]:
    """Return the rows of `query` as mappings."""
    with psycopg.connect(settings.database_url, row_factory=dict_row) as connection:
        return connection.execute(query.encode(), parameters or None).fetchall()


def open_walls(connection: psycopg.Connection) -> set[str]:
    """Return the tables that BI logins read without the policy that all have, and the views without their rights."""
    found = set()
    for name, is_table, is_secure, policies, is_invoker in connection.execute(READABLE).fetchall():
        expected = "true" if name in COMMON else OWN_ROWS
        if not (is_secure and policies == [expected] if is_table else is_invoker):
            found.add(name)
    return found


def execute(settings: Settings, statements: str) -> None:
    """Run SQL statements in one transaction."""
    with psycopg.connect(settings.database_url) as connection:
        connection.execute(statements.encode())


def manifest_of(settings: Settings) -> dict[str, Any]:
    """Return the manifest of the dbt project. It is the same for all databases but for their names."""
    manifest: dict[str, Any] = json.loads((dbt_runner.folder(settings) / "manifest.json").read_text())
    return manifest


def planned(
    settings: Settings, manifest: Mapping[str, Any] | None = None, variables: Mapping[str, Any] = VARIABLES
) -> Plan:
    """Return what a build of the whole project would build."""
    manifest = manifest or manifest_of(settings)
    with psycopg.connect(settings.database_url) as connection:
        nodes = [node for node in manifest["nodes"] if not node.startswith("operation.")]
        return model_states.plan(connection, manifest, nodes, variables)


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dbt")


@pytest.fixture(scope="session")
def dbt() -> Dbt:
    """A function that runs a dbt command: dbt(settings, "build", ...). Fails if a model or a test fails."""
    manifests: dict[str, Any] = {}
    first: list[tuple[bytes, bytes]] = []  # the name of the first database, and its manifest

    def manifest(settings: Settings) -> Any:
        """Return the manifest for a database: that of the first with this one's name, which is of the same length."""
        name = settings.database_url.rpartition("/")[2].encode()
        if not first:
            dbt_runner.parse(settings)  # takes seconds
            first.append((name, (dbt_runner.folder(settings) / "partial_parse.msgpack").read_bytes()))
        parsed_for, packed = first[0]
        assert len(name) == len(parsed_for)
        renamed = Manifest.from_msgpack(packed.replace(parsed_for, name))
        renamed.build_flat_graph()
        return renamed

    def run(settings: Settings, *arguments: str) -> None:
        url = settings.database_url
        manifests[url] = manifests.get(url) or manifest(settings)
        result = dbt_runner.invoke(settings, list(arguments), manifest=manifests[url])
        assert result.success, [
            f"{r.node.name}: {r.message}" for r in result.result if r.status in ("error", "fail", "runtime error")
        ]

    return run


@pytest.fixture(scope="session")
def built(server: str, home: Path, dbt: Dbt) -> Settings:
    """The sample business, landed and built with all dbt tests. Read only."""
    settings = Settings(home=home, database_url=clone(server, TEMPLATE))
    load_sample(settings, bookings=2000, days=200, as_of=AS_OF)
    land_tables(settings)
    dbt(settings, "build")
    return settings


@pytest.fixture
def writable(server: str, built: Settings) -> Settings:
    """A clone of `built`."""
    name = built.database_url.rpartition("/")[2]
    return built.model_copy(update={"database_url": clone(server, name)})


@pytest.fixture
def empty(settings: Settings, home: Path) -> Settings:
    """Landed tables without rows."""
    with psycopg.connect(settings.database_url) as connection:
        for table in OPERATIONAL:
            create_raw_table(connection, table)
    return settings.model_copy(update={"home": home})
