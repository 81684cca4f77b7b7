"""The hourly job applies due transitions, and does not touch the bookings of another server."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import psycopg
import pytest

from dagster_project.automation.retention import prune_runs
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
    ended = [event for event in result.all_events if event.event_type_value == "STEP_OUTPUT"]
    assert len(ended) == 2
    return {name: value.value for event in ended for name, value in event.step_output_data.metadata.items()}


def test_the_job_applies_due_transitions(
    environment: Settings, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed(connection)
    connection.execute(BOOKING, [NORTH.id, NORTH.client, NORTH.service])
    monkeypatch.setenv("HUB_SOURCE_URL", environment.database_url + "_elsewhere")
    get_settings.cache_clear()
    assert "expired" not in run("2026-03-20T00:00:00+00:00")
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


def test_old_runs_are_deleted_but_not_the_one_that_last_made_an_asset() -> None:
    @dg.asset
    def made() -> None: ...

    @dg.op
    def nothing() -> None: ...

    @dg.job
    def idle() -> None:
        nothing()

    with dg.DagsterInstance.ephemeral() as instance:
        first, last = (dg.materialize([made], instance=instance).run_id for _ in range(2))
        idled = idle.execute_in_process(instance=instance).run_id
        now = datetime.now(UTC)
        assert prune_runs(instance, now + timedelta(days=89)) == 0
        assert prune_runs(instance, now + timedelta(days=91)) == 2
        assert [instance.has_run(run_id) for run_id in (first, last, idled)] == [False, True, False]
        assert not instance.all_logs(first)
        assert prune_runs(instance, now + timedelta(days=91)) == 0
