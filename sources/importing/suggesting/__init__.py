"""A first mapping for a file, drafted from its header and values: `hub import --suggest`."""

import re
from itertools import islice
from pathlib import Path
from typing import Final

from sources.errors import HubError
from sources.importing.reading import Format, open_tables
from sources.importing.reading.table import Table
from sources.importing.suggesting.draft import drafted
from sources.importing.suggesting.matching import matched
from sources.importing.suggesting.places import place_of
from sources.importing.suggesting.profile import profiled
from sources.importing.suggesting.words import plain
from sources.importing.suggesting.writing import written

__all__ = ["suggested_mapping"]

SAMPLE_ROWS: Final = 20_000  # enough to see every state and every way in which a column is written


def suggested_mapping(path: Path) -> str:
    """The text of a mapping for the file at `path`.

    Raises HubError where the file cannot be read or has no rows.
    """
    with open_tables(path, Format()) as tables:
        named = max(tables.values(), key=lambda table: len(table.header)) if len(tables) > 1 else None
        table = named or next(iter(tables.values()))
        return _for_table(path, table, named.name if named else None)


def _for_table(path: Path, table: Table, name: str | None) -> str:
    rows = [record.fields for record in islice(table.records, SAMPLE_ROWS) if not record.problem]
    if not rows:
        raise HubError(f"{path.name} has a header and no rows: a mapping is drafted from the values too.")
    columns = [
        profiled(title, cells, table.layout) for title, cells in zip(table.header, zip(*rows, strict=True), strict=True)
    ]
    matches = matched(columns, table.layout)
    place = place_of(columns, matches)
    draft = drafted(columns, matches, table.layout, place)
    slug = re.sub(r"[^a-z0-9]+", "_", plain(path.name.split(".")[0])).strip("_") or "my_bookings"
    return written(draft, name=slug, source=path.name, rows=len(rows), layout=table.layout, table=name, place=place)
