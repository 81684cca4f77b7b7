"""Commands `hub insights`: list insights, react to them, and what the Hub learns from that."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final, LiteralString, TypeVar, cast
from uuid import UUID

import typer
from pydantic import ValidationError
from rich.markup import escape

from cli import common
from cli.common import AsJson, console
from cli.operations import run_operation
from insights.continuity import identity
from insights.feedback import Bar, bars_of
from insights.organizations import organizations_of_run
from notifications import queries
from sources import database, formatting
from sources.errors import HubError
from sources.insight_values import DISMISSAL_REASONS, SEVERITIES
from sources.operations.communication.insights import (
    Dismissal,
    DismissalReason,
    KnownEvent,
    Rating,
    Reaction,
    rate_insight,
    react_to_insight,
    undo_lesson,
)
from sources.operations.transaction import Tx
from sources.row_values import CALENDAR_EVENT_KINDS, DEFAULT_LOCALE
from sources.settings import get_settings

app = typer.Typer(help="List insights and react to them. Example: hub insights list", no_args_is_help=True)
learnt_app = typer.Typer(help="What was learnt from feedback. Example: hub insights learnt list", no_args_is_help=True)
app.add_typer(learnt_app, name="learnt")

T = TypeVar("T")

REQUESTS_SHOWN: Final = 20

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
    common.print_rows(
        rows,
        {
            "Id": lambda row: str(row["id"])[-8:],
            "Organisation": lambda row: row["slug"],
            "Severity": lambda row: row["severity"],
            "Day": lambda row: row["day"],
            "Status": lambda row: row["status"],
            "Title": lambda row: row["title"],
        },
        as_json=as_json,
        nothing="No insight is open. `hub run` looks for new ones; --all includes closed ones.",
        note="`hub insights show ID` shows one in full.",
    )


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
    for sentence in [*(effect["sentence"] for effect in row["effects"]), *row["facts"]]:
        console.print(sentence, markup=False)
    if row["recommendation"]:
        console.print(f"What to do: {row['recommendation']}", markup=False)
    for action in row["actions"]:
        console.print(f"  {action['text']}", markup=False)


@app.command()
def generate() -> None:
    """Request insights from the running Hub (`hub up`) now. Example: hub insights generate

    Without a running Hub, `hub run` generates them.
    """
    settings = common.prepared()
    with database.connect(database.database_url(settings)) as connection:
        row = connection.execute("select app.request_insights(null, 'hub insights generate')").fetchone()
    console.print(f"Requested as {row[0] if row else ''}: a sensor of the running Hub starts it within a minute.")


@app.command()
def requests(as_json: AsJson = False) -> None:
    """List the latest requests for insights, and what became of them. Example: hub insights requests"""
    rows = _rows(
        """
        select request.created_at, coalesce(organization.name, 'all') as organization, request.requested_by,
            request.status, request.attempts, request.error, request.counts
        from app.insight_run_logs as request
        left join app.organizations as organization on organization.id = request.org_id
        order by request.created_at desc
        limit %(limit)s
        """,
        {"limit": REQUESTS_SHOWN},
    )
    common.print_rows(
        rows,
        {
            "Requested": lambda row: f"{row['created_at']:%Y-%m-%d %H:%M}",
            "For": lambda row: row["organization"],
            "By": lambda row: row["requested_by"] or "",
            "Status": lambda row: row["status"],
            "Runs": lambda row: row["attempts"],
            "Result": lambda row: row["error"] or ", ".join(f"{count} {name}" for name, count in row["counts"].items()),
        },
        as_json=as_json,
        nothing="No insights were requested yet: `hub insights generate` requests them.",
    )


@app.command()
def acknowledge(insight: InsightId, feedback: Feedback = None) -> None:
    """Mark an insight as acknowledged: somebody works on it. Example: hub insights acknowledge 3fa2c1d9"""
    _set_status(insight, "acknowledged", feedback)


@app.command()
def resolve(insight: InsightId, feedback: Feedback = None) -> None:
    """Mark an insight as resolved. Example: hub insights resolve 3fa2c1d9 --feedback "Card terminal replaced\""""
    _set_status(insight, "resolved", feedback)


@app.command()
def dismiss(
    insight: InsightId,
    reason: Annotated[
        str | None, typer.Option("--reason", help=f"What the Hub learns: one of {', '.join(DISMISSAL_REASONS)}.")
    ] = None,
    title: Annotated[str | None, typer.Option("--title", help="Of a known event: it is added to the calendar.")] = None,
    kind: Annotated[
        str, typer.Option("--kind", help=f"Of a known event: one of {', '.join(CALENDAR_EVENT_KINDS)}.")
    ] = "event",
    starts_on: Annotated[
        str | None, typer.Option("--from", metavar="DATE", help="Of a known event; by default the insight's first day.")
    ] = None,
    ends_on: Annotated[
        str | None, typer.Option("--to", metavar="DATE", help="Of a known event; by default the insight's last day.")
    ] = None,
    feedback: Feedback = None,
) -> None:
    """Dismiss an insight; the same one is not opened again while it lasts.

    Example: hub insights dismiss 3fa2c1d9 --reason known_event --title "Spring fair"
    """
    try:
        dismissal = Dismissal(
            feedback=feedback or None,
            reason=cast(DismissalReason | None, reason),
            event=KnownEvent.model_validate(
                {"title": title, "kind": kind, "starts_on": common.day(starts_on), "ends_on": common.day(ends_on)}
            )
            if title
            else None,
        )
    except ValidationError as error:
        raise HubError("; ".join(each["msg"].removeprefix("Value error, ") for each in error.errors())) from None
    row = _find(insight)
    _change(
        row["org_id"],
        lambda tx: react_to_insight(
            tx, row["id"], "dismissed", dismissal.feedback, reason=dismissal.reason, event=dismissal.event
        ),
    )
    console.print(f"“{row['title']}” is dismissed.", markup=False)
    if reason:
        console.print("`hub insights learnt list` shows what was learnt, and can undo it.")


