"""How fresh and how whole the data is: landings, the last build, failed steps and checks, requests, rejected rows."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from dashboard.access import Visitor
from sources.freshness import LATE_AFTER, STALE_AFTER
from sources.operations.transaction import Tx

SHOWN_RUNS: Final = 10
SHOWN_REJECTIONS: Final = 50

_FRESHNESS: Final = "select table_name, loaded_at from app.data_freshness() order by table_name"
_FAILED: Final = "select step, as_of, message from app.failed_steps()"
_PROBLEMS: Final = """
select id, title, summary, severity, first_seen, last_seen from app.insight_events
where org_id = $1 and kind = 'pipeline' and status in ('open', 'acknowledged')
order by last_seen desc
"""
_RUNS: Final = """
select as_of, status, requested_by, error, counts, started_at, finished_at, created_at from app.insight_run_logs
where org_id = $1 order by created_at desc limit $2
"""
_REJECTED_FILES: Final = """
select mapping, file_name, count(*) as values, count(distinct row_key) as rows, max(created_at) as last
from app.import_rejections where org_id = $1
group by mapping, file_name order by last desc
"""
_REJECTIONS: Final = """
select file_name, row_number, field, value, message from app.import_rejections
where org_id = $1 order by created_at desc, file_name, row_number limit $2
"""


@dataclass(frozen=True, slots=True)
class DataHealth:
    """Rows as they are shown. `landed` has each operational table with its last landing."""

    landed: list[dict[str, Any]]
    built_at: Any
    failed: list[dict[str, Any]]
    problems: list[dict[str, Any]]
    runs: list[dict[str, Any]]
    rejected_files: list[dict[str, Any]]
    rejections: list[dict[str, Any]]

    @property
    def landed_at(self) -> Any:
        """When the last of the operational tables was landed; None before the first landing."""
        return max((row["loaded_at"] for row in self.landed), default=None)

    def overdue(self, now: datetime) -> dict[str, str]:
        """Return the tables whose last landing is too old at `now`: name -> late or stale."""
        ages = {row["table_name"]: now - row["loaded_at"] for row in self.landed}
        return {table: "stale" if age >= STALE_AFTER else "late" for table, age in ages.items() if age >= LATE_AFTER}


async def read_data_health(visitor: Visitor) -> DataHealth:
    async def read(tx: Tx) -> DataHealth:
        async def rows(query: str, *values: object) -> list[dict[str, Any]]:
            return [dict(row) for row in await tx.rows(query, *values)]

        fresh = await rows(_FRESHNESS)
        return DataHealth(
            landed=[row for row in fresh if row["table_name"] != "figures"],
            built_at=next((row["loaded_at"] for row in fresh if row["table_name"] == "figures"), None),
            failed=await rows(_FAILED),
            problems=await rows(_PROBLEMS, visitor.org_id),
            runs=await rows(_RUNS, visitor.org_id, SHOWN_RUNS),
            rejected_files=await rows(_REJECTED_FILES, visitor.org_id),
            rejections=await rows(_REJECTIONS, visitor.org_id, SHOWN_REJECTIONS),
        )

    return await visitor.run(read)
