"""Which file is which: the tables that are given, each with the section of the mapping that it fills."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from sources.errors import HubError
from sources.importing.mapping import ImportMapping
from sources.importing.plans import compile_file
from sources.importing.reading import Format, Layout, Table, open_table, open_tables
from sources.importing.related import Related


@dataclass(frozen=True)
class Input:
    """A table to import: the section of the mapping that it fills, and how it is opened."""

    section: str
    path: Path
    form: Format
    header: Sequence[str]
    layout: Layout
    notes: Sequence[str]

    @property
    def shown(self) -> str:
        """The table as a person knows it."""
        return f"{self.path.name} ({self.form.table})" if self.form.table else self.path.name

    @contextmanager
    def open(self) -> Iterator[Table]:
        """The table, open for reading from its beginning."""
        with open_table(self.path, self.form) as table:
            yield table


def find_inputs(mapping: ImportMapping, mapping_name: str, files: Sequence[str]) -> list[Input]:
    """The tables in `files`, each a path or NAME=path, in the order of the mapping's sections.

    Raises HubError for a file that no section of the mapping reads, and for one that several could read.
    """
    sections = mapping.files_by_name()
    inputs = []
    for file in files:
        name, path = _named(file, sections)
        form = sections[name].format if name else mapping.format
        with open_tables(path, form) as tables:
            if form.table in tables:
                tables = {form.table: tables[form.table]}
            if not mapping.files and len(tables) == 1:
                name = mapping.name
            found = []
            for title, table in tables.items():
                section = name or _section_of(mapping, mapping_name, path, title, table)
                if section:
                    own = sections[section].format
                    own = own.model_copy(update={"table": title}) if len(tables) > 1 else own
                    found.append(Input(section, path, own, table.header, table.layout, table.notes))
        if not found:
            raise HubError(
                f"{path.name} is none of the files of {mapping_name}: {', '.join(sections)}. Say which one it is "
                f"(NAME={path}) to see which column is missing."
            )
        inputs += found
    order = list(sections)
    return sorted(inputs, key=lambda it: order.index(it.section))


def _named(file: str, sections: Mapping[str, object]) -> tuple[str | None, Path]:
    name, separator, rest = file.partition("=")
    if separator and name in sections:
        return name, Path(rest)
    if separator and re.fullmatch(r"\w+", name) and not Path(file).exists():
        raise HubError(f"The mapping has no file '{name}': it has {', '.join(sections)}.")
    return None, Path(file)


def _section_of(mapping: ImportMapping, mapping_name: str, path: Path, title: str, table: Table) -> str | None:
    """The section for a table: the one whose pattern its name matches, else the one whose columns it has."""
    sections = mapping.files_by_name()
    names = [path.name, title]
    matching = [
        section
        for section, records in sections.items()
        if any(fnmatch(name.lower(), pattern.lower()) for pattern in records.match for name in names)
    ]
    fitting = matching or [
        section
        for section, records in sections.items()
        if not records.match and _has_the_columns(mapping, section, mapping_name, table)
    ]
    if len(fitting) > 1:
        fitting = [it for it in fitting if any(it.lower() in name.lower() for name in names)] or fitting
    if len(fitting) > 1:
        raise HubError(
            f"{path.name} could be {' or '.join(fitting)} of {mapping_name}: say which one it is, for example "
            f"{fitting[0]}={path}."
        )
    return fitting[0] if fitting else None


def _has_the_columns(mapping: ImportMapping, section: str, mapping_name: str, table: Table) -> bool:
    try:
        compile_file(mapping, section, table.header, table.layout, mapping_name, _AnyRelated({}))
    except HubError:
        return False
    return True


class _AnyRelated(Related):
    """Takes every look-up as possible: what other files have is not known yet."""

    def column(self, file: str, column: str) -> Mapping[str, str]:
        return {}
