"""The account of who did what, for administrators."""

from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel, Field

from sources.operations.bookings.access import Page, page_of
from sources.operations.errors import Refusal
from sources.operations.field_types import Line, Moment, Named, Request
from sources.operations.transaction import Tx
from sources.row_values import AuditAction


class AuditQuery(Request):
    """The filters and the page of the log."""

    actor_id: UUID | None = None
    table: Line | None = Field(None, description="A table of schema app, such as services.")
    row_id: UUID | None = Field(None, description="What was changed, such as a booking.")
    since: Moment | None = None
    until: Moment | None = Field(None, description="Exclusive.")
    after: UUID | None = Field(None, description="`next` of the previous page.")
    limit: int = Field(50, ge=1, le=200)


class AuditEntry(BaseModel):
    """One change or sign-in."""

    id: UUID
    at: Moment
    actor: Named | None = Field(description="null: the Hub itself.")
    actor_role: str = Field(description="operator: who runs the Hub, as this admin.")
    key_id: UUID | None = Field(description="The API key that the actor used.")
    action: AuditAction
    table: str | None
    row_id: UUID | None
    before: dict[str, Any] | None = Field(description="The changed columns of an update, the whole row of a delete.")
    after: dict[str, Any] | None


SELECT_ENTRIES: Final = """
select entries.id, entries.at, entries.actor_id, people.full_name as actor_name, entries.actor_role, entries.key_id,
    entries.action, entries.table_name as table, entries.row_id, entries.before, entries.after
from app.audit_log as entries
left join app.profiles as people on people.org_id = entries.org_id and people.id = entries.actor_id
where entries.org_id = $1 and ($2::uuid is null or entries.actor_id = $2)
    and ($3::text is null or entries.table_name = $3) and ($4::uuid is null or entries.row_id = $4)
    and ($5::timestamptz is null or entries.at >= $5) and ($6::timestamptz is null or entries.at < $6)
    and ($7::uuid is null or entries.id < $7)
order by entries.id desc
limit $8
"""


async def list_entries(tx: Tx, query: AuditQuery) -> Page[AuditEntry]:
    """Return the entries, the latest first. Raises Refusal forbidden."""
    if tx.caller.role not in ("admin", "system"):
        raise Refusal("forbidden", "not_allowed", "The audit log is for administrators.")
    rows = await tx.rows(
        SELECT_ENTRIES, tx.org_id, query.actor_id, query.table, query.row_id, query.since, query.until, query.after,
        query.limit + 1,
    )  # fmt: skip
    entries = []
    for row in rows:
        values = dict(row)
        actor_id, name = values.pop("actor_id"), values.pop("actor_name")
        actor = Named.model_construct(id=actor_id, name=name or "") if actor_id else None
        entries.append(AuditEntry.model_construct(actor=actor, **values))
    return page_of(entries, [entry.id for entry in entries], query.limit)
