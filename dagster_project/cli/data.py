"""hub sample, hub import: rows for the operational tables."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from dagster_project.cli import common
from dagster_project.cli.common import AsJson, AsOf, console, progress_console


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


def import_csv(
    mapping: Annotated[str, typer.Argument(help="A mapping file, or the name of a shipped one.")],
    file: Annotated[Path, typer.Argument(help="The CSV file, also gzipped (.gz).")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Report, but keep nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Turn a CSV export of yours into bookings, by a declarative mapping.

    Rows that cannot be are kept in app.import_rejections with the reason; the same file again adds nothing.

    Example: hub import resort_hotel resort_hotel_bookings.csv.gz --dry-run
    """
    from sources.importing import find_mapping, import_file

    settings = common.prepared()
    with progress_console.status(f"Reading {file} ...") as status:
        report = import_file(
            settings,
            find_mapping(mapping),
            file,
            dry_run=dry_run,
            as_of_now=datetime.now(UTC),
            progress=lambda rows: status.update(f"Reading {file}: {rows:,} rows ..."),
        )
    if as_json:
        common.print_json(asdict(report))
        return
    verb = "would be imported (dry run: nothing was kept)" if dry_run else "imported"
    console.print(
        f"{report.rows_read:,} rows read: {report.imported:,} {verb}, {report.already_there:,} there already, "
        f"{report.rejected:,} rejected."
    )
    if report.by_reason:
        table = Table("Why rows were rejected", "Rows")
        for reason, number in report.by_reason.items():
            table.add_row(reason, f"{number:,}")
        console.print(table)
        console.print("Each rejected row stands in app.import_rejections with its field, value and reason.")
