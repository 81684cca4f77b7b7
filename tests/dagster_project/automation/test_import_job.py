"""The job of imports: it imports what was asked for, one run at a time, and takes up what a killed run left."""

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import dagster as dg
import psycopg
import pytest
from psycopg.types.json import Jsonb

from dagster_project.automation.import_job import import_job
from dagster_project.automation.sensors import requested_imports
from sources.importing import find_mapping, jobs
from sources.settings import Settings
from tests.sources.business import NORTH, SOUTH, seed
from tests.waiting import wait_until

NOW = datetime(2026, 3, 20, tzinfo=UTC)
ROWS = """number,client,email,service,provider,status,amount,booked,start,end,closed
1001,Ann Bell,ann@example.org,Tax advice,Joe Park,Done,125.00,2025-03-01,2025-03-10 09:00,2025-03-10 12:00,2025-03-12
1002,Cy Shaw,cy@example.org,Tax advice,Joe Park,Done,soon,2025-03-01,2025-03-11 09:00,2025-03-11 12:00,2025-03-12
"""
IMPORT = """
from datetime import UTC, datetime
from sources.importing import jobs
from sources.settings import get_settings
with jobs.only_importer(get_settings()) as connection:
    jobs.import_next(connection, get_settings(), datetime.now(UTC))
"""


@pytest.fixture
def business(environment: Settings, connection: psycopg.Connection) -> Settings:
    seed(connection)
    return environment


def ask(connection: psycopg.Connection, slug: str = "north") -> UUID:
    """Write an import of ROWS that was asked for by the admin of NORTH."""
    [[timezone, currency]] = connection.execute(
        "select timezone, currency from app.organizations where id = %s", [NORTH.id]
    ).fetchall()
    text = find_mapping("simple_bookings").read_text().replace("my-business", slug)
    text = text.replace("Europe/London", timezone).replace("currency: GBP", f"currency: {currency}")
    [[asked]] = connection.execute(
        "insert into app.import_jobs (org_id, requested_by, requested_at, file_names, mapping, findings, state) "
        "values (%s, %s, now(), %s, %s, %s, 'requested') returning id",
        [NORTH.id, NORTH.id_of("admin"), ["rows.csv"], text, Jsonb({"reasons": ["a value of a row"]})],
    ).fetchall()
    insert = "insert into app.import_files (org_id, job_id, name, content) values (%s, %s, 'rows.csv', %s)"
    connection.execute(insert, [NORTH.id, asked, ROWS.encode()])
    assert isinstance(asked, UUID)
    return asked


def state(connection: psycopg.Connection, asked: UUID) -> tuple[Any, ...]:
    query = "select state, attempts, error, rows_read, findings from app.import_jobs where id = %s"
    [row] = connection.execute(query, [asked]).fetchall()
    return row


def imported(connection: psycopg.Connection) -> list[tuple[Any, ...]]:
    query = "select org_id, external_ref from app.bookings where external_ref is not null"
    return connection.execute(query).fetchall()


def test_the_job_imports_and_tells_its_progress(business: Settings, connection: psycopg.Connection) -> None:
    asked = ask(connection)
    assert import_job.execute_in_process().success
    assert state(connection, asked) == ("done", 1, None, 2, {})
    assert imported(connection) == [(NORTH.id, "1001")]
    assert connection.execute("select count(*) from app.import_files").fetchone() == (0,)
    assert connection.execute("select finished_at > started_at from app.import_jobs").fetchone() == (True,)
    told = connection.execute("select data ->> 'state' from app.live_changes where kind = 'import.changed' order by id")
    states = [name for (name,) in told]
    assert (states[0], states[-1], set(states)) == ("running", "done", {"running", "done"})
    assert len(states) > 3  # progress between them
    assert import_job.execute_in_process().success
    assert state(connection, asked)[:2] == ("done", 1)


def test_an_import_stays_in_its_organization(business: Settings, connection: psycopg.Connection) -> None:
    foreign = ask(connection, slug=SOUTH.slug)
    own = ask(connection)
    assert import_job.execute_in_process().success
    sentence = "The mapping is for another organisation: write slug: north."
    assert state(connection, foreign)[:3] == ("failed", 1, sentence)
    assert state(connection, own)[0] == "done"
    assert imported(connection) == [(NORTH.id, "1001")]


def test_a_killed_run_is_taken_up_again(business: Settings, connection: psycopg.Connection) -> None:
    asked = ask(connection)
    # The lock of imports into the organisation stops the run before it reads the file.
    connection.execute("select pg_advisory_lock(hashtext('hub import'), hashtext('north'))")
    process = subprocess.Popen([sys.executable, "-c", IMPORT], env=os.environ.copy(), stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: state(connection, asked)[0] == "running")
        with jobs.only_importer(business) as second:
            assert second is None
        assert "under way" in str(evaluated())
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    connection.execute("select pg_advisory_unlock(hashtext('hub import'), hashtext('north'))")

    def is_free() -> bool:
        with jobs.only_importer(business) as importer:
            return importer is not None

    wait_until(is_free)
    assert imported(connection) == []
    assert isinstance(evaluated(), dg.RunRequest)
    assert import_job.execute_in_process().success
    assert state(connection, asked)[:2] == ("done", 2)
    assert imported(connection) == [(NORTH.id, "1001")]
    assert isinstance(evaluated(), dg.SkipReason)


def test_an_import_that_ends_each_run_fails_at_last(
    business: Settings, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ask(connection)

    def ends(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(jobs, "import_files", ends)
    for attempt in range(1, jobs.MAX_ATTEMPTS + 1):
        with pytest.raises(MemoryError):
            run_next(business)
        assert state(connection, asked)[:2] == ("running", attempt)
    assert run_next(business) is None
    assert state(connection, asked)[:3] == ("failed", jobs.MAX_ATTEMPTS, jobs.NO_RESULT)
    assert connection.execute("select count(*) from app.import_files").fetchone() == (0,)


def run_next(settings: Settings) -> str | None:
    with jobs.only_importer(settings) as importer:
        assert importer is not None
        return jobs.import_next(importer, settings, NOW)


def evaluated() -> dg.RunRequest | dg.SkipReason:
    with dg.instance_for_test() as instance, dg.build_sensor_context(instance) as context:
        return requested_imports(context)  # type: ignore[return-value]
