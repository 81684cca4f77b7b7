"""Writes docs/lifecycle.md: the life of a booking, as sources/lifecycle.py has it.

python -m tools.lifecycle
"""

from pathlib import Path
from typing import Final

from sources import lifecycle
from sources.lifecycle import Transition, words

PAGE: Final = Path(__file__).parent.parent / "docs" / "lifecycle.md"
INTRODUCTION: Final = """\
# The life of a booking

Written by `python -m tools.lifecycle` from `sources/lifecycle.py`, which decides: the API, the import, the sample
business and the automatic steps all ask it. A booking begins as {first}. From {held} on, until it is called off, an
exclusive booking holds its provider's time. A client and a provider act on bookings of their own, an admin on all
of the organisation. The system takes a step where an event brings it, in the same transaction, or the time.

```mermaid
{diagram}```

| action | from | to | who | requires | taken automatically |
|---|---|---|---|---|---|
{rows}

What a step requires, and what is said where it is missing:

{requirements}
"""


def page() -> str:
    """The text of docs/lifecycle.md."""
    return INTRODUCTION.format(
        first=" or ".join(f"`{status}`" for status in lifecycle.FIRST),
        held=f"`{lifecycle.HOLDS_TIME[0]}`",
        diagram=lifecycle.diagram(),
        rows="\n".join(_row(it) for it in lifecycle.TRANSITIONS),
        requirements="\n".join(f"- `{name}`: {said}" for name, said in lifecycle.REQUIREMENTS.items()),
    )


def _row(it: Transition) -> str:
    cells = [
        f"`{it.action}`",
        ", ".join(map(words, it.sources)),
        words(it.target),
        ", ".join(it.by),
        ", ".join(f"`{name}`" for name in it.requires),
        it.automatic,
    ]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    PAGE.write_text(page())
