"""Command `hub run`: one run of the main job."""

from datetime import UTC, date, datetime
from time import monotonic
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from cli import common
from cli.common import AsJson, console, progress_console
from cli.digest import print_digests
from sources import database
from sources.settings import Settings


def run(
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="DATE", help="The day, as YYYY-MM-DD, or the word sample.")
    ] = None,
    as_json: AsJson = False,
    digest: bool = typer.Option(False, "--digest", help="Print the digest of each organisation at the end."),
) -> None:
    """Run the main job once: ingest, build, model, find insights, deliver. The exit code is 0 only if all succeeded.

    With --as-of the run is as of the end of that day (sample: the last day of the sample business); without it, as
    of now, with yesterday's complete figures. For data that ended earlier it is as of their last day.

    Example: hub run --as-of 2026-03-31
    """
    started = monotonic()
    with progress_console.status("Preparing ...") as status:
        settings = common.prepared()
        day = common.sample_day(settings) if as_of == "sample" else _past_day(settings, as_of)
        prepare_dagster(settings)
        from dagster_project import main_run  # needs the prepared instance and manifest

        outcome = main_run.execute(
            settings, as_of=day, on_step=lambda step: status.update(step.replace("__", ".").replace("_", " "))
        )
    with database.connect(database.database_url(settings)) as connection:
        rows, estimated = main_run.rows_by_layer(connection)
    report = {
        "held": outcome.has_succeeded,
        "failures": outcome.failures,
        "warnings": outcome.warnings,
        "notes": outcome.notes,
        "seconds": {**outcome.seconds, "total": monotonic() - started},
        "rows": rows,
        "rows_estimated": estimated,
    }
    if as_json:
        common.print_json(report)
    else:
        _print(report)
        if digest and outcome.has_succeeded:
            with database.connect(database.database_url(settings)) as connection:
                print_digests(connection, list(common.organizations(settings).values()), day)
            _print_next_steps()
    if not outcome.has_succeeded:
        raise typer.Exit(1)


def _past_day(settings: Settings, text: str | None) -> date | None:
    """Parse the day of --as-of. Raises HubError if it is not a day, or lies in the future."""
    day = common.day(text)
    if day is not None:
        from dagster_project.ingestion import run_clock

        with database.connect(database.source_url(settings)) as connection:
            run_clock.refuse_day_ahead(connection, as_of=day, now=datetime.now(UTC))
    return day


def prepare_dagster(settings: Settings) -> None:
    """Prepare the Dagster instance and the dbt manifest, which the definitions need when they are imported."""
    from dagster_project import instance
    from dagster_project.warehouse import dbt_runner

    with database.connect(database.database_url(settings)) as connection:
        instance.prepare(settings, connection)
    dbt_runner.prepare(settings)


def _print(report: dict[str, Any]) -> None:
    layers = Table("Layer", "Tables", "Rows", title="Tables")
    for layer, tables in report["rows"].items():
        about = "about " if report["rows_estimated"][layer] else ""
        layers.add_row(layer, str(len(tables)), f"{about}{sum(tables.values()):,}")
    console.print(layers)
    steps = Table("Step", "Seconds", title="Duration")
    for step, seconds in report["seconds"].items():
        steps.add_row(step, f"{seconds:.1f}")
    console.print(steps)
    for note in report["notes"]:
        console.print(note, markup=False)
    for name, message in report["warnings"].items():
        console.print(f"[yellow]Warning:[/] {escape(f'{name}: {message}')}")
    for name, message in report["failures"].items():
        progress_console.print(f"[red]Failed:[/] {escape(f'{name}: {message}')}")


def _print_next_steps() -> None:
    console.print(
        "\nNext steps:\n"
        '  psql "$(.venv/bin/hub db url)" -c "select * from analytics.v_booking_status_metrics"\n'
        "  .venv/bin/hub insights list      open insights and their causes\n"
        "  .venv/bin/hub digest --html digest.html\n"
        "  .venv/bin/hub docs               every model and column on one page\n"
        "  make up                          the same run, then the dashboard, the Dagster UI and the API\n"
        "The database keeps running; `.venv/bin/hub db stop` stops it."
    )
