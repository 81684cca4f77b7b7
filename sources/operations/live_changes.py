"""Live events: what a reader missed. Triggers write them (app.live_changes); timed.py deletes the old ones."""

from typing import Final, NamedTuple
from uuid import UUID

from sources.operations.transaction import Tx

MISSED_LIMIT: Final = 1000  # who missed more reads anew

SELECT_MISSED: Final = """
select e.id, e.kind, e.data::text as data from app.live_changes as e
where e.org_id = $1 and e.transaction_id >= $2::text::xid8 and e.id <> $3
order by e.id limit $4
"""


class LiveChange(NamedTuple):
    """One event as a reader gets it; `data` is JSON. Without an id, a reader resumes from the one before."""

    id: UUID | None
    kind: str
    data: str


class Missed(NamedTuple):
    """What a reader has missed (None: too much, or not known any more), and the newest event of the organisation."""

    changes: list[LiveChange] | None
    latest: UUID | None


async def missed_changes(tx: Tx, last_id: UUID | None) -> Missed:
    """What the caller may see and has missed since the event `last_id`, which they had; None: they begin now.

    Every transaction that could have ended after that event was written is looked at, so some events may come twice.
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
