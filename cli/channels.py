"""hub channel: where messages go."""

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.table import Table

from cli import common
from cli.common import AsJson, console
from notifications import admin
from notifications.channels import CHANNELS
from sources import database
from sources.insight_values import SEVERITIES

app = typer.Typer(help="Say where insights and digests go.", no_args_is_help=True)

Organization = Annotated[str | None, typer.Option("--org", metavar="SLUG", help="Needed where there are several.")]


@app.command("list")
def list_channels(org: Organization = None, as_json: AsJson = False) -> None:
    """List an organisation's channels and what went through them. Example: hub channel list --org SLUG"""
    settings = common.prepared()
    with database.connect(database.database_url(settings)) as connection:
        rows = admin.list_channels(connection, common.organization_id(settings, org))
    if as_json:
        common.print_json(rows)
        return
    if not rows:
        console.print("No channel yet: `hub channel add --help` shows how. In-app notifications are always written.")
        return
    table = Table("Name", "Kind", "Target", "From severity", "Digest", "Sent", "Waiting", "Dead")
    for row in rows:
        table.add_row(
            row["name"],
            row["kind"],
            row["target"],
            row["min_severity"],
            "yes" if row["sends_digest"] else "no",
            *(str(row[state]) for state in ("sent", "waiting", "dead")),
        )
    console.print(table)


@app.command()
def add(
    kind: Annotated[str, typer.Argument(help=f"One of {', '.join(CHANNELS)}.")],
    target: Annotated[str, typer.Argument(help="An address, a Slack channel, a URL.")],
    name: Annotated[str | None, typer.Option("--name", help="By default the target.")] = None,
    min_severity: Annotated[str, typer.Option("--min-severity", help=f"One of {', '.join(SEVERITIES)}.")] = "low",
    insight_kind: Annotated[list[str] | None, typer.Option("--insight-kind", help="Repeatable; else every.")] = None,
    digest: Annotated[bool, typer.Option("--digest/--no-digest", help="Whether the daily digest goes there.")] = True,
    insights: Annotated[bool, typer.Option("--insights/--no-insights", help="Whether alerts go there.")] = True,
    org: Organization = None,
) -> None:
    """Add a channel. Example: hub channel add email ana@example.com --min-severity high --org SLUG"""
    settings = common.prepared()
    with database.connect(database.database_url(settings)) as connection:
        admin.add_channel(
            connection,
            common.organization_id(settings, org),
            name=name or target,
            kind=kind,
            target=target,
            min_severity=min_severity,
            insight_kinds=insight_kind or (),
            sends_insights=insights,
            sends_digest=digest,
        )
    console.print(f"{name or target} is a channel now; `hub channel test {name or target}` sends a test message.")


@app.command("test")
def send_test(name: Annotated[str, typer.Argument(help="The channel's name.")], org: Organization = None) -> None:
    """Send a test message, the way alerts go. Example: hub channel test ana@example.com"""
    settings = common.prepared()
    with database.connect(database.database_url(settings)) as connection:
        recipients = admin.test_channel(
            connection, settings, common.organization_id(settings, org), name, now=datetime.now(UTC)
        )
    console.print(f"Sent to {', '.join(recipients)}.")
