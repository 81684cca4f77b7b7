"""The hourly job of timed transitions: requests expire, invoices become overdue, old rows are pruned."""

import asyncio
from datetime import UTC, datetime
from typing import Final

import dagster as dg
from pydantic import Field

from dagster_project.ingestion.run_clock import parse_moment
from sources import database
from sources.operations.bookings.timed_transitions import run_due
from sources.operations.transaction import make_pool
from sources.settings import Settings, get_settings

POOL_SIZE: Final = 1  # one transaction after the other


class Moment(dg.Config):
    """The moment as of which transitions are due."""

    as_of: str | None = Field(None, description="ISO 8601; empty: now.")


@dg.op(description="Applies the due transitions of bookings and invoices, each with its row of history.")
def take_due_transitions(context: dg.OpExecutionContext, config: Moment) -> None:
    settings = get_settings()
    if database.source_url(settings) != database.database_url(settings):
        context.log.info(
            "The operational tables are on another server (HUB_SOURCE_URL), which is read-only: nothing to do."
        )
        return
    as_of = parse_moment(config.as_of, "as_of") if config.as_of else datetime.now(UTC)
    done = asyncio.run(_run(settings, as_of))
    context.log.info("Done: " + ", ".join(f"{name} {count}" for name, count in done.items()) + ".")
    context.add_output_metadata(done)


async def _run(settings: Settings, as_of: datetime) -> dict[str, int]:
    pool = await make_pool(database.database_url(settings), POOL_SIZE, settings.secret("api_entry_secret"))
    try:
        return await run_due(pool, as_of)
    finally:
        await pool.close()


@dg.job(description="Due transitions of bookings and invoices: expired, completed, overdue. Prunes old rows as well.")
def transitions_job() -> None:
    take_due_transitions()
