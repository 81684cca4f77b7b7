"""`hub bi`: the address is printed once, and the login sees what the command says."""

import json
from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest
from typer.testing import CliRunner

from cli import app
from sources import bi_access
from sources.errors import HubError
from sources.settings import Settings
from tests.sources.business import NORTH, SOUTH, seed


@pytest.fixture
def name(environment: Settings, connection: psycopg.Connection) -> Iterator[str]:
    """A name for a login in a Hub of two organisations."""
    seed(connection)
    yield f"test_{uuid4().hex[:20]}"
    bi_access.revoke_all(connection)


def _run(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["bi", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout.strip()


def test_a_login_from_the_first_organization_to_the_last(name: str, connection: psycopg.Connection) -> None:
    connection.execute(
        "insert into raw.run_clock (org_id, as_of, as_of_at) select unnest(%s), now(), now()", [[NORTH.id, SOUTH.id]]
    )
    connection.execute("grant usage on schema raw to hub_reader")
    with psycopg.connect(_run("add", name, "--org", "north"), autocommit=True) as reader:
        assert reader.execute("select org_id from raw.run_clock").fetchall() == [(NORTH.id,)]
        assert _run("add", name, "--org", "south", "--org", "north") == ""
        assert len(reader.execute("select org_id from raw.run_clock").fetchall()) == 2
        [listed] = [row for row in json.loads(_run("list", "--json")) if row["login"] == name]
        assert (listed["organizations"], listed["connections"]) == (["north", "south"], 1)
        assert "does not read north" in _run("revoke", name, "--org", "north")
        assert reader.execute("select org_id from raw.run_clock").fetchall() == [(SOUTH.id,)]
        assert "is deleted" in _run("revoke", name)
    assert "no login yet" in _run("list")


def test_an_unknown_organization_is_refused(name: str) -> None:
    with pytest.raises(HubError, match="no organisation 'west'"):
        _run("add", name, "--org", "west")


def test_a_reset_deletes_the_logins(name: str, connection: psycopg.Connection) -> None:
    _run("add", name, "--org", "north")
    done = CliRunner().invoke(app, ["db", "reset", "--yes"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert connection.execute("select from pg_roles where rolname = %s", [name]).fetchone() is None
