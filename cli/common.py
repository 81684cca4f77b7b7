"""Shared parts of the commands: console, prepared database, options, JSON output."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Annotated, Any, Final
from uuid import UUID

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sources import database
from sources.errors import HubError
from sources.settings import Settings, get_settings

console: Final = Console(highlight=False)
progress_console: Final = Console(stderr=True, highlight=False)  # keeps stdout free for pipes

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
Organization = Annotated[
    str | None, typer.Option("--org", metavar="SLUG", help="The organisation; required if there are several.")
]
AsOf = Annotated[str | None, typer.Option("--as-of", metavar="DATE", help="The day, as YYYY-MM-DD.")]


def prepared() -> Settings:
    """Start the embedded database if it is used, migrate the database, and return the settings."""
    settings = get_settings()
    database.start(settings)
    database.migrate(settings)
    return settings


def day(text: str | None) -> date | None:
    """Parse the day of an option. Raises HubError if it is not a day."""
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise HubError(f"{text!r} is not a day; write it as YYYY-MM-DD, for example 2026-03-31.") from None


def sample_day(settings: Settings) -> date | None:
    """Return the last day of the loaded sample business; None if none is loaded."""
    with database.connect(database.source_url(settings)) as connection:
        row = connection.execute("select max(settings -> 'sample' ->> 'as_of') from app.organizations").fetchone()
    return date.fromisoformat(row[0]) if row and row[0] else None


def print_json(value: Any) -> None:
    """Print `value` as JSON on stdout, with other types as text."""
    typer.echo(json.dumps(value, default=str, indent=2))


def print_rows(
    rows: Sequence[Mapping[str, Any]],
    columns: Mapping[str, Callable[[Any], object]],
    *,
    as_json: bool,
    nothing: str,
    note: str | None = None,
) -> None:
    """Print rows as JSON, or as a table of `columns` (the cell of a row by heading) with a note below it.

    nothing: the sentence in place of an empty table.
    """
    if as_json:
        print_json(rows)
        return
    if not rows:
        console.print(nothing)
        return
    table = Table(*columns)
    for row in rows:
        table.add_row(*(escape(str(cell(row))) for cell in columns.values()))
    console.print(table)
    if note:
        console.print(note)


def organizations(settings: Settings) -> dict[str, UUID]:
    """Return the ids of the organisations by slug, in the order of the slugs. Raises HubError if there is none."""
    with database.connect(database.source_url(settings)) as connection:
        rows = connection.execute("select slug, id from app.organizations order by slug").fetchall()
    if not rows:
        raise HubError("There is no organisation yet: load the sample (`hub sample`) or a file (`hub import`).")
    return {row[0]: row[1] for row in rows}


def organization_id(settings: Settings, slug: str | None) -> UUID:
    """Return the id of the organisation with this slug; without a slug, of the only organisation.

    Raises HubError with the slugs if there is no such organisation, or several without a slug.
    """
    ids = organizations(settings)
    if slug is None and len(ids) == 1:
        return next(iter(ids.values()))
    if slug is None or slug not in ids:
        problem = f"There is no organisation {slug!r}" if slug else "There are several organisations"
        raise HubError(f"{problem}: name one with --org, of {', '.join(ids)}.")
    return ids[slug]
