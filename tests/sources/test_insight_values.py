"""The values of insights and deliveries are those that the database allows, and the API's."""

import re

import psycopg
import pytest

from sources import insight_values
from sources.operations.communication import insights


@pytest.mark.parametrize(
    ("constraint", "values"),
    [
        ("ck_insight_events_kind", insight_values.INSIGHT_KINDS),
        ("ck_insight_events_severity", insight_values.SEVERITIES),
        ("ck_insight_events_status", insight_values.INSIGHT_STATUSES),
        ("ck_insight_events_feedback_reason", insight_values.DISMISSAL_REASONS),
        ("ck_insight_feedback_reason", insight_values.FEEDBACK_REASONS),
        ("ck_notification_channels_min_severity", insight_values.SEVERITIES),
        ("ck_notification_deliveries_event", insight_values.OCCASIONS),
        ("ck_notification_deliveries_state", insight_values.DELIVERY_STATES),
        ("ck_notification_attempts_outcome", insight_values.ATTEMPT_OUTCOMES),
    ],
)
def test_the_database_allows_exactly_these_values(
    connection: psycopg.Connection, constraint: str, values: tuple[str, ...]
) -> None:
    row = connection.execute(
        "select pg_get_constraintdef(oid) from pg_constraint where conname = %s", [constraint]
    ).fetchone()
    assert row
    assert set(re.findall(r"'(\w+)'", row[0])) == set(values)


def test_the_api_has_the_same_values() -> None:
    properties = insights.Insight.model_json_schema()["properties"]
    assert tuple(properties["kind"]["enum"]) == insight_values.INSIGHT_KINDS
    assert tuple(properties["severity"]["enum"]) == insight_values.SEVERITIES
    assert tuple(properties["status"]["enum"]) == insight_values.INSIGHT_STATUSES


def test_waiting_states_are_those_that_are_neither_sent_nor_dead() -> None:
    assert set(insight_values.WAITING_STATES) == set(insight_values.DELIVERY_STATES) - {"sent", "dead"}


def test_waiting_deliveries_are_found_by_their_index(connection: psycopg.Connection) -> None:
    connection.execute("set enable_seqscan = off")
    plan = connection.execute(
        "explain select id from app.notification_deliveries where state = any(%s) and next_attempt_at <= now()",
        [list(insight_values.WAITING_STATES)],
    ).fetchall()
    assert "ix_notification_deliveries_due" in str(plan)
