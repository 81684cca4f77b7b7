"""The Dagster instance of a HUB_HOME: its history lies in the Hub's database, in the schema `dagster`."""

import os
from pathlib import Path
from typing import Final

import psycopg

from sources import database
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
