"""People: who is in the organisation, in which role, and whether they have access; their work to another person."""

import re
from typing import Annotated, Any, Final
from uuid import UUID

import asyncpg
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from sources import lifecycle
from sources.operations.errors import Refusal, not_found
from sources.operations.field_types import Line, Moment, Note, Request
from sources.operations.settings import rows
from sources.operations.settings.rows import Resource
from sources.operations.settings.services import Version
from sources.operations.transaction import Tx
from sources.row_values import PersonRole

_ADDRESS: Final = re.compile(r"[^@\s,]+@[^@\s,]+")
OPEN: Final = lifecycle.PENDING + lifecycle.ONGOING


def _one_address(text: str) -> str:
    if not _ADDRESS.fullmatch(text):
        raise ValueError("write one address as name@domain")
    return text


Address = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=254, pattern=r"^[^\x00-\x1f]+$"),
    AfterValidator(_one_address),
]


class NewPerson(Request):
    """A person to invite. Without an address a client is only known: they cannot sign in."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "Mary Smith", "email": "mary@example.com", "role": "provider"}]}
    )
    name: Line
    role: PersonRole
    email: Address | None = Field(None, description="Required, but of a client.")
    client_group: Line | None = Field(None, description="The segment of a client.")

    @model_validator(mode="after")
    def _has_address(self) -> "NewPerson":
        if self.email is None and self.role != "client":
            raise ValueError("Who works with the Hub needs an e-mail address to sign in.")
        return self


class PersonChange(Request):
    """The fields to change; a field that is absent is kept."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"role": "analyst"}]})
    name: Line = Field(default="")
    role: PersonRole = "client"
    email: Address | None = None
    client_group: Line | None = None
    is_active: bool = Field(True, description="False: sessions and keys end at once, and for good.")


class Handover(Request):
    """The person who takes the open work over."""

    provider_id: UUID = Field(description="Another active provider.")


class Erasure(Request):
    """The name of the person who is erased, as a confirmation."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Mary Smith"}]})
    name: Note


class HandedOver(BaseModel):
    """The numbers of rows that the other person has taken over."""

    bookings: int
    tasks: int
    approvals: int


class PersonDetails(BaseModel):
    """A person as admins see them."""

    id: UUID
    name: str
    role: PersonRole
    email: str | None
    client_group: str | None
    is_active: bool
    created_at: Moment
    open_bookings: int = Field(description="As the client or the provider: neither completed nor cancelled.")
    open_tasks: int
    running_sessions: int
    valid_keys: int
    version: Version


PERSON: Final = Resource(
    "profiles", "person",
    "select id, full_name as name, role, email, client_group, is_active, created_at, row_version::text as version "
    "from app.profiles where org_id = $1 and id = $2",
)  # fmt: skip
COUNT_OPEN: Final = """
select
    (
        select count(*) from app.bookings
        where org_id = $1 and (client_id = $2 or provider_id = $2) and status = any($3::text[])
    )::int as open_bookings,
    (
        select count(*) from app.tasks where org_id = $1 and assignee_id = $2 and status in ('todo', 'in_progress')
    )::int as open_tasks,
    app.running_sessions($2) as running_sessions,
    (
        select count(*) from app.api_keys
        where org_id = $1 and profile_id = $2 and revoked_at is null and coalesce(expires_at > $4, true)
    )::int as valid_keys
"""
# One at a time: of two admins who demote each other, one is refused; of two people with one address as well.
LOCK_ORGANIZATION: Final = "select from app.organizations where id = $1 for no key update"
HAS_ADMIN: Final = """
select exists (
    select from app.profiles where org_id = $1 and role = 'admin' and is_active
) as has_admin
"""
SELECT_OPEN_BOOKING: Final = """
select booking_number, count(*) over ()::int as bookings from app.bookings
where org_id = $1 and status = any($3::text[])
    and case $4 when 'client' then client_id = $2 when 'provider' then provider_id = $2 else false end
