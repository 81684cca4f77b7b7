"""hub token: a bearer token for the API."""

import time
from typing import Annotated, Final, Literal

import jwt
import typer

from sources import database
from sources.errors import HubError
from sources.settings import get_settings

SELECT_PEOPLE: Final = """
select o.slug, o.id, p.id from app.profiles as p join app.organizations as o on o.id = p.org_id
where p.role = %(role)s and p.email = %(email)s and p.is_active and o.slug = coalesce(%(org)s, o.slug)
order by o.slug
"""
DAY_S: Final = 86400


def token(
    role: Annotated[Literal["admin", "provider", "client"], typer.Option(help="What the person is.")],
    email: Annotated[str, typer.Option(help="The person's e-mail address.")],
    org: Annotated[
        str | None, typer.Option(help="The slug of the organisation, where the address is in several.")
    ] = None,
    days: Annotated[int, typer.Option(help="How long the token is valid.", min=1, max=365)] = 1,
) -> None:
    """Print a bearer token of a person for the API.

    Example: curl -H "Authorization: Bearer $(hub token --role admin --email admin@studio.example)" ...
    """
    settings = get_settings()
    if settings.jwks_url:
        raise HubError("HUB_JWKS_URL is set: tokens come from the identity provider, and the API takes no others.")
    with database.connect(database.database_url(settings)) as connection:
        people = connection.execute(SELECT_PEOPLE, {"role": role, "email": email, "org": org}).fetchall()
    if not people:
        where = f" in the organisation {org}" if org else ""
        raise HubError(f"There is no active {role} with the address {email}{where}.")
    if len(people) > 1:
        raise HubError(f"{email} is a {role} of {', '.join(slug for slug, *_ in people)}: say which one with --org.")
    _, org_id, profile_id = people[0]
    now = int(time.time())
    claims = {
        "sub": str(profile_id), "org_id": str(org_id), "role": role, "aud": settings.jwt_audience, "iat": now,
        "exp": now + days * DAY_S,
    }  # fmt: skip
    typer.echo(jwt.encode(claims, settings.secret("jwt_secret"), "HS256"))
