"""Meanings of the words in column names and status values, in several languages (words.yml, statuses.yml)."""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

FOLDER: Final = Path(__file__).parent
MEANINGLESS: Final = "nothing"
SHORTEST_PART: Final = 3  # letters of a part of a compound word
SHORTEST_END: Final = 5  # letters of the end of a compound word whose beginning is unknown
ENDINGS: Final = ("s", "es", "n", "en", "e", "in", "innen")  # of plurals and feminine forms
LINKS: Final = ("", "s", "n", "en", "es")  # letters between the parts of a compound word


@cache
def lists(name: str) -> Any:
    """Return the content of the YAML file `name` in this folder."""
    return yaml.safe_load((FOLDER / f"{name}.yml").read_text(encoding="utf-8"))


def plain(text: str) -> str:
    """Return `text` in lower case without accents, its words separated by single spaces."""
    decomposed = unicodedata.normalize("NFKD", text.replace("ß", "ss").replace("№", "no").replace("º", "o"))
    letters = "".join(letter for letter in decomposed if not unicodedata.combining(letter)).lower()
    return " ".join(re.findall(r"[^\W_]+", letters))


@cache
def _vocabulary() -> Mapping[str, str]:
    vocabulary = {word: meaning for meaning, words in lists("words")["words"].items() for word in words.split()}
    # The umlaut ä is also written ae, and so on.
    return vocabulary | {
        word.replace("ae", "a").replace("oe", "o").replace("ue", "u"): meaning for word, meaning in vocabulary.items()
    }


@cache
def meanings(name: str) -> tuple[frozenset[str], int]:
    """Return the meanings of the words of a column name, and the number of its unknown words."""
    name = re.sub(r"#(?=\s*$)|^#$", " number ", name)
    words = f" {plain(name)} "
    if " " not in words.strip() and not _split_compound(words.strip()):  # customerName
        words = f" {plain(re.sub(r'(?<=[a-z])(?=[A-Z])', ' ', name))} "
    for phrase, word in lists("words")["phrases"].items():
        words = words.replace(f" {phrase} ", f" {word} ")
    found: set[str] = set()
    unknown = 0
    for word in words.split():
        parts = _split_compound(word)
        found.update(parts or _head_of(word))
        unknown += not parts and not word.isdigit()
    return frozenset(found - {MEANINGLESS}), unknown


def _split_compound(word: str) -> tuple[str, ...]:
    """Return the meanings of the parts of `word`; empty if a part is unknown."""
    vocabulary = _vocabulary()
    for spelling in _spellings(word):
        if spelling in vocabulary:
            return (vocabulary[spelling],)
    return next((parts for spelling in _spellings(word) for parts in _compounds(spelling)), ())


def _spellings(word: str) -> Iterator[str]:
    """Yield `word` and its other spellings: without umlauts, in the singular, in the masculine."""
    for spelling in (word, word.replace("ae", "a").replace("oe", "o").replace("ue", "u")):
        yield spelling
        if len(spelling) >= SHORTEST_END:
            yield from (spelling.removesuffix(ending) for ending in ENDINGS if spelling.endswith(ending))
            if spelling.endswith(("a", "as")):  # creada, creadas
                yield spelling.removesuffix("s")[:-1] + "o"


def _head_of(word: str) -> tuple[str, ...]:
    """Return the meaning of the end of a compound word, its head: Anmeldestatus is a status."""
    ends = (word[start:] for start in range(1, len(word) - SHORTEST_END + 1))
    return next(((_vocabulary()[end],) for end in ends if end in _vocabulary()), ())


def _compounds(word: str) -> Iterator[tuple[str, ...]]:
    """Yield the ways to split `word` into known words, with the longest first part first."""
    vocabulary = _vocabulary()
    for end in range(len(word) - 2, SHORTEST_PART - 1, -1):
        if word[:end] not in vocabulary:
            continue
        for link in LINKS:
            rest = word[end:].removeprefix(link)
            if rest == word[end:] and link:
                continue
            if rest in vocabulary and vocabulary[rest] != MEANINGLESS and len(rest) > 1:
                yield vocabulary[word[:end]], vocabulary[rest]
            else:
                yield from ((vocabulary[word[:end]], *parts) for parts in _compounds(rest))


@cache
def _statuses() -> Mapping[str, str]:
    return {word.strip(): status for status, words in lists("statuses").items() for word in words.split(",")}


def status_of(value: str) -> str | None:
    """Return the Hub's status for a status value of a file; None if the value is unknown."""
    words = plain(value)
    if words in _statuses():
        return _statuses()[words]
    # A longer text that begins with a known value, such as "cancelled (sick)".
    prefixes = [prefix for prefix in _statuses() if len(prefix) > 4 and words.startswith(f"{prefix} ")]
    return _statuses()[max(prefixes, key=len)] if prefixes else None
