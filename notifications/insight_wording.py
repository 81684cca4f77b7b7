"""The wording that alerts and the digest share: what an insight says beside its summary, its advice, and its links."""

from collections.abc import Mapping
from typing import Any, Final

from notifications.messages import Link
from sources import formatting

ACTIONS_SHOWN: Final = 3
ADDRESSES: Final = ("https://", "http://", "mailto:", "tel:")

Row = Mapping[str, Any]  # a row of app.insight_events


def effects(insight: Row) -> str:
    """Return the sentences of what the same cause moved as well; empty where there is nothing."""
    return " ".join(effect["sentence"] for effect in insight["effects"] if effect.get("sentence"))


def known(insight: Row) -> str:
    """Return what is known beside the insight, as one line; empty where nothing is."""
    return f"Known: {' '.join(insight['facts'])}" if insight["facts"] else ""


def advice(insight: Row, currency: str | None) -> str:
    """Return the recommendation, and the actions that it does not name on a line each; empty where there is none."""
    recommendation = insight["recommendation"] or ""
    actions = [action for action in insight["actions"] if str(action["text"]).rstrip(".") not in recommendation]
    lines = [f"- {str(action['text']).rstrip('.')}{_worth(action, currency)}." for action in actions[:ACTIONS_SHOWN]]
    more = len(actions) - ACTIONS_SHOWN
    return "\n".join([*filter(None, [recommendation]), *lines, *([f"- and {more} more"] if more > 0 else [])])


def first_step(insight: Row) -> str:
    """Return the advice in one sentence or two: the first action, else the recommendation."""
    return str(insight["actions"][0]["text"] if insight["actions"] else insight["recommendation"] or "")


def links(insight: Row, link_base: str) -> tuple[Link, ...]:
    """Return the links of the actions that are shown. A path is one under the Hub's address."""
    shown = [action for action in insight["actions"][:ACTIONS_SHOWN] if action.get("link")]
    addresses = [(action["text"], _address(str(action["link"]), link_base)) for action in shown]
    return tuple(Link(text, address) for text, address in addresses if address)


def _address(link: str, link_base: str) -> str:
    if link.startswith(ADDRESSES):
        return link
    return f"{link_base.rstrip('/')}/{link.lstrip('/')}" if link_base and ":" not in link else ""


def _worth(action: Row, currency: str | None) -> str:
    impact = action.get("impact")
    return f" ({formatting.money(abs(impact), currency)})" if impact and currency else ""
