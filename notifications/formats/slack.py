"""Format Slack Block Kit, within Slack's limits and with its control characters escaped.

Limits and escaping: docs.slack.dev, Block Kit reference and "Formatting message text".
"""

from typing import Any, Final

from notifications import charts
from notifications.messages import Actions, Block, Chart, Entry, Facts, Heading, Message, Plot, Step, Text, Tone

BLOCKS_MAX: Final = 50
HEADER_MAX: Final = 150
TEXT_MAX: Final = 3000
FIELDS_MAX: Final = 10
FIELD_MAX: Final = 2000
BUTTON_MAX: Final = 75
BUTTONS_MAX: Final = 25
FALLBACK_MAX: Final = 3000

MARKS: Final[dict[Tone, str]] = {
    "neutral": "",
    "good": "✅ ",
    "low": "🔵 ",
    "medium": "🟡 ",
    "high": "🟠 ",
    "critical": "🔴 ",
}

Json = dict[str, Any]


def render(message: Message) -> Json:
    """Return `text` (shown in notifications) and `blocks`, the arguments of chat.postMessage."""
    blocks = [part for block in message.blocks for part in _block(block)]
    if len(blocks) > BLOCKS_MAX:
        blocks = [*blocks[: BLOCKS_MAX - 1], _note("This message is shortened: the rest is in the Hub.")]
    return {"text": escaped(message.subject, FALLBACK_MAX), "blocks": blocks}


def escaped(text: str, limit: int) -> str:
    """Return `text` with &, < and > as entities, cut with … to `limit` characters, never inside an entity."""
    safe = _entities(text)
    if len(safe) <= limit:
        return safe
    kept, length = [], 0
    for character in text:
        length += len(_entities(character))
        if length > limit - 1:
            break
        kept.append(character)
    return _entities("".join(kept)) + "…"


def _entities(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _plain(text: str, limit: int) -> Json:
    # emoji False: a name such as :fire: stays a name. A text object may not be empty.
    return {"type": "plain_text", "text": escaped(text, limit) or " ", "emoji": False}


def _mrkdwn(text: str) -> Json:
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _labelled(title: str, text: str, limit: int) -> Json:
    bold = f"*{escaped(' '.join(title.split()), limit // 2)}*"
    body = escaped(text, limit - len(bold) - 1)
    return _mrkdwn(f"{bold}\n{body}" if body else bold)


def _section(text: Json) -> Json:
    return {"type": "section", "text": text}


def _note(text: str) -> Json:
    return {"type": "context", "elements": [_plain(text, TEXT_MAX)]}


def _block(block: Block) -> list[Json]:  # noqa: PLR0911 - one return per kind of block
    match block:
        case Heading(text=text, level=1, tone=tone):
            return [{"type": "header", "text": _plain(MARKS[tone] + text, HEADER_MAX)}]
        case Heading(text=text, url=""):
            return [_section(_labelled(text, "", TEXT_MAX))]
        case Heading(text=text, url=url):
            return [_section(_mrkdwn(f"*{_linked(Step(text, url), TEXT_MAX - 2)}*"))]
        case Text(text=text) if not text.strip():
            return []  # Slack refuses empty text
        case Text(text=text, muted=True):
            return [_note(text)]
        case Text(text=text):
            return [_section(_plain(text, TEXT_MAX))]
        case Facts(items=items):
            fields = [_labelled(label, value, FIELD_MAX) for label, value in items]
            groups = [fields[start : start + FIELDS_MAX] for start in range(0, len(fields), FIELDS_MAX)]
            return [{"type": "section", "fields": group} for group in groups]
        case Entry(title=title, text=text, tone=tone, steps=steps):
            entry = _section(_labelled(MARKS[tone] + title, text.replace("\n", "\n\n"), TEXT_MAX))
            return [entry, *([_steps(steps)] if steps else [])]
        case Plot():
            return [_note(f"{block.description}: {charts.sparkline(block)}")]
        case Chart(description=description, lines=series):
            lines = [f"{name}: {charts.sparks(values)}" for name, values in series]
            return [_note("\n".join([description, *lines]))]
        case Actions(links=links):
            return [{"type": "actions", "elements": [_button(link.text, link.url) for link in links][:BUTTONS_MAX]}]


def _steps(steps: tuple[Step, ...]) -> Json:
    """Return the steps as a list whose items link to what they are about, each within the room that it has."""
    room = TEXT_MAX // len(steps) - 1
    return _section(_mrkdwn("\n".join(f"• {_linked(step, room - 2)}" for step in steps)))


def _linked(step: Step, room: int) -> str:
    """Return the text of a step as a link, where there is room for its address."""
    url = _entities(step.url).replace("|", "%7C")
    if not url or len(url) > room // 2:
        return escaped(step.text, room)
    return f"<{url}|{escaped(step.text, room - len(url) - 3)}>"


def _button(text: str, url: str) -> Json:
    return {"type": "button", "text": _plain(text, BUTTON_MAX), "url": url}
