"""A first mapping for a file, drafted from its header and values: `hub import --suggest`."""

import re
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Final

import yaml
from pydantic import ValidationError

from sources.errors import HubError
from sources.importing.mapping import ImportMapping
from sources.importing.plans import compile_file
from sources.importing.reading import Format, open_tables
from sources.importing.reading.table import Table
from sources.importing.related import Related
from sources.importing.suggesting.draft import drafted
from sources.importing.suggesting.matching import matched
from sources.importing.suggesting.places import place_of
from sources.importing.suggesting.profile import profiled
from sources.importing.suggesting.words import plain
from sources.importing.suggesting.writing import written

__all__ = ["suggested_mapping"]

SAMPLE_ROWS: Final = 20_000  # enough to see every state and every way in which a column is written


def suggested_mapping(files: Sequence[Path]) -> str:
    """The text of a mapping for `files`.

    Raises HubError where a file cannot be read or has no rows.
    """
    if len(files) != 1:
        raise HubError("Give one file: a mapping of several related files is put together from one draft for each.")
    path = files[0]
    with open_tables(path, Format()) as tables:
        table = max(tables.values(), key=lambda table: len(table.header))
        text = _for_table(path, table, table.name if len(tables) > 1 else None)
        return _checked(text, table)


def _for_table(path: Path, table: Table, name: str | None) -> str:
    rows = [record.fields for record in islice(table.records, SAMPLE_ROWS) if not record.problem]
    if not rows:
        raise HubError(f"{path.name} has a header and no rows: a mapping is drafted from the values too.")
    by_column = zip(table.header, zip(*rows, strict=True), strict=True)
    columns = [profiled(title, cells, table.layout) for title, cells in by_column]
    matches = matched(columns, table.layout)
    place = place_of(columns, matches)
    draft = drafted(columns, matches, table.layout, place)
    slug = re.sub(r"[^a-z0-9]+", "_", plain(path.name.split(".")[0])).strip("_") or "my_bookings"
    return written(draft, name=slug, source=path.name, rows=len(rows), layout=table.layout, table=name, place=place)


def _checked(text: str, table: Table) -> str:
    """`text`, with what keeps it from being used on top, if anything does."""
    try:
        model = ImportMapping.model_validate(yaml.load(text, Loader=yaml.BaseLoader))
        compile_file(model, model.name, table.header, table.layout, "the draft", Related({}))
    except (HubError, ValidationError, yaml.YAMLError) as error:
        return f"# TODO: this draft cannot be used yet. {' '.join(str(error).split())}\n{text}"
    return text
