"""Dagster's webserver on a unix socket, for the front door of the API alone: `python -m dagster_project.webserver`.

Dagster's own command listens on a TCP port, which every user and every page of the machine reaches, and asks for no
login.
"""

import argparse
from typing import Final

import dagster as dg
import uvicorn
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster_webserver.app import create_app_from_workspace_process_context
from dagster_webserver.cli import DEFAULT_DB_STATEMENT_TIMEOUT, DEFAULT_POOL_MAX_OVERFLOW, DEFAULT_POOL_RECYCLE

from sources.settings import DAGSTER_PATH

POLL_MS: Final = 2000  # between two readings of live data by a page


def main() -> None:
    """Serve the Dagster UI under DAGSTER_PATH until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m dagster_project.webserver", description=main.__doc__)
    parser.add_argument("--workspace", required=True, help="the file with the code locations")
    parser.add_argument("--socket", required=True, help="the unix socket, in a folder that only its user may enter")
    options = parser.parse_args()
    with dg.DagsterInstance.get() as instance:
        instance.optimize_for_webserver(DEFAULT_DB_STATEMENT_TIMEOUT, DEFAULT_POOL_RECYCLE, DEFAULT_POOL_MAX_OVERFLOW)
        with WorkspaceProcessContext(instance, WorkspaceFileTarget(paths=[options.workspace])) as context:
            app = create_app_from_workspace_process_context(context, DAGSTER_PATH, POLL_MS)
            uvicorn.run(app, uds=options.socket, log_level="warning")


if __name__ == "__main__":
    main()
