"""The wording that alerts and the digest share: what an insight says beside its summary, its advice, and its steps."""

from collections.abc import Mapping
from typing import Any, Final

from notifications.messages import Step
from sources import formatting
from sources.page_paths import page_of

ACTIONS_SHOWN: Final = 3
ADDRESSES: Final = ("https://", "http://", "mailto:", "tel:")

Row = Mapping[str, Any]  # a row of app.insight_events


def effects(insight: Row) -> str:
    """Return the sentences of what the same cause moved as well; empty where there is nothing."""
    return " ".join(effect["sentence"] for effect in insight["effects"] if effect.get("sentence"))


def known(insight: Row) -> str:
    """Return what is known beside the insight, as one line; empty where nothing is."""
    return f"Known: {' '.join(insight['facts'])}" if insight["facts"] else ""


def advice(insight: Row) -> str:
    """Return the sentence of what to do; empty where there is none."""
    return f"What to do: {insight['recommendation']}" if insight["recommendation"] else ""


def steps(insight: Row, currency: str | None, link_base: str) -> tuple[Step, ...]:
    """Return the first actions that the recommendation does not name, with their money, and how many more there are."""
    recommendation = insight["recommendation"] or ""
    actions = [action for action in insight["actions"] if str(action["text"]).rstrip(".") not in recommendation]
    more = len(actions) - ACTIONS_SHOWN
    return (
        *(_step(action, currency, link_base) for action in actions[:ACTIONS_SHOWN]),
        *([Step(f"and {more} more")] if more > 0 else []),
    )


def first_step(insight: Row) -> str:
    """Return the advice in one sentence or two: the remedy, or the first action where there is none."""
    actions = [str(action["text"]) for action in insight["actions"][:1]]
    first = next(filter(None, [insight["recommendation"], *actions]), "")
    return f"{str(first).rstrip('.')}." if first else ""


def _step(action: Row, currency: str | None, link_base: str) -> Step:
    text = f"{str(action['text']).rstrip('.')}{_worth(action, currency)}"
    return Step(text, _address(str(action.get("link") or ""), link_base))


def _address(link: str, link_base: str) -> str:
    """Return the address of a link; a path leads to its page under the Hub's address, and is empty without a page."""
    if link.startswith(ADDRESSES):
        return link
    path = page_of(link)
    return f"{link_base.rstrip('/')}{path}" if path and link_base else ""


def _worth(action: Row, currency: str | None) -> str:
    impact = action.get("impact")
    return f" ({formatting.money(abs(impact), currency)})" if impact and currency else ""
