"""`hub insights show`: drivers are formatted in the unit of the metric, and text is not markup."""

import json

import psycopg
import pytest
from typer.testing import CliRunner

from cli import app
from sources.errors import HubError
from sources.settings import Settings
from tests.sources.business import NORTH, seed

DRIVERS = [{"dimension": "service", "member_name": "Audit [x]", "value": 1200, "expected": 300, "contribution": 900}]
# The part of the warehouse that formats figures: the unit of the metric and the currency of the organisation.
WAREHOUSE = """
create schema if not exists marts;
create table marts.dim_metric as select 'booked_revenue' as metric, 'Booked revenue' as label, 'money' as unit;
create schema if not exists raw;
create table raw.organizations as
select id, name, 'EUR' as currency, timezone, null::timestamptz as _deleted_at from app.organizations;
"""
INSIGHT = """
insert into app.insight_events (
    org_id, kind, severity, metric, day, title, summary, drivers, dedupe_key, first_seen, last_seen
)
values (%s, 'anomaly', 'high', 'booked_revenue', '2026-03-01', 'Revenue [/x]', 'It rose.', %s, 'key', now(), now())
returning id
"""


def test_drivers_are_shown_in_the_unit_of_the_metric(environment: Settings, connection: psycopg.Connection) -> None:
    seed(connection)
    connection.execute(WAREHOUSE)
    ((insight_id,),) = connection.execute(INSIGHT, [NORTH.id, json.dumps(DRIVERS)]).fetchall()
    done = CliRunner().invoke(app, ["insights", "show", str(insight_id)], catch_exceptions=False)
    assert "Revenue [/x]  (high, open, 2026-03-01)" in done.output
    assert "Audit [x]: €1,200, expected €300" in done.output
    listed = CliRunner().invoke(app, ["insights", "list"], catch_exceptions=False, env={"COLUMNS": "200"})
    assert "Revenue [/x]" in listed.output
    event = ["calendar", "add", "campaign", "Sale [/b]", "2030-01-01", "--org", NORTH.slug]
    added = CliRunner().invoke(app, event, catch_exceptions=False)
    assert "Added Sale [/b]." in added.output


def invoke(*arguments: str) -> str:
    return CliRunner().invoke(app, ["insights", *arguments], catch_exceptions=False).output


def test_what_was_learnt_is_listed_and_undone(environment: Settings, connection: psycopg.Connection) -> None:
    seed(connection)
    connection.execute(WAREHOUSE)
    ((insight_id,),) = connection.execute(INSIGHT, [NORTH.id, json.dumps(DRIVERS)]).fetchall()
    assert "is marked as useful" in invoke("useful", str(insight_id))
    dismissed = invoke(
        "dismiss", str(insight_id), "--reason", "known_event", "--title", "Spring fair", "--to", "2026-03-04"
    )
    assert "is dismissed" in dismissed
    event = connection.execute("select kind, title, starts_on::text, ends_on::text from app.calendar_events").fetchall()
    assert event == [("event", "Spring fair", "2026-03-01", "2026-03-04")]
    fair, useful = json.loads(invoke("learnt", "list", "--json"))
    assert (fair["reason"], fair["effect"]) == ("known_event", "The event is in the calendar.")
    assert (useful["reason"], useful["effect"]) == ("useful", "Nothing is held back.")
    assert "Undone: “Revenue [/x]” was known_event." in invoke("learnt", "undo", fair["id"])
    assert connection.execute("select count(*) from app.calendar_events").fetchone() == (0,)
    assert [each["reason"] for each in json.loads(invoke("learnt", "list", "--json"))] == ["useful"]


def test_a_known_event_needs_a_title(environment: Settings, connection: psycopg.Connection) -> None:
    seed(connection)
    with pytest.raises(HubError, match="needs an event with a title"):
        invoke("dismiss", "abc", "--reason", "known_event")


def test_drivers_of_an_unknown_metric_have_two_decimals(environment: Settings, connection: psycopg.Connection) -> None:
    seed(connection)
    connection.execute(WAREHOUSE)
    connection.execute("delete from marts.dim_metric")
    drivers = [DRIVERS[0] | {"value": 1234.56, "expected": 12}]
    ((insight_id,),) = connection.execute(INSIGHT, [NORTH.id, json.dumps(drivers)]).fetchall()
    done = CliRunner().invoke(app, ["insights", "show", str(insight_id)], catch_exceptions=False)
    assert "Audit [x]: 1,234.56, expected 12.00" in done.output
