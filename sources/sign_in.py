"""One-time links with which people sign in to the front door.

A link is printed on the machine of the Hub, or sent to the person; the API starts a session with it, once. The database
keeps hashes only: who reads it cannot sign in.
"""

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from psycopg import Connection

from sources.errors import HubError
from sources.settings import Settings

PATH: Final = "/sign-in"
LINK_MINUTES: Final = 60

_SELECT_PEOPLE: Final = """
select organization.slug, organization.id, profile.id
from app.profiles as profile
inner join app.organizations as organization on organization.id = profile.org_id
where profile.is_active and organization.slug = coalesce(%(slug)s, organization.slug)
    and case when %(email)s::text is null then profile.role = 'admin' else profile.email = %(email)s end
order by organization.slug, profile.created_at, profile.id
"""
_INSERT_LINK: Final = """
insert into app.sessions (org_id, profile_id, link_hash, link_ends_at, opens_dagster)
values (%(org_id)s, %(profile_id)s, %(link_hash)s, %(link_ends_at)s, %(opens_dagster)s)
"""


def hash_of(secret: str) -> bytes:
    """Return the hash under which a link or a session is stored."""
    return hashlib.sha256(secret.encode()).digest()


def link_of(connection: Connection, settings: Settings, *, email: str, slug: str | None, at: datetime) -> str:
    """Return a one-time link for the active person with this e-mail address; an admin's opens the Dagster UI as well.

    `slug` selects the organisation if the address is in several. Raises HubError unless there is exactly one person.
    """
    people = connection.execute(_SELECT_PEOPLE, {"email": email, "slug": slug}).fetchall()
    if not people:
        where = f" in the organisation {slug}" if slug else ""
        raise HubError(f"There is no active person with the address {email}{where}.")
    if len(people) > 1:
        slugs = ", ".join(found for found, *_ in people)
        raise HubError(f"{email} is in the organisations {slugs}: name one with --org.")
    _, org_id, profile_id = people[0]
    return _new_link(connection, settings, org_id=org_id, profile_id=profile_id, at=at)


def operators_link(connection: Connection, settings: Settings, *, at: datetime) -> str:
    """Return a one-time link for who starts the Hub: for the first admin, or without a person where there is none."""
    admin = connection.execute(_SELECT_PEOPLE, {"email": None, "slug": None}).fetchone()
    _, org_id, profile_id = admin or (None, None, None)
    return _new_link(connection, settings, org_id=org_id, profile_id=profile_id, at=at)


def _new_link(
    connection: Connection, settings: Settings, *, org_id: UUID | None, profile_id: UUID | None, at: datetime
) -> str:
    """Return a link that was asked for on the machine of the Hub, which is why it may open the Dagster UI."""
    secret = secrets.token_urlsafe(32)
    values = {
        "org_id": org_id, "profile_id": profile_id, "link_hash": hash_of(secret), "opens_dagster": True,
        "link_ends_at": at + timedelta(minutes=LINK_MINUTES),
    }  # fmt: skip
    connection.execute(_INSERT_LINK, values)
    return f"{settings.link_base}{PATH}?link={secret}"
