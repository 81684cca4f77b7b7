"""Commands `hub db`: the database of the Hub."""

from pathlib import Path
from typing import Annotated

import typer

from cli import common
from cli.common import console, progress_console
from dagster_project.run_lock import exclusive_run
from sources import backups, bi_access, database, embedded_server
from sources.errors import HubError
from sources.settings import get_settings

app = typer.Typer(
    help="Start, stop, locate, migrate, back up, restore or reset the database. Example: hub db start",
    no_args_is_help=True,
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
def backup(file: Annotated[Path, typer.Argument(help="The file to write; a former one is replaced.")]) -> None:
    """Write the database to a file. It has all data of the Hub, but no secrets of the environment or HUB_HOME.

    Waits for a run that writes the warehouse; the next one waits for the backup.

    Example: hub db backup hub.dump
    """
    settings = common.prepared()
    with progress_console.status("Writing the backup ..."), exclusive_run(settings):
        size = backups.write(settings, file)
    console.print(f"{file}: {size / 1e6:,.1f} MB. It has personal data and amounts: keep it where nobody else reads.")


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="A file of `hub db backup`.")],
    replace: Annotated[bool, typer.Option("--replace", help="Replace the data of a Hub that is not empty.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Restore the database from a file of `hub db backup`, into an empty Hub.

    Afterwards everybody signs in again, and the next run reads every operational table completely.

    Example: hub db restore hub.dump && hub run
    """
    settings = common.prepared()
    backups.check(settings, file)
    address = database.masked(database.database_url(settings))
    if not backups.is_empty(settings):
        if not replace:
            raise HubError(f"{address} has data, which a restore would delete: use an empty database, or --replace.")
        if not yes:
            typer.confirm(f"Delete all data in {address}, and put those of {file} in their place?", abort=True)
    backups.refuse_other_sessions(settings)
    with progress_console.status("Restoring ..."), exclusive_run(settings, wait_s=0):
        restored = backups.restore(settings, file)
    console.print(f"{restored.organizations} organisations and {restored.bookings:,} bookings are restored.")
    if restored.waiting:
        console.print(
            f"{restored.waiting} messages wait: the next run sends them, also what was sent after the backup was made."
        )


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
