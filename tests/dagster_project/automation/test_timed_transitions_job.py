"""The hourly job applies due transitions, and does not touch the bookings of another server."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from dagster_project.automation.timed_transitions_job import transitions_job
from sources.errors import HubError
from sources.settings import Settings, get_settings
from tests.sources.business import NORTH, seed

BOOKING = """
insert into app.bookings (
    org_id, booking_number, client_id, service_id, status, title, total_amount, currency, created_at
)
values (%s, 'OLD', %s, %s, 'requested', 'Old', 10, 'EUR', '2026-03-01')
"""


def run(as_of: str) -> dict[str, object]:
    config = {"ops": {"take_due_transitions": {"config": {"as_of": as_of}}}}
    result = transitions_job.execute_in_process(run_config=config)
    assert result.success
    [ended] = [event for event in result.all_events if event.event_type_value == "STEP_OUTPUT"]
    return {name: value.value for name, value in ended.step_output_data.metadata.items()}


def test_the_job_applies_due_transitions(
    environment: Settings, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed(connection)
    connection.execute(BOOKING, [NORTH.id, NORTH.client, NORTH.service])
    monkeypatch.setenv("HUB_SOURCE_URL", environment.database_url + "_elsewhere")
    get_settings.cache_clear()
    assert run("2026-03-20T00:00:00+00:00") == {}
    monkeypatch.delenv("HUB_SOURCE_URL")
    get_settings.cache_clear()
    assert run("2026-03-14T23:59:00+00:00")["expired"] == 0
    assert run("2026-03-15T00:00:00+00:00")["expired"] == 1
    assert connection.execute("select status from app.bookings").fetchone() == ("expired",)


def test_a_moment_in_the_future_is_refused(environment: Settings, connection: psycopg.Connection) -> None:
    seed(connection)
    connection.execute(BOOKING, [NORTH.id, NORTH.client, NORTH.service])
    with pytest.raises(HubError, match="in the future"):
        run((datetime.now(UTC) + timedelta(hours=1)).isoformat())
    assert connection.execute("select status from app.bookings").fetchone() == ("requested",)