order by booking_number limit 1
"""
HAS_ADDRESS: Final = """
select exists (
    select from app.profiles where org_id = $1 and lower(email) = lower($2) and id is distinct from $3
) as is_taken
"""
LOCK_OPEN_BOOKINGS: Final = """
select id from app.bookings where org_id = $1 and provider_id = $2 and status = any($3::text[]) order by id for update
"""
# $4: the statuses that hold a provider's time.
SELECT_CLASH: Final = """
select mine.booking_number, theirs.booking_number as other_number
from app.bookings as mine
join app.bookings as theirs on theirs.org_id = mine.org_id and theirs.provider_id = $3 and theirs.is_exclusive
    and theirs.status = any($4::text[])
    and tstzrange(theirs.scheduled_start, theirs.scheduled_end) && tstzrange(mine.scheduled_start, mine.scheduled_end)
where mine.org_id = $1 and mine.provider_id = $2 and mine.is_exclusive and mine.status = any($4::text[])
    and mine.status = any($5::text[])
    and mine.scheduled_start is not null and mine.scheduled_end is not null
    and theirs.scheduled_start is not null and theirs.scheduled_end is not null
order by mine.scheduled_start limit 1
"""
HAND_OVER_BOOKINGS: Final = """
update app.bookings set provider_id = $3 where org_id = $1 and provider_id = $2 and status = any($4::text[]) returning 1
"""
HAND_OVER_TASKS: Final = """
update app.tasks set assignee_id = $3
where org_id = $1 and assignee_id = $2 and status in ('todo', 'in_progress') returning 1
"""
HAND_OVER_APPROVALS: Final = """
update app.approvals set approver_id = $3 where org_id = $1 and approver_id = $2 and status = 'pending' returning 1
"""
ERASE: Final = "select app.erase_person($1)"
ALLOW_TIME: Final = "select set_config('statement_timeout', $1, true)"
ERASURE_TIMEOUT_MS: Final = 600_000  # every text of the organisation is read: 5 s with 36,000 bookings
KEEP_INVITATION: Final = "select app.keep_invitation($1, $2, $3) as is_kept"


async def get_person(tx: Tx, person_id: UUID) -> PersonDetails:
    """Return the person. Raises Refusal: forbidden, not_found."""
    _demand_admin(tx)
    found = await rows.find(tx, PERSON, person_id)
    counts = await tx.one(COUNT_OPEN, tx.org_id, person_id, OPEN, tx.at)
    return PersonDetails.model_construct(**dict(found), **dict(counts))


async def add_person(tx: Tx, request: NewPerson) -> PersonDetails:
    """Add a person to the organisation. Raises Refusal: forbidden, conflict address_taken."""
    _demand_admin(tx)
    _demand_wide_key(tx, request.role)
    await tx.row(LOCK_ORGANIZATION, tx.org_id)
    if request.email:
        await _demand_free_address(tx, request.email, None)
    return await get_person(tx, await rows.insert(tx, PERSON, _columns(request.model_dump())))


async def edit_person(tx: Tx, person_id: UUID, change: PersonChange, expected: str | None) -> PersonDetails:
    """Change a person; `expected`: the version that the caller last read, if given. Access ends at once.

    Raises Refusal: forbidden, not_found, stale, conflict (last_admin, open_bookings, address_taken), invalid
    address_missing.
    """
    _demand_admin(tx)
    changes = rows.changes_of(change)
    await tx.row(LOCK_ORGANIZATION, tx.org_id)
    before = await rows.lock(tx, PERSON, person_id, expected)
    if changes.get("role", before["role"]) != before["role"]:
        _demand_wide_key(tx, change.role)
        await _demand_no_open_bookings(tx, before)
    after = dict(before) | changes
    if after["email"] is None and after["role"] != "client":
        raise Refusal("invalid", "address_missing", "Who works with the Hub needs an e-mail address.", field="email")
    if after["email"] != before["email"] and after["email"] is not None:
        await _demand_free_address(tx, after["email"], person_id)
    await rows.update(tx, PERSON, person_id, _columns(changes))
    await _demand_an_admin(tx)
    return await get_person(tx, person_id)


async def hand_over(tx: Tx, person_id: UUID, request: Handover) -> HandedOver:
    """Give the open bookings, tasks and pending approvals of a provider to another one.

    Raises Refusal: forbidden, not_found, invalid unknown_provider, conflict slot_taken with the number of the booking.
    """
    _demand_admin(tx)
    await rows.find(tx, PERSON, person_id)
    taker = await tx.row(PERSON.select, tx.org_id, request.provider_id)
    if taker is None or taker["role"] != "provider" or not taker["is_active"] or request.provider_id == person_id:
        raise Refusal("invalid", "unknown_provider", "Choose another active provider.", field="provider_id")
    await tx.rows(LOCK_OPEN_BOOKINGS, tx.org_id, person_id, OPEN)
    await tx.rows(LOCK_OPEN_BOOKINGS, tx.org_id, request.provider_id, OPEN)
    if clash := await tx.row(SELECT_CLASH, tx.org_id, person_id, request.provider_id, lifecycle.HOLDS_TIME, OPEN):
        raise Refusal(
            "conflict", "slot_taken",
            f"{taker['name']} is booked at the time of {clash['booking_number']} already, with "
            f"{clash['other_number']}: move one of them first. Nothing was handed over.", field="provider_id",
        )  # fmt: skip
    return HandedOver(
        bookings=len(await tx.rows(HAND_OVER_BOOKINGS, tx.org_id, person_id, request.provider_id, OPEN)),
        tasks=len(await tx.rows(HAND_OVER_TASKS, tx.org_id, person_id, request.provider_id)),
        approvals=len(await tx.rows(HAND_OVER_APPROVALS, tx.org_id, person_id, request.provider_id)),
    )


async def erase_person(tx: Tx, person_id: UUID, confirmation: Erasure) -> PersonDetails:
    """Erase name, address and free texts of a person wherever the Hub keeps them, and end the access. A repeat is safe.

    Raises Refusal: forbidden, not_found, invalid name_differs, conflict (open_bookings, last_admin).
    """
    _demand_admin(tx)
    await tx.row(LOCK_ORGANIZATION, tx.org_id)
    person = await rows.lock(tx, PERSON, person_id, None)
    if confirmation.name.split() != person["name"].split():  # imported names may have spaces that no page shows
        raise Refusal("invalid", "name_differs", "This is not the name of the person.", field="name")
    await _demand_no_open_bookings(tx, person)
    await tx.execute(ALLOW_TIME, str(ERASURE_TIMEOUT_MS))
    await tx.execute(ERASE, person_id)
    await _demand_an_admin(tx)
    return await get_person(tx, person_id)


async def keep_invitation(tx: Tx, person_id: UUID, link_hash: bytes, ends_at: Moment) -> None:
    """Let the person sign in once with the link of this hash. Raises Refusal: forbidden, not_found."""
    _demand_admin(tx)
    if not (await tx.one(KEEP_INVITATION, person_id, link_hash, ends_at))["is_kept"]:
        raise not_found(PERSON.noun)


async def _demand_an_admin(tx: Tx) -> None:
    if not (await tx.one(HAS_ADMIN, tx.org_id))["has_admin"]:
        raise Refusal("conflict", "last_admin", "This is the last active admin: make another person an admin first.")


async def _demand_free_address(tx: Tx, email: str, person_id: UUID | None) -> None:
    """Raise Refusal where another person has the address, in capitals or not: links by mail would reach both."""
    if (await tx.one(HAS_ADDRESS, tx.org_id, email, person_id))["is_taken"]:
        raise Refusal("conflict", "address_taken", "Another person has this e-mail address.", field="email")


async def _demand_no_open_bookings(tx: Tx, person: asyncpg.Record) -> None:
    booking = await tx.row(SELECT_OPEN_BOOKING, tx.org_id, person["id"], OPEN, person["role"])
    if booking:
        several = f" and {booking['bookings'] - 1} more" if booking["bookings"] > 1 else ""
        raise Refusal(
            "conflict", "open_bookings",
            f"{person['name']} is the {person['role']} of {booking['booking_number']}{several}, which are open: "
            "hand them over or end them first.", field="role",
        )  # fmt: skip


def _demand_wide_key(tx: Tx, role: str) -> None:
    """Raise Refusal where a key that may do little would make a person who may do much."""
    if tx.caller.scopes and role in ("admin", "analyst"):
        raise Refusal("forbidden", "scope_wider", f"A key with scopes makes no {role}.", field="role")


def _columns(values: dict[str, Any]) -> dict[str, Any]:
    return {"full_name" if name == "name" else name: value for name, value in values.items()}


def _demand_admin(tx: Tx) -> None:
    rows.demand_admin(tx, "People are")
