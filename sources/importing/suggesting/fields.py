"""The pieces of a drafted mapping: lines, and columns as expressions name them."""

import keyword
import re
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Field:
    """A line of the mapping: an expression, or another YAML value; and a comment."""

    name: str
    value: Any
    comment: str = ""


def column(name: str) -> str:
    """A column as an expression names it."""
    if re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) and not keyword.iskeyword(name):
        return name
    return f"column({quoted(name)})"


def quoted(text: str) -> str:
    """`text` in the quotes of the expression language."""
    return repr(text)
