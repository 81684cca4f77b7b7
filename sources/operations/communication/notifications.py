"""In-app notifications of the caller."""

from typing import Final
from uuid import UUID

from pydantic import BaseModel, Field

from sources.operations.bookings.access import Page, page_of
from sources.operations.errors import not_found
from sources.operations.field_types import Moment
from sources.operations.transaction import Tx


class Notification(BaseModel):
    """A notification of an insight to one person."""

    id: UUID
    insight_id: UUID
    event: str = Field(description="opened or resolved", examples=["opened"])
    title: str
    body: str
    created_at: Moment
    read_at: Moment | None


class Unread(BaseModel):
    """The number of unread notifications."""

    unread: int


COLUMNS: Final = "id, insight_id, event, title, body, created_at, read_at"
# A UUIDv7 contains its time of creation: the order of ids is the order of time.
SELECT_NOTIFICATIONS: Final = f"""
select {COLUMNS} from app.notifications
where org_id = $1 and profile_id = $2 and (not $3 or read_at is null) and ($4::uuid is null or id < $4)
order by id desc limit $5
"""  # noqa: S608  constants of this file
COUNT_UNREAD: Final = """
select count(*)::int as unread from app.notifications where org_id = $1 and profile_id = $2 and read_at is null
"""
MARK_READ: Final = f"""
update app.notifications set read_at = coalesce(read_at, $4) where org_id = $1 and profile_id = $2 and id = $3
returning {COLUMNS}
"""  # noqa: S608  constants of this file


async def list_notifications(tx: Tx, *, only_unread: bool, after: UUID | None, limit: int) -> Page[Notification]:
    """Return the caller's notifications, the latest first."""
    rows = await tx.rows(SELECT_NOTIFICATIONS, tx.org_id, tx.caller.profile_id, only_unread, after, limit + 1)
    items = [Notification.model_construct(**dict(row)) for row in rows]
    return page_of(items, [item.id for item in items], limit)


async def count_unread(tx: Tx) -> Unread:
    """Return the number of the caller's unread notifications."""
    return Unread(unread=(await tx.one(COUNT_UNREAD, tx.org_id, tx.caller.profile_id))["unread"])


async def mark_read(tx: Tx, notification_id: UUID) -> Notification:
    """Mark one of the caller's notifications as read; the first read_at is kept. Raises Refusal not_found."""
    row = await tx.row(MARK_READ, tx.org_id, tx.caller.profile_id, notification_id, tx.at)
    if row is None:
        raise not_found("notification")
    return Notification.model_construct(**dict(row))
