"""The Dagster instance of a HUB_HOME: its history lies in the Hub's database, in the schema `dagster`."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

import dagster as dg
import psycopg

from dagster_project.run_lock import exclusive_run
from sources import database
from sources.errors import HubError
from sources.settings import Settings

SCHEMA: Final = "dagster"
CONFIG: Final = """\
# Written by the Hub at each start.
storage:
  postgres:
    postgres_url:
      env: HUB_DAGSTER_URL
concurrency:
  runs:
    max_concurrent_runs: 2
telemetry:
  enabled: false
nux:
  enabled: false
"""


ALIVE: Final = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


def bury_killed_runs(settings: Settings, instance: dg.DagsterInstance, job: str | None = None) -> None:
    """Mark as failed the runs (of `job`) that count as under way though the process that worked at them is gone.

    Call it where nobody else can be working at them. Does nothing while a live run holds the lock.
    """
    left = instance.get_runs(dg.RunsFilter(job_name=job, statuses=ALIVE))
    if not left:
        return
    with suppress(HubError), exclusive_run(settings, wait_s=0):
        for run in left:
            instance.report_run_failed(run, "The process that worked at this run ended without a word.")


def prepare(settings: Settings, connection: psycopg.Connection) -> Path:
    """Make the instance's folder and schema, and point this process and its children at them."""
    home = settings.home / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    (home / "dagster.yaml").write_text(CONFIG)
    connection.execute("create schema if not exists dagster")
    # dagster-postgres speaks psycopg 2; SQLAlchemy 2.1 would take psycopg 3 for a bare postgresql://.
    url = database.with_search_path(database.database_url(settings), SCHEMA)
    os.environ["HUB_DAGSTER_URL"] = database.driver_url(url, "psycopg2")
    os.environ["DAGSTER_HOME"] = str(home)
    os.environ["DAGSTER_DISABLE_TELEMETRY"] = "true"
    return home
