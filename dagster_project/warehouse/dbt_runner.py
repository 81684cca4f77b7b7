"""dbt commands, run in this process: a child process would continue to write after its run was killed."""

import json
import os
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from dagster_dbt import DbtProject

from dagster_project.warehouse.variables import PROJECT, VARIABLES
from sources import database
from sources.errors import HubError
from sources.settings import Settings

# Without manifest.json, run_results.json and the like, which nothing reads after a build: writing takes 0.4 s of CPU.
UNWRITTEN: Final = "--no-write-json"
_newest: Final[dict[tuple[Path, str], Any]] = {}


def folder(settings: Settings) -> Path:
    """Return the folder for dbt's manifest, compiled SQL and logs; each HUB_HOME has its own."""
    return settings.home / "dbt"


def project(settings: Settings) -> DbtProject:
    """Return the dbt project for Dagster."""
    return DbtProject(project_dir=PROJECT, target_path=folder(settings))


def invoke(settings: Settings, arguments: list[str], on_event: Any = None, manifest: Any = None) -> Any:
    """Run one dbt command and return its result; `on_event` is called with each of dbt's events.

    Raises HubError with dbt's error message if the command could not run at all.
    """
    from dbt.cli.main import dbtRunner

    os.environ.update(environment(settings))
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


def nodes_of(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return the models, snapshots, tests and functions of the project by unique id."""
    return {**manifest["nodes"], **manifest["functions"]}


def build_of(manifest: Mapping[str, Any], nodes: Iterable[str]) -> list[str]:
    """Return the command that builds the nodes with these unique ids, and no others."""
    known = nodes_of(manifest)
    names = " ".join(".".join(known[node]["fqn"]) for node in nodes)
    options = ["--indirect-selection", "empty", "--exclude-resource-type", "unit_test", UNWRITTEN]
    return ["build", "--select", names, *options]


def parse(settings: Settings, *options: str) -> Any:
    """Parse the project: write manifest.json for Dagster, and return the manifest for later builds."""
    return invoke(settings, ["parse", *options]).result


def prepare(settings: Settings) -> Path:
    """Return the path of the current manifest; parse the project only if a file, a variable or the database changed."""
    if not _is_current(settings):
        manifest(settings)
    return _files(settings)[0]


def manifest(settings: Settings) -> Any:
    """Return the manifest for builds. Parsing takes seconds, so this process keeps the newest one."""
    key = folder(settings), _origin(settings)
    if key not in _newest:
        _newest.clear()
        _newest[key] = parse(settings, *([UNWRITTEN] if _is_current(settings) else []))
        _files(settings)[1].write_text(key[1])
    return _newest[key]


def _is_current(settings: Settings) -> bool:
    """Return True if the written manifest was parsed from the project and for the database as they are."""
    path, stamp = _files(settings)
    return path.exists() and stamp.exists() and stamp.read_text() == _origin(settings)


def _files(settings: Settings) -> tuple[Path, Path]:
    """Return the manifest, and the file that says from what it was parsed."""
    return folder(settings) / "manifest.json", folder(settings) / "manifest.parsed-from"


def _origin(settings: Settings) -> str:
    # The manifest contains the name of the database, so it is valid for this one only.
    return f"{fingerprint()} for {database.masked(database.database_url(settings))}"


def fingerprint() -> str:
    """Return a hash of the project's files and variables: it changes with every model, macro, setting and status."""
    digest = sha256(json.dumps(VARIABLES).encode())
    for path in sorted(path for path in PROJECT.rglob("*") if path.suffix in {".sql", ".yml", ".md"}):
        digest.update(str(path.relative_to(PROJECT)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def environment(settings: Settings) -> dict[str, str]:
    """Return the variables that profiles.yml reads, the password among them."""
    parts = urlsplit(database.database_url(settings))
    return {
        "HUB_DBT_HOST": parts.hostname or "127.0.0.1",
        "HUB_DBT_PORT": str(parts.port or 5432),
        "HUB_DBT_USER": unquote(parts.username or ""),
        "HUB_DBT_PASSWORD": unquote(parts.password or ""),
        "HUB_DBT_DATABASE": parts.path.lstrip("/"),
        "DO_NOT_TRACK": "1",
    }
