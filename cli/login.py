"""Command `hub login`: a one-time link to sign in with."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from sources import database, sign_in
from sources.settings import get_settings


def login(
    email: Annotated[str, typer.Argument(help="The e-mail address of the person.")],
    org: Annotated[
        str | None, typer.Option(metavar="SLUG", help="The organisation; required if the address is in several.")
    ] = None,
) -> None:
    """Print a one-time link to sign in with. An admin's opens the Dagster UI as well, which shows every organisation.

    Example: hub login admin@studio.example
    """
    settings = get_settings()
    with database.connect(database.database_url(settings)) as connection:
        typer.echo(sign_in.link_of(connection, settings, email=email, slug=org, at=datetime.now(UTC)))
