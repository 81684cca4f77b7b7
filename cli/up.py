"""Command `hub up`: serve everything until Ctrl-C."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import dagster as dg
import httpx

from cli.common import console, progress_console
from cli.run import prepare_dagster
from dagster_project.instance import fail_killed_runs
from sources import database, embedded_server, ports
from sources.errors import HubError
from sources.settings import Settings, get_settings

WORKSPACE: Final = Path(__file__).parents[1] / "workspace.yaml"
START_TIMEOUT_S: Final = 120  # `dagster dev` was measured at 16 to 26 s on two busy cores
STOP_TIMEOUT_S: Final = 20


def up() -> None:
    """Serve the Dagster UI with its schedules and sensors, and the API, until Ctrl-C.

    Example: HUB_PORT_DAGSTER=3100 hub up
    """
    settings = get_settings()
    ports.check_free(settings.port_dagster, wanted_by="the Dagster UI", setting="HUB_PORT_DAGSTER")
    ports.check_free(settings.port_api, wanted_by="the API", setting="HUB_PORT_API")
    # SIGINT as well: a process that a shell starts in the background ignores it by default.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    started = database.start(settings)
    try:
        database.migrate(settings)
        with progress_console.status("Starting ..."):
            prepare_dagster(settings)
            with dg.DagsterInstance.get() as instance:
                fail_killed_runs(settings, instance)
        with _served(settings) as children:
            _wait_until_served(settings, children)
            _print_addresses(settings)
            _watch(children)
    except KeyboardInterrupt:
        console.print("Stopped.")
    finally:
        if started:
            embedded_server.stop(settings)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


@contextmanager
def _served(settings: Settings) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """Start the child processes, each with a log of its own; stop them on exit."""
    logs = settings.home / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    commands = {
        "dagster": ["dagster", "dev", "-w", str(WORKSPACE), "-h", "127.0.0.1", "-p", str(settings.port_dagster)],
        "api": ["sources.api"],
    }
    children: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name, command in commands.items():
            with (logs / f"{name}.log").open("ab") as log:
                children[name] = subprocess.Popen(
                    [sys.executable, "-m", *command],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=WORKSPACE.parent,
                    env={**os.environ, "HUB_HOME": str(settings.home)},
                    start_new_session=True,  # Ctrl-C must not reach the children, which are stopped below
                )
        yield children
    finally:
        _stop(list(children.values()))


def _stop(children: list[subprocess.Popen[bytes]]) -> None:
    """Interrupt the process group of each child, wait, and kill those that do not stop."""
    for child in children:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGINT)
    deadline = time.monotonic() + STOP_TIMEOUT_S
    for child in children:
        try:
            child.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def _wait_until_served(settings: Settings, children: dict[str, subprocess.Popen[bytes]]) -> None:
    waiting = {
        "dagster": f"http://127.0.0.1:{settings.port_dagster}/server_info",
        "api": f"http://127.0.0.1:{settings.port_api}/readyz",
    }
    deadline = time.monotonic() + START_TIMEOUT_S
    with progress_console.status("Starting the Dagster UI and the API ..."):
        while waiting:
            _check_running(settings, children)
            if time.monotonic() > deadline:
                raise HubError(
                    f"{', '.join(waiting)} did not respond within {START_TIMEOUT_S} s; see {settings.home}/logs."
                )
            waiting = {name: url for name, url in waiting.items() if not _responds(url)}
            time.sleep(0.3)


def _responds(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).is_success
    except httpx.HTTPError:
        return False


def _watch(children: dict[str, subprocess.Popen[bytes]]) -> None:
    while True:
        _check_running(get_settings(), children)
        time.sleep(1)


def _check_running(settings: Settings, children: dict[str, subprocess.Popen[bytes]]) -> None:
    for name, child in children.items():
        if child.poll() is not None:
            raise HubError(
                f"{name} ended with exit code {child.returncode}; its log is {settings.home}/logs/{name}.log."
            )


def _print_addresses(settings: Settings) -> None:
    console.print(
        f"Dagster UI   http://127.0.0.1:{settings.port_dagster}\n"
        f"API          http://127.0.0.1:{settings.port_api}/docs\n"
        f"Database     {database.masked(database.database_url(settings))}   (with its password: `hub db url`)\n"
        f"Logs         {settings.home}/logs\n"
        "Ctrl-C stops everything."
    )
