"""The main job, end to end: a run builds every layer, a second one adds nothing, a killed one loses nothing."""

import signal
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import cast
from uuid import UUID

import dagster as dg
import pandas as pd
import psycopg
import pytest
from typer.testing import CliRunner

from cli import app
from notifications import charts
from notifications.channels.webhook import signing_secret
from notifications.digest import build_digest
from sources import database, embedded_server
from sources.settings import Settings
from tests.conftest import free_port
from tests.end_to_end import chaos
from tests.end_to_end.conftest import AS_OF, Hub
from tests.notifications.servers import Answer, WebhookServer, webhook_server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

NEXT_DAY = AS_OF + timedelta(days=1)
LONGEST_S = 40.0  # of the first run that is killed at random: longer than it takes on an idle machine
# Times and transactions of rows differ between any two runs; everything else has to be equal.
BOOKKEEPING = ("_row_version", "created_at", "updated_at")  # and every ..._loaded_at

# Changes of the business between two runs, the same in every database.
CHANGES_OF_NEXT_DAY = """
    update app.bookings set total_amount = total_amount + 10 where booking_number like '%7';
    delete from app.reviews where rating = 1;
    update app.tombstones set deleted_at = '2026-11-01 12:00+00';
    -- A rush of bookings: an anomaly.
    insert into app.bookings (id, org_id, booking_number, client_id, service_id, status, title, total_amount, currency,
        created_at)
    select md5('rush' || number)::uuid, bookings.org_id, 'RUSH-' || number, bookings.client_id, bookings.service_id,
        'requested', 'Rush', 5000, bookings.currency, '2026-11-01 12:00+00'
    from (select * from app.bookings order by id limit 1) as bookings, generate_series(1, 90) as number;
"""


def contents(hub: Hub) -> dict[str, list[tuple[object, ...]]]:
    """Return all rows that a run builds, without bookkeeping columns: table -> sorted hashes of rows."""
    columns = hub.rows(
        """
        select columns.table_schema || '.' || columns.table_name,
            string_agg(quote_ident(columns.column_name), ', ' order by columns.column_name)
        from information_schema.columns as columns
        inner join pg_tables as tables
            on (tables.schemaname, tables.tablename) = (columns.table_schema, columns.table_name)
        where columns.table_schema in ('raw', 'marts', 'ml')
            and columns.table_name not in ('watermarks', 'model_states')
            and columns.column_name <> all (%s) and right(columns.column_name, 10) <> '_loaded_at'
        group by 1
        """,
        list(BOOKKEEPING),
    )
    tables = {
        str(name): hub.rows(f"select md5(row({listed})::text) from {name} order by 1") for name, listed in columns
    }
    tables["insights"] = hub.rows(
        "select org_id, dedupe_key, status, severity, day, title, summary from app.insight_events order by 1, 2"
    )
    tables["deliveries"] = hub.rows(
        "select insights.dedupe_key, deliveries.event, deliveries.state from app.notification_deliveries as deliveries "
        "inner join app.insight_events as insights on insights.id = deliveries.insight_id order by 1, 2"
    )
    tables["in-app"] = hub.rows("select profile_id, event, title, body from app.notifications order by 1, 2, 3, 4")
    return tables


def counts(hub: Hub) -> dict[str, int]:
    return {name: len(rows) for name, rows in contents(hub).items()}


def test_a_run_builds_every_layer(new_hub: Callable[[], Hub], monkeypatch: pytest.MonkeyPatch) -> None:
    hub = new_hub()
    held = counts(hub)
    empty = {name for name, number in held.items() if number == 0}
    # Without a channel there are no deliveries.
    assert empty <= {"deliveries", "insights", "in-app", "raw.run_failures"}
    assert held["ml.provider_workload"] > 28
    assert held["marts.fct_bookings"] == 1200
    assert held["ml.revenue_forecasts"] > 28

    with hub.as_environment(), psycopg.connect(hub.settings.database_url) as connection:
        from dagster_project import main_run

        monkeypatch.setattr(main_run, "ESTIMATED_FROM", 1199)
        rows, estimated = main_run.rows_by_layer(connection)
    assert rows["marts"]["fct_bookings"] == 1200
    assert "fct_bookings" in estimated["marts"]
    assert "dim_organization" not in estimated["marts"]
    assert "model_states" not in rows["landed"]


def test_a_second_run_adds_nothing(new_hub: Callable[[], Hub]) -> None:
    hub = new_hub()
    before = contents(hub)
    hub.run(AS_OF)
    assert contents(hub) == before
    assert_that_dagster_shows_the_plots_of_messages(hub)


