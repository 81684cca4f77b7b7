"""The neutral message: blocks that every format can show, and the messages of insights and tests."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final, Literal

from notifications.queries import Metric
from sources import formatting
from sources.insight_values import InsightOccasion, Severity

Tone = Literal["neutral", "good", Severity]

RESOLVED_PREFIX: Final = "Resolved: "
WORSENED_PREFIX: Final = "It grew: "
BACK_TO_NORMAL: Final = "This is back to normal. Nothing needs to be done."


@dataclass(frozen=True)
class Heading:
    """A title: level 1 once per message, level 2 for its sections."""

    text: str
    level: Literal[1, 2] = 1
    tone: Tone = "neutral"


@dataclass(frozen=True)
class Text:
    """A paragraph; a muted one is a note."""

    text: str
    muted: bool = False


@dataclass(frozen=True)
class Facts:
    """Pairs of label and value."""

    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Entry:
    """One item of a list: a title and its text."""

    title: str
    text: str
    tone: Tone = "neutral"


@dataclass(frozen=True)
class Plot:
    """A daily series with its expected range; every sequence has one value per day, None where it is missing."""

    title: str
    days: tuple[date, ...]
    actual: tuple[float | None, ...]
    expected: tuple[float | None, ...]
    lower: tuple[float | None, ...]
    upper: tuple[float | None, ...]
    marked: date | None = None  # the day of the message

    @property
    def description(self) -> str:
        """Return the text for readers without pictures."""
        return f"{self.title}, {formatting.short_day(self.days[0])} to {formatting.short_day(self.days[-1])}"


@dataclass(frozen=True)
class Link:
    text: str
    url: str


@dataclass(frozen=True)
class Actions:
    """Links for the reader."""

    links: tuple[Link, ...]


Block = Heading | Text | Facts | Entry | Plot | Actions


@dataclass(frozen=True)
class Message:
    """A message; `id` is the same for each channel and each repeat."""

    id: str
    type: str  # insight.opened, insight.worsened, insight.resolved, digest, test
    subject: str
    blocks: tuple[Block, ...]
    data: Mapping[str, Any] = field(default_factory=dict)  # the same facts for programs

    def __post_init__(self) -> None:
        # The subject becomes a mail header and a Slack fallback: one line, whatever a name contains.
        object.__setattr__(self, "subject", " ".join(self.subject.split()))


def insight_message(
    insight: Mapping[str, Any],
    *,
    occasion: InsightOccasion,
    link_base: str,
    currency: str | None = None,
    metric: Metric | None = None,
    plot: Plot | None = None,
) -> Message:
    """Return the message of an insight that was opened, has worsened or is resolved.

    insight: a row of app.insight_events; currency: ISO 4217, for money; metric: the insight's, None where it is not
    a metric of kpi_daily; plot: the metric's recent days.
    """
    resolved = occasion == "resolved"
    title = {"opened": "", "worsened": WORSENED_PREFIX, "resolved": RESOLVED_PREFIX}[occasion] + insight["title"]
    blocks = _resolved_blocks(insight, metric) if resolved else _opened_blocks(insight, currency, metric)
    return Message(
        id=f"{insight['id']}:{occasion}{insight['worsened_times'] if occasion == 'worsened' else ''}",
        type=f"insight.{occasion}",
        subject=title if resolved else f"[{insight['severity'].capitalize()}] {title}",
        blocks=(
            Heading(title, tone="good" if resolved else insight["severity"]),
            *blocks,
            *([plot] if plot else []),
            *hub_link(link_base),
            *([] if resolved else [Text(_how_to_answer(insight), muted=True)]),
        ),
        data={"insight": dict(insight)},
    )


def hub_link(link_base: str) -> Iterable[Block]:
    """Return the link at the end of a message; nothing where the Hub's address is not set."""
    return [Actions((Link("Open the Hub", link_base),))] if link_base else []


def _opened_blocks(insight: Mapping[str, Any], currency: str | None, metric: Metric | None) -> list[Block]:
    blocks: list[Block] = [Text(insight["summary"]), Facts(_insight_facts(insight, currency, metric))]
    if insight["recommendation"]:
        blocks.append(Entry("What to do", insight["recommendation"]))
    return blocks


def _resolved_blocks(insight: Mapping[str, Any], metric: Metric | None) -> list[Block]:
    name = [("Metric", metric.label)] if metric else []
    return [Text(BACK_TO_NORMAL), Facts((*name, ("Alert of", formatting.long_day(insight["day"]))))]


def _insight_facts(
    insight: Mapping[str, Any], currency: str | None, metric: Metric | None
) -> tuple[tuple[str, str], ...]:
    facts = [("Severity", insight["severity"].capitalize()), ("Day", formatting.long_day(insight["day"]))]
    if metric:
        facts.insert(1, ("Metric", metric.label))
        facts += _comparison(insight, currency, metric)
    if insight["impact"] is not None and currency:
        facts.append(("Impact", formatting.money(insight["impact"], currency)))
    return tuple(facts)


def _comparison(insight: Mapping[str, Any], currency: str | None, metric: Metric) -> list[tuple[str, str]]:
    """Return the value and its base: forecast and previous period, or value and expected value."""

    def figure(name: str) -> str:
        return formatting.figure(insight[name], metric.unit, currency)

    value, base = ("Forecast", "Previous period") if insight["kind"] == "forecast" else ("Value", "Expected")
    facts = [(value, figure("value"))] if insight["value"] is not None else []
    if insight["expected"] is None:
        return facts
    has_range = insight["lower"] is not None and insight["upper"] is not None and insight["kind"] != "forecast"
    usual_range = f" ({figure('lower')} to {figure('upper')})" if has_range else ""
    return [*facts, (base, figure("expected") + usual_range)]


def _how_to_answer(insight: Mapping[str, Any]) -> str:
    insight_id = insight["id"]
    return (
        f"If you take care of it: hub insights acknowledge {insight_id}. "
        f"If it is not useful: hub insights dismiss {insight_id}."
    )


def trial_message(channel_name: str, *, at: datetime, link_base: str) -> Message:
    """Return the message that `hub channel test` sends."""
    return Message(
        id=f"test:{channel_name}:{at.isoformat()}",
        type="test",
        subject=f"Test of the channel {channel_name}",
        blocks=(
            Heading("It works"),
            Text(f"The Hub can reach you through the channel {channel_name}. Alerts and digests use it too."),
            *hub_link(link_base),
        ),
        data={"channel": channel_name},
    )
