"""Draft of a mapping for a file from its header and values: `hub import --suggest`."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Final

import yaml
from pydantic import ValidationError

from sources.errors import HubError
from sources.importing.compiled_mapping import compile_file
from sources.importing.lookups import Lookups
from sources.importing.mapping import ImportMapping, Organization
from sources.importing.reading import Format, open_tables
from sources.importing.reading.table import NO_HEADER, Table
from sources.importing.suggesting.draft import Draft, draft_bookings
from sources.importing.suggesting.locales import guess_locale
from sources.importing.suggesting.matching import match_columns
from sources.importing.suggesting.profile import profile_column
from sources.importing.suggesting.related_tables import Source, draft_tables, find_bookings
from sources.importing.suggesting.rendering import render, render_related
from sources.importing.suggesting.words import plain

__all__ = ["suggest_mapping"]

MIN_FILLED: Final = 0.4  # the least share of the typical number of filled columns in a row that is used
SAMPLE_ROWS: Final = 20_000  # enough for every status value and every format of a column


def suggest_mapping(files: Sequence[Path], organization: Organization | None = None) -> str:
    """Return the text of a mapping for `files`: of one table, or of several related ones.

    Without an `organization` its values are guessed, and marked as such.

    Raises HubError where a file cannot be read or has no rows.
    """
    sources = [source for path in files for source in _sources(path)]
    bookings = find_bookings(sources)
    locale = guess_locale(bookings.columns, bookings.matches)
    if organization:
        locale = replace(locale, currency=organization.currency, country=organization.country or "")
    name = re.sub(r"[^a-z0-9]+", "_", plain(bookings.path.name.split(".")[0])).strip("_") or "my_bookings"
    found = list(draft_tables(sources, bookings, locale))
    if len([draft for _, _, draft in found if draft]) == 1:
        alone = draft_bookings(bookings.columns, bookings.matches, bookings.layout, locale)
        return _checked(
            render(alone, name=name, source=bookings, locale=locale, organization=organization), {name: bookings}
        )
    parts: dict[str, tuple[Source, Draft]] = {}
    for kind, source, draft in found:
        if draft:
            number = sum(section.startswith(f"{kind}s") for section in parts)
            parts[f"{kind}s" if not number else f"{kind}s_{number + 1}"] = (source, draft)
    unknown = [source.name for _, source, draft in found if draft is None]
    text = render_related(parts, name=name, unknown=unknown, locale=locale, organization=organization)
    return _checked(text, {section: source for section, (source, _) in parts.items()})


def _sources(path: Path) -> Iterator[Source]:
    """Yield the tables of a file that have rows."""
    with open_tables(path, Format()) as tables:
        found = [(table, _filled_rows(_sample(table))) for table in tables.values()]
        if not any(rows for _, rows in found):
            raise HubError(f"{path.name} has a header and no rows, but a mapping is drafted from the values too.")
        for table, rows in found:
            if NO_HEADER in table.notes:
                raise HubError(f"{path.name} has no header: add a first line with the names of the columns.")
            if rows:
                by_column = zip(table.header, zip(*rows, strict=True), strict=True)
                columns = [profile_column(title, cells, table.layout) for title, cells in by_column]
                name = table.name if len(tables) > 1 else None
                yield Source(path, name, columns, match_columns(columns, table.layout), table.layout, table.header)


def _sample(table: Table) -> list[list[str]]:
    return [record.fields for record in islice(table.records, SAMPLE_ROWS) if not record.problem]


def _filled_rows(rows: list[list[str]]) -> list[list[str]]:
    """Return `rows` without those that fill few columns, such as a line of totals."""
    filled = [sum(bool(cell.strip()) for cell in row) for row in rows]
    typical = median(filled) if filled else 0
    return [row for row, count in zip(rows, filled, strict=True) if count >= MIN_FILLED * typical]


def _checked(text: str, sources: Mapping[str, Source]) -> str:
    """Return `text`, after a comment with the error if it cannot be used. `sources` are by section."""
    try:
        model = ImportMapping.model_validate(yaml.load(text, Loader=yaml.BaseLoader))
        lookups = Lookups({section: source.header for section, source in sources.items()})
        for section, source in sources.items():
            compile_file(model, section, source.header, source.layout, "the draft", lookups)
    except (HubError, ValidationError, yaml.YAMLError) as error:
        return f"# TODO: this draft cannot be used yet. {' '.join(str(error).split())}\n{text}"
    return text
