"""Changes that become due by time: requests without an answer, overdue invoices, and rows to prune."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sources import lifecycle
from sources.lifecycle import COMPLETES_AFTER_DAYS, EXPIRES_AFTER_DAYS
from sources.operations import transaction
from sources.operations.money.balance import derived_status
from sources.operations.money.effects_of_status import UNPAID_VOID, void_unpaid
from sources.operations.transaction import Pool, System, Tx

BATCH: Final = 1000  # rows per transaction: locks stay short, and ingestion's watermark is held back only briefly
TIMEOUT_MS: Final = 60_000
LIVE_CHANGES_KEPT: Final = timedelta(days=7)  # readers of live changes may resume within this time
IDEMPOTENCY_KEPT: Final = timedelta(hours=24)
IMPORT_CHECKS_KEPT: Final = timedelta(hours=24)  # checked files of which nobody asked for the import
SESSIONS_KEPT: Final = timedelta(days=30)  # after which every one has ended, and nobody asks any more who signed in


@dataclass(frozen=True)
class TimedTransition:
    """An automatic transition of a booking that has been in `status` for `days`."""

    action: str
    status: str
    days: int
    reason: str


TIMED_TRANSITIONS: Final = (
    TimedTransition("expire", "requested", EXPIRES_AFTER_DAYS, f"unanswered for {EXPIRES_AFTER_DAYS} days"),
    TimedTransition(
        "accept",
        "delivered",
        COMPLETES_AFTER_DAYS,
        f"delivery unanswered for {COMPLETES_AFTER_DAYS} days",
    ),
)

SELECT_ORGANIZATIONS: Final = "select id from app.organizations order by id"
# The time of entry into a status is that of the latest history row with this status; without such a row, the creation
# of the booking. $3: the status, $4: a booking is due if it entered the status at this time or before.
CHANGE_STATUS: Final = """
with due as (
    select bookings.id from app.bookings as bookings
    where bookings.org_id = $1 and bookings.status = $3 and bookings.created_at <= $4
        and bookings.external_ref is null  -- the status of an imported booking follows its source
        and coalesce((
            select max(history.changed_at) from app.booking_status_history as history
            where history.org_id = $1 and history.booking_id = bookings.id and history.to_status = $3
        ), bookings.created_at) <= $4
    order by bookings.id limit $6
    for update skip locked
),

changed as (
    update app.bookings as bookings set
        status = $5,
        cancel_reason = case when $8 then $7 else bookings.cancel_reason end,
        cancelled_at = case when $8 then $2 else bookings.cancelled_at end,
        completed_at = case when $5 = 'completed' then $2 else bookings.completed_at end
    from due where bookings.org_id = $1 and bookings.id = due.id
    returning bookings.id
)

insert into app.booking_status_history (org_id, booking_id, from_status, to_status, reason, changed_at)
select $1, id, $3, $5, $7, $2 from changed
returning booking_id
"""
MARK_OVERDUE: Final = f"""
with due as (
    select invoices.id from app.invoices as invoices
    where invoices.org_id = $1 and invoices.status in ('issued', 'part_paid') and invoices.due_at < $2
        and invoices.external_ref is null  -- the status of an imported invoice follows its source
    order by invoices.id limit $3
    for update skip locked
)

update app.invoices as invoices set status = {derived_status("$2")}
from due where invoices.org_id = $1 and invoices.id = due.id
returning invoices.id
"""  # noqa: S608  constants of this package
PRUNE: Final = {
    "live_changes_pruned": ("delete from app.live_changes where created_at < $1", LIVE_CHANGES_KEPT),
    "idempotency_keys_pruned": ("delete from app.idempotency_keys where created_at < $1", IDEMPOTENCY_KEPT),
    "import_checks_pruned": (
        "delete from app.import_jobs where state = 'checked' and created_at < $1",
        IMPORT_CHECKS_KEPT,
    ),
    "sessions_pruned": ("delete from app.sessions where created_at < $1", SESSIONS_KEPT),
}


async def run_due(pool: Pool, as_of: datetime) -> dict[str, int]:
    """Make every change that is due at `as_of`; return the number of rows changed by kind. A repeat changes nothing.

    `pool`: connections of the owner of the tables, to whom row security does not apply.
    """
    counts: Counter[str] = Counter(expired=0, completed=0, overdue=0)
    for organization in await pool.fetch(SELECT_ORGANIZATIONS):
        for rule in TIMED_TRANSITIONS:
            target = lifecycle.decide(rule.action, rule.status, "system", frozenset()).target
            counts[target] += await _run_batches(pool, organization["id"], as_of, rule)
        counts["overdue"] += await _run_batches(pool, organization["id"], as_of, None)
    for name, (statement, kept) in PRUNE.items():
        command_tag = await pool.execute(statement, as_of - kept)
        counts[name] = int(command_tag.split()[-1])
    return dict(counts)


async def _run_batches(pool: Pool, org_id: UUID, as_of: datetime, rule: TimedTransition | None) -> int:
    """Change BATCH rows per transaction until none is due; return their number. `rule` None: mark overdue invoices."""

    async def change_batch(tx: Tx) -> int:
        return await _mark_overdue(tx) if rule is None else await _change_status(tx, rule)

    total = 0
    while changed := await transaction.run(pool, System(org_id), change_batch, at=as_of, timeout_ms=TIMEOUT_MS):
        total += changed
        if changed < BATCH:
            break
    return total


async def _change_status(tx: Tx, rule: TimedTransition) -> int:
    target = lifecycle.decide(rule.action, rule.status, tx.caller.role, frozenset()).target
    since = tx.at - timedelta(days=rule.days)
    is_end = target in lifecycle.CANCELLED
    rows = await tx.rows(CHANGE_STATUS, tx.org_id, tx.at, rule.status, since, target, BATCH, rule.reason, is_end)
    if rows and target in UNPAID_VOID:
        await void_unpaid(tx, [row["booking_id"] for row in rows], target)
    return len(rows)


async def _mark_overdue(tx: Tx) -> int:
    return len(await tx.rows(MARK_OVERDUE, tx.org_id, tx.at, BATCH))
