"""Temporary Hubs for benches: a database server in a temporary folder, and the API."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx

from sources import database, embedded_server
from sources.settings import Settings

START_TIMEOUT_S: Final = 60.0
STOP_TIMEOUT_S: Final = 30.0


@contextmanager
def temporary_hub(**overrides: object) -> Iterator[Settings]:
    """Yield the settings of a Hub with a running, migrated database; `overrides` are settings."""
    with tempfile.TemporaryDirectory(prefix="hub-bench-") as home:
        ports = {"port_database": free_port(), "port_api": free_port()}
        settings = Settings.model_validate({"home": Path(home), "database_url": "", **ports, **overrides})
        database.start(settings)
        try:
            database.migrate(settings)
            yield settings
        finally:
            embedded_server.stop(settings)


@contextmanager
def serving(settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    """Serve the API like `hub up`, on the port of `settings`, without limits; yield its (first) process."""
    variables = {
        "HOME": settings.home,
        "DATABASE_URL": database.database_url(settings),
        "API_DATABASE_PASSWORD": settings.secret("api_database_password"),
        "JWT_SECRET": settings.secret("jwt_secret"),
        "PORT_API": settings.port_api,
        "API_WORKERS": settings.api_workers,
        "API_POOL_SIZE": settings.api_pool_size,
        "LIVE_STREAMS": 100_000,
        "RATE_LIMIT": "100000000/minute",
        "RATE_LIMIT_ADDRESS": "100000000/minute",
    }
    environment = {**os.environ, **{f"HUB_{name}": str(value) for name, value in variables.items()}}
    with (settings.home / "api.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "dashboard"], env=environment, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not _is_ready(settings.port_api):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"The API did not start: {(settings.home / 'api.log').read_text()[-2000:]}")
            time.sleep(0.1)
        yield process
    finally:
        process.terminate()  # with several workers, only the first process ends the others
        process.wait(STOP_TIMEOUT_S)


def _is_ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=2).is_success
    except httpx.TransportError:
        return False


def free_port() -> int:
    """Return a free TCP port of the loopback address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
