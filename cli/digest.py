"""Command `hub digest`: the daily digest as text or as a page."""

from datetime import date
from pathlib import Path
from typing import Annotated
from uuid import UUID

import psycopg
import typer
from rich.rule import Rule

from cli import common
from cli.common import AsOf, console
from notifications.digest import Digest, build_digest, digest_html, digest_text
from sources import database
from sources.errors import HubError


def digest(
    as_of: AsOf = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write the digest to a file as a page.")
    ] = None,
    text: Annotated[bool, typer.Option("--text", help="Print the digest as text (the default).")] = False,
    org: Annotated[str | None, typer.Option("--org", metavar="SLUG", help="The organisation; by default all.")] = None,
) -> None:
    """Show the daily digest: the figures of the day, their causes, recommendations and forecasts.

    Example: hub digest --html digest.html --org SLUG
    """
    settings = common.prepared()
    with database.connect(database.database_url(settings)) as connection:
        if html:
            org_id = common.organization_id(settings, org)
            page = _build(connection, org_id, common.day(as_of))
            html.write_text(digest_html(page, link_base=settings.link_base), encoding="utf-8")
            console.print(f"Written to {html}.", markup=False)
        if text or not html:
            org_ids = [common.organization_id(settings, org)] if org else list(common.organizations(settings).values())
            print_digests(connection, org_ids, common.day(as_of))


def print_digests(connection: psycopg.Connection, org_ids: list[UUID], day: date | None) -> None:
    """Print the digest of each organisation as text, for `day` or by default for its last complete day."""
    for org_id in org_ids:
        console.print(Rule())
        typer.echo(digest_text(_build(connection, org_id, day)))


def _build(connection: psycopg.Connection, org_id: UUID, day: date | None) -> Digest:
    clock = connection.execute("select as_of from raw.run_clock where org_id = %s", [org_id]).fetchone()
    if clock is None:
        raise HubError("There has been no run for this organisation yet: run `hub run`, then `hub digest`.")
    if day and day > clock[0]:
        raise HubError(f"There is no digest of {day} yet: the figures end on {clock[0]}. Run `hub run` first.")
    return build_digest(connection, org_id, day or clock[0])
