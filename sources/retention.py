"""How long the Hub keeps what it needs for a time only: one rule a table, which the hourly job applies.

The only definition: the job, the tests and the table of docs/people.md are made from it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sources.operations.transaction import Pool

BATCH: Final = 5000  # rows per transaction: ingestion's watermark is held back only briefly


@dataclass(frozen=True)
class Rule:
    """Rows of `table` (in schema app) are deleted `days` after the moment in `column`, if `condition` holds.

    `empties`: the assignments that empty the row instead, which then meets `condition` no more.
    """

    table: str
    column: str
    days: int
    what: str
    why: str
    condition: str = "true"
    empties: str = ""

    def statement(self) -> str:
        """Return the statement that changes at most $2 rows that are due at $1."""
        change = f"update app.{self.table} set {self.empties}" if self.empties else f"delete from app.{self.table}"  # noqa: S608
        due = f"select id from app.{self.table} where {self.column} < $1 and {self.condition} limit $2"  # noqa: S608
        return f"{change} where id in ({due})"  # names and conditions of this file


# A delivery is what keeps a message from being sent twice: it goes only with what could be told again.
_OVER: Final = (
    "state in ('sent', 'dead') and (insight_id is null or exists (select from app.insight_events as insights "
    "where insights.id = notification_deliveries.insight_id and insights.resolved_at < $1))"
)
RULES: Final = (
    Rule("live_changes", "created_at", 7, "pending live changes", "readers resume within this time"),
    Rule("idempotency_keys", "created_at", 1, "keys of requests, with the responses", "requests are repeated in it"),
    Rule("sessions", "created_at", 30, "sign-in links and sessions", "every session has ended; the audit log stays"),
    Rule(
        "processor_events", "created_at", 90, "payloads of payment processors",
        "disputes are settled; the payment and the id of the event stay", "status <> 'waiting' and payload <> '{}'",
        "payload = '{}'",
    ),
    Rule(
        "notification_deliveries", "told_at", 400, "sent messages: to whom, when, with which result",
        "the same day of the year before can be looked up; not while the insight is open", _OVER,
    ),
    Rule(
        "notifications", "created_at", 400, "notifications in the pages",
        "as messages", "exists (select from app.insight_events as insights "
        "where insights.id = notifications.insight_id and insights.resolved_at < $1)",
    ),
    Rule(
        "import_jobs", "created_at", 1, "checked files of which nobody asked for the import; after 400 days also "
        "imports from the page, with their rejected rows", "the check is repeated in a moment",
        "(state = 'checked' or state in ('done', 'failed') and created_at < $1 - interval '399 days')",
    ),
    Rule(
        "import_rejections", "created_at", 400, "rejected rows of imports, with their values",
        "the file is corrected and imported again",
    ),
)  # fmt: skip
DAGSTER_DAYS: Final = 90  # of runs that have ended and their event logs
DAGSTER_WHY: Final = "failures are looked into; the run that last made an asset stays"


async def apply(pool: Pool, as_of: datetime) -> dict[str, int]:
    """Apply every rule at `as_of`; return the number of rows by table. A repeat changes nothing.

    `pool`: connections of the owner of the tables, to whom row security does not apply.
    """
    counts = {}
    for rule in RULES:
        total, changed = 0, BATCH
        while changed == BATCH:
            tag = await pool.execute(rule.statement(), as_of - timedelta(days=rule.days), BATCH)
            changed = int(tag.split()[-1])
            total += changed
        counts[f"{rule.table}_pruned"] = total
    return counts


def table() -> str:
    """Return the rules as a table in Markdown."""
    rows = [(f"`app.{rule.table}`", rule.what, rule.days, rule.why) for rule in RULES]
    rows.append(("Dagster's storage", "runs that have ended, and their event logs", DAGSTER_DAYS, DAGSTER_WHY))
    lines = ["| where | what | days | why |", "|---|---|---|---|"]
    return "\n".join([*lines, *(f"| {' | '.join(map(str, row))} |" for row in rows)])
