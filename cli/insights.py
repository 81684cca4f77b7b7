"""Commands `hub insights`: list insights and set their status."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any, LiteralString

import typer
from rich.markup import escape
from rich.table import Table

from cli import common
from cli.common import AsJson, console
from notifications import queries
from sources import database, formatting
from sources.errors import HubError
from sources.insight_values import SEVERITIES
from sources.operations import transaction
from sources.operations.communication.insights import Reaction, react_to_insight
from sources.operations.errors import Refusal
from sources.settings import get_settings

app = typer.Typer(help="List insights and set their status. Example: hub insights list", no_args_is_help=True)

InsightId = Annotated[str, typer.Argument(help="The id of the insight, or enough of its end to be unique.")]
Feedback = Annotated[str | None, typer.Option("--feedback", help="A reason, stored with the insight.")]


@app.command("list")
def list_insights(
    everything: Annotated[bool, typer.Option("--all", help="Include resolved and dismissed insights.")] = False,
    as_json: AsJson = False,
) -> None:
    """List open insights, the most severe first. Example: hub insights list --json"""
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
        console.print("No insight is open. `hub run` looks for new ones; --all includes closed ones.")
        return
    table = Table("Id", "Organisation", "Severity", "Day", "Status", "Title")
    for row in rows:
        table.add_row(
            str(row["id"])[-8:], row["slug"], row["severity"], str(row["day"]), row["status"], escape(row["title"])
        )
    console.print(table)
    console.print("`hub insights show ID` shows one in full.")


@app.command()
def show(insight: InsightId, as_json: AsJson = False) -> None:
    """Show one insight in full. Example: hub insights show 3fa2c1d9"""
    row = _find(insight)
    if as_json:
        common.print_json(row)
        return
    console.print(f"[bold]{escape(row['title'])}[/]  ({row['severity']}, {row['status']}, {row['day']})")
    console.print(row["summary"], markup=False)
    for driver in _drivers(row):
        console.print(f"  {driver}", markup=False)
    if row["recommendation"]:
        console.print(f"What to do: {row['recommendation']}", markup=False)


@app.command()
def generate() -> None:
    """Request insights from the running Hub (`hub up`) now. Example: hub insights generate

    Without a running Hub, `hub run` generates them.
    """
    settings = common.prepared()
    with database.connect(database.database_url(settings)) as connection:
        row = connection.execute(
            "insert into app.insight_run_logs (requested_by) values ('hub insights generate') returning id"
        ).fetchone()
    console.print(f"Requested as {row[0] if row else ''}: a sensor of the running Hub starts it within a minute.")


@app.command()
def acknowledge(insight: InsightId, feedback: Feedback = None) -> None:
    """Mark an insight as acknowledged: somebody works on it. Example: hub insights acknowledge 3fa2c1d9"""
    _set_status(insight, "acknowledged", feedback)


@app.command()
def resolve(insight: InsightId, feedback: Feedback = None) -> None:
    """Mark an insight as resolved. Example: hub insights resolve 3fa2c1d9 --feedback "Card terminal replaced\""""
    _set_status(insight, "resolved", feedback)


@app.command()
def dismiss(insight: InsightId, feedback: Feedback = None) -> None:
    """Dismiss an insight; the same one is not opened again. Example: hub insights dismiss 3fa2c1d9"""
    _set_status(insight, "dismissed", feedback)


def _set_status(insight: str, reaction: Reaction, feedback: str | None) -> None:
    row = _find(insight)
    try:
        asyncio.run(_react(row, reaction, feedback or None))
    except Refusal as refusal:
        raise HubError(str(refusal)) from None
    console.print(f"“{row['title']}” is {reaction}.", markup=False)


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


def _find(insight: str) -> dict[str, Any]:
    rows = _rows(
        "select * from app.insight_events where right(id::text, length(%(end)s)) = %(end)s", {"end": insight.lower()}
    )
    if len(rows) != 1:
        subject = "No insight has" if not rows else f"{len(rows)} insights have"
        raise HubError(f"{subject} an id that ends in {insight!r}; `hub insights list --all` lists them.")
    return rows[0]


def _drivers(insight: dict[str, Any]) -> list[str]:
    """Return a line for each driver of an insight, with its figures in the unit of the metric.

    The figures of an unknown metric have two decimals.
    """
    with database.connect(database.database_url(get_settings())) as connection:
        metric = queries.metrics_by_name(connection).get(insight["metric"])
        organization = queries.find_organization(connection, insight["org_id"])
    currency = organization.currency if organization else None

    def figure(value: float) -> str:
        return formatting.figure(value, metric.unit, currency) if metric else f"{value:,.2f}"

    return [
        f"{driver['member_name']}: {figure(driver['value'])}, expected {figure(driver['expected'])}"
        for driver in insight["drivers"]
    ]


def _rows(query: LiteralString, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    settings = common.prepared()
    with database.connect(database.database_url(settings)) as connection:
        return database.records(connection, query, parameters)
