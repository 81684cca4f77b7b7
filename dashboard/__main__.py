"""The server of the pages and the API: `python -m dashboard`, with HUB_API_WORKERS workers."""

import os
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

import uvicorn
from uvicorn.supervisors import Multiprocess

from sources import database
from sources.api import logs
from sources.api.auth import make_verifier
from sources.api.server import make_config
from sources.errors import HubError
from sources.settings import Settings, get_settings

NOT_STARTED: Final = 3  # the exit code of uvicorn's own command
GRACE_S: Final = 15  # for requests in flight at a shutdown


def main() -> None:
    """Serve until SIGTERM or SIGINT, then finish the requests in flight."""
    try:
        settings = get_settings()
        make_verifier(settings)  # a bad secret is reported here, in one sentence
        with database.connect(database.api_url(settings)):
            pass  # as is a database that cannot be reached
    except HubError as error:
        sys.exit(f"hub: {error}")
    if settings.api_workers > 1:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(_metrics_folder(settings))
    config = make_config(
        "dashboard.app:app",
        workers=settings.api_workers,
        log_config=logs.CONFIG,
        timeout_graceful_shutdown=GRACE_S,
    )
    server = uvicorn.Server(config)
    # HUB_PORT_DAGSTER is a second way to the same front door.
    ports = {settings.port_api, *([settings.port_dagster] if settings.dagster_socket else [])}
    listeners = [socket.create_server(("127.0.0.1", port)) for port in ports]
    with suppress(KeyboardInterrupt):
        if settings.api_workers > 1:
            Multiprocess(config, listeners).run()
        else:
            server.run(listeners)
    if settings.api_workers == 1 and not server.started:
        sys.exit(NOT_STARTED)


def _metrics_folder(settings: Settings) -> Path:
    """Return the folder of the workers' metrics, without the files of an earlier run."""
    folder = settings.home / "metrics"
    folder.mkdir(parents=True, exist_ok=True)
    for file in folder.glob("*.db"):
        file.unlink()
    return folder


if __name__ == "__main__":
    main()