def assert_that_dagster_shows_the_plots_of_messages(hub: Hub) -> None:
    """Of the organisation with the most bookings: the digest's picture, and the alert's of the rarest anomaly."""
    largest = hub.rows("select org_id from marts.fct_bookings group by 1 order by count(*) desc limit 1")[0][0]
    with hub.as_environment(), psycopg.connect(hub.settings.database_url) as connection:
        from dagster_project.modelling.plots import PLOT, anomaly_plot, last_plot

        digest = build_digest(connection, cast(UUID, largest), AS_OF)
        alert = anomaly_plot(connection, cast(UUID, largest), AS_OF)
        with dg.DagsterInstance.get() as instance:
            for table, plot in (("revenue_forecasts", digest.plot), ("anomalies", alert)):
                assert plot
                picture = charts.png(plot)
                shown = last_plot(instance, dg.AssetKey(["ml", table]))[PLOT].value
                assert f"(data:image/png;base64,{b64encode(picture).decode()})" in shown
                assert len(picture) < 100_000
    assert alert
    rarest = hub.rows(
        "select day from (select *, max(score) over () as highest from ml.anomalies "
        "where org_id = %s and is_anomaly and dimension = 'total') where score = highest",
        largest,
    )
    assert (alert.marked,) in rarest


def test_an_error_in_a_landed_table_ends_the_run_before_anything_is_built_from_it(new_hub: Callable[[], Hub]) -> None:
    hub = new_hub()
    with psycopg.connect(hub.settings.database_url) as connection:
        connection.execute("alter table app.reviews drop constraint ck_reviews_rating")
        connection.execute("update app.reviews set rating = 9 where id = (select id from app.reviews limit 1)")
    outcome = hub.try_run(AS_OF)
    assert "rating = 9" in outcome.failures["check expectations of raw/reviews"]
    assert "build" not in outcome.seconds
    assert hub.rows("select max(rating) from marts.fct_reviews") == [(5,)]


