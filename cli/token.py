"""Command `hub token`: a bearer token for the API."""

import time
from typing import Annotated

import typer

from sources import database
from sources.row_values import PersonRole
from sources.settings import get_settings
from sources.tokens import issue_token


def token(
    role: Annotated[PersonRole, typer.Option(help="The role of the person.")],
    email: Annotated[str, typer.Option(help="The e-mail address of the person.")],
    org: Annotated[
        str | None, typer.Option(metavar="SLUG", help="The organisation; required if the address is in several.")
    ] = None,
    days: Annotated[int, typer.Option(help="Days for which the token is valid.", min=1, max=365)] = 1,
) -> None:
    """Print a bearer token of a person for the API.

    Example: curl -H "Authorization: Bearer $(hub token --role admin --email admin@studio.example)" ...
    """
    settings = get_settings()
    with database.connect(database.database_url(settings)) as connection:
        typer.echo(
            issue_token(connection, settings, role=role, email=email, slug=org, days=days, issued_at=int(time.time()))
        )
