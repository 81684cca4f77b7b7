"""Requests for insights are claimed by a run, tried again, and answered once, each for its organisation."""

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import dagster as dg
import psycopg
import pytest

from dagster_project.automation import sensors
from dagster_project.automation.sensors import requested_insights
from dagster_project.insights.requests import MAX_ATTEMPTS, PAUSE, answer_requests, claim_requests
from sources import database

NOW = datetime(2026, 3, 11, 10, 0, tzinfo=UTC)
NORTH, SOUTH = uuid4(), uuid4()
NAMES = {NORTH: "North", SOUTH: "South"}


def request(connection: psycopg.Connection, org_id: UUID | None) -> UUID:
    [[request_id]] = connection.execute("select app.request_insights(%s, 'a test')", [org_id]).fetchall()
    assert isinstance(request_id, UUID)
    return request_id


def answer(connection: psycopg.Connection, request_id: UUID) -> tuple[Any, ...]:
    """Return (status, attempts, error, counts) of a request."""
    columns = "status, attempts, error, counts"
    [row] = connection.execute(f"select {columns} from app.insight_run_logs where id = %s", [request_id]).fetchall()
    return row


def test_a_waiting_request_is_not_made_twice(connection: psycopg.Connection) -> None:
    first = request(connection, NORTH)
    assert request(connection, NORTH) == first
    assert len({first, request(connection, SOUTH), request(connection, None)}) == 3
    claim_requests(connection, NOW)
    assert request(connection, NORTH) != first  # the run that claimed the first one may have read older data


def test_a_request_whose_run_died_is_tried_again_later_and_fails_at_last(connection: psycopg.Connection) -> None:
    asked, now = request(connection, NORTH), NOW
    for attempt in range(1, MAX_ATTEMPTS + 1):
        assert claim_requests(connection, now) == 1
        assert claim_requests(connection, now + attempt * PAUSE - timedelta(seconds=1)) == 0
        assert answer(connection, asked)[:2] == ("running", attempt)
        now += attempt * PAUSE
    assert claim_requests(connection, now) == 0
    status, attempts, error, _ = answer(connection, asked)
    assert (status, attempts) == ("failed", MAX_ATTEMPTS)
    assert "Dagster UI" in error
    assert claim_requests(connection, now + timedelta(days=1)) == 0


def test_each_request_is_answered_once_with_the_figures_of_its_organisation(connection: psycopg.Connection) -> None:
    north, south, everyone, unknown = (request(connection, org) for org in (NORTH, SOUTH, None, uuid4()))
    claim_requests(connection, NOW)
    connection.execute(
        "insert into raw.run_failures (org_id, step, as_of, message) values (%s, 'insights', '2026-03-10', 'No disk.')",
        [SOUTH],
    )
    answer_requests(connection, {NORTH: {"opened": 2, "resolved": 0}, SOUTH: {}}, NAMES)
    assert answer(connection, north) == ("succeeded", 1, None, {"opened": 2, "resolved": 0})
    assert answer(connection, south) == ("failed", 1, "step insights: No disk.", {})
    assert answer(connection, everyone)[:3] == ("failed", 1, "South: step insights: No disk.")
    assert answer(connection, everyone)[3] == {"opened": 2, "resolved": 0}
    status, _, error, _ = answer(connection, unknown)
    assert status == "failed"
    assert "not in the warehouse" in error

    answer_requests(connection, {NORTH: {"opened": 7}, SOUTH: {}}, NAMES)
    assert answer(connection, north)[3] == {"opened": 2, "resolved": 0}


def test_the_sensor_starts_a_run_for_a_due_request_alone(
    connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def evaluate() -> dg.RunRequest | dg.SkipReason:
        with dg.instance_for_test() as instance, dg.build_sensor_context(instance) as context:
            return requested_insights(context)  # type: ignore[return-value]

    monkeypatch.setattr(database, "connect", lambda _: nullcontext(connection))
    assert isinstance(evaluate(), dg.SkipReason)
    asked = request(connection, NORTH)
    assert isinstance(evaluate(), dg.RunRequest)
    assert answer(connection, asked)[:2] == ("running", 1)
    assert isinstance(evaluate(), dg.SkipReason)  # the run that was started has it
    request(connection, NORTH)
    monkeypatch.setattr(sensors, "is_under_way", lambda *_: True)
    assert evaluate().skip_message == "Insights are under way."  # type: ignore[union-attr]


@pytest.mark.parametrize("role", ["hub_source", "hub_reader"])
def test_only_the_api_may_request(connection: psycopg.Connection, role: str) -> None:
    [[may]] = connection.execute(
        "select has_function_privilege(%s, 'app.request_insights(uuid, text)', 'execute')", [role]
    ).fetchall()
    assert not may
