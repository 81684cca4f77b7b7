"""dbt in this process: a child process would outlive a killed run and go on writing."""

import os
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from dagster_dbt import DbtProject

from sources import database
from sources.errors import HubError
from sources.settings import Settings

PROJECT: Final = Path(__file__).parent.parent / "dbt"


def folder(settings: Settings) -> Path:
    """Where dbt keeps its manifest, compiled SQL and logs: each HUB_HOME has its own."""
    return settings.home / "dbt"


def project(settings: Settings) -> DbtProject:
    """The dbt project as Dagster sees it."""
    return DbtProject(project_dir=PROJECT, target_path=folder(settings))


def invoke(settings: Settings, arguments: list[str], on_event: Any = None, manifest: Any = None) -> Any:
    """Run one dbt command and return dbt's result; `on_event` gets each of dbt's events.

    Raises HubError with dbt's own words where it could not run at all.
    """
    from dbt.cli.main import dbtRunner

    os.environ.update(_environment(settings))
    folders = {
        "--project-dir": PROJECT,
        "--profiles-dir": PROJECT,
        "--target-path": folder(settings),
        "--log-path": folder(settings),
    }
    options = [text for option, value in folders.items() for text in (option, str(value))]
    runner = dbtRunner(manifest=manifest, callbacks=[on_event] if on_event else [])
    result = runner.invoke(["--quiet", *arguments, *options])
    if result.exception:
        raise HubError(f"dbt {arguments[0]} failed: {result.exception}")
    return result


def parse(settings: Settings) -> Any:
    """Parse the project: writes manifest.json for Dagster, returns the manifest for later builds."""
    return invoke(settings, ["parse"]).result


def prepare(settings: Settings) -> Path:
    """The manifest file of the project as it stands, parsed anew only if a file of it changed."""
    manifest, stamp = folder(settings) / "manifest.json", folder(settings) / "manifest.parsed-from"
    files = sorted(path for path in PROJECT.rglob("*") if path.suffix in {".sql", ".yml", ".csv", ".md"})
    state = "\n".join(f"{path}:{path.stat().st_mtime_ns}" for path in files)
    if not (manifest.exists() and stamp.exists() and stamp.read_text() == state):
        parse(settings)
        stamp.write_text(state)
    return manifest


def _environment(settings: Settings) -> dict[str, str]:
    parts = urlsplit(database.database_url(settings))
    return {
        "HUB_DBT_HOST": parts.hostname or "127.0.0.1",
        "HUB_DBT_PORT": str(parts.port or 5432),
        "HUB_DBT_USER": unquote(parts.username or ""),
        "HUB_DBT_PASSWORD": unquote(parts.password or ""),
        "HUB_DBT_DATABASE": parts.path.lstrip("/"),
        "DO_NOT_TRACK": "1",
    }
