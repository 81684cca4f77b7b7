"""dbt in this process: a child process would outlive a killed run and go on writing."""

import json
import os
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from dagster_dbt import DbtProject

from dagster_project.warehouse.variables import VARIABLES
from sources import database
from sources.errors import HubError
from sources.settings import Settings

PROJECT: Final = Path(__file__).parents[2] / "dbt"


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
    values = {
        "--project-dir": PROJECT,
        "--profiles-dir": PROJECT,
        "--target-path": folder(settings),
        "--log-path": folder(settings),
        "--vars": json.dumps(VARIABLES),
    }
    options = [text for option, value in values.items() for text in (option, str(value))]
    runner = dbtRunner(manifest=manifest, callbacks=[on_event] if on_event else [])
    result = runner.invoke(["--quiet", "--log-level-file", "info", *arguments, *options])
    if result.exception:
        raise HubError(f"dbt {arguments[0]} failed: {result.exception}")
    return result


def parse(settings: Settings) -> Any:
    """Parse the project: writes manifest.json for Dagster, returns the manifest for later builds."""
    return invoke(settings, ["parse"]).result


def prepare(settings: Settings) -> Path:
    """The manifest file of the project as it stands, parsed anew only if a file of it changed."""
    manifest, stamp = folder(settings) / "manifest.json", folder(settings) / "manifest.parsed-from"
    # The manifest names the database, so it serves that one only.
    parsed_from = f"{fingerprint()} for {database.masked(database.database_url(settings))}"
    if not (manifest.exists() and stamp.exists() and stamp.read_text() == parsed_from):
        parse(settings)
        stamp.write_text(parsed_from)
    return manifest


def fingerprint() -> str:
    """What the project's files say, as a hash: it changes with any model, macro or setting."""
    digest = sha256(json.dumps(VARIABLES).encode())
    for path in sorted(path for path in PROJECT.rglob("*") if path.suffix in {".sql", ".yml"}):
        digest.update(str(path.relative_to(PROJECT)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


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
