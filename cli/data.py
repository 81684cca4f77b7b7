"""hub sample, hub import: rows for the operational tables."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from cli import common, import_report
from cli.common import AsJson, AsOf, console, progress_console
from sources.errors import HubError


def sample(
    bookings: Annotated[int, typer.Option(min=1, help="How many bookings.")] = 20_000,
    days: Annotated[int, typer.Option(min=30, help="How many days they were made over.")] = 730,
    seed: Annotated[int, typer.Option(help="The same seed gives the same business.")] = 7,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Load the sample business: two organisations with everything that a service business leaves behind.

    The last day is --as-of, by default the one that is loaded already, else yesterday. The incidents that it
    contains are written down in app.sample_incidents.

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
        f"The sample business stands at the end of {last_day}: {rows['bookings']:,} bookings, "
        f"{sum(rows.values()):,} rows in all. Next: hub run --as-of {last_day}"
    )


def import_files(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="MAPPING FILE...",
            help="A mapping (a file, or the name of a shipped one) and the files; NAME=FILE says which one it is. "
            "With --suggest the files alone.",
        ),
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Report, but keep nothing.")] = False,
    delete_missing: Annotated[
        bool, typer.Option("--delete-missing", help="Delete what the files no longer have (not if a row is rejected).")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Take the files' word where a record was changed in the Hub too.")
    ] = False,
    suggest: Annotated[
        bool, typer.Option("--suggest", help="Draft a mapping from the header and the values of the files instead.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Where the draft goes; a file that exists is kept.")] = None,
    as_json: AsJson = False,
) -> None:
    """Turn exports of yours into bookings and what belongs to them, by a mapping; again to keep them up to date.

    By key: new rows go in, changed ones are taken over, the same ones are left alone. Rows that cannot be are kept in
    app.import_rejections with the reason. Exit code 1 where nothing goes in.

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
            "Give a mapping and the files, such as: hub import my_mapping.yml my_export.csv. Without a mapping yet: "
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
            progress=status.update,
        )
    if as_json:
        common.print_json(asdict(report))
    else:
        import_report.show(report)
    if report.is_empty:
        raise typer.Exit(1)


def _suggest(files: list[str], out: Path | None) -> None:
    """Draft a mapping of `files`, into `out` or on the screen."""
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
    typer.echo(f"Drafted {out}. Read it, and try it: hub import {out} {' '.join(files)} --dry-run")
