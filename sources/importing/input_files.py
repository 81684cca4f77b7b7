"""Input tables: each file or table to import, with the section of the mapping that it fills."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from sources.errors import HubError
from sources.importing.compiled_mapping import compile_file
from sources.importing.lookups import Lookups
from sources.importing.mapping import ImportMapping
from sources.importing.reading import Format, Layout, Table, open_table, open_tables


@dataclass(frozen=True)
class Input:
    """A table to import: the section of the mapping that it fills, its file, format, header and layout."""

    section: str
    path: Path
    format: Format
    header: Sequence[str]
    layout: Layout
    notes: Sequence[str]

    @property
    def title(self) -> str:
        """The name of the table in reports."""
        return f"{self.path.name} ({self.format.table})" if self.format.table else self.path.name

    @contextmanager
    def open(self) -> Iterator[Table]:
        """Open the table for reading from its beginning."""
        with open_table(self.path, self.format) as table:
            yield table


def match_files(mapping: ImportMapping, mapping_name: str, files: Sequence[str]) -> list[Input]:
    """Match the tables in `files`, each a path or NAME=path, with sections; return them in the order of the sections.

    Raises HubError for a file that fits no section of the mapping, and for one that fits several.
    """
    sections = mapping.files_by_name()
    inputs = []
    for file in files:
        name, path = _split_name(file, sections)
        file_format = sections[name].format if name else mapping.format
        with open_tables(path, file_format) as tables:
            selected = {file_format.table: tables[file_format.table]} if file_format.table in tables else tables
            if not mapping.files and len(selected) == 1:
                name = mapping.name
            found = []
            for title, table in selected.items():
                for section in [name] if name else _sections_of(mapping, mapping_name, path, title, table):
                    own = sections[section].format
                    own = own.model_copy(update={"table": title}) if len(selected) > 1 else own
                    found.append(Input(section, path, own, table.header, table.layout, table.notes))
        if not found:
            raise HubError(
                f"{path.name} is none of the files of {mapping_name}: {', '.join(sections)}. Write NAME={path} "
                "with the name of its section to see which column is missing."
            )
        inputs += found
    order = list(sections)
    return sorted(inputs, key=lambda table: order.index(table.section))


def _split_name(file: str, sections: Mapping[str, object]) -> tuple[str | None, Path]:
    name, separator, path = file.partition("=")
    if separator and name in sections:
        return name, Path(path)
    if separator and re.fullmatch(r"\w+", name) and not Path(file).exists():
        raise HubError(f"The mapping has no file '{name}': it has {', '.join(sections)}.")
    return None, Path(file)


def _sections_of(mapping: ImportMapping, mapping_name: str, path: Path, title: str, table: Table) -> list[str]:
    """Return the sections for a table: those whose patterns its name matches, else the one whose columns it has."""
    sections = mapping.files_by_name()
    names = [path.name, title]
    matching = [
        section
        for section, records in sections.items()
        if any(fnmatch(name.lower(), pattern.lower()) for pattern in records.match for name in names)
    ]
    fitting = [
        section
        for section, records in sections.items()
        if not records.match and _has_columns(mapping, section, mapping_name, table)
    ]
    if len(fitting) > 1:
        fitting = [section for section in fitting if any(section.lower() in name.lower() for name in names)] or fitting
    if len(fitting) > 1 and not matching:
        raise HubError(
            f"{path.name} could be {' or '.join(fitting)} of {mapping_name}: write NAME=FILE with the name of "
            f"its section, for example {fitting[0]}={path}."
        )
    return matching or fitting


def _has_columns(mapping: ImportMapping, section: str, mapping_name: str, table: Table) -> bool:
    try:
        compile_file(mapping, section, table.header, table.layout, mapping_name, _AnyLookups({}))
    except HubError:
        return False
    return True


class _AnyLookups(Lookups):
    """Accepts every look-up, because the other files are not open yet."""

    def column(self, file: str, column: str) -> Mapping[str, str]:
        return {}
