"""PostgreSQL for the tests: one embedded server per session (of each xdist worker), one database per test."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from pydantic import SecretStr
from xdist.scheduler import LoadScopeScheduling

from sources import database, embedded_server
from sources.settings import Settings, get_settings
from tests.sources.business import seed

TEMPLATE = "hub_migrated"
SEEDED = "hub_seeded"  # TEMPLATE with the business of tests/sources/business.py
SAMPLE_DAY = date(2026, 6, 30)  # the last day of `sample_hub`
# Folders whose tests share a warehouse that takes a minute to build: (folders, the name of their scope).
TOGETHER = ((("tests/dbt/",), "dbt"), (("tests/dashboard/", "tests/browser/"), "pages"))
# A busy machine generates examples slowly; that is no fault of the tested code.
hypothesis_settings.register_profile("hub", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("hub")
# A role and its password belong to the server, which all Hubs of the session share.
os.environ["HUB_API_DATABASE_PASSWORD"] = "a" * 32
# The databases of the tests are clones, with what verifies the proofs of the API.
os.environ["HUB_API_ENTRY_SECRET"] = "e" * 32


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put files with slow tests first, so that no worker ends with one while the other is idle."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


class _Scopes(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Gives a worker all tests of a file at once, and those of an entry of TOGETHER all to the same one."""

    def _split_scope(self, nodeid: str) -> str:
        scopes = [scope for folders, scope in TOGETHER if nodeid.startswith(folders)]
        return scopes[0] if scopes else nodeid.partition("::")[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Distribute the tests to the workers by `_Scopes`."""
    return _Scopes(config, log)


def free_port() -> int:
    """Return a free TCP port of the loopback address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _at(url: str, name: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a server with a migrated database, `TEMPLATE`, and yield its URL."""
    home: Path = tmp_path_factory.mktemp("server")
    settings = Settings(home=home, port_database=free_port())
    database.start(settings)
    url = embedded_server.url(settings)
    try:
        execute(url, "alter system set fsync = off")  # nothing of a test has to survive a power cut
        execute(url, "select pg_reload_conf()")
        execute(url, f"create database {TEMPLATE}")
        database.migrate(settings.model_copy(update={"database_url": _at(url, TEMPLATE)}))
        yield url
    finally:
        embedded_server.stop(settings)


def execute(url: str, statement: str) -> None:
    """Run a statement as the owner of the server, outside a transaction."""
    with psycopg.connect(_at(url, "postgres"), autocommit=True) as connection:
        connection.execute(statement)


def clone(server: str, template: str) -> str:
    """Create a database as a copy of `template` and return its URL."""
    name = f"test_{uuid4().hex}"
    execute(server, f"create database {name} template {template} strategy file_copy")  # 30 % less CPU than by WAL
    return _at(server, name)


@pytest.fixture(scope="session")
def seeded(server: str) -> str:
    """Return the server, with the database SEEDED to clone."""
    execute(server, f"create database {SEEDED} template {TEMPLATE}")
    with psycopg.connect(urlsplit(server)._replace(path=f"/{SEEDED}").geturl(), autocommit=True) as connection:
        seed(connection)
    return server


@pytest.fixture(scope="session")
def sample_hub(server: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Return the settings of a Hub with the sample business, small, after one run. Tests leave its rows as they are."""
    url = clone(server, TEMPLATE)
    settings = Settings(home=tmp_path_factory.mktemp("sample"), database_url=url, smtp_url=SecretStr(""))
    environment = {**os.environ, "HUB_HOME": str(settings.home), "HUB_DATABASE_URL": url}
    for command in (
        ["sample", "--bookings", "2500", "--days", "420", "--as-of", str(SAMPLE_DAY)],
        ["run", "--as-of", str(SAMPLE_DAY)],
    ):
        hub = [sys.executable, "-m", "cli", *command]
        done = subprocess.run(hub, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    return settings


@pytest.fixture
def settings(server: str, tmp_path: Path) -> Iterator[Settings]:
    """Yield settings of a Hub of its own: an empty, migrated database and an empty home."""
    url = clone(server, TEMPLATE)
    yield Settings(home=tmp_path / "hub", database_url=url, port_dagster=free_port(), port_api=free_port())
    execute(server, f"drop database {urlsplit(url).path[1:]} with (force)")


@pytest.fixture
def connection(settings: Settings) -> Iterator[psycopg.Connection]:
    """Yield an open connection to the test's database."""
    with psycopg.connect(settings.database_url, autocommit=True) as open_connection:
        yield open_connection


@pytest.fixture
def environment(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Return `settings`, and set them in the environment for code that reads its own."""
    monkeypatch.setenv("HUB_HOME", str(settings.home))
    monkeypatch.setenv("HUB_DATABASE_URL", settings.database_url)
    get_settings.cache_clear()
    yield settings
    get_settings.cache_clear()
