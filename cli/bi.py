"""Commands `hub bi`: the logins of BI tools."""

from typing import Annotated

import typer

from cli import common
from cli.common import AsJson, console, progress_console
from sources import bi_access, database
from sources.settings import get_settings

app = typer.Typer(
    help="Manage the logins of BI tools, each for its organisations. Example: hub bi list", no_args_is_help=True
)

Login = Annotated[str, typer.Argument(help="The name of the login, such as metabase.")]


@app.command()
def add(
    name: Login,
    org: Annotated[list[str], typer.Option("--org", metavar="SLUG", help="An organisation; can be repeated.")],
) -> None:
    """Create a login that reads one or more organisations, and print its address with its password, once.

    A login that exists gets the organisations in addition, and keeps its address.

    Example: hub bi add metabase --org SLUG
    """
    settings = common.prepared()
    org_ids = [common.organization_id(settings, slug) for slug in org]
    with database.connect(database.database_url(settings)) as connection:
        password = bi_access.add(connection, name, org_ids)
    if password is None:
        progress_console.print(f"{name} reads {', '.join(org)} too, at the address that it has.")
    else:
        typer.echo(database.url_of(settings, name, password))
        progress_console.print("This is the address of the login, with its password. It is not shown again.")


@app.command("list")
def list_logins(as_json: AsJson = False) -> None:
    """List the logins with their organisations. Example: hub bi list"""
    settings = common.prepared()
    with database.connect(database.database_url(settings)) as connection:
        logins = bi_access.listed(connection)
    slugs = {org_id: slug for slug, org_id in common.organizations(settings).items()} if logins else {}
    rows = [
        {**login, "organizations": [slugs.get(org_id, str(org_id)) for org_id in login["org_ids"]]} for login in logins
    ]
    common.print_rows(
        rows,
        {
            "Name": lambda row: row["login"],
            "Organisations": lambda row: ", ".join(row["organizations"]),
            "Since": lambda row: f"{row['created_at']:%Y-%m-%d}",
            "Connections": lambda row: (
                row["connections"] if row["exists"] else "no such role: revoke it, and add it again"
            ),
        },
        as_json=as_json,
        nothing="There is no login yet: see `hub bi add --help`.",
    )


@app.command()
def revoke(
    name: Login,
    org: Annotated[
        list[str] | None,
        typer.Option("--org", metavar="SLUG", help="Only this organisation; can be repeated. By default all."),
    ] = None,
) -> None:
    """Take organisations from a login. Without any left it is deleted, and its sessions end.

    Example: hub bi revoke metabase
    """
    settings = get_settings()
    database.start(settings)  # without a migration: whatever the login holds, it can be revoked
    org_ids = [common.organization_id(settings, slug) for slug in org] if org else None
    with database.connect(database.database_url(settings)) as connection:
        dropped = bi_access.revoke(connection, name, org_ids)
    console.print(f"{name} is deleted." if dropped else f"{name} does not read {', '.join(org or ())} any more.")
