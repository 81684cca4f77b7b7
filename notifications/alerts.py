"""The message of an insight that was opened, has worsened or is resolved."""

from collections.abc import Mapping
from typing import Any, Final

from notifications import insight_wording
from notifications.messages import Block, Entry, Facts, Heading, Message, Plot, Text, hub_link
from notifications.queries import Metric
from sources import formatting
from sources.insight_values import InsightOccasion

RESOLVED_PREFIX: Final = "Resolved: "
WORSENED_PREFIX: Final = "It grew: "
PREFIXES: Final[Mapping[InsightOccasion, str]] = {
    "opened": "",
    "worsened": WORSENED_PREFIX,
    "resolved": RESOLVED_PREFIX,
}
BACK_TO_NORMAL: Final = "This is back to normal. Nothing needs to be done."


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
    title = PREFIXES[occasion] + insight["title"]
    blocks = _resolved_blocks(insight, metric) if resolved else _current_blocks(insight, currency, metric, link_base)
    if occasion == "worsened":
        told = formatting.date_words(insight["first_seen"].date())
        blocks.insert(0, Text(f"You were told of this first on {told}. It has become larger or more severe since."))
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


def _current_blocks(
    insight: Mapping[str, Any], currency: str | None, metric: Metric | None, link_base: str
) -> list[Block]:
    paragraphs = [insight["summary"], insight_wording.effects(insight), insight_wording.known(insight)]
    steps = insight_wording.steps(insight, currency, link_base)
    has_advice = bool(insight["recommendation"] or steps)
    return [
        *(Text(paragraph) for paragraph in paragraphs if paragraph),
        *([Entry("What to do", insight["recommendation"] or "", steps=steps)] if has_advice else []),
        Facts(_insight_facts(insight, currency, metric)),
    ]


def _resolved_blocks(insight: Mapping[str, Any], metric: Metric | None) -> list[Block]:
    name = [("Metric", metric.label)] if metric else []
    return [Text(BACK_TO_NORMAL), Facts((*name, ("Alert of", formatting.long_day(insight["day"]))))]


def _insight_facts(
    insight: Mapping[str, Any], currency: str | None, metric: Metric | None
) -> tuple[tuple[str, str], ...]:
    facts = [("Severity", insight["severity"].capitalize()), ("Day", formatting.long_day(insight["day"]))]
    if insight["started_on"] and insight["started_on"] < insight["day"]:
        facts.append(("Since", formatting.long_day(insight["started_on"])))
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
    insight_id = str(insight["id"])[-8:]
    return (
        f"If you take care of it: hub insights acknowledge {insight_id}. If it was useful: hub insights useful "
        f"{insight_id}. If not: hub insights dismiss {insight_id} --reason not_interesting, or expected, wrong, "
        "known_event. The Hub learns from it."
    )
