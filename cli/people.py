"""Commands `hub people`: the people of an organisation, and what is kept of one of them."""

from typing import Annotated

import typer
from psycopg import IsolationLevel

from cli import common
from cli.common import AsJson, Organization
from sources import database, people

app = typer.Typer(help="List people, and export what is kept of one. Example: hub people list", no_args_is_help=True)


@app.command("list")
def list_people(org: Organization = None, as_json: AsJson = False) -> None:
    """List the people of an organisation. Example: hub people list --org SLUG"""
    settings = common.prepared()
    org_id = common.organization_id(settings, org)
    with database.connect(database.source_url(settings)) as connection:
        rows = people.listed(connection, org_id)
    common.print_rows(
        rows,
        {
            "Id": lambda row: row["id"],
            "Name": lambda row: row["full_name"],
            "E-mail": lambda row: row["email"] or "",
            "Role": lambda row: row["role"],
            "Active": lambda row: "yes" if row["is_active"] else "no",
        },
        as_json=as_json,
        nothing="The organisation has no people yet.",
    )


@app.command()
def export(
    who: Annotated[str, typer.Argument(metavar="PERSON", help="The e-mail address or the id of the person.")],
    org: Organization = None,
) -> None:
    """Print what schema `app` keeps of a person, as JSON by table: see docs/people.md.

    Example: hub people export mary@example.com --org SLUG > mary.json
    """
    settings = common.prepared()
    org_id = common.organization_id(settings, org)
    with (
        database.connect(database.source_url(settings)) as source,
        database.connect(database.database_url(settings)) as hub,
    ):
        source.isolation_level = hub.isolation_level = IsolationLevel.REPEATABLE_READ
        common.print_json(people.exported(source, hub, org_id, who))
