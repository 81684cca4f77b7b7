"""A draft as YAML, with comments for the person who checks it."""

import json
import re
from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import Any, Final

from sources.importing.reading import Layout
from sources.importing.suggesting.draft import Draft
from sources.importing.suggesting.places import Place
from sources.importing.suggesting.terms import Field

WIDTH: Final = 120
SECTIONS: Final = ("service", "client", "provider", "booking")


def written(draft: Draft, *, name: str, source: str, rows: int, layout: Layout, table: str | None, place: Place) -> str:
    """The whole mapping of a table. `source` is the file's name; `rows` of it were read."""
    return "\n".join(
        [
            f"# A first mapping for {source}, drafted from its header and {rows:,} of its rows.",
            "# Read it line by line: what is not sure, and what says CHECK or TODO, has to be checked.",
            "#",
            *_aligned(draft.became),
            *(["#", "# What the file lacks:", *(f"#   {what}" for what in draft.lacks)] if draft.lacks else []),
            f"name: {name}",
            "",
            *_format(draft, layout, table),
            "",
            *_organization(place),
            "",
            *(
                [f"key: [{', '.join(scalar(part) for part in draft.key)}]"]
                if draft.key
                else ["# No column is different in every row: a row is identified by all that it says, and one that",
                      "# changes is a new booking. CHECK: name a key if there is one."]
            ),
            "",
            "let:",
            *_fields(draft.let),
            *(line for section in SECTIONS if section in draft.sections
              for line in ("", f"{section}:", *_fields(draft.sections[section]))),
            *(["", "history:", *(f"  - {_flow(event)}" for event in draft.history)] if draft.history else []),
            "",
        ]
    )  # fmt: skip


def _aligned(became: dict[str, str]) -> Iterator[str]:
    width = min(max(map(len, became), default=0), 40)
    for name, what in became.items():
        yield f"#   {' '.join(name.split()):<{width}}  {what}"


def _format(draft: Draft, layout: Layout, table: str | None) -> list[str]:
    lines = ["format:  # found in the file; a line that is left out is found again in each file"]
    if table is not None:
        lines.append(f"  table: {scalar(table)}")
    if layout.header != 1:
        lines.append(f"  # header: {layout.header}")
    if layout.encoding is not None:
        lines.append(f"  # encoding: {layout.encoding.removesuffix('-sig')}")
        lines.append(f"  # delimiter: {json.dumps(layout.delimiter)}")
    lines.append(f"  decimal: {json.dumps(layout.decimal)}")
    if layout.thousands:
        lines.append(f"  thousands: {json.dumps(layout.thousands)}")
    lines.append(f"  nulls: {json.dumps(draft.nulls)}")
    return lines


def _organization(place: Place) -> list[str]:
    return [
        "organization:",
        "  name: My Business  # TODO",
        "  slug: my-business  # TODO: small letters, digits and hyphens; another one for each business",
        f"  timezone: {place.timezone}  # CHECK: guessed {place.why_timezone}",
        f"  currency: {place.currency}  # CHECK: guessed {place.why_currency}",
        *([f"  country: {scalar(place.country)}  # CHECK: whose public holidays count"] if place.country else []),
    ]


def _fields(fields: Sequence[Field]) -> Iterator[str]:
    for field in fields:
        comment = f"  # {field.comment}" if field.comment else ""
        if isinstance(field.value, dict) and "values" in field.value:
            yield f"  {field.name}:{comment}"
            yield f"    expression: {scalar(field.value['expression'])}"
            yield "    values:"
            yield from (f"      {scalar(given)}: {status}" for given, status in field.value["values"].items())
        elif isinstance(field.value, dict):
            yield f"  {field.name}: {_flow(field.value)}{comment}"
        elif len(field.value) + len(field.name) + len(comment) > WIDTH - 6:
            yield f"  {field.name}: >-{comment}"
            yield from wrap(
                field.value, WIDTH - 4, initial_indent="    ", subsequent_indent="    ", break_long_words=False
            )
        else:
            yield f"  {field.name}: {scalar(field.value)}{comment}"


def _flow(content: Any) -> str:
    return "{" + ", ".join(f"{name}: {scalar(value)}" for name, value in content.items()) + "}"


def scalar(text: str) -> str:
    """`text` as a YAML scalar: plain where nothing in it has a meaning in YAML."""
    if (
        re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.() +*/'%=<-]*(, [A-Za-z0-9_.() +*/'%=<'-]+)*", text)
        and text == text.strip()
    ):
        return text if "," not in text else json.dumps(text, ensure_ascii=False)
    return json.dumps(text, ensure_ascii=False)