def test_a_failure_of_one_organisation_affects_no_other(
    new_hub: Callable[[], Hub], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is rolled back, reported by the run and to that organisation alone, and resolved by the next run."""
    hub = new_hub()
    broken, *others = [row[0] for row in hub.rows("select org_id from raw.run_clock order by org_id")]
    assert others

    with monkeypatch.context() as patch:
        from dagster_project.modelling import inputs as modelling_inputs
        from dagster_project.modelling.organizations import Organization

        read = modelling_inputs.history

        def breaks(connection: psycopg.Connection, organization: Organization) -> pd.DataFrame:
            if organization.id == broken:
                raise ValueError("its figures cannot be read")
            return read(connection, organization)

        patch.setattr(modelling_inputs, "history", breaks)
        outcome = hub.try_run(NEXT_DAY)

    ((name,),) = hub.rows("select name from app.organizations where id = %s", broken)
    assert outcome.failures == {f"step anomalies of {name}": "its figures cannot be read"}
    judged = hub.rows("select distinct org_id from ml.anomalies where as_of = %s", NEXT_DAY)
    assert {row[0] for row in judged} == set(others)
    forecast = hub.rows("select distinct org_id from ml.revenue_forecasts where as_of = %s", NEXT_DAY)
    assert {row[0] for row in forecast} == {broken, *others}, "the other steps continued"
    failures = "select org_id, status from app.insight_events where kind = 'pipeline'"
    assert hub.rows(failures) == [(broken, "open")]

    hub.run(NEXT_DAY)
    assert hub.rows(failures) == [(broken, "resolved")]


def test_a_killed_run_loses_nothing_and_a_backup_has_it_all(new_hub: Callable[[], Hub], tmp_path: Path) -> None:
    """Killed in ingestion, then in dbt, then in delivery: the next run gives the result of an undisturbed one.

    So does a run after a restore on another server. Both are compared with the same undisturbed Hub: it takes a minute.
    """
    calm, disturbed = new_hub(), new_hub()
    with receiver(calm) as calm_receiver, receiver(disturbed) as disturbed_receiver:
        for hub in (calm, disturbed):
            with psycopg.connect(hub.settings.database_url) as connection:
                connection.execute(CHANGES_OF_NEXT_DAY)
        calm.run(NEXT_DAY)
        sent = len(calm_receiver.requests)
        with restored(calm, tmp_path) as copy:
            assert_follows_live_changes(copy)
            copy.run(NEXT_DAY)
            assert contents(copy) == contents(calm)
        assert len(calm_receiver.requests) == sent, "the restored Hub sends nothing again"

        # Ingestion: bookings are landed, their watermark cannot be written.
        with blocked(disturbed, "lock table raw.watermarks in share row exclusive mode"):
            assert kill_when(disturbed, lambda: waits_for_a_lock(disturbed, "raw.watermarks"))
        # dbt: some models are built, this one cannot be written.
        with blocked(disturbed, "lock table marts.kpi_daily in share row exclusive mode"):
            assert kill_when(disturbed, lambda: waits_for_a_lock(disturbed, "marts.kpi_daily"))
        # Delivery: the receiver has the message and has not answered.
        disturbed_receiver.script.append(Answer(204, after_s=20))
        assert kill_when(disturbed, lambda: bool(disturbed_receiver.requests))

        disturbed.run(NEXT_DAY)
        assert contents(disturbed) == contents(calm)
        assert len(calm_receiver.verified) > 0, "there are messages to deliver"
        assert delivered(disturbed_receiver) == delivered(calm_receiver)
        ids = [request.headers["webhook-id"] for request in disturbed_receiver.requests]
        assert ids.count(ids[0]) == 2, "what was in flight is sent again, with the same id"
        assert len(set(ids)) == len(calm_receiver.requests)


@pytest.mark.skipif(not chaos.KILLS, reason="it takes minutes: make chaos")
def test_runs_that_are_killed_at_random_moments_lose_nothing(new_hub: Callable[[], Hub]) -> None:
    """As in the test before, at moments that nobody chose."""
    chance = chaos.random_moments()
    calm, disturbed = new_hub(), new_hub()
    with receiver(calm) as calm_receiver, receiver(disturbed) as disturbed_receiver:
        for hub in (calm, disturbed):
            with psycopg.connect(hub.settings.database_url) as connection:
                connection.execute(CHANGES_OF_NEXT_DAY)
        calm.run(NEXT_DAY)
        longest, killed = LONGEST_S, 0
        for _ in range(chaos.KILLS):
            started = time.monotonic()
            end = started + chance.uniform(0, longest)
            if kill_when(disturbed, lambda end=end: time.monotonic() > end):  # type: ignore[misc]
                killed += 1
            else:
                longest = time.monotonic() - started  # what is done already is not done again
        chaos.tell(f"{killed} runs were killed, {chaos.KILLS - killed} had ended")
        disturbed.run(NEXT_DAY)
        assert contents(disturbed) == contents(calm)
        assert delivered(disturbed_receiver) == delivered(calm_receiver)
        ids = {request.headers["webhook-id"] for request in disturbed_receiver.requests}
        assert len(ids) == len(calm_receiver.requests)


@contextmanager
def restored(hub: Hub, folder: Path) -> Iterator[Hub]:
    """Back up `hub`, and restore it into an empty Hub on a server of its own."""
    embedded = Settings(home=folder / "restored", port_database=free_port())
    database.start(embedded)
    copy = Hub(embedded.model_copy(update={"database_url": embedded_server.url(embedded)}))
    try:
        for each, command in ((hub, "backup"), (copy, "restore")):
            with each.as_environment():
                done = CliRunner().invoke(app, ["db", command, str(folder / "hub.dump")], catch_exceptions=False)
            assert done.exit_code == 0, done.output
        yield copy
    finally:
        embedded_server.stop(embedded)


def assert_follows_live_changes(hub: Hub) -> None:
    """A reader of the live changes receives a change that follows, and none of before."""
    ((snapshot,),) = hub.rows("select pg_current_snapshot()::text")
    changes = "select booking_id from app.live_changes_since(%s, 100) where id is not null"
    assert hub.rows(changes, snapshot) == []
    changed = hub.rows(
        "update app.bookings set title = title where id = (select id from app.bookings limit 1) returning id"
    )
    assert hub.rows(changes, snapshot) == changed


def delivered(server: WebhookServer) -> list[str]:
    """Return the titles of the insights that the receiver accepted."""
    return sorted({str(message["data"]["insight"]["title"]) for message in server.verified})


@contextmanager
def receiver(hub: Hub) -> Iterator[WebhookServer]:
    """Serve a webhook receiver, with a channel of every organisation to it."""
    with_secret = Settings.model_validate({**hub.settings.model_dump(), "webhook_secret": "w" * 32})
    with webhook_server() as server:
        with psycopg.connect(hub.settings.database_url) as connection:
            channels = connection.execute(
                "insert into app.notification_channels (org_id, name, kind, target) "
                "select id, 'hook', 'webhook', %s from app.organizations returning id",
                [server.url],
            ).fetchall()
        server.secrets += [signing_secret(with_secret, channel_id) for (channel_id,) in channels]
        yield server


@contextmanager
def blocked(hub: Hub, statement: str) -> Iterator[None]:
    """Hold a lock, so that the run waits at a known place."""
    with psycopg.connect(hub.settings.database_url) as connection:
        connection.execute(statement.encode())
        yield
        connection.rollback()


def waits_for_a_lock(hub: Hub, table: str) -> bool:
    return bool(hub.rows("select 1 from pg_locks where not granted and relation = to_regclass(%s)::oid", table))


def kill_when(hub: Hub, reached: Callable[[], bool]) -> bool:
    """Start `hub run`, and kill it when `reached` returns True; return False if it ended before, and succeeded."""
    worker = subprocess.Popen(
        [sys.executable, "-m", "cli", "run", "--as-of", str(NEXT_DAY)],
        env=hub.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    deadline = time.monotonic() + 900
    try:
        while not reached():
            if worker.poll() is not None:
                assert worker.returncode == 0, worker.stdout.read() if worker.stdout else ""
                return False
            assert time.monotonic() < deadline, "the run did not reach this place"
            time.sleep(0.05)
        return True
    finally:
        worker.send_signal(signal.SIGKILL)
        worker.communicate()
