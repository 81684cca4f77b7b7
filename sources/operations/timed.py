"""What time alone brings: answers that never came, invoices past due, and rows that have served their purpose."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sources import lifecycle
from sources.operations import transaction
from sources.operations.consequences import UNPAID_VOID, void_unpaid
from sources.operations.transaction import Pool, System, Tx

BATCH: Final = 1000  # rows a transaction: its locks are short, and it holds ingestion's watermark back as briefly
TIMEOUT_MS: Final = 60_000
EVENTS_KEPT: Final = timedelta(days=7)  # how far back a reader of live events may resume
IDEMPOTENCY_KEPT: Final = timedelta(hours=24)


@dataclass(frozen=True)
class Unanswered:
    """A step that the system takes where a booking has stood in `status` for `days`."""

    action: str
    status: str
    days: int
    reason: str


UNANSWERED: Final = (
    Unanswered("expire", "requested", lifecycle.EXPIRES_AFTER_DAYS, "unanswered for 14 days"),
    Unanswered("accept", "delivered", lifecycle.COMPLETES_AFTER_DAYS, "delivery unanswered for 7 days"),
)

SELECT_ORGANIZATIONS: Final = "select id from app.organizations order by id"
# Since when: the latest step into the status; a booking without a history stands there since it was made.
# $3: the status, $4: the last moment at which it may have begun.
TAKE_STEP: Final = """
with due as (
    select b.id from app.bookings as b
    where b.org_id = $1 and b.status = $3 and b.created_at <= $4
        and b.external_ref is null  -- an imported booking moves as its source says
        and coalesce((
            select max(h.changed_at) from app.booking_status_history as h
            where h.org_id = $1 and h.booking_id = b.id and h.to_status = $3
        ), b.created_at) <= $4
    order by b.id limit $6
    for update skip locked
),

changed as (
    update app.bookings as b set
        status = $5,
        cancel_reason = case when $8 then $7 else b.cancel_reason end,
        cancelled_at = case when $8 then $2 else b.cancelled_at end,
        completed_at = case when $5 = 'completed' then $2 else b.completed_at end
    from due where b.org_id = $1 and b.id = due.id
    returning b.id
)

insert into app.booking_status_history (org_id, booking_id, from_status, to_status, reason, changed_at)
select $1, id, $3, $5, $7, $2 from changed
returning booking_id
"""
MARK_OVERDUE: Final = """
with due as (
    select i.id from app.invoices as i
    where i.org_id = $1 and i.status in ('issued', 'part_paid') and i.due_at < $2
        and i.external_ref is null  -- an imported invoice is what its source says
    order by i.id limit $3
    for update skip locked
)

update app.invoices as i set status = app.invoice_status(i.status, i.total_amount, coalesce((
    select sum(case p.kind when 'refund' then -p.amount else p.amount end) from app.payments as p
    where p.org_id = $1 and p.invoice_id = i.id and p.status = 'succeeded'
), 0), i.due_at, $2)
from due where i.org_id = $1 and i.id = due.id
returning i.id
"""
PRUNE: Final = {
    "events_pruned": ("delete from app.live_changes where created_at < $1", EVENTS_KEPT),
    "idempotency_keys_pruned": ("delete from app.idempotency_keys where created_at < $1", IDEMPOTENCY_KEPT),
}


async def run_due(pool: Pool, as_of: datetime) -> dict[str, int]:
    """Do all that is due at `as_of`; what was done, by kind. Repeatable: what is done is not due again.

    `pool`: connections of the owner of the tables, whom row security does not bind.
    """
    counts: Counter[str] = Counter(expired=0, completed=0, overdue=0)
    for organization in await pool.fetch(SELECT_ORGANIZATIONS):
        for rule in UNANSWERED:
            target = lifecycle.decide(rule.action, rule.status, "system", frozenset()).target
            counts[target] += await _repeat(pool, organization["id"], as_of, rule)
        counts["overdue"] += await _repeat(pool, organization["id"], as_of, None)
    for name, (statement, kept) in PRUNE.items():
        done = await pool.execute(statement, as_of - kept)
        counts[name] = int(done.split()[-1])
    return dict(counts)


async def _repeat(pool: Pool, org_id: UUID, as_of: datetime, rule: Unanswered | None) -> int:
    """Transactions of BATCH rows each until nothing is due; how many rows in all. None: invoices past due."""

    async def step(tx: Tx) -> int:
        return await _mark_overdue(tx) if rule is None else await _take_step(tx, rule)

    total = 0
    while done := await transaction.run(pool, System(org_id), step, at=as_of, timeout_ms=TIMEOUT_MS):
        total += done
        if done < BATCH:
            break
    return total


async def _take_step(tx: Tx, rule: Unanswered) -> int:
    target = lifecycle.decide(rule.action, rule.status, tx.caller.role, frozenset()).target
    since = tx.at - timedelta(days=rule.days)
    is_end = target in lifecycle.CANCELLED
    rows = await tx.rows(TAKE_STEP, tx.org_id, tx.at, rule.status, since, target, BATCH, rule.reason, is_end)
    if rows and target in UNPAID_VOID:
        await void_unpaid(tx, [row["booking_id"] for row in rows], target)
    return len(rows)


async def _mark_overdue(tx: Tx) -> int:
    return len(await tx.rows(MARK_OVERDUE, tx.org_id, tx.at, BATCH))
