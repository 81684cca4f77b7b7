"""Format HTML: a mail (pictures attached, by Content-ID) or one self-contained file (pictures inline)."""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, Template

from notifications import charts
from notifications.messages import Chart, Message, Plot, Tone

TEMPLATE: Final = "email.html.j2"
COLOURS: Final[dict[Tone, str]] = {
    "neutral": "#64748b",
    "good": "#15803d",
    "low": "#2563eb",
    "medium": "#a16207",
    "high": "#c2410c",
    "critical": "#b91c1c",
}


@dataclass(frozen=True)
class Mail:
    """The page, and its pictures (PNG) by their Content-ID (without brackets)."""

    html: str
    images: dict[str, bytes]


def render_mail(message: Message, *, domain: str) -> Mail:
    """Return the page for a mail from `domain`; the caller attaches the pictures with their Content-IDs."""
    images: dict[str, bytes] = {}

    def attached(block: Plot | Chart) -> str:
        content_id = f"plot{len(images) + 1}@{domain}"
        images[content_id] = charts.png(block)
        return f"cid:{content_id}"

    return Mail(_page(message, attached), images)


def render_page(message: Message) -> str:
    """Return one self-contained page with its pictures inline."""
    return _page(message, lambda block: f"data:image/png;base64,{base64.b64encode(charts.png(block)).decode()}")


def _page(message: Message, image_source: Callable[[Plot | Chart], str]) -> str:
    parts = [(type(block).__name__.lower(), block) for block in message.blocks]
    return _template().render(message=message, parts=parts, image_source=image_source, colours=COLOURS)


@lru_cache(maxsize=1)
def _template() -> Template:
    loader = FileSystemLoader(Path(__file__).parent)
    return Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True).get_template(TEMPLATE)
