"""Bearer tokens that the Hub signs itself, for the API."""

from typing import Final

import jwt
from psycopg import Connection

from sources.errors import HubError
from sources.settings import Settings

DAY_S: Final = 86400
_SELECT_PEOPLE: Final = """
select organization.slug, organization.id, profile.id
from app.profiles as profile
inner join app.organizations as organization on organization.id = profile.org_id
where profile.role = %(role)s and profile.email = %(email)s and profile.is_active
    and organization.slug = coalesce(%(slug)s, organization.slug)
order by organization.slug
"""


def issue_token(
    connection: Connection, settings: Settings, *, role: str, email: str, slug: str | None, days: int, issued_at: int
) -> str:
    """Return a token (HS256) of the active person with this role and e-mail address, valid for `days` days.

    `slug` selects the organisation if the address is in several; `issued_at` is in seconds since 1970.

    Raises HubError if tokens come from an identity provider, and if there is not exactly one such person.
    """
    if settings.jwks_url:
        raise HubError("HUB_JWKS_URL is set: tokens come from the identity provider, and the API accepts no others.")
    people = connection.execute(_SELECT_PEOPLE, {"role": role, "email": email, "slug": slug}).fetchall()
    if not people:
        where = f" in the organisation {slug}" if slug else ""
        raise HubError(f"There is no active {role} with the address {email}{where}.")
    if len(people) > 1:
        slugs = ", ".join(found for found, *_ in people)
        raise HubError(f"{email} is a {role} of {slugs}: name one with --org.")
    _, org_id, profile_id = people[0]
    claims = {
        "sub": str(profile_id), "org_id": str(org_id), "role": role, "aud": settings.jwt_audience, "iat": issued_at,
        "exp": issued_at + days * DAY_S,
    }  # fmt: skip
    return jwt.encode(claims, settings.secret("jwt_secret"), "HS256")
