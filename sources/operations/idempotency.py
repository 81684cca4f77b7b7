"""One answer for one request, however often it is sent: the Idempotency-Key of a write.

The first request with a key inserts it, within its own transaction; the unique index makes every other one wait until
that transaction has ended, and then read the answer that it kept. Keys belong to a person; timed.py prunes old ones.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import asyncpg

from sources.operations.errors import Kind, Refusal, of_database
from sources.operations.transaction import Tx

# Refusals that say nothing about the request itself: the same request may well be done later.
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
class Answer:
    """What is sent: the status, the headers that belong to the answer, the body as text."""

    status: int
    headers: dict[str, str]
    text: str


async def answer_once(
    tx: Tx,
    key: str,
    request_hash: bytes,
    answer: Callable[[Tx], Awaitable[Answer]],
    refuse: Callable[[Refusal], Answer],
) -> Answer:
    """What `answer` gives, or gave when the caller first sent this request with `key`.

    A refusal is an answer too (by `refuse`): what it had done is undone, and it is kept like any other. Raises Refusal
    invalid where the key came with another request before.
    """
    owner = tx.caller.profile_id
    inserted = await tx.row(INSERT_KEY, tx.org_id, owner, key, request_hash, tx.at)
    if inserted is None:
        return _kept(await tx.one(SELECT_KEY, tx.org_id, owner, key), request_hash)
    try:
        async with tx.connection.transaction():
            given = await answer(tx)
    except Refusal as refusal:
        given = _lasting(refusal, refuse)
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        refused = of_database(error)
        if refused is None:
            raise
        given = _lasting(refused, refuse)
    await tx.execute(
        UPDATE_KEY, tx.org_id, inserted["id"], given.status, {"headers": given.headers, "text": given.text}
    )
    return given


def _kept(row: asyncpg.Record, request_hash: bytes) -> Answer:
    if row["request_hash"] != request_hash:
        raise Refusal("invalid", "idempotency_key_reused", "This Idempotency-Key was sent with another request before.")
    body = row["response_body"]
    return Answer(row["response_status"], body["headers"] | {"Idempotency-Replayed": "true"}, body["text"])


def _lasting(refusal: Refusal, refuse: Callable[[Refusal], Answer]) -> Answer:
    if refusal.kind in _TRANSIENT:
        raise refusal
    return refuse(refusal)
