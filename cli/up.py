"""Command `hub up`: serve everything until Ctrl-C."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import dagster as dg
import httpx
import yaml

from cli.common import console, progress_console
from cli.run import prepare_dagster
from dagster_project.instance import fail_killed_runs
from sources import database, embedded_server, ports, sign_in
from sources.errors import HubError
from sources.settings import DAGSTER_PATH, Settings, get_settings

PROJECT: Final = Path(__file__).parents[1]
DEFINITIONS: Final = "dagster_project.definitions"
START_TIMEOUT_S: Final = 120  # all of it was measured at 16 to 26 s on two busy cores
STOP_TIMEOUT_S: Final = 20


Children = dict[str, subprocess.Popen[bytes]]


def up() -> None:
    """Serve the front door (the API, and the Dagster UI behind a login), schedules and sensors, until Ctrl-C.

    Example: HUB_PORT_API=8100 hub up
    """
    settings = get_settings()
    ports.check_free(settings.port_api, wanted_by="the front door", setting="HUB_PORT_API")
    ports.check_free(settings.port_dagster, wanted_by="the front door", setting="HUB_PORT_DAGSTER")
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
            _print_addresses(settings)
            _watch(settings, children)
    except KeyboardInterrupt:
        console.print("Stopped.")
    finally:
        if started:
            embedded_server.stop(settings)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


@contextmanager
def _served(settings: Settings) -> Iterator[Children]:
    """Start the child processes, each with a log of its own, and wait until they respond; stop them on exit.

    Dagster's processes listen on unix sockets in a folder that only the current user may enter.
    """
    children: Children = {}
    # A short path: a socket's has at most 107 bytes.
    with tempfile.TemporaryDirectory(prefix="hub-") as folder:
        code, ui, workspace = (Path(folder) / name for name in ("code", "ui", "workspace.yaml"))
        location = {"grpc_server": {"socket": str(code), "location_name": "hub"}}
        workspace.write_text(yaml.safe_dump({"load_from": [location]}))
        try:
            with progress_console.status("Starting the Dagster UI and the API ..."):
                deadline = time.monotonic() + START_TIMEOUT_S
                _start(settings, children, "api", "dashboard", HUB_DAGSTER_SOCKET=str(ui))
                code_server = ("dagster", "code-server", "start", "-m", DEFINITIONS, "-a", "defs", "-s", str(code))
                _start(settings, children, "code", *code_server)
                _wait(settings, children, "code", lambda: _listens(code), deadline)
                _start(settings, children, "daemon", "dagster._daemon", "run", "-w", str(workspace))
                webserver = ("dagster_project.webserver", "--workspace", str(workspace), "--socket", str(ui))
                _start(settings, children, "webserver", *webserver)
                _wait(settings, children, "webserver", lambda: _responds(DAGSTER_PATH + "/server_info", ui), deadline)
                api = f"http://127.0.0.1:{settings.port_api}/readyz"
                _wait(settings, children, "api", lambda: _responds(api), deadline)
            yield children
        finally:
            _stop(list(children.values()))


def _start(settings: Settings, children: Children, name: str, *module: str, **environment: str) -> None:
    """Start a module of Python as the child `name`."""
    logs = settings.home / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    with (logs / f"{name}.log").open("ab") as log:
        children[name] = subprocess.Popen(
            [sys.executable, "-m", *module],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=PROJECT,
            env={**os.environ, "HUB_HOME": str(settings.home), **environment},
            start_new_session=True,  # Ctrl-C must not reach the children, which are stopped below
        )


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


def _wait(settings: Settings, children: Children, name: str, responds: Callable[[], bool], deadline: float) -> None:
    """Wait until the child `name` responds. Raises HubError at `deadline` (time.monotonic) or where a child ends."""
    while not responds():
        _check_running(settings, children)
        if time.monotonic() > deadline:
            raise HubError(f"{name} did not respond within {START_TIMEOUT_S} s; see {settings.home}/logs.")
        time.sleep(0.3)


def _listens(path: Path) -> bool:
    """Return True if a server accepts connections at the unix socket `path`."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def _responds(url: str, path: Path | None = None) -> bool:
    """Return True if the server at `url` responds with success; at the unix socket `path`, if it is given."""
    transport = httpx.HTTPTransport(uds=str(path)) if path else None
    try:
        with httpx.Client(transport=transport, base_url="http://localhost", timeout=2) as client:
            return client.get(url).is_success
    except httpx.HTTPError:
        return False


def _watch(settings: Settings, children: Children) -> None:
    while True:
        _check_running(settings, children)
        time.sleep(1)


def _check_running(settings: Settings, children: Children) -> None:
    for name, child in children.items():
        if child.poll() is not None:
            raise HubError(
                f"{name} ended with exit code {child.returncode}; its log is {settings.home}/logs/{name}.log."
            )


def _print_addresses(settings: Settings) -> None:
    if console.is_terminal:
        with database.connect(database.database_url(settings)) as connection:
            link = sign_in.operators_link(connection, settings, at=datetime.now(UTC))
        opening = f"{link}\n             (signs you in, once, within {sign_in.LINK_MINUTES} minutes)"
    else:  # of a service manager, say, which keeps what is printed
        opening = f"{settings.link_base}{sign_in.PATH}"
    console.print(
        f"Open         {opening}\n"
        "             (`hub login` prints a link for you, `hub login EMAIL` one for a person)\n"
        f"Dagster UI   {settings.link_base}{DAGSTER_PATH}/\n"
        f"API          {settings.link_base}/docs\n"
        f"Database     {database.masked(database.database_url(settings))}   (for psql: `hub db url`)\n"
        f"Logs         {settings.home}/logs\n"
        "Ctrl-C stops everything.",
        soft_wrap=True,
    )
