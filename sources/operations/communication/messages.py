"""Messages between the people of a booking."""

from typing import Final
from uuid import UUID

import asyncpg
from pydantic import BaseModel, ConfigDict, Field

from sources.operations.bookings.access import Page, demand_booking, page_of
from sources.operations.errors import not_found
from sources.operations.field_types import Moment, Named, Note, Request
from sources.operations.transaction import Tx


class NewMessage(Request):
    """A message to the other people of the booking."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"body": "The sketches are ready."}]})
    body: Note


class ReadUpTo(Request):
    """The last message that the caller has read."""

    message_id: UUID


class Read(BaseModel):
    """The number of messages marked as read."""

    messages: int


class Message(BaseModel):
    """A message of a booking."""

    id: UUID
    booking_id: UUID
    sender: Named
    body: str
    sent_at: Moment
    read_at: Moment | None = Field(description="The time at which another person first marked it as read.")


FROM_MESSAGES: Final = """
select messages.id, messages.booking_id, messages.sender_id, senders.full_name as sender_name, messages.body,
    messages.sent_at, messages.read_at
from app.messages as messages
left join app.profiles as senders on senders.org_id = messages.org_id and senders.id = messages.sender_id
"""
SELECT_MESSAGE: Final = f"{FROM_MESSAGES} where messages.org_id = $1 and messages.id = $2"
SELECT_MESSAGES: Final = f"""
{FROM_MESSAGES} where messages.org_id = $1 and messages.booking_id = $2
and ($3::uuid is null or (messages.sent_at, messages.id) < (
    select sent_at, id from app.messages where org_id = $1 and id = $3
))
order by messages.sent_at desc, messages.id desc limit $4
"""  # noqa: S608  constants of this file
INSERT_MESSAGE: Final = """
insert into app.messages (org_id, booking_id, sender_id, body, sent_at, created_at, updated_at)
values ($1, $2, $3, $4, $5, $5, $5) returning id
"""
# Rows are locked in a fixed order, so that two readers cannot deadlock.
MARK_READ: Final = """
with marked as (
    update app.messages set read_at = $5
    where id in (
        select id from app.messages
        where org_id = $1 and booking_id = $2 and sender_id <> $3 and read_at is null and (sent_at, id) <= (
            select sent_at, id from app.messages where org_id = $1 and id = $4
        )
        order by id for update
    )
    returning 1
)
select count(*)::int as messages from marked
"""


async def list_messages(tx: Tx, booking_id: UUID, after: UUID | None, limit: int) -> Page[Message]:
    """Return the messages of a booking, the latest first. Raises Refusal not_found."""
    await demand_booking(tx, booking_id)
    rows = await tx.rows(SELECT_MESSAGES, tx.org_id, booking_id, after, limit + 1)
    return page_of([_as_message(row) for row in rows], [row["id"] for row in rows], limit)


async def post_message(tx: Tx, booking_id: UUID, request: NewMessage) -> Message:
    """Send a message of the caller, in any status of the booking. Raises Refusal not_found."""
    await demand_booking(tx, booking_id)
    inserted = await tx.one(INSERT_MESSAGE, tx.org_id, booking_id, tx.caller.profile_id, request.body, tx.at)
    return _as_message(await tx.one(SELECT_MESSAGE, tx.org_id, inserted["id"]))


async def mark_read(tx: Tx, booking_id: UUID, up_to: ReadUpTo) -> Read:
    """Mark the messages of other people as read, up to the given one. Raises Refusal not_found."""
    await demand_booking(tx, booking_id)
    last = await tx.row(SELECT_MESSAGE, tx.org_id, up_to.message_id)
    if last is None or last["booking_id"] != booking_id:
        raise not_found("message")
    marked = await tx.one(MARK_READ, tx.org_id, booking_id, tx.caller.profile_id, up_to.message_id, tx.at)
    return Read(messages=marked["messages"])


def _as_message(row: asyncpg.Record) -> Message:
    values = dict(row)
    sender = Named.model_construct(id=values.pop("sender_id"), name=values.pop("sender_name") or "")
    return Message.model_construct(sender=sender, **values)
