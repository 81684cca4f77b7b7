"""Reading a CSV file record by record: what is wrong with one row stays with that row."""

import csv
import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from sources.errors import HubError
from sources.importing.mapping import Format

if TYPE_CHECKING:
    from _csv import Reader


@dataclass(frozen=True)
class Record:
    """A row of the file: the physical line on which it begins (the header is line 1), and its fields."""

    line: int
    fields: list[str]
    problem: tuple[str, str] | None = None  # reason and sentence, where it is no row of this file


@contextmanager
def open_csv(file: Path, form: Format) -> Iterator[tuple[list[str], Iterator[Record]]]:
    """The header of `file` and its records, in order; a line with nothing on it is no row.

    Raises HubError where the file cannot be read: absent, not gzip, no header, a broken encoding (with the
    line and the byte), a quote that is never closed.
    """
    try:
        with TextIOWrapper(_open_binary(file), encoding=form.encoding, newline="") as text:
            reader = csv.reader(text, delimiter=form.delimiter, strict=True)
            header = [name.strip() for name in next(reader, [])]
            twice = sorted({name for name in header if header.count(name) > 1})
            if not any(header):
                raise HubError(f"{file.name} has no header: its first line has to name the columns.")
            if twice:
                raise HubError(f"{file.name}: the header names the column '{twice[0]}' more than once.")
            yield header, _records(reader, header, file)
    except UnicodeDecodeError as error:
        raise _broken_encoding(file, form.encoding, error) from None
    except (gzip.BadGzipFile, EOFError) as error:
        raise HubError(f"{file.name} is not a whole gzip file: {error}.") from None
    except csv.Error as error:
        raise HubError(f"{file.name}, line 1: the header is not CSV: {error}.") from None
    except OSError as error:
        raise HubError(f"The file {file} cannot be read: {error.strerror or error}.") from None


def _open_binary(file: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(file)) if file.suffix == ".gz" else file.open("rb")


def _records(reader: "Reader", header: list[str], file: Path) -> Iterator[Record]:
    while True:
        line = reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "end of data" in str(error) or "field limit" in str(error):
                raise HubError(f"{file.name}, line {line}: a quote that opens in this row is never closed.") from None
            yield Record(line, [], ("not CSV", f"The row is not CSV: {error}."))
            continue
        if fields:
            yield Record(line, fields, _problem(fields, header))


def _problem(fields: list[str], header: list[str]) -> tuple[str, str] | None:
    if len(fields) != len(header):
        return (
            "wrong number of fields",
            f"The row has {len(fields)} fields, but the header has {len(header)}.",
        )
    if "\0" in "".join(fields):
        return "zero byte", "The row has a zero byte in it."
    return None


def _broken_encoding(file: Path, encoding: str, error: UnicodeDecodeError) -> HubError:
    """The sentence for a broken encoding. Reads the file again: `error` counts from a buffer's start."""
    with _open_binary(file) as binary:
        content = binary.read()
    try:
        content.decode(encoding)
    except UnicodeDecodeError as whole:
        error = whole
    offset = error.start + len(content) - len(error.object)  # a byte order mark is cut off before decoding
    line = content.count(b"\n", 0, offset) + 1
    unpacked = " of the unpacked file" if file.suffix == ".gz" else ""
    return HubError(
        f"{file.name}, line {line}, byte {offset}{unpacked}: 0x{content[offset]:02x} is not "
        f"{encoding.removesuffix('-sig')}; save the file as UTF-8, or set format.encoding in the mapping "
        "(for example cp1252)."
    )
