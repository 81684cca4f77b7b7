"""A table that is open for reading: its header, and its records one by one in the order of the file."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from sources.importing.reading.detection import looks_like_data
from sources.importing.reading.table_format import Layout


class Record(NamedTuple):
    """A row: its first line (in a workbook its row number), and its fields."""

    line: int
    fields: list[str]
    problem: tuple[str, str] | None = None  # reason and sentence, if it is not a valid row of this table


NO_HEADER: Final = "The header looks like data: add a line that names the columns, or write format.header."


@dataclass(frozen=True)
class Table:
    """A table of a file. `records` can be read once.

    `notes` are sentences for the report, for example on a repeated column.
    """

    name: str  # the sheet, the file in the zip, or the file itself
    header: list[str]
    records: Iterator[Record]
    layout: Layout
    notes: tuple[str, ...] = ()


def column_names(cells: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return a unique name for each column, and a sentence for each name that differs from the file."""
    seen: Counter[str] = Counter()
    names: list[str] = []
    notes = [NO_HEADER] if looks_like_data(cells) else []
    for position, cell in enumerate(cells, 1):
        name = " ".join(cell.replace("\ufeff", "").split())
        if not name:
            name = f"column {position}"
            notes.append(f"Column {position} has no name: it is read as '{name}'.")
        seen[name] += 1
        if seen[name] > 1:
            unique = f"{name} ({seen[name]})"
            notes.append(f"The column '{name}' occurs {seen[name]} times: number {seen[name]} is read as '{unique}'.")
            name = unique
        names.append(name)
    return names, notes


def check_row(line: int, fields: list[str], width: int) -> Record:
    """Return the record of a row of a table with `width` columns, with its problem if it has one."""
    if len(fields) > width and not any(fields[width:]):
        fields = fields[:width]  # without trailing separators
    if len(fields) != width:
        problem = f"The row has {len(fields)} fields, but the header has {width}."
        return Record(line, fields, ("wrong number of fields", problem))
    if "\0" in "".join(fields):
        return Record(line, fields, ("zero byte", "The row contains a zero byte."))
    return Record(line, fields)
