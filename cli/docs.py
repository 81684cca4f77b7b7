"""Command `hub docs`: the dbt documentation as one page."""

import shutil
from pathlib import Path
from typing import Annotated

import typer

from cli import common
from cli.common import console, progress_console
from sources.errors import HubError


def docs(
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="File for the page.")] = None,
) -> None:
    """Write every model, metric, column and test to one static page that opens without a server.

    Example: hub docs --out docs.html
    """
    from dagster_project.warehouse import dbt_runner, overview

    settings = common.prepared()
    with progress_console.status("Reading the models ..."):
        manifest = dbt_runner.manifest(settings)
        overview.add_metrics(manifest)
        result = dbt_runner.invoke(settings, ["docs", "generate", "--static"], manifest=manifest)
    if not result.success:
        raise HubError("dbt could not write its docs; run `hub run` first, so that the models exist.")
    page = dbt_runner.folder(settings) / "static_index.html"
    if out:
        shutil.copyfile(page, out)
    console.print(f"Written to {out or page}; open it in a browser.", markup=False)
