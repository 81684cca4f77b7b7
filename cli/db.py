"""hub db: the database behind the Hub."""

import typer

from cli.common import console
from sources import database, embedded_server
from sources.errors import HubError
from sources.settings import get_settings

app = typer.Typer(help="Start, stop, find, migrate or empty the database.", no_args_is_help=True)


@app.command()
def start() -> None:
    """Start the embedded PostgreSQL and migrate it.

    Example: hub db start && psql "$(hub db url)"
    """
    settings = get_settings()
    if not settings.uses_embedded_server:
        raise HubError("HUB_DATABASE_URL names a server that is not ours to start.")
    started = database.start(settings)
    database.migrate(settings)
    console.print("PostgreSQL started." if started else "PostgreSQL was running already.")


@app.command()
def stop() -> None:
    """Stop the embedded PostgreSQL. Example: hub db stop"""
    settings = get_settings()
    if not settings.uses_embedded_server:
        raise HubError("HUB_DATABASE_URL names a server that is not ours to stop.")
    console.print("PostgreSQL stopped." if embedded_server.stop(settings) else "PostgreSQL was not running.")


@app.command()
def url() -> None:
    """Print the database's address, with its password, as psql takes it. Example: psql "$(hub db url)\""""
    typer.echo(database.database_url(get_settings()))


@app.command()
def migrate() -> None:
    """Bring the tables up to this version of the Hub. Example: hub db migrate"""
    settings = get_settings()
    database.start(settings)
    database.migrate(settings)
    console.print("The database is up to date.")


@app.command()
def reset(yes: bool = typer.Option(False, "--yes", help="Do not ask.")) -> None:
    """Delete everything that the Hub keeps in the database, and begin anew. Example: hub db reset --yes"""
    settings = get_settings()
    database.start(settings)
    where = database.masked(database.database_url(settings))
    if not yes:
        typer.confirm(f"Delete all bookings, marts, insights and deliveries in {where}?", abort=True)
    database.reset(settings)
    console.print(f"{where} is empty and migrated.")
