"""Commands `hub calendar`: closures, campaigns, price changes and events in town that are known ahead."""

from decimal import Decimal, InvalidOperation
from typing import Annotated
from uuid import UUID

import typer

from cli import common
from cli.common import AsJson, Organization, console
from sources import calendar_events, database
from sources.errors import HubError
from sources.row_values import CALENDAR_EVENT_KINDS, LARGEST_EFFECT, SMALLEST_EFFECT

app = typer.Typer(
    help="Manage what is known ahead, for forecasts and the search for anomalies. Example: hub calendar list",
    no_args_is_help=True,
)


@app.command("list")
def list_events(org: Organization = None, as_json: AsJson = False) -> None:
    """List the known events. Example: hub calendar list --org SLUG"""
    settings = common.prepared()
    with database.connect(database.source_url(settings)) as connection:
        rows = calendar_events.list_events(connection, common.organization_id(settings, org))
    common.print_rows(
        rows,
        {
            "Id": lambda row: row["id"],
            "Kind": lambda row: row["kind"],
            "Title": lambda row: row["title"],
            "From": lambda row: row["starts_on"],
            "To": lambda row: row["ends_on"],
            "Concerns": lambda row: row["service"] or row["provider"] or "all",
            "Expected effect": lambda row: "" if row["expected_effect"] is None else f"{row['expected_effect']:f}",
        },
        as_json=as_json,
        nothing="There is no event yet: see `hub calendar add --help`.",
    )


@app.command()
def add(
    kind: Annotated[str, typer.Argument(help=f"The kind: one of {', '.join(CALENDAR_EVENT_KINDS)}.")],
    title: Annotated[str, typer.Argument(help="The name of the event.")],
    first: Annotated[str, typer.Argument(metavar="FROM", help="The first day, as YYYY-MM-DD.")],
    last: Annotated[
        str | None, typer.Argument(metavar="[TO]", help="The last day; by default the first one.", show_default=False)
    ] = None,
    service: Annotated[str | None, typer.Option("--service", help="The one service that it concerns.")] = None,
    provider: Annotated[str | None, typer.Option("--provider", help="The one provider whom it concerns.")] = None,
    effect: Annotated[
        str | None,
        typer.Option(
            "--effect",
            help=f"The expected factor on a usual day, such as 1.5; {SMALLEST_EFFECT} to {LARGEST_EFFECT}.",
        ),
    ] = None,
    org: Organization = None,
) -> None:
    """Add an event. Example: hub calendar add closure "Summer break" 2026-08-03 2026-08-16 --org SLUG"""
    starts_on = common.day(first)
    assert starts_on is not None
    settings = common.prepared()
    with database.connect(database.source_url(settings)) as connection:
        event_id = calendar_events.add_event(
            connection,
            common.organization_id(settings, org),
            kind=kind,
            title=title,
            starts_on=starts_on,
            ends_on=common.day(last) or starts_on,
            service=service,
            provider=provider,
            expected_effect=_factor(effect),
        )
    console.print(f"Added {title}. `hub calendar remove {event_id}` removes it; the next run knows it.", markup=False)


@app.command()
def remove(
    event_id: Annotated[UUID, typer.Argument(metavar="ID", help="The id that `hub calendar list` shows.")],
    org: Organization = None,
) -> None:
    """Remove an event. Example: hub calendar remove 0198c0de-0000-7000-8000-000000000001 --org SLUG"""
    settings = common.prepared()
    with database.connect(database.source_url(settings)) as connection:
        title = calendar_events.remove_event(connection, common.organization_id(settings, org), event_id)
    console.print(f"Removed {title}.", markup=False)


def _factor(text: str | None) -> Decimal | None:
    """Parse a factor. Raises HubError if it is not a number."""
    try:
        return None if text is None else Decimal(text)
    except InvalidOperation:
        raise HubError(f"{text!r} is not a number; write the factor such as 1.5.") from None
