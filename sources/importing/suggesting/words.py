"""What the words of column names and states mean, whatever the language (words.yml, statuses.yml)."""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

HERE: Final = Path(__file__).parent
MEANINGLESS: Final = "nothing"
SHORTEST_PART: Final = 3  # letters of a part of a compound word
LINKS: Final = ("", "s", "n", "en", "es")  # letters between the parts of a compound word


@cache
def lists(name: str) -> Any:
    """The content of one of the data files beside this module."""
    return yaml.safe_load((HERE / f"{name}.yml").read_text(encoding="utf-8"))


def plain(text: str) -> str:
    """`text` in small letters without accents, its words separated by single spaces."""
    bare = unicodedata.normalize("NFKD", text.replace("ß", "ss").replace("№", "no").replace("º", "o"))
    letters = "".join(sign for sign in bare if not unicodedata.combining(sign)).lower()
    return " ".join(re.findall(r"[^\W_]+", letters))


@cache
def _vocabulary() -> Mapping[str, str]:
    known = {word: meaning for meaning, words in lists("words")["words"].items() for word in words.split()}
    # ä is also written ae, and so on.
    return known | {word.replace("ae", "a").replace("oe", "o").replace("ue", "u"): known[word] for word in known}


@cache
def meanings(name: str) -> tuple[frozenset[str], int]:
    """What the words of a column name mean, and how many of them are not known."""
    name = re.sub(r"#(?=\s*$)|^#$", " number ", name)
    words = f" {plain(name)} "
    if " " not in words.strip() and not _taken_apart(words.strip()):  # customerName
        words = f" {plain(re.sub(r'(?<=[a-z])(?=[A-Z])', ' ', name))} "
    for phrase, word in lists("words")["phrases"].items():
        words = words.replace(f" {phrase} ", f" {word} ")
    found: set[str] = set()
    unknown = 0
    for word in words.split():
        parts = _taken_apart(word)
        found.update(parts)
        unknown += not parts and not word.isdigit()
    return frozenset(found - {MEANINGLESS}), unknown


def _taken_apart(word: str) -> tuple[str, ...]:
    """The meanings of the parts of `word`; none where a part is not known."""
    vocabulary = _vocabulary()
    for spelling in (word, word.replace("ae", "a").replace("oe", "o").replace("ue", "u")):
        if spelling in vocabulary:
            return (vocabulary[spelling],)
        if parts := next(_compounds(spelling), ()):
            return parts
    return ()


def _compounds(word: str) -> Iterator[tuple[str, ...]]:
    """The ways to cut `word` into known words, with the longest first part first."""
    vocabulary = _vocabulary()
    for end in range(len(word) - 2, SHORTEST_PART - 1, -1):
        if word[:end] not in vocabulary:
            continue
        for link in LINKS:
            rest = word[end:].removeprefix(link)
            if rest == word[end:] and link:
                continue
            if rest in vocabulary and len(rest) > 1:
                yield vocabulary[word[:end]], vocabulary[rest]
            else:
                yield from ((vocabulary[word[:end]], *parts) for parts in _compounds(rest))


@cache
def _states() -> Mapping[str, str]:
    return {word.strip(): status for status, words in lists("statuses").items() for word in words.split(",")}


def status_of(value: str) -> str | None:
    """The Hub's status for a state as a file writes it; None where it is not known."""
    words = plain(value)
    if words in _states():
        return _states()[words]
    # A longer text that begins with a known state, such as "cancelled (sick)", or that ends with one.
    begins = [state for state in _states() if len(state) > 4 and words.startswith(f"{state} ")]
    return _states()[max(begins, key=len)] if begins else None
