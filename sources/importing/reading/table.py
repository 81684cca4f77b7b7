"""A table that is open for reading: the header and the records, one by one, in the order of the file."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sources.importing.reading.layout import Layout


@dataclass(frozen=True)
class Record:
    """A row: the line on which it begins (in a workbook its row), and its fields."""

    line: int
    fields: list[str]
    problem: tuple[str, str] | None = None  # reason and sentence, where it is no row of this table


@dataclass(frozen=True)
class Table:
    """A table of a file. `records` can be read once.

    `notes` are sentences about the table that a person should know, such as a column that comes twice.
    """

    name: str  # the sheet, the file in the zip, or the file itself
    header: list[str]
    records: Iterator[Record]
    layout: Layout
    notes: tuple[str, ...] = ()


def column_names(cells: Sequence[str]) -> tuple[list[str], list[str]]:
    """A name for each column, all different; and a sentence for each name that is not as in the file."""
    seen: Counter[str] = Counter()
    names: list[str] = []
    notes = []
    for position, cell in enumerate(cells, 1):
        name = " ".join(cell.replace("\ufeff", "").split())
        if not name:
            name = f"column {position}"
            notes.append(f"Column {position} has no name: it is read as '{name}'.")
        seen[name] += 1
        if seen[name] > 1:
            again = f"{name} ({seen[name]})"
            notes.append(f"The column '{name}' comes {seen[name]} times: number {seen[name]} is read as '{again}'.")
            name = again
        names.append(name)
    return names, notes


def checked(line: int, fields: list[str], width: int) -> Record:
    """The record of a row whose table has `width` columns."""
    if len(fields) != width:
        problem = f"The row has {len(fields)} fields, but the header has {width}."
        return Record(line, fields, ("wrong number of fields", problem))
    if "\0" in "".join(fields):
        return Record(line, fields, ("zero byte", "The row has a zero byte in it."))
    return Record(line, fields)
