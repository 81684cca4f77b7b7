"""The code blocks of a guide: edits of files and commands, in the order in which a reader meets them.

The text above a block says what it is: "New file `PATH`", "At the end of `PATH`", "In `PATH`, below `LINE`",
"In `PATH`, above `LINE`", "In `PATH`, in place of `LINE`" (LINE: the beginning of a line that is there once).
A `*` in the name of a file stands for a number that is not known before.
Blocks marked `bash` are commands, blocks marked `text` show what something looks like.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FENCED: Final = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)\n(?P<body>.*?)^(?P=indent)```$", re.DOTALL | re.MULTILINE
)
PLACES: Final = {
    "new": re.compile(r"new file\s+`([^`]+)`", re.IGNORECASE),
    "end": re.compile(r"at the end of\s+`([^`]+)`", re.IGNORECASE),
    "below": re.compile(r"in\s+`([^`]+)`,\s+below\s+`([^`]+)`", re.IGNORECASE),
    "above": re.compile(r"in\s+`([^`]+)`,\s+above\s+`([^`]+)`", re.IGNORECASE),
    "replaced": re.compile(r"in\s+`([^`]+)`,\s+in\s+place\s+of\s+`([^`]+)`", re.IGNORECASE),
}


@dataclass(frozen=True)
class Commands:
    """A block of shell commands."""

    script: str


@dataclass(frozen=True)
class Edit:
    """A block of text that goes into a file. place: a key of PLACES; line: the one that below, above, replaced name."""

    path: Path
    place: str
    line: str
    text: str

    def apply(self, root: Path) -> None:
        """Change the file under `root`. Raises AssertionError where the guide names no place in it."""
        file = root / self.path
        if "*" in file.name:
            (file,) = file.parent.glob(file.name)
        if self.place == "new":
            assert not file.exists(), f"{self.path} exists already"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(self.text)
            return
        lines = file.read_text().splitlines(keepends=True)
        if self.place == "end":
            file.write_text("".join(lines) + "\n" + self.text)
            return
        numbers = [number for number, line in enumerate(lines) if line.strip().startswith(self.line)]
        assert len(numbers) == 1, f"{self.path} has {len(numbers)} lines that begin with {self.line!r}"
        (number,) = numbers
        before, after = number + (self.place == "below"), number + (self.place != "above")
        file.write_text("".join([*lines[:before], self.text, *lines[after:]]))


def section(guide: str, heading: str) -> str:
    """Return the text of one section of the second level."""
    (found,) = re.findall(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", guide, re.DOTALL | re.MULTILINE)
    text: str = found
    return text


def steps(text: str) -> list[Edit | Commands]:
    """Return the blocks of a text in order. Raises AssertionError at one that does not say what to do with it."""
    found: list[Edit | Commands] = []
    end = 0
    for block in FENCED.finditer(text):
        above, end = text[end : block.start()], block.end()
        body = re.sub(rf"^{block['indent']}", "", block["body"], flags=re.MULTILINE)
        if block["language"] == "bash":
            found.append(Commands(body))
        elif block["language"] != "text":
            found.append(_edit(above, body))
    return found


def _edit(above: str, body: str) -> Edit:
    """Return the edit that the last paragraph above a block names."""
    paragraph = above.strip().rpartition("\n\n")[2]
    named = [(match, place) for place, pattern in PLACES.items() if (match := pattern.search(paragraph))]
    assert len(named) == 1, f"this does not say where the block below it goes: {paragraph!r}"
    match, place = named[0]
    return Edit(Path(match[1]), place, match[2] if len(match.groups()) > 1 else "", body)
