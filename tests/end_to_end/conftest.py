"""A small sample business with one whole run behind it, to clone: the run is made once a session."""

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


# raw.watermarks names its source as cluster/database/...; a clone is another database with the same rows.
OWN_IDENTITY = """
    update raw.watermarks
    set source_identity = regexp_replace(
        source_identity, '^([^/]+)/[^/]+/', '\\1/' || own.oid || '/'
    )
    from pg_database as own
    where own.datname = current_database()
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
        """Let this process be the Hub's: its settings."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.environment.items():
                patch.setenv(name, value)
            get_settings.cache_clear()
            try:
                yield get_settings()
            finally:
                get_settings.cache_clear()

    def try_run(self, as_of: date | None, *, now: datetime | None = None) -> "RunOutcome":
        """One pass of the main job in this process, and what came of it."""
        with self.as_environment() as settings:
            from cli.run import prepare_dagster

            prepare_dagster(settings)
            from dagster_project import main_run

            return main_run.execute(settings, as_of=as_of, now=now, on_step=lambda _: None)

    def run(self, as_of: date) -> None:
        """One pass of the main job in this process; it has to hold."""
        assert self.try_run(as_of).failures == {}

    def rows(self, query: str, *parameters: object) -> list[tuple[object, ...]]:
        with psycopg.connect(self.settings.database_url, autocommit=True) as connection:
            return connection.execute(query.encode(), parameters or None).fetchall()


def _hub(url: str, home: Path) -> Hub:
    return Hub(Settings(home=home, database_url=url, port_dagster=free_port(), port_api=free_port()))


@pytest.fixture(scope="session")
def built_template(server: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a database with the sample business and one whole run."""
    hub = _hub(clone(server, TEMPLATE), tmp_path_factory.mktemp("built"))
    load_sample(hub.settings, bookings=BOOKINGS, days=DAYS, as_of=AS_OF)
    hub.run(AS_OF)
    name = urlsplit(hub.settings.database_url).path[1:]
    with database.connect(server) as connection:  # Dagster's pool still holds some, and a template must have none
        connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [name])
    return name


@pytest.fixture
def new_hub(server: str, built_template: str, tmp_path: Path) -> Iterator[Callable[[], Hub]]:
    """Makes Hubs that have the sample business and one whole run behind them."""
    with _hubs(server, built_template, tmp_path) as make_clone:

        def make() -> Hub:
            hub = make_clone()
            with psycopg.connect(hub.settings.database_url) as connection:  # a clone would else be read anew
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
    """Makes Hubs whose databases are clones of `template`, and drops them at the end."""
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
