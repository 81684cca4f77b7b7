"""Fields of a drafted mapping, and the notation of columns and texts in expressions."""

import keyword
import re
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Field:
    """A field of the mapping: an expression or another YAML value, and a comment."""

    name: str
    value: Any
    comment: str = ""


def column(name: str) -> str:
    """Return the expression for the column `name`."""
    if re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) and not keyword.iskeyword(name):
        return name
    return f"column({quoted(name)})"


def quoted(text: str) -> str:
    """Return `text` as a literal of the expression language."""
    return repr(text)
