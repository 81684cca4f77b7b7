"""The command mf of MetricFlow, on the metrics and the database of the Hub.

python -m tools.metricflow query --metrics cancellation_rate --group-by metric_time__month,organization
"""

import os
import shutil
import sys
from pathlib import Path

from dagster_project.warehouse import dbt_runner
from dagster_project.warehouse.variables import PROJECT
from sources.settings import Settings, get_settings


def prepare(settings: Settings) -> Path:
    """Write the folder that MetricFlow takes for a dbt project, and return it: settings, and the parsed metrics."""
    manifest = dbt_runner.prepare(settings).with_name("semantic_manifest.json")
    folder = settings.home / "metricflow"
    (folder / "target").mkdir(parents=True, exist_ok=True)
    for path in (PROJECT / "dbt_project.yml", PROJECT / "profiles.yml"):
        shutil.copy(path, folder / path.name)
    shutil.copy(manifest, folder / "target" / manifest.name)
    return folder


def main(arguments: list[str]) -> None:
    """Run mf with `arguments`."""
    from dbt_metricflow.cli.main import cli

    settings = get_settings()
    folder = str(prepare(settings))
    os.environ.update(dbt_runner.environment(settings))
    os.environ.update(DBT_PROJECT_DIR=folder, DBT_PROFILES_DIR=folder, DBT_LOG_PATH=folder)
    cli(arguments, prog_name="mf")


if __name__ == "__main__":
    main(sys.argv[1:])
