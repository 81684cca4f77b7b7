"""Every format: golden files (HUB_GOLDEN=write rewrites them), and content that is hard to format."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from notifications import charts
from notifications.alerts import insight_message
from notifications.dashboard_message import dashboard_message
from notifications.formats import email_html, slack, text, webhook
from notifications.messages import Entry, Facts, Heading, Message, Plot, Text
from notifications.queries import Metric
from tests.notifications.examples import AWKWARD, EVERY_BLOCK, INSIGHT_ROW, NOW, PLOT
from tests.notifications.test_dashboard_message import EXAMPLE

GOLDEN = Path(__file__).parent / "golden"
BOOKED = Metric("Booked revenue", "money")
OPENED = insight_message(
    INSIGHT_ROW, occasion="opened", link_base="http://127.0.0.1:3000", currency="EUR", metric=BOOKED, plot=PLOT
)
RESOLVED = insight_message(
    INSIGHT_ROW, occasion="resolved", link_base="http://127.0.0.1:3000", currency="EUR", metric=BOOKED
)
WORSENED = insight_message(
    {**INSIGHT_ROW, "worsened_times": 1},
    occasion="worsened",
    link_base="http://127.0.0.1:3000",
    currency="EUR",
    metric=BOOKED,
)
DASHBOARD = dashboard_message(EXAMPLE, organization_name="North Studio", link_base="http://127.0.0.1:3000")
MESSAGES = {
    "every_block": EVERY_BLOCK, "opened": OPENED, "worsened": WORSENED, "resolved": RESOLVED, "dashboard": DASHBOARD,
}  # fmt: skip


def pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


RENDERERS: dict[str, Callable[[Message], str]] = {
    "slack.json": lambda message: pretty(slack.render(message)),
    "webhook.json": lambda message: pretty(json.loads(webhook.render(message, at=NOW))),
    "txt": text.render,
    "html": lambda message: email_html.render_mail(message, domain="hub.example").html,
}


@pytest.mark.parametrize("suffix", RENDERERS)
@pytest.mark.parametrize("name", MESSAGES)
def test_format_is_as_in_the_golden_file(name: str, suffix: str) -> None:
    rendered = RENDERERS[suffix](MESSAGES[name])
    file = GOLDEN / f"{name}.{suffix}"
    if os.environ.get("HUB_GOLDEN") == "write":
        file.parent.mkdir(exist_ok=True)
        file.write_text(rendered)
    assert rendered == file.read_text()


def texts_of(value: Any) -> list[tuple[str, str]]:
    """Return (kind, text) of every text object in a Slack payload."""
    if isinstance(value, list):
        return [text for part in value for text in texts_of(part)]
    if not isinstance(value, dict):
        return []
    own = [(value["type"], value["text"])] if value.get("type") in ("mrkdwn", "plain_text") else []
    return own + [text for part in value.values() for text in texts_of(part)]


def test_slack_stays_within_its_limits_and_escapes() -> None:
    payload = slack.render(AWKWARD)
    assert len(payload["blocks"]) <= 50
    header, *sections = payload["blocks"]
    assert len(header["text"]["text"]) <= 150
    for block in sections:
        assert len(block.get("fields", [])) <= 10
        assert block["type"] != "section" or "text" in block or block["fields"]
    for _, written in texts_of(payload["blocks"]):
        assert 0 < len(written) <= 3000
        assert "<" not in written
        assert ">" not in written
    assert "\n" not in payload["text"]
    assert "<script>" not in payload["text"]


def test_slack_never_cuts_an_entity() -> None:
    for limit in range(1, 30):
        cut = slack.escaped("&<>" * 10, limit)
        assert len(cut) <= limit
        assert cut.removesuffix("…").replace("&amp;", "").replace("&lt;", "").replace("&gt;", "") == ""


def test_slack_shows_at_most_50_blocks_and_says_so() -> None:
    long = Message("m", "digest", "s", tuple(Entry(f"Entry {n}", "text") for n in range(80)))
    blocks = slack.render(long)["blocks"]
    assert len(blocks) == 50
    assert "This message is shortened" in blocks[-1]["elements"][0]["text"]


def test_text_keeps_to_80_columns() -> None:
    lines = text.render(AWKWARD).splitlines()
    assert max(map(len, lines)) <= 80
    assert "Söhne 🎉" in text.render(AWKWARD)


class Page(HTMLParser):
    """Collects the tags of a page and checks that they are balanced."""

    VOID = ("meta", "img", "hr", "br")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_html_holds_names_as_text() -> None:
    page = Page(email_html.render_page(AWKWARD))
    assert "script" not in page.seen
    assert "Client <script>alert(1)</script> & Söhne 🎉 <!channel>" in page.words
    assert page.seen.count("table") == 1  # no facts, no empty table


def test_html_page_loads_nothing() -> None:
    page = Page(email_html.render_page(OPENED))
    sources = [value for name, value in page.attributes if name == "src"]
    assert sources
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert "link" not in page.seen


def test_mail_refers_to_each_of_its_pictures() -> None:
    mail = email_html.render_mail(OPENED, domain="hub.example")
    sources = [value for name, value in Page(mail.html).attributes if name == "src"]
    assert sources == [f"cid:{content_id}" for content_id in mail.images]
    assert all(image.startswith(b"\x89PNG") for image in mail.images.values())


def test_message_without_blocks_is_no_error() -> None:
    empty = Message("m", "test", "subject", ())
    assert text.render(empty) == "\n"
    assert slack.render(empty) == {"text": "subject", "blocks": []}
    Page(email_html.render_page(empty))
    assert json.loads(webhook.render(empty, at=NOW))["data"]["blocks"] == []


def test_sparkline_shows_actual_or_expected_values() -> None:
    assert charts.sparkline(PLOT) == "▁▂▃▄▅▆█"


def test_a_plot_marks_where_the_forecast_begins() -> None:
    days = tuple(NOW.date() + timedelta(days=n) for n in range(4))
    gap = (None, None)
    past, coming = (1.0, 2.0), (3.0, 4.0)
    plot = Plot("Revenue", days, (*past, *gap), (*gap, *coming), (*gap, *coming), (*gap, *coming), marked=days[1])
    assert charts.sparkline(plot) == "▁▃|▆█"
    all_known = replace(plot, actual=(*past, *coming))
    assert (plot.coming_from, all_known.coming_from) == (2, None)


def test_insight_without_figures_has_no_empty_facts() -> None:
    row = {**INSIGHT_ROW, "kind": "pipeline", "metric": "pipeline", "started_on": INSIGHT_ROW["day"]}
    row |= dict.fromkeys(("value", "expected", "lower", "upper", "impact", "recommendation"))
    row |= {"effects": [], "facts": [], "actions": []}
    message = insight_message(row, occasion="opened", link_base="")
    facts = next(block for block in message.blocks if isinstance(block, Facts))
    assert [label for label, _ in facts.items] == ["Severity", "Day"]
    assert not any(isinstance(block, Entry) for block in message.blocks)


def test_a_forecast_is_labelled_as_one() -> None:
    row = {**INSIGHT_ROW, "kind": "forecast", "value": 90_000, "expected": 117_000, "lower": 80_000, "upper": 99_000}
    message = insight_message(row, occasion="opened", link_base="", currency="EUR", metric=BOOKED)
    facts = next(block for block in message.blocks if isinstance(block, Facts))
    assert ("Forecast", "€90,000") in facts.items
    assert ("Previous period", "€117,000") in facts.items
    assert "Expected" not in dict(facts.items)


def test_subject_is_one_line() -> None:
    assert "\n" not in AWKWARD.subject
    assert "\r" not in AWKWARD.subject


def test_messages_are_plain_data() -> None:
    assert Heading("a") == Heading("a")
    assert Text("a") != Text("a", muted=True)
