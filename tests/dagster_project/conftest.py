"""Settings in the environment, and the Dagster definitions."""

import os
from collections.abc import Iterator

import dagster as dg
import pytest

from sources.settings import Settings, get_settings


@pytest.fixture
def environment(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """`settings`, also as environment variables, for code that reads its own."""
    monkeypatch.setenv("HUB_HOME", str(settings.home))
    monkeypatch.setenv("HUB_DATABASE_URL", settings.database_url)
    get_settings.cache_clear()
    yield settings
    get_settings.cache_clear()


@pytest.fixture(scope="session")
def defs(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    """The Dagster definitions; importing them writes the dbt manifest under HUB_HOME."""
    os.environ.setdefault("HUB_HOME", str(tmp_path_factory.mktemp("definitions")))
    from dagster_project.definitions import defs

    return defs
