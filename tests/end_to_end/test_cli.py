"""The hub command as users run it: invalid input is one sentence and a non-zero exit code, never a traceback."""

import gzip
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sources.settings import Settings
from tests.conftest import free_port

COLUMNS = "number,client,email,service,provider,status,amount,booked,start,end,closed"  # of simple_bookings


def hub(settings: Settings, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `hub` in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "cli", *arguments],
        env={
            **os.environ,
            "HUB_HOME": str(settings.home),
            "HUB_DATABASE_URL": settings.database_url,
            "COLUMNS": "200",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def assert_one_sentence(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode != 0
    assert "Traceback" not in done.stdout + done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("hub: ")
    for word in words:
        assert word in lines[0]


def test_a_database_that_is_down(settings: Settings) -> None:
    port = free_port()
    done = hub(settings, "run", HUB_DATABASE_URL=f"postgresql://hub:hidden@127.0.0.1:{port}/hub")
    assert_one_sentence(done, f"127.0.0.1:{port}", "cannot be reached")
    assert "hidden" not in done.stderr


def test_a_port_in_use(settings: Settings) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        database = hub(settings, "db", "start", HUB_DATABASE_URL="", HUB_PORT_DATABASE=str(port))
        assert_one_sentence(database, str(port), "in use", "HUB_PORT_DATABASE")
        for setting in ("HUB_PORT_API", "HUB_PORT_DAGSTER"):
            ports = {"HUB_PORT_API": str(free_port()), "HUB_PORT_DAGSTER": str(free_port()), setting: str(port)}
            assert_one_sentence(hub(settings, "up", **ports), str(port), "in use", setting)


def test_an_unknown_column_in_a_mapping(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "bookings.csv"
    file.write_text("number,client,amount\nB1,Ana,10.00\n")
    done = hub(settings, "import", "simple_bookings", str(file))
    assert_one_sentence(done, "column")


def test_a_broken_encoding(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "bookings.csv.gz"
    file.write_bytes(gzip.compress(COLUMNS.encode() + b"\n1,Zo\xeb" + b"," * COLUMNS.count(",") + b"\n"))
    assert_one_sentence(hub(settings, "import", "simple_bookings", str(file)), "line 2", "encoding")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "--as-of", "yesterday"), ("'yesterday'", "YYYY-MM-DD")),
        (("import", "no_such_mapping", "x.csv"), ("no_such_mapping", "resort_hotel")),
        (("import", "resort_hotel", "no_such_file.csv"), ("no_such_file.csv",)),
        (("digest",), ("no organisation yet",)),
        (("insights", "show", "ffffffff"), ("'ffffffff'",)),
        (("channel", "add", "email", "not an address"), ("organisation",)),
        (("login", "nobody@north.example"), ("nobody@north.example", "no active person")),
    ],
)
def test_invalid_arguments(settings: Settings, arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    assert_one_sentence(hub(settings, *arguments), *words)


def test_a_weak_secret_in_production(settings: Settings) -> None:
    done = hub(settings, "db", "start", HUB_DATABASE_URL="", HUB_ENV="production", HUB_PORT_DATABASE=str(free_port()))
    assert_one_sentence(done, "HUB_DATABASE_PASSWORD")


def test_a_setting_that_is_not_a_port(settings: Settings) -> None:
    assert_one_sentence(hub(settings, "db", "url", HUB_PORT_API="many"), "HUB_PORT_API")


def test_every_command_has_help_with_an_example(settings: Settings) -> None:
    for command in ("up", "run", "sample", "import", "digest", "docs", "login"):
        printed = hub(settings, command, "--help").stdout
        assert "Example: " in printed, command
        assert "hub " in printed
