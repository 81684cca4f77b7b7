"""Live changes that a reader missed.

Triggers write them to app.live_changes; bookings/timed_transitions.py deletes old ones.
"""

from typing import Final, NamedTuple
from uuid import UUID

from sources.operations.transaction import Tx

MISSED_LIMIT: Final = 1000  # a reader who missed more reads everything anew

SELECT_MISSED: Final = """
select id, kind, data::text as data from app.live_changes
where org_id = $1 and transaction_id >= $2::text::xid8 and id <> $3
order by id limit $4
"""


class LiveChange(NamedTuple):
    """One change as it is sent to a reader; `data` is JSON. Readers resume from the last change that has an id."""

    id: UUID | None
    kind: str
    data: str


class Missed(NamedTuple):
    """The changes that a reader missed (None: too many, or not kept any more), and the organisation's newest id."""

    changes: list[LiveChange] | None
    latest: UUID | None


async def missed_changes(tx: Tx, last_id: UUID | None) -> Missed:
    """Return the changes that the caller may see after `last_id`, the last one received; None: the caller starts now.

    Includes every transaction that could have ended after that change was written, so some changes may be repeated.
    """
    point = await tx.one("select horizon, latest from app.resume_point($1)", last_id)
    if last_id is None:
        return Missed([], point["latest"])
    if point["horizon"] is None:
        return Missed(None, point["latest"])
    rows = await tx.rows(SELECT_MISSED, tx.org_id, point["horizon"], last_id, MISSED_LIMIT + 1)
    if len(rows) > MISSED_LIMIT:
        return Missed(None, point["latest"])
    return Missed([LiveChange(*row) for row in rows], point["latest"])
