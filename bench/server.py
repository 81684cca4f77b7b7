"""A Hub of its own for a bench: a server in a temporary folder that is gone afterwards."""

import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sources import database, embedded_server
from sources.settings import Settings


@contextmanager
def temporary_hub(**overrides: object) -> Iterator[Settings]:
    """The settings of a Hub whose migrated database runs; `overrides` are settings."""
    with tempfile.TemporaryDirectory(prefix="hub-bench-") as home:
        ports = {"port_database": free_port(), "port_api": free_port()}
        settings = Settings.model_validate({"home": Path(home), "database_url": "", **ports, **overrides})
        database.start(settings)
        try:
            database.migrate(settings)
            yield settings
        finally:
            embedded_server.stop(settings)


def free_port() -> int:
    """A TCP port of the loopback address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
