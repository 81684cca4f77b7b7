"""hub run: one pass of the main job."""

from datetime import UTC, date, datetime
from time import monotonic
from typing import Annotated, Any

import typer
from rich.table import Table

from cli import common
from cli.common import AsJson, console, progress_console
from cli.digest import print_digests
from sources import database
from sources.settings import Settings


def run(
    as_of: Annotated[str | None, typer.Option("--as-of", metavar="DATE", help="A day, or the word sample.")] = None,
    as_json: AsJson = False,
    digest: bool = typer.Option(False, "--digest", help="Print each organisation's digest at the end."),
) -> None:
    """One pass: ingest, build, model, insights, deliver. Exit code 0 only if all of it held.

    With --as-of the run speaks of the end of that day (sample: of the day that the sample business stands at);
    without, of now and of yesterday's complete figures. Of data that ended it speaks as on their last day.

    Example: hub run --as-of 2026-03-31
    """
    began = monotonic()
    with progress_console.status("Preparing ...") as status:
        settings = common.prepared()
        day = common.sample_day(settings) if as_of == "sample" else _past_day(settings, as_of)
        prepare_dagster(settings)
        from dagster_project import main_run  # needs the prepared instance and manifest

        outcome = main_run.execute(
            settings, as_of=day, on_step=lambda step: status.update(step.replace("__", ".").replace("_", " "))
        )
    with database.connect(database.database_url(settings)) as connection:
        rows = main_run.rows_by_layer(connection)
    report = {
        "held": outcome.held,
        "failures": outcome.failures,
        "warnings": outcome.warnings,
        "notes": outcome.notes,
        "seconds": {**outcome.seconds, "total": monotonic() - began},
        "rows": rows,
    }
    if as_json:
        common.print_json(report)
    else:
        _print(report)
        if digest and outcome.held:
            with database.connect(database.database_url(settings)) as connection:
                print_digests(connection, list(common.organizations(settings).values()), day)
            _print_where_to_look()
    if not outcome.held:
        raise typer.Exit(1)


def _past_day(settings: Settings, text: str | None) -> date | None:
    """The day that --as-of names. Raises HubError if it is none, or has not come yet."""
    day = common.day(text)
    if day is not None:
        from dagster_project.ingestion import run_clock

        with database.connect(database.source_url(settings)) as connection:
            run_clock.refuse_day_ahead(connection, as_of=day, now=datetime.now(UTC))
    return day


def prepare_dagster(settings: Settings) -> None:
    """Make ready what the definitions need when they are imported: the instance, and dbt's manifest."""
    from dagster_project import instance
    from dagster_project.warehouse import dbt_runner

    with database.connect(database.database_url(settings)) as connection:
        instance.prepare(settings, connection)
    dbt_runner.prepare(settings)


def _print(report: dict[str, Any]) -> None:
    layers = Table("Layer", "Tables", "Rows", title="What was built")
    for layer, tables in report["rows"].items():
        layers.add_row(layer, str(len(tables)), f"{sum(tables.values()):,}")
    console.print(layers)
    steps = Table("Step", "Seconds", title="How long it took")
    for step, seconds in report["seconds"].items():
        steps.add_row(step, f"{seconds:.1f}")
    console.print(steps)
    for note in report["notes"]:
        console.print(note, markup=False)
    for name, said in report["warnings"].items():
        console.print(f"[yellow]Worth a look:[/] {name}: {said}")
    for name, said in report["failures"].items():
        progress_console.print(f"[red]Failed:[/] {name}: {said}")


def _print_where_to_look() -> None:
    console.print(
        "\nWhere to look next:\n"
        '  psql "$(.venv/bin/hub db url)" -c "select * from analytics.v_booking_status_metrics"\n'
        "  .venv/bin/hub insights list      what is open, and why\n"
        "  .venv/bin/hub digest --html digest.html\n"
        "  .venv/bin/hub docs               every model and column, as one page\n"
        "  make up                          the same, then the Dagster UI and the API\n"
        "The database keeps running for you; `.venv/bin/hub db stop` ends it."
    )
