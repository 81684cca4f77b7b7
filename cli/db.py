"""Commands `hub db`: the database of the Hub."""

from typing import Annotated

import typer

from cli.common import console, progress_console
from sources import bi_access, database, embedded_server
from sources.errors import HubError
from sources.settings import get_settings

app = typer.Typer(
    help="Start, stop, locate, migrate or reset the database. Example: hub db start", no_args_is_help=True
)


@app.command()
def start() -> None:
    """Start the embedded PostgreSQL and migrate its database.

    Example: hub db start && psql "$(hub db url)"
    """
    settings = get_settings()
    if not settings.uses_embedded_server:
        raise HubError("HUB_DATABASE_URL names a server that the Hub does not start.")
    started = database.start(settings)
    database.migrate(settings)
    console.print("PostgreSQL started." if started else "PostgreSQL was running already.")


@app.command()
def stop() -> None:
    """Stop the embedded PostgreSQL. Example: hub db stop"""
    settings = get_settings()
    if not settings.uses_embedded_server:
        raise HubError("HUB_DATABASE_URL names a server that the Hub does not stop.")
    console.print("PostgreSQL stopped." if embedded_server.stop(settings) else "PostgreSQL was not running.")


@app.command()
def url(
    password: Annotated[
        bool, typer.Option("--password", help="With the password in it, for programs that are not built on libpq.")
    ] = False,
) -> None:
    """Print the URL of the database for psql, with the file that holds its password. Example: psql "$(hub db url)"

    The arguments of a program are shown to every user of the machine, so the password is not in it.
    """
    settings = get_settings()
    typer.echo(database.database_url(settings) if password else database.url_with_passfile(settings))


@app.command()
def migrate() -> None:
    """Migrate the tables to this version of the Hub. Example: hub db migrate"""
    settings = get_settings()
    database.start(settings)
    database.migrate(settings)
    console.print("The database is up to date.")


@app.command()
def reset(yes: bool = typer.Option(False, "--yes", help="Do not ask for confirmation.")) -> None:
    """Delete all data of the Hub in the database and the logins of BI tools, and create empty tables.

    Example: hub db reset --yes
    """
    settings = get_settings()
    database.start(settings)
    address = database.masked(database.database_url(settings))
    if not yes:
        typer.confirm(f"Delete all bookings, marts, insights and deliveries in {address}?", abort=True)
    with database.connect(database.database_url(settings)) as connection:
        for remaining in bi_access.revoke_all(connection):
            progress_console.print(remaining)
    database.reset(settings)
    console.print(f"{address} is empty and migrated.")
