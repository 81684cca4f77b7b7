"""The Dagster instance of a HUB_HOME; its run history is in the Hub's database, schema `dagster`."""

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


UNFINISHED: Final = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


def fail_killed_runs(settings: Settings, instance: dg.DagsterInstance, job: str | None = None) -> None:
    """Mark unfinished runs (of `job`) whose process has ended as failed.

    Call it where no other process can be executing them. Does nothing while a live run holds the run lock.
    """
    unfinished = instance.get_runs(dg.RunsFilter(job_name=job, statuses=UNFINISHED))
    if not unfinished:
        return
    with suppress(HubError), exclusive_run(settings, wait_s=0):
        for run in unfinished:
            instance.report_run_failed(run, "The process of this run ended before the run did.")


def prepare(settings: Settings, connection: psycopg.Connection) -> Path:
    """Create the instance's folder and schema, and set the environment of this process and its children to them."""
    home = settings.home / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    (home / "dagster.yaml").write_text(CONFIG)
    connection.execute("create schema if not exists dagster")
    # dagster-postgres needs psycopg 2; SQLAlchemy 2.1 uses psycopg 3 for a plain postgresql://.
    # Of 500 events of a run, waiting for the disk after each takes 2.5 s; a power cut loses the newest of them at most.
    url = database.with_options(database.database_url(settings), search_path=SCHEMA, synchronous_commit="off")
    os.environ["HUB_DAGSTER_URL"] = database.driver_url(url, "psycopg2")
    os.environ["DAGSTER_HOME"] = str(home)
    os.environ["DAGSTER_DISABLE_TELEMETRY"] = "true"
    return home
