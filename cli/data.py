"""Commands `hub sample` and `hub import`: rows for the operational tables."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from cli import common, import_report
from cli.common import AsJson, AsOf, console, progress_console
from sources.errors import HubError


def sample(
    bookings: Annotated[int, typer.Option(min=1, help="Number of bookings.")] = 20_000,
    days: Annotated[int, typer.Option(min=30, help="Number of days over which the bookings were created.")] = 730,
    seed: Annotated[int, typer.Option(help="Random seed: the same seed gives the same business.")] = 7,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Load the sample business: two organisations with all the records of a service business.

    The last day is --as-of, by default that of the loaded sample, else yesterday. app.sample_incidents lists the
    incidents in the data.

    Example: hub sample --bookings 2000 --days 200 --as-of 2026-03-31
    """
    from sources.simulate import load_sample

    settings = common.prepared()
    last_day = common.day(as_of) or common.sample_day(settings) or datetime.now(UTC).date() - timedelta(days=1)
    with progress_console.status("Simulating the sample business ...") as status:
        rows = load_sample(settings, bookings=bookings, days=days, seed=seed, as_of=last_day, progress=status.update)
    if as_json:
        common.print_json({"as_of": last_day, "rows": rows})
        return
    console.print(
        f"The sample business ends on {last_day}: {rows['bookings']:,} bookings, "
        f"{sum(rows.values()):,} rows in all. Next: hub run --as-of {last_day}"
    )


def import_files(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="MAPPING FILE...",
            help="A mapping (a file, or the name of a shipped one) and the files; NAME=FILE sets the section of a file."
            " With --suggest only the files.",
        ),
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Report the result without writing anything.")] = False,
    delete_missing: Annotated[
        bool,
        typer.Option(
            "--delete-missing", help="Delete records that the files no longer have, unless a row is rejected."
        ),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Overwrite records that were also changed in the Hub.")
    ] = False,
    suggest: Annotated[
        bool,
        typer.Option(
            "--suggest", help="Draft a mapping from the header and the values of the files, and import nothing."
        ),
    ] = False,
    out: Annotated[Path | None, typer.Option(help="File for the draft; an existing file is not overwritten.")] = None,
    as_json: AsJson = False,
) -> None:
    """Import bookings and related records from your own exports through a mapping; repeat it to update them.

    Records are compared by key: new ones are inserted, changed ones updated. Rejected rows are listed in
    app.import_rejections with the reason. The exit code is 1 if nothing is imported.

    Example: hub import simple_bookings my_export.csv --dry-run

    Example: hub import --suggest my_export.xlsx --out my_mapping.yml
    """
    from sources import importing

    if suggest:
        _suggest(files, out)
        return
    mapping, *exports = files
    if not exports:
        raise HubError(
            "Give a mapping and the files, such as: hub import my_mapping.yml my_export.csv. To draft a mapping: "
            "hub import --suggest my_export.csv --out my_mapping.yml"
        )
    settings = common.prepared()
    with progress_console.status("Reading ...") as status:
        report = importing.import_files(
            settings,
            importing.find_mapping(mapping),
            exports,
            dry_run=dry_run,
            delete_missing=delete_missing,
            overwrite=overwrite,
            as_of_now=datetime.now(UTC),
            progress=lambda step, _: status.update(step),
        )
    if as_json:
        common.print_json(asdict(report))
    else:
        import_report.show(report)
    if report.is_empty:
        raise typer.Exit(1)


def _suggest(files: list[str], out: Path | None) -> None:
    """Draft a mapping of `files`, and write it to `out` or print it."""
    from sources.importing.suggesting import suggest_mapping

    if out is not None and out.exists():
        raise HubError(f"{out} exists already: name another file with --out, or remove it first.")
    with progress_console.status("Reading ..."):
        text = suggest_mapping([Path(file) for file in files])
    if out is None:
        typer.echo(text)
        return
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise HubError(f"{out} cannot be written: {error.strerror}.") from None
    typer.echo(f"Drafted {out}. Check it, then try it: hub import {out} {' '.join(files)} --dry-run")
