"""The resource database: connections of the assets, one run at a time."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import dagster as dg
import psycopg
from pydantic import PrivateAttr

from dagster_project.run_lock import exclusive_run
from sources import database
from sources.settings import Settings, get_settings


class HubDatabase(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Connections for the assets that write the warehouse; holds the run lock while a run uses it."""

    _settings: Settings = PrivateAttr()

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["HubDatabase"]:
        self._settings = get_settings()
        with exclusive_run(self._settings):
            yield self

    @property
    def url(self) -> str:
        return database.database_url(self._settings)

    def connect(self) -> AbstractContextManager[psycopg.Connection]:
        """Connect to the Hub's database; commits on success, rolls back on an error."""
        return database.connect(self.url)

    def connect_source(self) -> AbstractContextManager[psycopg.Connection]:
        """Connect to the operational database, by default the same; the Hub only reads it."""
        return database.connect(database.source_url(self._settings))
