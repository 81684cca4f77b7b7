"""One-time links with which people sign in to the front door.

A link is printed on the machine of the Hub, or sent to the person; the API starts a session with it, once. The database
keeps hashes only: who reads it cannot sign in.
"""

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Final

from psycopg import Connection

from sources.errors import HubError
from sources.settings import Settings

PATH: Final = "/sign-in"
MAIL_PATH: Final = "/sign-in/mail"  # where a person asks for a link by mail
LINK_MINUTES: Final = 60
INVITATION_DAYS: Final = 7

_SELECT_PEOPLE: Final = """
select organization.slug, organization.id, profile.id, profile.role
from app.profiles as profile
inner join app.organizations as organization on organization.id = profile.org_id
where profile.is_active and organization.slug = coalesce(%(slug)s, organization.slug) and profile.email = %(email)s
order by organization.slug
"""
_INSERT_LINK: Final = """
insert into app.sessions (org_id, profile_id, link_hash, link_ends_at, opens_dagster, is_operators)
values (%(org_id)s, %(profile_id)s, %(link_hash)s, %(link_ends_at)s, %(opens_dagster)s, %(profile_id)s::uuid is null)
"""


def hash_of(secret: str) -> bytes:
    """Return the hash under which a link or a session is stored."""
    return hashlib.sha256(secret.encode()).digest()


def address_of(settings: Settings, secret: str) -> str:
    """Return the address that a link is."""
    return f"{settings.link_base}{PATH}?link={secret}"


def link_of(
    connection: Connection,
    settings: Settings,
    *,
    email: str,
    slug: str | None,
    at: datetime,
    opens_dagster: bool = False,
) -> str:
    """Return a one-time link for the active person with this e-mail address.

    `slug` selects the organisation if the address is in several; opens_dagster: the link of an admin opens the Dagster
    UI, which shows every organisation. Raises HubError unless there is exactly one person, an admin where asked so.
    """
    people = connection.execute(_SELECT_PEOPLE, {"email": email, "slug": slug}).fetchall()
    if not people:
        where = f" in the organisation {slug}" if slug else ""
        raise HubError(f"There is no active person with the address {email}{where}.")
    if len(people) > 1:
        slugs = ", ".join(found for found, *_ in people)
        raise HubError(f"{email} is in the organisations {slugs}: name one with --org.")
    _, org_id, profile_id, role = people[0]
    if opens_dagster and role != "admin":
        raise HubError(f"{email} is no admin: the Dagster UI, which shows every organisation, is for admins alone.")
    person = {"org_id": org_id, "profile_id": profile_id, "opens_dagster": opens_dagster}
    return _new_link(connection, settings, person, at)


def operators_link(connection: Connection, settings: Settings, *, at: datetime) -> str:
    """Return a one-time link for who starts the Hub: it opens the Dagster UI, and the pages as any admin."""
    return _new_link(connection, settings, {"org_id": None, "profile_id": None, "opens_dagster": True}, at)


def _new_link(connection: Connection, settings: Settings, person: dict[str, object], at: datetime) -> str:
    secret = secrets.token_urlsafe(32)
    values = {**person, "link_hash": hash_of(secret), "link_ends_at": at + timedelta(minutes=LINK_MINUTES)}
    connection.execute(_INSERT_LINK, values)
    return address_of(settings, secret)
