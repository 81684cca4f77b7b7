"""`hub login`: the links of people, and of the operator."""

from datetime import UTC, datetime
from uuid import UUID

import psycopg
import pytest
from alembic import command
from typer.testing import CliRunner

from cli import app
from sources import database
from sources.errors import HubError
from sources.settings import Settings
from sources.sign_in import hash_of
from tests.sources.business import NORTH, seed


def _opened(connection: psycopg.Connection, *arguments: str) -> tuple[UUID | None, bool]:
    """Run `hub login`; return the person of the printed link, and whether it opens the Dagster UI."""
    done = CliRunner().invoke(app, ["login", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    link = done.stdout.strip().partition("?link=")[2]
    row = connection.execute(
        "select profile_id, opens_dagster from app.sessions where link_hash = %s and link_ends_at > %s",
        [hash_of(link), datetime.now(UTC)],
    ).fetchone()
    assert row
    return row[0], row[1]


def test_a_link_opens_dagster_only_where_the_operator_says_so(
    environment: Settings, connection: psycopg.Connection
) -> None:
    seed(connection)
    assert _opened(connection, "admin@north.example") == (NORTH.id_of("admin"), False)
    assert _opened(connection, "admin@north.example", "--dagster") == (NORTH.id_of("admin"), True)
    assert _opened(connection) == (None, True)
    for arguments, sentence in (
        (("client@north.example", "--dagster"), "is no admin"),
        (("nobody@north.example",), "no active person"),
        (("--dagster",), "belong to a person"),
        (("--org", "north"), "belong to a person"),
    ):
        with pytest.raises(HubError, match=sentence):
            _opened(connection, *arguments)


def test_a_database_of_before_the_upgrade_is_migrated_first(
    environment: Settings, connection: psycopg.Connection
) -> None:
    command.downgrade(database.alembic_config(environment), "0022")
    assert _opened(connection) == (None, True)
