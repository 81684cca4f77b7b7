"""Command `hub login`: a one-time link to sign in with."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from cli.common import prepared
from sources import database, sign_in
from sources.errors import HubError


def login(
    email: Annotated[
        str | None, typer.Argument(help="The e-mail address of the person; without it, the operator of the Hub.")
    ] = None,
    org: Annotated[
        str | None, typer.Option(metavar="SLUG", help="The organisation; required if the address is in several.")
    ] = None,
    dagster: Annotated[
        bool,
        typer.Option("--dagster", help="The link of an admin opens the Dagster UI, which shows every organisation."),
    ] = False,
) -> None:
    """Print a one-time link to sign in with: a person's, or the operator's, which opens the Dagster UI.

    Example: hub login admin@studio.example --dagster
    """
    if email is None and (org or dagster):
        raise HubError("--org and --dagster belong to a person: give the e-mail address.")
    settings, now = prepared(), datetime.now(UTC)
    with database.connect(database.database_url(settings)) as connection:
        if email is None:
            link = sign_in.operators_link(connection, settings, at=now)
        else:
            link = sign_in.link_of(connection, settings, email=email, slug=org, at=now, opens_dagster=dagster)
    typer.echo(link)
