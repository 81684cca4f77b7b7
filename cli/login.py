"""Command `hub login`: a one-time link to sign in with."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from cli.common import prepared
from sources import database, sign_in


def login(
    email: Annotated[str, typer.Argument(help="The e-mail address of the person.")],
    org: Annotated[
        str | None, typer.Option(metavar="SLUG", help="The organisation; required if the address is in several.")
    ] = None,
    dagster: Annotated[
        bool,
        typer.Option("--dagster", help="The link of an admin opens the Dagster UI, which shows every organisation."),
    ] = False,
) -> None:
    """Print a one-time link to sign in with.

    Example: hub login admin@studio.example --dagster
    """
    settings = prepared()
    with database.connect(database.database_url(settings)) as connection:
        now = datetime.now(UTC)
        typer.echo(sign_in.link_of(connection, settings, email=email, slug=org, at=now, opens_dagster=dagster))
