"""The message of a dashboard: words, the chart of the page, links, and what has no figures."""

import json
from datetime import timedelta
from decimal import Decimal

import pytest

from notifications import charts
from notifications.dashboard_message import Dashboard, dashboard_message
from notifications.formats import slack, text
from notifications.messages import Block, Chart, Facts, Heading, Message
from notifications.panels import Panel, ShownTile
from sources import formatting
from sources.operations.saved_views import SavedView, Tile
from tests.notifications.examples import NOW
from tests.notifications.made_panels import AS_OF, panel, split_panel
from tests.sources.business import NORTH

LINK = "https://hub.example"


def tile(title: str, shown: Panel | None, refused: str = "") -> ShownTile:
    exploration = (shown or panel([(Decimal(1), None)])).exploration
    return ShownTile(Tile(id=NORTH.id_of(title), title=title, size="half", exploration=exploration), shown, refused)


def dashboard(*tiles: ShownTile) -> Dashboard:
    view = SavedView(
        id=NORTH.id_of("view"), name="Money", is_shared=True, is_own=False, made_by="Ana Bell",
        sent_to=NORTH.id_of("channel"), sent_every="day", tiles=[shown.tile for shown in tiles], updated_at=NOW,
    )  # fmt: skip
    return Dashboard(view, tiles, AS_OF)


ONE = panel([(Decimal(900), None), (Decimal(1000), None), (Decimal(1200), Decimal(1000))])
SPLIT = split_panel({f"Service {number}": [Decimal(10 * number), Decimal(number)] for number in range(1, 11)})
EXAMPLE = dashboard(tile("Revenue", ONE), tile("Services", SPLIT), tile("Gone", None, "There is no metric 'gone'."))


def made(of: Dashboard) -> Message:
    return dashboard_message(of, organization_name="North Studio", link_base=LINK)


def blocks(of: Dashboard) -> tuple[Block, ...]:
    return made(of).blocks


def test_a_tile_tells_its_latest_period_with_its_comparisons() -> None:
    (facts,) = [block for block in blocks(dashboard(tile("Revenue", ONE))) if isinstance(block, Facts)]
    assert facts.items == (
        ("Week of 4 May 2026, so far", "€1,200; 20% more than the first 3 days of the week before (€1,000)"),
    )


def test_a_split_tile_names_its_largest_members() -> None:
    (facts,) = [block for block in blocks(dashboard(tile("Services", SPLIT))) if isinstance(block, Facts)]
    assert facts.items[0] == ("Period", "Week of 4 May 2026, so far; the 8 largest of 10")
    assert [label for label, _ in facts.items[1:]] == [f"Service {number}" for number in range(10, 2, -1)]
    assert facts.items[1][1].startswith("€10.00; ")


def test_the_chart_is_that_of_the_page_and_has_a_picture() -> None:
    found = [block for block in blocks(EXAMPLE) if isinstance(block, Chart)]
    assert [json.loads(block.spec) for block in found] == [json.loads(json.dumps(of.chart)) for of in (ONE, SPLIT)]
    assert all(charts.png(block).startswith(b"\x89PNG") for block in found)
    assert found[0].description == "Revenue, 20 Apr to 4 May"


@pytest.mark.parametrize("view", ["table", "heat"])
def test_a_table_has_no_chart(view: str) -> None:
    of = dashboard(tile("Table", panel([(Decimal(1), None)], view=view)))
    assert not any(isinstance(block, Chart) for block in blocks(of))


def test_figures_and_charts_follow_the_locale() -> None:
    shown = panel([(Decimal(1234), None), (Decimal(2345), None)])
    with formatting.in_locale("de_DE"):
        message = made(dashboard(tile("Revenue", shown)))
    assert "2.345 €" in text.render(message)
    (chart,) = [block for block in message.blocks if isinstance(block, Chart)]
    assert json.loads(chart.spec)["config"]["locale"]["number"]["decimal"] == ","


def test_each_tile_leads_to_its_exploration_and_the_message_to_the_dashboard() -> None:
    written = text.render(made(EXAMPLE))
    assert [block.url for block in blocks(EXAMPLE) if isinstance(block, Heading)][1:] == [
        f"{LINK}/explore?{shown.tile.exploration.address()}" for shown in EXAMPLE.tiles
    ]
    assert f"Open the dashboard: {LINK}/dashboards/{EXAMPLE.view.id}" in written
    assert "There is no metric 'gone'." in written


def test_a_tile_without_figures_says_so() -> None:
    empty = split_panel({})
    assert "Measure has no figures in these days." in text.render(made(dashboard(tile("Empty", empty))))


def test_the_largest_dashboard_fits_into_a_message_of_slack() -> None:
    message = made(dashboard(*[tile(f"Tile {number}", SPLIT) for number in range(12)]))
    assert len(message.blocks) == 3 + 12 * 3
    assert slack.render(message)["blocks"][-1]["elements"][0]["text"]["text"] == "Open the dashboard"


def test_programs_get_the_same_figures() -> None:
    (revenue, services, gone) = made(EXAMPLE).data["dashboard"]["tiles"]
    assert revenue["members"] == [
        {"member": "all", "label": "all", "value": Decimal(1200), "compared": {"previous": Decimal(1000)}}
    ]
    assert (revenue["unit"], revenue["currency"], revenue["is_partial"]) == ("money", "EUR", True)
    assert revenue["period_end"] == AS_OF + timedelta(days=4)
    assert len(services["members"]) == 8
    assert gone["members"] == []
