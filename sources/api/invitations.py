"""Invitations: the one-time link with which a new person signs in, mailed to them, or shown to the admin once."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from starlette.concurrency import run_in_threadpool

from sources import sign_in
from sources.api.request_context import Context
from sources.operations.settings import organization, people
from sources.operations.settings.people import PersonDetails
from sources.operations.transaction import Tx
from sources.settings import Settings


@dataclass(frozen=True, slots=True)
class Invitation:
    """What the mail to a new person says."""

    name: str
    email: str
    role: str
    organization: str
    link: str
    at: datetime


# Send the mail; False: no mail is set up, or it was not accepted.
SendInvitation = Callable[[Settings, Invitation], bool]


@dataclass(frozen=True, slots=True)
class Invited:
    """Whether the link was mailed; else the link, which is shown to the admin once. Both are empty without address."""

    is_mailed: bool = False
    link: str | None = None


async def invite(context: Context, person: PersonDetails) -> Invited:
    """Let a person who was added sign in once, within sign_in.INVITATION_DAYS. Raises Refusal."""
    if person.email is None:
        return Invited()
    state = context.request.app.state
    secret, now = secrets.token_urlsafe(32), datetime.now(UTC)

    async def keep(tx: Tx) -> str:
        ends_at = now + timedelta(days=sign_in.INVITATION_DAYS)
        await people.keep_invitation(tx, person.id, sign_in.hash_of(secret), ends_at)
        return (await organization.get_organization(tx)).name

    name = await context.run(keep)
    link = sign_in.address_of(state.settings, secret)
    invitation = Invitation(person.name, person.email, person.role, name, link, now)
    if await run_in_threadpool(state.send_invitation, state.settings, invitation):
        return Invited(is_mailed=True)
    return Invited(link=link)
