"""Rendering of a draft as YAML, with comments for the reader."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from textwrap import wrap
from typing import Any, Final

from sources.importing.mapping import Organization
from sources.importing.reading import Layout
from sources.importing.suggesting.draft import Draft
from sources.importing.suggesting.fields import Field
from sources.importing.suggesting.locales import Locale
from sources.importing.suggesting.related_tables import Source

WIDTH: Final = 120
CAUTION: Final = "# Read it line by line, and check every line that is not sure or has CHECK or TODO."


def render(draft: Draft, *, name: str, source: Source, locale: Locale, organization: Organization | None) -> str:
    """Return the whole mapping of one table."""
    return "\n".join(
        [
            f"# A first mapping for {source.path.name}, drafted from its header and {source.rows:,} of its rows.",
            CAUTION,
            "#",
            *_aligned(draft.column_uses),
            *_gaps(draft),
            f"name: {name}",
            "",
            *_format(draft, source.layout, source.table),
            "",
            *_organization(locale, organization),
            "",
            *_records(draft),
            "",
        ]
    )


def render_related(
    parts: Mapping[str, tuple[Source, Draft]], *, name: str, unknown: Sequence[str], locale: Locale,
    organization: Organization | None,
) -> str:  # fmt: skip
    """Return the whole mapping of several tables, each with its section."""
    lines = [
        f"# A first mapping for {len(parts)} related tables, drafted from their headers and values.",
        CAUTION,
    ]
    for section, (source, draft) in parts.items():
        lines += [
            "#",
            f"# {section} ({source.name}, {source.rows:,} rows):",
            *_aligned(draft.column_uses),
            *_gaps(draft),
        ]
    if unknown:
        lines += ["#", f"# TODO: these tables were not recognised: {', '.join(unknown)}"]
    lines += [f"name: {name}", "", *_organization(locale, organization), "", "files:"]
    for section, (source, draft) in parts.items():
        records = [f"match: {json.dumps(source.name, ensure_ascii=False)}"]
        records += [*_format(draft, source.layout, None), *_records(draft)]
        lines += [f"  {section}:", *(f"    {line}" for line in records if line)]
    return "\n".join([*lines, ""])


def _gaps(draft: Draft) -> list[str]:
    return ["#", "# What the file lacks:", *(f"#   {gap}" for gap in draft.gaps)] if draft.gaps else []


def _records(draft: Draft) -> Iterator[str]:
    """Yield the lines of the key, the names and the sections of a draft."""
    if draft.key:
        yield f"key: [{', '.join(scalar(part) for part in draft.key)}]"
    else:
        yield "# No column has a unique value in every row, so a row is identified by all of its values: a changed row"
        yield "# is a new record. CHECK: write a key if there is one."
    if draft.let:
        yield from ("", "let:", *_fields(draft.let))
    for section, fields in draft.sections.items():
        yield from ("", f"{section}:", *_fields(fields))
    if draft.history:
        yield from ("", "history:", *(f"  - {_flow(event)}" for event in draft.history))


def _aligned(column_uses: dict[str, str]) -> Iterator[str]:
    width = min(max(map(len, column_uses), default=0), 40)
    for name, use in column_uses.items():
        yield f"#   {' '.join(name.split()):<{width}}  {use}"


def _format(draft: Draft, layout: Layout, table: str | None) -> list[str]:
    lines = ["format:  # detected in the file; a line that is left out is detected in each file"]
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


def _organization(locale: Locale, known: Organization | None) -> list[str]:
    if known:
        values = known.model_dump(exclude_none=True)
        return ["organization:", *(f"  {name}: {scalar(str(value))}" for name, value in values.items())]
    return [
        "organization:",
        "  name: My Business  # TODO",
        "  slug: my-business  # TODO: small letters, digits and hyphens; a different one for each business",
        f"  timezone: {locale.timezone}  # CHECK: guessed {locale.why_timezone}",
        f"  currency: {locale.currency}  # CHECK: guessed {locale.why_currency}",
        *(
            [f"  country: {scalar(locale.country)}  # CHECK: the country of the public holidays"]
            if locale.country
            else []
        ),
    ]


def _fields(fields: Sequence[Field]) -> Iterator[str]:
    for field in fields:
        comment = f"  # {field.comment}" if field.comment else ""
        if isinstance(field.value, dict) and "values" in field.value:
            yield f"  {field.name}:{comment}"
            yield f"    expression: {scalar(field.value['expression'])}"
            yield "    values:"
            yield from (f"      {scalar(value)}: {status}" for value, status in field.value["values"].items())
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
    """Return `text` as a YAML scalar: plain if nothing in it has a meaning in YAML."""
    if (
        re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.() +*/'%=<-]*(, [A-Za-z0-9_.() +*/'%=<'-]+)*", text)
        and text == text.strip()
    ):
        return text if "," not in text else json.dumps(text, ensure_ascii=False)
    return json.dumps(text, ensure_ascii=False)
