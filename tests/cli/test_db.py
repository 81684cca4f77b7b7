"""`hub db backup` and `restore`: what is refused, and that a restore which fails changes nothing.

tests/end_to_end/test_run.py restores a whole warehouse on another server, and runs it.
"""

import os
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner

from cli import app
from sources import backups, database, embedded_server
from sources.errors import HubError
from sources.settings import Settings
from tests.sources.business import seed

REPLACE = ("--replace", "--yes")
SESSION = """
insert into app.sessions (link_hash, link_ends_at, opens_dagster, is_operators, session_hash, started_at, ends_at)
values ('used', now() + interval '1 hour', true, true, 's', now(), now() + interval '7 days'),
    ('unused', now() + interval '1 hour', true, true, null, null, null)
"""
OPEN = """
select count(*) from app.sessions
where ended_at is null and ends_at > now() or started_at is null and link_ends_at > now()
"""


@pytest.fixture
def file(environment: Settings, tmp_path: Path) -> Path:
    """A backup of the seeded business, with an open session and a link; nothing is connected to its database."""
    with psycopg.connect(environment.database_url, autocommit=True) as connection:
        seed(connection)
        connection.execute(SESSION)
    _run("backup", tmp_path / "hub.dump")
    return tmp_path / "hub.dump"


def _run(command: str, file: Path, *options: str) -> str:
    done = CliRunner().invoke(app, ["db", command, str(file), *options], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return " ".join(done.output.split())


def _execute(settings: Settings, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def test_a_restore_replaces_what_is_there_and_ends_sessions(environment: Settings, file: Path) -> None:
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(file.parent.glob("*.part")) == []
    before = _execute(environment, "select * from app.bookings order by id")
    assert _execute(environment, OPEN) == [(2,)]
    _execute(environment, "update app.bookings set title = 'after the backup'; create table raw.later (id int)")

    assert f"and {len(before)} bookings are restored" in _run("restore", file, *REPLACE)
    assert _execute(environment, "select * from app.bookings order by id") == before
    assert _execute(environment, "select to_regclass('raw.later')") == [(None,)]
    assert _execute(environment, "select count(*) from app.live_changes") == [(0,)]
    assert _execute(environment, OPEN) == [(0,)]
    with psycopg.connect(database.api_url(environment)) as hub_api:
        assert hub_api.execute("select count(*) from app.bookings").fetchone() == (0,), "the walls are restored"


def test_a_hub_with_data_is_not_replaced_unasked(environment: Settings, file: Path) -> None:
    with pytest.raises(HubError, match="has data, which a restore would delete"):
        _run("restore", file)
    asked = CliRunner().invoke(app, ["db", "restore", str(file), "--replace"], input="n\n")
    assert asked.exit_code == 1
    assert "Delete all data in" in asked.output
    assert _execute(environment, OPEN) == [(2,)]


def test_a_database_in_use_is_not_replaced(environment: Settings, file: Path) -> None:
    with (
        psycopg.connect(environment.database_url, application_name="a report"),
        pytest.raises(HubError, match="in use by a report: stop `hub up`"),
    ):
        _run("restore", file, *REPLACE)


def test_a_restore_that_fails_changes_nothing(environment: Settings, tmp_path: Path) -> None:
    _execute(environment, "create role of_a_former_server; grant select on app.bookings to of_a_former_server")
    file = tmp_path / "hub.dump"
    try:
        _run("backup", file)
    finally:
        _execute(environment, "drop owned by of_a_former_server; drop role of_a_former_server")
    _execute(environment, "create table raw.later (id int)")
    with pytest.raises(HubError, match=r'the database is as it was.* role "of_a_former_server" does not exist'):
        _run("restore", file, *REPLACE)
    assert _execute(environment, "select to_regclass('raw.later')::text") == [("raw.later",)]

    file.write_bytes(file.read_bytes()[:-5000])
    with pytest.raises(HubError):
        _run("restore", file, *REPLACE)
    assert _execute(environment, "select to_regclass('raw.later')::text") == [("raw.later",)]


def test_a_file_that_is_no_backup_of_this_version(environment: Settings, tmp_path: Path) -> None:
    file = tmp_path / "hub.dump"
    with pytest.raises(HubError, match="There is no file"):
        _run("restore", file)
    file.write_text("no backup")
    with pytest.raises(HubError, match="is no backup of the Hub: "):
        _run("restore", file)
    _execute(environment, "update app.alembic_version set version_num = '9999'")
    backups.write(environment, file)
    with pytest.raises(HubError, match=r"later version of the Hub \(revision 9999\)"):
        backups.check(environment, file)


def test_a_file_that_cannot_be_written(environment: Settings, tmp_path: Path) -> None:
    with pytest.raises(HubError, match=r"cannot be written to .*: No such file or directory"):
        _run("backup", tmp_path / "missing" / "hub.dump")


def test_a_later_server_needs_programs_of_its_own(
    environment: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of the PATH are used where they are recent enough."""
    program = tmp_path / "pg_dump"
    program.write_text("#!/bin/sh\n[ $1 = --version ] && echo 'pg_dump (PostgreSQL) 17.2'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    _run("backup", tmp_path / "hub.dump")
    with monkeypatch.context() as patch:
        patch.setattr(embedded_server, "BIN", tmp_path)
        with pytest.raises(HubError, match="is PostgreSQL 18: put the folder of its program pg_dump on the PATH"):
            _run("backup", tmp_path / "hub.dump")
    program.write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 19.0'\n")
    _run("backup", tmp_path / "later.dump")
    assert "19.0" in (tmp_path / "later.dump").read_text()
