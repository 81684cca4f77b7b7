"""The seeded business: `business` for a module, `own_business` for a test that changes seeded rows."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from sources.settings import Settings
from tests.conftest import SEEDED, clone, execute
from tests.sources.business import Business, open_business

JWT_SECRET = "tests sign their tokens with this one"


@contextmanager
def seeded_settings(server: str, home: Path) -> Iterator[Settings]:
    """Yield the settings of a Hub on a clone of SEEDED, which is dropped afterwards."""
    url = clone(server, SEEDED)
    try:
        yield Settings(home=home, database_url=url, jwt_secret=JWT_SECRET, rate_limit="1000000/minute",
                       rate_limit_address="1000000/minute")  # fmt: skip
    finally:
        execute(server, f"drop database {urlsplit(url).path[1:]} with (force)")


@pytest.fixture(scope="module")
def business(seeded: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Business]:
    """Yield the business of a module, whose tests add bookings and do not change the seeded rows."""
    with seeded_settings(seeded, tmp_path_factory.mktemp("hub")) as settings, open_business(settings) as it:
        yield it


@pytest.fixture
def own_business(seeded: str, tmp_path: Path) -> Iterator[Business]:
    """Yield the business of one test."""
    with seeded_settings(seeded, tmp_path) as settings, open_business(settings) as it:
        yield it
