"""API keys: create, list and revoke. A key acts as a person, and may be limited to scopes."""

import hashlib
import secrets
from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from pydantic import BaseModel, Field

from sources.operations.errors import Refusal, not_found
from sources.operations.field_types import Line, Moment, Request, one_of
from sources.operations.transaction import Tx

MARK: Final = "hub_"  # makes a key recognisable in leaked text
PREFIX_LENGTH: Final = 12
LISTED: Final = 200

# The resource of a route is its first tag: GET needs `<tag>:read`, every other method `<tag>:write`.
RESOURCES: Final = (
    "approvals", "audit", "bookings", "calendar", "catalogue", "channels", "events", "insights", "invoices", "keys",
    "messages", "metrics", "milestones", "notifications", "payments", "reviews", "settings", "targets", "tasks",
    "time_entries",
)  # fmt: skip
SCOPES: Final = tuple(f"{resource}:{right}" for resource in RESOURCES for right in ("read", "write"))


Scope = Annotated[str, one_of(SCOPES)]


class NewKey(Request):
    """A request for an API key."""

    name: Line = Field(examples=["Calendar sync"])
    scopes: list[Scope] = Field(
        default=[], max_length=len(SCOPES), description="What the key may do; empty: all that its person may do.",
        examples=[["bookings:read"]],
    )  # fmt: skip
    profile_id: UUID | None = Field(
        None, description="The person of the key, by default the caller; other people for admins only."
    )
    expires_at: Moment | None = Field(
        None,
        description="The end of its validity, by default none. A key that a key creates ends with it at the latest.",
    )


class ApiKey(BaseModel):
    """A key without its secret."""

    id: UUID
    name: str
    prefix: str = Field(description="The beginning of the secret.", examples=["hub_3q2-7w9x"])
    profile_id: UUID
    scopes: list[str]
    created_at: Moment
    last_used_at: Moment | None = Field(description="To the minute.")
    expires_at: Moment | None
    revoked_at: Moment | None


class CreatedKey(ApiKey):
    """A new key with its secret, which is never shown again."""

    secret: str = Field(description="Send it as X-API-Key. Only its hash is stored: it cannot be shown again.")


class Keys(BaseModel):
    """The keys that the caller may see."""

    items: list[ApiKey]


COLUMNS: Final = "id, name, prefix, profile_id, scopes, created_at, last_used_at, expires_at, revoked_at"
SELECT_PERSON: Final = "select from app.profiles where org_id = $1 and id = $2 and is_active"
# app.enter_with_key sets hub.key_expires_at, to which a token and a key without an end leave nothing.
KEY_EXPIRES_AT: Final = "nullif(current_setting('hub.key_expires_at', true), '')::timestamptz"
INSERT_KEY: Final = f"""
insert into app.api_keys (org_id, profile_id, name, prefix, key_hash, scopes, created_at, expires_at)
values (
    $1, $2, $3, $4, $5, $6, $7,
    least($8::timestamptz, {KEY_EXPIRES_AT})
)
returning {COLUMNS}
"""  # noqa: S608  constants of this file
SELECT_KEYS: Final = f"""
select {COLUMNS} from app.api_keys
where org_id = $1
order by revoked_at is not null or expires_at <= $3, created_at desc, id
limit $2
"""  # noqa: S608
REVOKE_KEY: Final = """
update app.api_keys set revoked_at = coalesce(revoked_at, $3) where org_id = $1 and id = $2 returning id
"""


async def key_expires_at(tx: Tx) -> datetime | None:
    """Return the end of the API key with which the caller entered; None without a key, or without an end."""
    expires_at: datetime | None = (await tx.one(f"select {KEY_EXPIRES_AT} as expires_at"))["expires_at"]
    return expires_at


async def create_key(tx: Tx, request: NewKey) -> CreatedKey:
    """Create a key; the result has its secret.

    Raises Refusal: forbidden where the key is for another person, unless the caller is an admin, or may do more than
    the key that requests it; invalid where there is no such person, or the end of the key has passed.
    """
    owner = request.profile_id or tx.caller.profile_id
    if owner != tx.caller.profile_id and tx.caller.role != "admin":
        raise Refusal("forbidden", "not_allowed", "Only admins create keys for other people.", field="profile_id")
    if tx.caller.scopes and not (request.scopes and tx.caller.scopes.issuperset(request.scopes)):
        raise Refusal(
            "forbidden", "scope_wider", "A key cannot create a key that may do more than itself.", field="scopes"
        )
    if await tx.row(SELECT_PERSON, tx.org_id, owner) is None:
        raise Refusal("invalid", "unknown_person", "There is no such active person.", field="profile_id")
    if request.expires_at and request.expires_at <= tx.at:
        raise Refusal("invalid", "expires_in_past", "The key would have expired already.", field="expires_at")
    secret = MARK + secrets.token_urlsafe(32)
    row = await tx.one(
        INSERT_KEY, tx.org_id, owner, request.name, secret[:PREFIX_LENGTH], hashlib.sha256(secret.encode()).digest(),
        sorted(set(request.scopes)), tx.at, request.expires_at,
    )  # fmt: skip
    return CreatedKey.model_construct(secret=secret, **dict(row))


async def list_keys(tx: Tx) -> Keys:
    """Return the caller's keys, for an admin those of the organisation: the LISTED newest, revoked and
    expired ones last."""
    rows = await tx.rows(SELECT_KEYS, tx.org_id, LISTED, tx.at)
    return Keys.model_construct(items=[ApiKey.model_construct(**dict(row)) for row in rows])


async def revoke_key(tx: Tx, key_id: UUID) -> None:
    """Revoke a key, at once and for good. A repeat is not an error. Raises Refusal not_found."""
    if await tx.row(REVOKE_KEY, tx.org_id, key_id, tx.at) is None:
        raise not_found("key")
