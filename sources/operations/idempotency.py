"""Idempotent writes: a request repeated with its Idempotency-Key gets the stored response of the first one.

The first request with a key inserts it, within its own transaction; the unique index makes every other request wait
until that transaction has ended, and then read the stored response. Keys belong to a person;
sources/retention.py says for how long.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import asyncpg

from sources.operations.errors import Kind, Refusal, of_database
from sources.operations.transaction import Tx

# Refusals that do not depend on the request itself: the same request may succeed later.
_TRANSIENT: Final[tuple[Kind, ...]] = ("unauthenticated", "unavailable")

INSERT_KEY: Final = """
insert into app.idempotency_keys (org_id, profile_id, key, request_hash, created_at) values ($1, $2, $3, $4, $5)
on conflict (org_id, profile_id, key) do nothing
returning id
"""
SELECT_KEY: Final = """
select request_hash, response_status, response_body
from app.idempotency_keys where org_id = $1 and profile_id = $2 and key = $3
"""
UPDATE_KEY: Final = (
    "update app.idempotency_keys set response_status = $3, response_body = $4 where org_id = $1 and id = $2"
)


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """A response to store and send: its status, its own headers, and the body as text."""

    status: int
    headers: dict[str, str]
    text: str


async def respond_once(
    tx: Tx,
    key: str,
    request_hash: bytes,
    respond: Callable[[Tx], Awaitable[StoredResponse]],
    refuse: Callable[[Refusal], StoredResponse],
) -> StoredResponse:
    """Return the response of `respond`, or the stored one if the caller has sent this request with `key` before.

    The response to a refusal (by `refuse`) is stored as well, after the writes of the operation are rolled back. Raises
    Refusal invalid where the key was sent with another request before.
    """
    owner = tx.caller.profile_id
    inserted = await tx.row(INSERT_KEY, tx.org_id, owner, key, request_hash, tx.at)
    if inserted is None:
        return _stored(await tx.one(SELECT_KEY, tx.org_id, owner, key), request_hash)
    try:
        async with tx.connection.transaction():
            response = await respond(tx)
    except Refusal as refusal:
        response = _refused(refusal, refuse)
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        refused = of_database(error)
        if refused is None:
            raise
        response = _refused(refused, refuse)
    await tx.execute(
        UPDATE_KEY, tx.org_id, inserted["id"], response.status, {"headers": response.headers, "text": response.text}
    )
    return response


def _stored(row: asyncpg.Record, request_hash: bytes) -> StoredResponse:
    if row["request_hash"] != request_hash:
        raise Refusal("invalid", "idempotency_key_reused", "This Idempotency-Key was sent with another request before.")
    body = row["response_body"]
    return StoredResponse(row["response_status"], body["headers"] | {"Idempotency-Replayed": "true"}, body["text"])


def _refused(refusal: Refusal, refuse: Callable[[Refusal], StoredResponse]) -> StoredResponse:
    if refusal.kind in _TRANSIENT:
        raise refusal
    return refuse(refusal)
