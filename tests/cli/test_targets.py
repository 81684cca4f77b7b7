"""`hub target`: targets are set, listed and removed; a wrong value is refused with a sentence."""

import json
from uuid import uuid4

import psycopg
import pytest
from typer.testing import CliRunner

from cli import app
from sources.errors import HubError
from sources.settings import Settings
from tests.sources.business import seed


@pytest.fixture(autouse=True)
def _businesses(environment: Settings, connection: psycopg.Connection) -> None:
    seed(connection)


def _run(command: str, *arguments: str) -> str:
    done = CliRunner().invoke(app, ["target", command, *arguments, "--org", "north"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout.strip()


def test_a_target_is_set_listed_and_removed() -> None:
    assert "There is no target yet" in _run("list")
    assert "is 12000.5 a month" in _run("set", "booked_revenue", "month", "2026-01-01", "12000.5")
    _run("set", "booked_revenue", "month", "2027-01-01", "none")
    _run("set", "no_shows", "week", "2026-01-05", "2", "--dimension", "channel", "--member", "web")
    assert [row["target"] for row in json.loads(_run("list", "--metric", "booked_revenue", "--json"))] == [
        "12000.5000",
        None,
    ]
    shown = _run("list")
    assert "12000.5" in shown
    assert "channel web" in shown
    [other] = json.loads(_run("list", "--metric", "no_shows", "--json"))
    assert _run("remove", other["id"]).startswith("Removed")
    assert len(json.loads(_run("list", "--json"))) == 2


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("set", "no_shows", "decade", "2026-01-01", "1"), "grain is not valid"),
        (("set", "no_shows", "month", "January", "1"), "'January' is not a day"),
        (("set", "no_shows", "month", "2026-01-01", "few"), "'few' is not a number"),
        (("set", "no_shows", "month", "2026-01-01", "1", "--member", "web"), "The total has the member"),
        (("remove", str(uuid4())), "There is no such target"),
    ],
)
def test_a_wrong_value_is_refused(arguments: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(HubError, match=sentence):
        _run(*arguments)
