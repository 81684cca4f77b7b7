"""What the commands share: the console, the prepared database, options, JSON output."""

import json
from datetime import date
from typing import Annotated, Any, Final
from uuid import UUID

import typer
from rich.console import Console

from sources import database
from sources.errors import HubError
from sources.settings import Settings, get_settings

console: Final = Console(highlight=False)
progress_console: Final = Console(stderr=True, highlight=False)  # so that stdout can be piped

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
AsOf = Annotated[str | None, typer.Option("--as-of", metavar="DATE", help="A day, as YYYY-MM-DD.")]


def prepared() -> Settings:
    """The settings, with the database started (the embedded one) and migrated."""
    settings = get_settings()
    database.start(settings)
    database.migrate(settings)
    return settings


def day(text: str | None) -> date | None:
    """The day that an option names. Raises HubError if it is none."""
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise HubError(f"{text!r} is not a day; write it as YYYY-MM-DD, for example 2026-03-31.") from None


def sample_day(settings: Settings) -> date | None:
    """The day that the loaded sample business stands at; None where none is loaded."""
    with database.connect(database.source_url(settings)) as connection:
        row = connection.execute("select max(settings -> 'sample' ->> 'as_of') from app.organizations").fetchone()
    return date.fromisoformat(row[0]) if row and row[0] else None


def print_json(value: Any) -> None:
    """Print `value` as JSON on stdout; what JSON does not know is written as text."""
    typer.echo(json.dumps(value, default=str, indent=2))


def organizations(settings: Settings) -> dict[str, UUID]:
    """The ids of the organisations by slug, in the order of the slugs. Raises HubError where there is none."""
    with database.connect(database.source_url(settings)) as connection:
        rows = connection.execute("select slug, id from app.organizations order by slug").fetchall()
    if not rows:
        raise HubError("There is no organisation yet: load the sample (`hub sample`) or a file (`hub import`).")
    return {row[0]: row[1] for row in rows}


def organization_id(settings: Settings, slug: str | None) -> UUID:
    """The id of the organisation with this slug; without one, of the only one there is.

    Raises HubError that lists the slugs where the choice is not clear.
    """
    known = organizations(settings)
    if slug is None and len(known) == 1:
        return next(iter(known.values()))
    if slug is None or slug not in known:
        asked = f"There is no organisation {slug!r}" if slug else "There are several organisations"
        raise HubError(f"{asked}: name one with --org, of {', '.join(known)}.")
    return known[slug]
