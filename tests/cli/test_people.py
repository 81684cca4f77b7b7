"""`hub people`: people are listed; an export has every row of the person, and no row of another organisation."""

import json
from typing import Any

import psycopg
import pytest
from sqlalchemy import LargeBinary
from typer.testing import CliRunner

from cli import app
from sources.errors import HubError
from sources.settings import Settings
from sources.tables.columns import metadata
from tests.sources.business import NORTH, SOUTH, seed
from tests.sources.everything import write_everything


@pytest.fixture(autouse=True)
def _businesses(environment: Settings, connection: psycopg.Connection) -> None:
    seed(connection)
    write_everything(connection)


def _told(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["people", *arguments, "--org", "north"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def _run(*arguments: str) -> Any:
    return json.loads(_told(*arguments))


def test_people_are_listed() -> None:
    people = {row["id"]: row for row in _run("list", "--json")}
    assert people[str(NORTH.id_of("client"))]["email"] == "client@north.example"
    assert str(SOUTH.id_of("client")) not in people


def test_an_export_has_the_rows_of_each_table_that_refers_to_the_person(connection: psycopg.Connection) -> None:
    """Which rows hold the person's id is searched in all columns, not only in those that the export reads."""
    person = str(NORTH.id_of("client"))
    connection.execute(
        "insert into app.sessions (org_id, profile_id, link_hash, link_ends_at, opens_dagster) "
        "values (%s, %s, 'hash', now(), false)",
        [NORTH.id, person],
    )
    connection.execute("update app.notification_deliveries set recipient = 'client@north.example'")
    for name, column, by in (
        ("insight_events", "closed_by", f"profile {person}"),
        ("insight_run_logs", "requested_by", f"profile {person}"),
        ("insight_feedback", "given_by", f"profile {person}"),
        ("payments", "announced_by", person),
    ):
        assert connection.execute(f"update app.{name} set {column} = %s where org_id = %s", [by, NORTH.id]).rowcount
    export = _run("export", "client@north.example")
    assert export == _run("export", person)
    for table in metadata.sorted_tables:
        if "id" not in table.columns or table.name == "live_changes":
            continue
        rows = connection.execute(
            f"select id::text from app.{table.name} as kept where to_jsonb(kept)::text like %s", [f"%{person}%"]
        )
        assert {row[0] for row in rows} <= {row["id"] for row in export.get(table.name, [])}, table.name
    of_the_clients_bookings = {"bookings", "messages", "milestones", "invoice_lines", "payments"}
    assert of_the_clients_bookings | {"profiles", "sessions", "notification_deliveries"} <= export.keys()


def test_an_export_has_neither_secrets_nor_rows_of_others() -> None:
    export = _run("export", "client@north.example")
    assert [row["id"] for row in export["profiles"]] == [str(NORTH.id_of("client"))]
    for name, rows in export.items():
        hashes = {column.name for column in metadata.tables[f"app.{name}"].c if isinstance(column.type, LargeBinary)}
        for row in rows:
            assert row["org_id"] == str(NORTH.id), name
            assert not hashes & row.keys(), name


def test_an_unknown_person_is_refused() -> None:
    with pytest.raises(HubError, match="no person with the id or address client@south"):
        _run("export", "client@south.example")


def test_a_person_is_invited_changed_and_deactivated(connection: psycopg.Connection) -> None:
    told = _told("invite", "Mary Smith", "--role", "analyst", "--email", "mary@north.example")
    assert "Mary Smith is added as analyst." in told
    assert "/sign-in?link=" in told
    assert "from the next request on" in _told("role", "mary@north.example", "provider")
    assert "no access" in _told("deactivate", "mary@north.example")
    row = connection.execute(
        "select p.role, p.is_active, count(s.id), count(*) filter (where s.link_ends_at <= now()) "
        "from app.profiles as p "
        "left join app.sessions as s on s.profile_id = p.id where p.email = 'mary@north.example' group by 1, 2"
    ).fetchone()
    assert row == ("provider", False, 1, 1)
    entries = "select action, actor_role from app.audit_log where table_name = 'profiles' order by id"
    assert connection.execute(entries).fetchall() == [("insert", "system"), *[("update", "system")] * 2]
    assert "may sign in again" in _told("activate", "mary@north.example")
    with pytest.raises(HubError, match="Another person has this e-mail address"):
        _told("invite", "Mary", "--role", "client", "--email", "MARY@north.example")
    with pytest.raises(HubError, match="last active admin"):
        _told("deactivate", "admin@north.example")


def test_open_work_is_handed_over() -> None:
    told = _told("handover", "provider@north.example", "provider2@north.example")
    assert "1 bookings" in told


def test_a_person_is_erased(connection: psycopg.Connection) -> None:
    with pytest.raises(HubError, match="not the name of the person"):
        _told("erase", "client2@north.example", "--name", "Another")
    assert "Erased person" in _told("erase", "client2@north.example", "--name", "North Client2")
    entry = connection.execute("select actor_role, row_id from app.audit_log where action = 'erase'").fetchone()
    assert entry == ("system", NORTH.id_of("client2"))
