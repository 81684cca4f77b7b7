"""Commands `hub channel`: the channels of messages."""

from datetime import UTC, datetime
from operator import itemgetter
from typing import Annotated

import typer
from rich.markup import escape

from cli import common
from cli.common import AsJson, Organization, console
from notifications import channel_admin
from notifications.budget import ALERTS_PER_WEEK
from notifications.channels import CHANNELS
from sources import database
from sources.insight_values import SEVERITIES

app = typer.Typer(help="Manage the channels of insights and digests. Example: hub channel list", no_args_is_help=True)


@app.command("list")
def list_channels(org: Organization = None, as_json: AsJson = False) -> None:
    """List the channels of an organisation with their deliveries. Example: hub channel list --org SLUG"""
    settings = common.prepared()
    with database.connect(database.database_url(settings)) as connection:
        rows = channel_admin.list_channels(connection, common.organization_id(settings, org))
    common.print_rows(
        rows,
        {
            "Name": lambda row: row["name"],
            "Kind": lambda row: row["kind"],
            "Target": lambda row: row["target"],
            "From severity": lambda row: row["min_severity"],
            "Alerts a week": lambda row: ALERTS_PER_WEEK if row["alerts_per_week"] is None else row["alerts_per_week"],
            "Digest": lambda row: "yes" if row["sends_digest"] else "no",
            **{name.capitalize(): itemgetter(name) for name in ("sent", "waiting", "dead")},
        },
        as_json=as_json,
        nothing="There is no channel yet: see `hub channel add --help`. In-app notifications are always written.",
    )


@app.command()
def add(
    kind: Annotated[str, typer.Argument(help=f"The kind: one of {', '.join(CHANNELS)}.")],
    target: Annotated[str, typer.Argument(help="An e-mail address, a Slack channel or a URL.")],
    name: Annotated[str | None, typer.Option("--name", help="The name of the channel; by default its target.")] = None,
    min_severity: Annotated[
        str, typer.Option("--min-severity", help=f"The lowest severity that is sent, of {', '.join(SEVERITIES)}.")
    ] = "low",
    insight_kind: Annotated[
        list[str] | None,
        typer.Option("--insight-kind", help="A kind of insight that is sent; can be repeated. By default all kinds."),
    ] = None,
    digest: Annotated[bool, typer.Option("--digest/--no-digest", help="Send the daily digest.")] = True,
    insights: Annotated[bool, typer.Option("--insights/--no-insights", help="Send alerts.")] = True,
    alerts_per_week: Annotated[
        int | None,
        typer.Option("--alerts-per-week", min=0, help=f"The most alerts of a recipient; by default {ALERTS_PER_WEEK}."),
    ] = None,
    org: Organization = None,
) -> None:
    """Add a channel. Example: hub channel add email ana@example.com --min-severity high --org SLUG"""
    settings = common.prepared()
    with database.connect(database.database_url(settings)) as connection:
        channel_admin.add_channel(
            connection,
            common.organization_id(settings, org),
            name=name or target,
            kind=kind,
            target=target,
            min_severity=min_severity,
            insight_kinds=insight_kind or (),
            sends_insights=insights,
            sends_digest=digest,
            alerts_per_week=alerts_per_week,
        )
    shown = escape(name or target)
    console.print(f"Added the channel {shown}; `hub channel test {shown}` sends a test message.")
    if kind == "webhook":
        console.print(f"`hub channel secret {shown}` prints the secret with which the receiver verifies signatures.")


@app.command("test")
def send_test(name: Annotated[str, typer.Argument(help="The channel's name.")], org: Organization = None) -> None:
    """Send a test message through a channel. Example: hub channel test ana@example.com"""
    settings = common.prepared()
    with database.connect(database.database_url(settings)) as connection:
        recipients = channel_admin.test_channel(
            connection, settings, common.organization_id(settings, org), name, now=datetime.now(UTC)
        )
    console.print(f"Sent to {', '.join(recipients)}.", markup=False)


@app.command()
def secret(name: Annotated[str, typer.Argument(help="The channel's name.")], org: Organization = None) -> None:
    """Print the secret with which a webhook's receiver verifies signatures. Example: hub channel secret warehouse"""
    settings = common.prepared()
    with database.connect(database.database_url(settings)) as connection:
        org_id = common.organization_id(settings, org)
        typer.echo(channel_admin.webhook_secret(connection, settings, org_id, name))
