"""Reading of text tables (CSV and similar) record by record; a problem of one row does not affect the others."""

import csv
import gzip
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import TextIOWrapper
from itertools import chain, islice
from typing import TYPE_CHECKING, Final, TextIO

from sources.errors import HubError
from sources.importing.reading import detection, encodings
from sources.importing.reading.encodings import Opener
from sources.importing.reading.table import Record, Table, check_row, column_names
from sources.importing.reading.table_format import DELIMITERS, Format, Layout

if TYPE_CHECKING:
    from _csv import Reader

SAMPLE_LINES: Final = 1_000  # lines from which the layout is detected
SAMPLE_CHARACTERS: Final = 1 << 21  # after which the sample ends: a packed file may unpack to a thousand long lines
LONGEST_LINE: Final = 1 << 20  # characters; a file with longer lines is not a table, and would fill the memory
BROKEN_ARCHIVE: Final = (gzip.BadGzipFile, EOFError, zlib.error, zipfile.BadZipFile)


@dataclass(frozen=True)
class TextPart:
    """A text file, or one within a gzip or zip file."""

    name: str
    open: Opener
    packed: str = ""  # gzip or zip


@contextmanager
def open_text(part: TextPart, file_format: Format) -> Iterator[Table]:
    """Open the table in `part`. An empty line is not a row.

    Raises HubError where it cannot be read: incomplete, empty, a wrong encoding (with the line and the byte), an
    unclosed quote.
    """
    encoding = file_format.encoding
    try:
        encoding = encoding or encodings.find_encoding(part.open)
        with TextIOWrapper(part.open(), encoding=encoding, newline="") as text:
            yield _table(part.name, text, encoding, file_format)
    except UnicodeError:
        raise encodings.encoding_error(part.name, part.open, encoding or "utf-8", packed=bool(part.packed)) from None
    except BROKEN_ARCHIVE as error:
        raise HubError(f"{part.name} is not a complete {part.packed} file: {error}. Download it again.") from None
    except OSError as error:
        raise HubError(f"The file {part.name} cannot be read: {error.strerror or error}.") from None


def _table(name: str, text: TextIO, encoding: str, file_format: Format) -> Table:
    lines = _lines(name, text)
    sample = _sample(lines)
    skipped, declared = detection.declared_delimiter(sample)
    if not any(line.strip() for line in sample[skipped:]):
        raise HubError(f"{name} is empty: there is nothing to import. Export it again.")
    delimiter = file_format.delimiter or declared or detection.find_delimiter(sample[skipped:])
    if file_format.delimiter:
        _check_delimiter(name, sample[skipped:], delimiter)
    rows = detection.rows_of(sample[skipped:], delimiter, skipped)
    position = detection.header_position(rows)
    header_line = file_format.header or rows[position][0]
    if header_line > len(sample):
        raise HubError(f"{name} has no line {header_line}: correct format.header in the mapping, or leave it out.")
    reader = csv.reader(chain(sample[header_line - 1 :], lines), delimiter=delimiter, strict=True)
    try:
        header, notes = column_names(next(reader))
    except csv.Error as error:
        raise HubError(f"{name}, line {header_line}: the header is not CSV: {error}.") from None
    cells = [cell for line, row in rows if line > header_line for cell in row]
    decimal, thousands = detection.number_format(cells, file_format)
    layout = Layout(
        header=header_line,
        encoding=encoding,
        delimiter=delimiter,
        decimal=decimal,
        thousands=thousands,
        date_order=file_format.date_order or detection.date_order(cells),
        nulls=frozenset(file_format.nulls),
        given=frozenset(file_format.model_fields_set),
    )
    if all(line <= header_line for line, _ in rows):
        notes.append("It has a header and no rows.")
    return Table(name, header, _records(reader, len(header), header_line, name), layout, tuple(notes))


def _sample(lines: Iterator[str]) -> list[str]:
    """Take the first lines: SAMPLE_LINES, or as many as SAMPLE_CHARACTERS hold."""
    sample: list[str] = []
    characters = 0
    for line in islice(lines, SAMPLE_LINES):
        sample.append(line)
        characters += len(line)
        if characters >= SAMPLE_CHARACTERS:
            break
    return sample


def _lines(name: str, text: TextIO) -> Iterator[str]:
    number = 0
    while line := text.readline(LONGEST_LINE):
        number += 1
        if len(line) == LONGEST_LINE and not line.endswith("\n"):
            raise HubError(f"{name}, line {number} has more than {LONGEST_LINE:,} characters: this is not a table.")
        yield line


def _check_delimiter(name: str, sample: Sequence[str], delimiter: str) -> None:
    """Raise HubError if the header lacks the delimiter of the mapping and has another one."""
    found = detection.find_delimiter(sample)
    rows = detection.rows_of(sample, found, 0)
    header = rows[detection.header_position(rows)][1]
    if found != delimiter and len(header) > 1 and delimiter not in "".join(header):
        raise HubError(
            f"{name}: the columns are not separated by {_delimiter_name(delimiter)} but by {_delimiter_name(found)}. "
            "Correct format.delimiter in the mapping, or leave it out."
        )


def _delimiter_name(delimiter: str) -> str:
    return f"a {DELIMITERS[delimiter]}" if delimiter in DELIMITERS else f"'{delimiter}'"


def _records(reader: "Reader", width: int, header_line: int, name: str) -> Iterator[Record]:
    lines_above = header_line - 1
    while True:
        line = lines_above + reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "end of data" in str(error) or "field limit" in str(error):
                raise HubError(f"{name}, line {line}: a quote that is opened in this row is never closed.") from None
            yield Record(line, [], ("not CSV", f"The row is not CSV: {error}."))
            continue
        if fields:
            yield check_row(line, fields, width)
