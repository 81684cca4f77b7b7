"""The hourly job: requests expire, invoices become overdue, and what was kept long enough is deleted."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final

import dagster as dg
from pydantic import Field

from dagster_project.automation.retention import prune_runs
from dagster_project.ingestion.run_clock import parse_moment
from sources import database, retention
from sources.operations.bookings.timed_transitions import run_due
from sources.operations.transaction import Pool, make_pool
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
    done = asyncio.run(_run(settings, lambda pool: run_due(pool, as_of)))
    context.log.info("Done: " + ", ".join(f"{name} {count}" for name, count in done.items()) + ".")
    context.add_output_metadata(done)


async def _run(settings: Settings, operation: Callable[[Pool], Awaitable[dict[str, int]]]) -> dict[str, int]:
    pool = await make_pool(database.database_url(settings), POOL_SIZE, settings.secret("api_entry_secret"))
    try:
        return await operation(pool)
    finally:
        await pool.close()


@dg.op(description="Deletes what was kept long enough: rows of the Hub's own tables, and old runs of Dagster.")
def apply_retention(context: dg.OpExecutionContext) -> None:
    now = datetime.now(UTC)
    done = asyncio.run(_run(get_settings(), lambda pool: retention.apply(pool, now)))
    done["runs_pruned"] = prune_runs(context.instance, now)
    context.log.info("Done: " + ", ".join(f"{name} {count}" for name, count in done.items()) + ".")
    context.add_output_metadata(done)


@dg.job(description="Due transitions of bookings and invoices: expired, completed, overdue. Deletes old rows as well.")
def transitions_job() -> None:
    take_due_transitions()
    apply_retention()
