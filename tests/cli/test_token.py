"""`hub token`: the printed token is valid for the API."""

import jwt
import psycopg
import pytest
from typer.testing import CliRunner

from cli import app
from sources.errors import HubError
from sources.settings import Settings
from tests.sources.business import NORTH, seed


@pytest.fixture
def people(environment: Settings, connection: psycopg.Connection) -> Settings:
    """Two organisations whose clients have the same address."""
    seed(connection)
    connection.execute("update app.profiles set email = 'client@both.example' where email like 'client@%%'")
    return environment


def _run(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["token", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output.strip()


def test_a_token_names_the_person(people: Settings) -> None:
    token = _run("--role", "admin", "--email", "admin@north.example", "--days", "2")
    claims = jwt.decode(token, people.secret("jwt_secret"), ["HS256"], audience=people.jwt_audience)
    assert (claims["sub"], claims["org_id"], claims["role"]) == (str(NORTH.admin), str(NORTH.id), "admin")
    assert claims["exp"] - claims["iat"] == 2 * 86400


def test_an_address_in_several_organizations_needs_the_option_org(people: Settings) -> None:
    with pytest.raises(HubError, match="north, south: name one"):
        _run("--role", "client", "--email", "client@both.example")
    token = _run("--role", "client", "--email", "client@both.example", "--org", "north")
    assert jwt.decode(token, options={"verify_signature": False})["sub"] == str(NORTH.client)


def test_an_unknown_person_gets_no_token(people: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(HubError, match="no active admin"):
        _run("--role", "admin", "--email", "client@both.example")
    monkeypatch.setattr(people, "jwks_url", "https://login.example/jwks")
    monkeypatch.setattr("cli.token.get_settings", lambda: people)
    with pytest.raises(HubError, match="identity provider"):
        _run("--role", "admin", "--email", "admin@north.example")
