"""The message of a dashboard that is sent: each tile with its latest figures in words, its chart and its link."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from uuid import UUID

from notifications import panels
from notifications.messages import Actions, Block, Chart, Facts, Heading, Link, Message, Text
from notifications.panels import MOST_DRAWN, Panel, ShownTile
from sources import formatting
from sources.errors import HubError
from sources.operations import figures, saved_views
from sources.operations.figures import Figure, Series
from sources.operations.saved_views import SavedView
from sources.operations.transaction import Tx

MOST_MEMBERS: Final = 8  # of a tile, the largest ones


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A dashboard with its figures up to `day`."""

    view: SavedView
    tiles: tuple[ShownTile, ...]
    day: date


async def read_dashboard(tx: Tx, view_id: UUID, day: date) -> Dashboard | None:
    """Return a dashboard that is sent; None where there is none (any more).

    Raises HubError before the warehouse is built, and Refusal unavailable.
    """
    view = await saved_views.find_sent_view(tx, view_id)
    if view is None:
        return None
    if (await figures.list_metrics(tx)).as_of is None:
        raise HubError("There are no figures yet: run `hub run`, then the dashboard is sent.")
    return Dashboard(view, tuple([await panels.read_tile(tx, tile, day) for tile in view.tiles]), day)


def dashboard_message(dashboard: Dashboard, *, organization_name: str, link_base: str) -> Message:
    """Return the message of a dashboard, with figures in the locale in use."""
    view, day = dashboard.view, formatting.long_day(dashboard.day)
    page = f"{link_base}/dashboards/{view.id}"
    return Message(
        id=f"dashboard:{view.id}:{dashboard.day.isoformat()}",
        type="dashboard",
        subject=f"{organization_name}: {view.name}, {day}",
        blocks=(
            Heading(view.name),
            Text(f"{organization_name}, figures up to {day}. A dashboard by {view.made_by}.", muted=True),
            *(block for shown in dashboard.tiles for block in _tile(shown, link_base)),
            Actions((Link("Open the dashboard", page),)),
        ),
        data={
            "dashboard": {
                "id": view.id, "name": view.name, "day": dashboard.day, "url": page,
                "tiles": [_data(shown) for shown in dashboard.tiles],
            }
        },
    )  # fmt: skip


def _tile(shown: ShownTile, link_base: str) -> Iterator[Block]:
    panel = shown.panel
    yield Heading(shown.tile.title, level=2, url=f"{link_base}/explore?{shown.tile.exploration.address()}")
    if panel is None:
        yield Text(shown.refused)
    elif not panel.series:
        yield Text(f"{panel.metric.label} has no figures in these days.")
    else:
        yield Facts(tuple(_facts(panel)))
        if panel.chart:
            yield _chart(panel, shown.tile.title)


def _latest(panel: Panel) -> Figure:
    return panel.periods[-1]


def _members(panel: Panel) -> list[Series]:
    return panel.by_latest[:MOST_MEMBERS]


def _facts(panel: Panel) -> Iterator[tuple[str, str]]:
    """Yield the latest period with its figure, or with the largest members and theirs."""
    period = panel.name_of(_latest(panel))
    if not panel.is_split:
        yield period, _in_words(panel, _latest(panel))
        return
    members, number = _members(panel), len(panel.series)
    yield "Period", period if len(members) == number else f"{period}; the {len(members)} largest of {number}"
    for one in members:
        yield one.member_label, _in_words(panel, one.figures[-1])


def _in_words(panel: Panel, figure: Figure) -> str:
    return "; ".join([panel.shown(figure.value), *(words for words, _ in panel.told(figure))])


def _chart(panel: Panel, title: str) -> Chart:
    first, last = (
        formatting.short_period(figure.period_start, panel.exploration.grain)
        for figure in (panel.periods[0], _latest(panel))
    )
    lines = (
        (one.member_label if panel.is_split else panel.metric.label, one.figures) for one in panel.series[:MOST_DRAWN]
    )
    return Chart(
        description=f"{title}, {first} to {last}",
        spec=json.dumps(panel.chart),
        lines=tuple(
            (name, tuple(None if figure.value is None else float(figure.value) for figure in shown))
            for name, shown in lines
        ),
    )


def _data(shown: ShownTile) -> dict[str, Any]:
    """Return the facts of a tile for programs: its latest period, and the members that the message names."""
    panel = shown.panel
    tile = {"title": shown.tile.title, "metric": shown.tile.exploration.metric, "by": shown.tile.exploration.by}
    if panel is None or not panel.series:
        return tile | {"members": []}
    latest = _latest(panel)
    return tile | {
        "unit": panel.metric.unit, "currency": panel.figures.currency, "grain": panel.exploration.grain,
        "period_start": latest.period_start, "period_end": latest.period_end, "is_partial": latest.is_partial,
        "members": [
            {
                "member": one.member, "label": one.member_label,
                "value": one.figures[-1].value, "compared": one.figures[-1].compared,
            }
            for one in _members(panel)
        ],
    }  # fmt: skip
