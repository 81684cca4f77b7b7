"""hub insights: what is open, and what people did about it."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any, LiteralString

import typer
from rich.table import Table

from cli import common
from cli.common import AsJson, console
from sources import database
from sources.errors import HubError
from sources.insight_values import SEVERITIES
from sources.operations import transaction
from sources.operations.errors import Refusal
from sources.operations.insights import Reaction, react_to_insight
from sources.settings import get_settings

app = typer.Typer(help="See insights, and say what you did about them.", no_args_is_help=True)

InsightId = Annotated[str, typer.Argument(help="The insight's id, or as much of its end as makes it clear.")]
Feedback = Annotated[str | None, typer.Option("--feedback", help="Why; kept with the insight.")]


@app.command("list")
def list_insights(
    everything: Annotated[bool, typer.Option("--all", help="Also what is resolved or dismissed.")] = False,
    as_json: AsJson = False,
) -> None:
    """List what is open, the gravest first. Example: hub insights list --json"""
    rows = _rows(
        """
        select insight.id, organization.slug, insight.severity, insight.kind, insight.day, insight.status,
            insight.title, insight.impact
        from app.insight_events as insight
        left join app.organizations as organization on organization.id = insight.org_id
        where %(everything)s or insight.status in ('open', 'acknowledged')
        order by array_position(%(severities)s::text[], insight.severity), insight.day desc, insight.id
        """,
        {"everything": everything, "severities": list(SEVERITIES)},
    )
    if as_json:
        common.print_json(rows)
        return
    if not rows:
        console.print("Nothing is open. `hub run` looks for what is new; --all shows what is over.")
        return
    table = Table("Id", "Organisation", "Severity", "Day", "Status", "What")
    for row in rows:
        table.add_row(str(row["id"])[-8:], row["slug"], row["severity"], str(row["day"]), row["status"], row["title"])
    console.print(table)
    console.print("`hub insights show ID` tells the whole of one.")


@app.command()
def show(insight: InsightId, as_json: AsJson = False) -> None:
    """Tell the whole of one insight. Example: hub insights show 3fa2c1d9"""
    row = _one(insight)
    if as_json:
        common.print_json(row)
        return
    console.print(f"[bold]{row['title']}[/]  ({row['severity']}, {row['status']}, {row['day']})\n{row['summary']}")
    for driver in row["drivers"]:
        console.print(f"  {driver['member_name']}: {driver['value']:,.2f}, expected {driver['expected']:,.2f}")
    if row["recommendation"]:
        console.print(f"What to do: {row['recommendation']}")


@app.command()
def generate() -> None:
    """Ask the running Hub (`hub up`) for insights now; `hub run` makes them without it."""
    settings = common.prepared()
    with database.connect(database.database_url(settings)) as connection:
        row = connection.execute(
            "insert into app.insight_run_logs (requested_by) values ('hub insights generate') returning id"
        ).fetchone()
    console.print(f"Asked for, as {row[0] if row else ''}: a sensor of the running Hub picks it up within a minute.")


@app.command()
def acknowledge(insight: InsightId, feedback: Feedback = None) -> None:
    """Say that you are on it. Example: hub insights acknowledge 3fa2c1d9"""
    _set_status(insight, "acknowledged", feedback)


@app.command()
def resolve(insight: InsightId, feedback: Feedback = None) -> None:
    """Say that it is over. Example: hub insights resolve 3fa2c1d9 --feedback "Card terminal replaced\""""
    _set_status(insight, "resolved", feedback)


@app.command()
def dismiss(insight: InsightId, feedback: Feedback = None) -> None:
    """Say that it is no news; the same thing is not raised again. Example: hub insights dismiss 3fa2c1d9"""
    _set_status(insight, "dismissed", feedback)


def _set_status(insight: str, reaction: Reaction, feedback: str | None) -> None:
    row = _one(insight)
    try:
        asyncio.run(_react(row, reaction, feedback or None))
    except Refusal as refusal:
        raise HubError(str(refusal)) from None
    console.print(f"“{row['title']}” is {reaction}.")


async def _react(row: dict[str, Any], reaction: Reaction, feedback: str | None) -> None:
    settings = get_settings()
    pool = await transaction.make_pool(database.database_url(settings), 1)
    try:
        await transaction.run(
            pool,
            transaction.System(row["org_id"]),
            lambda tx: react_to_insight(tx, row["id"], reaction, feedback),
            at=datetime.now(UTC),
            timeout_ms=settings.statement_timeout_ms,
        )
    finally:
        await pool.close()


def _one(insight: str) -> dict[str, Any]:
    rows = _rows(
        "select * from app.insight_events where right(id::text, length(%(end)s)) = %(end)s", {"end": insight.lower()}
    )
    if len(rows) != 1:
        which = "No insight has" if not rows else f"{len(rows)} insights have"
        raise HubError(f"{which} an id that ends in {insight!r}; `hub insights list --all` shows them.")
    return rows[0]


def _rows(query: LiteralString, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    settings = common.prepared()
    with database.connect(database.database_url(settings)) as connection:
        return database.records(connection, query, parameters)
