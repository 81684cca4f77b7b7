"""The explorer: any metric by any of its dimensions, in any days, beside up to three comparisons; and as CSV."""

from dataclasses import dataclass
from datetime import date
from typing import Final
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request, Response
from pydantic import ValidationError

from dashboard.access import Owner, SentForm, Visitor
from dashboard.downloads import csv_download, inert
from dashboard.forms import Rejected, submit
from dashboard.rendering import PageRoute, leads_to, page
from notifications import panels
from notifications.panels import Panel
from sources.operations import figures, saved_views
from sources.operations.errors import Refusal
from sources.operations.explorations import Exploration, values_of
from sources.operations.figures import TOTAL, Member, Metric
from sources.operations.saved_views import NewTile, SavedView
from sources.operations.transaction import Tx

router = APIRouter(route_class=PageRoute, include_in_schema=False, tags=["pages"])

FIRST_SHOWN: Final = Exploration(compare=["previous", "year_ago"])
PERIODS: Final = {
    "28d": "the last 28 days", "13w": "the last 13 weeks", "12m": "the last 12 months", "24m": "the last 24 months",
    "this_month": "this month", "this_year": "this year", "own": "days of my own",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Choices:
    """What the form of the explorer offers."""

    metrics: list[Metric]
    members: list[Member]
    views: list[SavedView]


@router.get("/explore")
async def explore(visitor: Owner) -> Response:
    request = visitor.context.request
    wrong, exploration = "", FIRST_SHOWN
    if request.query_params:
        try:
            exploration = Exploration.model_validate(values_of(request.query_params.multi_items()))
        except ValidationError:
            wrong = "The address of this page is not complete. These are the figures that the explorer begins with."
    return await _shown(visitor, exploration, wrong)


async def _shown(visitor: Visitor, exploration: Exploration, wrong: str, rejected: Rejected | None = None) -> Response:
    """Return the page of an exploration; `wrong`: a sentence about what was asked for, if it cannot be shown."""
    as_of = visitor.as_of
    if as_of is None:
        return page(visitor, "not_built.html.j2")
    choices, exploration, panel, refused = await visitor.run(lambda tx: _read(tx, exploration, as_of))
    is_partial = bool(visitor.context.request.headers.get("hx-request"))  # htmx shows no page of an error
    return page(
        visitor,
        "explore.html.j2",
        status=422 if (wrong or refused or rejected) and not is_partial else 200,
        choices=choices,
        of=exploration,
        panel=panel,
        wrong=wrong or refused,
        periods=PERIODS,
        compared=panels.COMPARED,
        most_drawn=panels.MOST_DRAWN,
        most_rows=panels.MOST_ROWS,
        most_tiles=saved_views.MOST_TILES,
        rejected=rejected,
    )


async def _read(tx: Tx, exploration: Exploration, as_of: date) -> tuple[Choices, Exploration, Panel | None, str]:
    """Return the choices, the exploration with what its metric does not have left out, and its panel or a sentence."""
    metrics = (await figures.list_metrics(tx)).items
    metric = next((each for each in metrics if each.metric == exploration.metric), None)
    if metric is None:
        exploration = FIRST_SHOWN
    elif exploration.by not in metric.dimensions:
        exploration = exploration.but(by=TOTAL)
    members = await figures.list_members(tx, exploration.by) if exploration.by != TOTAL else []
    known = {member.member for member in members}
    exploration = exploration.but(member=[member for member in exploration.member if member in known])
    views = [view for view in await saved_views.list_views(tx) if view.is_own]
    choices = Choices(metrics, members, views)
    wrong = "" if metric else "There is no such metric. This is the one that the explorer begins with."
    try:
        return choices, exploration, await panels.read_panel(tx, exploration, as_of), wrong
    except Refusal as refusal:
        return choices, exploration, None, str(refusal)


@router.get("/explore.csv")
async def download_figures(visitor: Owner, request: Request) -> Response:
    """The figures of the explorer, with the same query."""
    try:
        exploration = Exploration.model_validate(values_of(request.query_params.multi_items()))
    except ValidationError:
        raise Refusal("invalid", "unknown_address", "The address of these figures is not complete.") from None
    if visitor.as_of is None:
        raise Refusal("not_found", "not_built", "There are no figures yet: the first run of the Hub builds them.")
    as_of = visitor.as_of
    panel = await visitor.run(lambda tx: panels.read_panel(tx, exploration, as_of))
    columns = ("metric", "grain", "period_start", "period_end", "is_partial", "dimension", "member", "member_label",
               "value", *exploration.compare)  # fmt: skip
    rows = (
        (
            panel.metric.metric, exploration.grain, figure.period_start, figure.period_end,
            str(figure.is_partial).lower(), exploration.by, inert(series.member), inert(series.member_label),
            figure.value, *figure.compared.values(),
        )
        for series in panel.series
        for figure in series.figures
    )  # fmt: skip
    name = f"{panel.metric.metric}_{exploration.by}_{panel.figures.first}_{panel.figures.last}.csv"
    return csv_download(name, columns, rows)


@router.post("/explore")
async def save_exploration(form: SentForm, visitor: Owner) -> Response:
    """Save what the explorer shows to a dashboard of one's own."""
    try:
        exploration = Exploration.model_validate(values_of(parse_qsl(str(form.get("exploration", "")))))
    except ValidationError:
        raise Refusal("invalid", "unknown_address", "This form is not complete. Open the explorer again.") from None
    saved = await submit(visitor, form, NewTile, lambda tx, tile: saved_views.add_tile(tx, tile, exploration))
    if isinstance(saved, Rejected):
        return await _shown(visitor, exploration, "", saved)
    return leads_to(f"/dashboards/{saved.id}", f"Saved to {saved.name}.")
