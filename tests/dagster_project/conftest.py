"""The Hub in this process: the environment points it at the test's database."""

from collections.abc import Iterator

import pytest

from sources.settings import Settings, get_settings


@pytest.fixture
def environment(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """`settings`, as the environment says them to code that reads its own."""
    monkeypatch.setenv("HUB_HOME", str(settings.home))
    monkeypatch.setenv("HUB_DATABASE_URL", settings.database_url)
    get_settings.cache_clear()
    yield settings
    get_settings.cache_clear()
