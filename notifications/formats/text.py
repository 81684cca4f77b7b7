"""Format plain text of 80 columns: the alternative part of a mail, and the terminal."""

import textwrap
from typing import Final

from notifications import charts
from notifications.messages import Actions, Block, Chart, Entry, Facts, Heading, Message, Plot, Step, Text

WIDTH: Final = 80
LABEL_MAX: Final = 28  # a longer label gets a line of its own


def render(message: Message) -> str:
    """Return the text, ending in a newline; no line is longer than WIDTH, except for an address."""
    return "\n\n".join(part for part in map(_block, message.blocks) if part) + "\n"


def _block(block: Block) -> str:  # noqa: PLR0911 - one return per kind of block
    match block:
        case Heading(text=text, level=level, url=url):
            lines = _wrapped(text).splitlines()
            rule = ("=" if level == 1 else "-") * max(map(len, lines), default=0)
            return "\n".join([*lines, rule, *([url] if url else [])])
        case Text(text=text):
            return _wrapped(text)
        case Facts(items=items):
            return _facts(items)
        case Entry(title=title, text=text, steps=steps):
            paragraphs = [f"{_wrapped(line, '  ', '  ')}\n" for line in text.splitlines() if line]
            return "\n".join([_wrapped(title, "* ", "  "), *paragraphs, *map(_step, steps)]).rstrip()
        case Plot():
            return f"{_wrapped(block.description)}\n{charts.sparkline(block)[-WIDTH:]}"
        case Chart(description=description, lines=series):
            lines = [_line(name if len(series) > 1 else "", values) for name, values in series]
            return "\n".join([_wrapped(description), *lines])
        case Actions(links=links):
            return "\n".join(f"{link.text}: {link.url}" for link in links)


def _line(name: str, values: tuple[float | None, ...]) -> str:
    line = charts.sparks(values[-WIDTH:])
    beside = f"{line}  {name}".rstrip()
    return beside if len(beside) <= WIDTH else f"{_wrapped(name)}\n{line}"


def _wrapped(text: str, first: str = "", rest: str = "") -> str:
    paragraphs = [
        textwrap.fill(line, WIDTH, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False)
        for line in text.splitlines()
    ]
    return "\n".join(paragraphs)


def _step(step: Step) -> str:
    lines = [_wrapped(step.text, "  - ", "    "), *([f"    {step.url}"] if step.url else [])]
    return "\n".join(lines)


def _facts(items: tuple[tuple[str, str], ...]) -> str:
    width = min(max((len(label) for label, _ in items), default=0), LABEL_MAX)
    return "\n".join(_fact(label, value, width) for label, value in items)


def _fact(label: str, value: str, width: int) -> str:
    indent = " " * (width + 2)
    if len(label) > width:
        return f"{_wrapped(label)}\n{_wrapped(value, indent, indent)}"
    return _wrapped(" ".join(value.split()), f"{label:<{width}}  ", indent)