@app.command()
def useful(
    insight: InsightId,
    useful: Annotated[bool, typer.Option("--yes/--no", help="Whether it was useful.")] = True,
    feedback: Feedback = None,
) -> None:
    """Say whether an insight was useful. Example: hub insights useful 3fa2c1d9"""
    row = _find(insight)
    _change(row["org_id"], lambda tx: rate_insight(tx, row["id"], Rating(useful=useful, feedback=feedback or None)))
    console.print(f"“{row['title']}” is marked as {'' if useful else 'not '}useful.", markup=False)


@learnt_app.command("list")
def list_learnt(
    everything: Annotated[bool, typer.Option("--all", help="Include what was undone.")] = False,
    as_json: AsJson = False,
) -> None:
    """List what people said about insights, and what follows. Example: hub insights learnt list"""
    rows = _rows(
        """
        select feedback.id, feedback.org_id, organizations.slug, feedback.given_at, feedback.given_by,
            feedback.reason, insights.title, feedback.kind, feedback.metric, feedback.dimension, feedback.member,
            feedback.direction, feedback.size, feedback.comment, feedback.undone_at
        from app.insight_feedback as feedback
        inner join app.insight_events as insights on insights.id = feedback.insight_id
        left join app.organizations as organizations on organizations.id = feedback.org_id
        where %(everything)s or feedback.undone_at is null
        order by feedback.id desc
        """,
        {"everything": everything},
    )
    bars = _bars()
    for row in rows:
        row["effect"] = _effect(row, bars)
    common.print_rows(
        rows,
        {
            "Id": lambda row: str(row["id"])[-8:],
            "Organisation": lambda row: row["slug"],
            "Given": lambda row: f"{row['given_at']:%Y-%m-%d} by {row['given_by']}",
            "Reason": lambda row: row["reason"],
            "Insight": lambda row: row["title"],
            "What follows": lambda row: row["effect"],
        },
        as_json=as_json,
        nothing="Nothing was learnt yet: `hub insights dismiss ID --reason ...` and `hub insights useful ID` teach.",
        note="`hub insights learnt undo ID` undoes one.",
    )


@learnt_app.command("undo")
def undo_learnt(lesson: Annotated[str, typer.Argument(help="The id of the feedback, or enough of its end.")]) -> None:
    """Undo what was learnt from one feedback. Example: hub insights learnt undo 3fa2c1d9"""
    rows = _rows(
        "select id, org_id from app.insight_feedback where right(id::text, length(%(end)s)) = %(end)s",
        {"end": lesson.lower()},
    )
    if len(rows) != 1:
        subject = "No feedback has" if not rows else f"{len(rows)} feedbacks have"
        raise HubError(f"{subject} an id that ends in {lesson!r}; `hub insights learnt list --all` lists them.")
    undone = _change(rows[0]["org_id"], lambda tx: undo_lesson(tx, rows[0]["id"]))
    console.print(f"Undone: “{undone.title}” was {undone.reason}.", markup=False)


def _bars() -> dict[tuple[UUID, str], Bar]:
    """Return the bars of every organisation, by organisation and identity of an alarm."""
    with database.connect(database.database_url(get_settings())) as connection:
        if not database.records(
            connection, "select 1 where to_regclass('staging.stg_app__organizations') is not null", {}
        ):
            return {}
        return {
            (organization.id, key): bar
            for organization in organizations_of_run(connection)
            for key, bar in bars_of(connection, organization).items()
        }


def _effect(lesson: dict[str, Any], bars: dict[tuple[UUID, str], Bar]) -> str:
    """Return what follows from a feedback now, as a sentence."""
    if lesson["undone_at"]:
        return "Undone."
    if lesson["reason"] == "known_event":
        return "The event is in the calendar."
    bar = bars.get((lesson["org_id"], identity(lesson)))
    if bar is None or bar.of.amount is None:
        return "Nothing is held back." if lesson["reason"] == "useful" else "It has faded."
    return f"Raised again from {bar.times * bar.of.amount:,.0f} on ({bar.times:.2f} times what was dismissed)."


def _set_status(insight: str, reaction: Reaction, feedback: str | None) -> None:
    row = _find(insight)
    _change(row["org_id"], lambda tx: react_to_insight(tx, row["id"], reaction, feedback or None))
    console.print(f"“{row['title']}” is {reaction}.", markup=False)


def _change(org_id: UUID, operation: Callable[[Tx], Awaitable[T]]) -> T:
    return run_operation(database.database_url(get_settings()), org_id, operation)


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

    with formatting.in_locale(organization.locale if organization else DEFAULT_LOCALE):
        return [
            f"{driver['member_name']}: {figure(driver['value'])}, expected {figure(driver['expected'])}"
            for driver in insight["drivers"]
        ]


def _rows(query: LiteralString, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    settings = common.prepared()
    with database.connect(database.database_url(settings)) as connection:
        return database.records(connection, query, parameters)
