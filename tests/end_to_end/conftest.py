"""A small sample business after one complete run, to clone: the run is done once per session."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psycopg
import pytest

from sources import database
from sources.settings import Settings, get_settings
from sources.simulate import load_sample
from tests.conftest import TEMPLATE, clone, free_port

if TYPE_CHECKING:
    from dagster_project.main_run import RunOutcome

AS_OF = date(2026, 10, 31)
BOOKINGS, DAYS = 1200, 200


# raw.watermarks has its source as cluster/database/...; a clone is another database with the same rows.
OWN_IDENTITY = """
    update raw.watermarks
    set source_identity = regexp_replace(
        source_identity, '^([^/]+)/[^/]+/', '\\1/' || current_db.oid || '/'
    )
    from pg_database as current_db
    where current_db.datname = current_database()
"""


@dataclass(frozen=True)
class Hub:
    """A Hub of its own: its database, and its environment for a `hub` process."""

    settings: Settings

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "HUB_HOME": str(self.settings.home),
            "HUB_DATABASE_URL": self.settings.database_url,
            "HUB_PORT_DAGSTER": str(self.settings.port_dagster),
            "HUB_PORT_API": str(self.settings.port_api),
            "HUB_WEBHOOK_SECRET": "w" * 32,
        }

    @contextmanager
    def as_environment(self) -> Iterator[Settings]:
        """Set the environment of this process to that of the Hub, and yield its settings."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.environment.items():
                patch.setenv(name, value)
            get_settings.cache_clear()
            try:
                yield get_settings()
            finally:
                get_settings.cache_clear()

    def try_run(self, as_of: date | None, *, now: datetime | None = None) -> "RunOutcome":
        """Run the main job once in this process, and return its outcome."""
        with self.as_environment() as settings:
            from cli.run import prepare_dagster

            prepare_dagster(settings)
            from dagster_project import main_run

            return main_run.execute(settings, as_of=as_of, now=now, on_step=lambda _: None)

    def run(self, as_of: date) -> None:
        """Run the main job once in this process; it has to succeed."""
        assert self.try_run(as_of).failures == {}

    def rows(self, query: str, *parameters: object) -> list[tuple[object, ...]]:
        with psycopg.connect(self.settings.database_url, autocommit=True) as connection:
            return connection.execute(query.encode(), parameters or None).fetchall()


def _hub(url: str, home: Path) -> Hub:
    return Hub(Settings(home=home, database_url=url, port_dagster=free_port(), port_api=free_port()))


@pytest.fixture(scope="session")
def built_template(server: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a database with the sample business after one complete run."""
    hub = _hub(clone(server, TEMPLATE), tmp_path_factory.mktemp("built"))
    load_sample(hub.settings, bookings=BOOKINGS, days=DAYS, as_of=AS_OF)
    hub.run(AS_OF)
    name = urlsplit(hub.settings.database_url).path[1:]
    with database.connect(server) as connection:  # Dagster's pool has open connections, and a template must have none
        connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [name])
    return name


@pytest.fixture
def new_hub(server: str, built_template: str, tmp_path: Path) -> Iterator[Callable[[], Hub]]:
    """A function that creates Hubs with the sample business after one complete run."""
    with _hubs(server, built_template, tmp_path) as make_clone:

        def make() -> Hub:
            hub = make_clone()
            with psycopg.connect(
                hub.settings.database_url
            ) as connection:  # otherwise the clone would be read completely again
                connection.execute(OWN_IDENTITY)
            return hub

        yield make


@pytest.fixture
def empty_hub(server: str, tmp_path: Path) -> Iterator[Hub]:
    """A Hub without any business."""
    with _hubs(server, TEMPLATE, tmp_path) as make:
        yield make()


@contextmanager
def _hubs(server: str, template: str, folder: Path) -> Iterator[Callable[[], Hub]]:
    """Yield a function that creates Hubs whose databases are clones of `template`; drop them at the end."""
    made: list[Hub] = []

    def make() -> Hub:
        made.append(_hub(clone(server, template), folder / f"hub{len(made)}"))
        return made[-1]

    yield make
    with database.connect(server) as connection:
        connection.autocommit = True
        for hub in made:
            name = urlsplit(hub.settings.database_url).path[1:]
            connection.execute(f"drop database {name} with (force)".encode())
