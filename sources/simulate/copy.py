"""Conversion of simulated columns to rows of `app`: identifiers, text for COPY, and COPY itself."""

from collections.abc import Iterable
from typing import Final

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql
from sqlalchemy import Column, DateTime, Numeric, Table

from sources.simulate.calendar import Bools, Ids, Texts, Times
from sources.tables import SCHEMA

NULL: Final = "\\N"  # of COPY's text format
NO_ID: Final = b""

# Column name -> values. DateTime: datetime64[s] in UTC. Numeric: int64 hundredths, or objects with None.
# UUID: S32, NO_ID for null. Other types: any array whose items print as the value; None for null.
Columns = dict[str, NDArray[np.generic]]


def or_null(known: Bools, values: object) -> Texts:
    """Return `values` (an array or one value for all) as objects, null where not `known`."""
    kept = np.full(len(known), None, dtype=object)
    kept[known] = np.broadcast_to(np.asarray(values, dtype=object), known.shape)[known]
    return kept


def uuid7s(rng: np.random.Generator, created: Times) -> Ids:
    """Return one UUIDv7 (RFC 9562, section 5.7) per moment, as 32 hexadecimal digits."""
    octets = np.empty((len(created), 16), dtype=np.uint8)
    milliseconds = created.astype("datetime64[ms]").astype(">i8")
    octets[:, :6] = milliseconds.view(np.uint8).reshape(-1, 8)[:, 2:]
    octets[:, 6:] = rng.integers(0, 256, size=(len(created), 10), dtype=np.uint8)
    octets[:, 6] = octets[:, 6] & 0x0F | 0x70
    octets[:, 8] = octets[:, 8] & 0x3F | 0x80
    return np.frombuffer(octets.tobytes().hex().encode(), dtype="S32")


def as_text(table: Table, columns: Columns) -> str:
    """Return `columns` in the text format of COPY. Moments are in UTC, as the session's time zone must be."""
    texts = [_texts(table.c[name], values) for name, values in columns.items()]
    return "\n".join(map("\t".join, zip(*texts, strict=True)))


def copy_rows(connection: psycopg.Connection, table: Table, names: Iterable[str], rows: str) -> None:
    """Append `rows`, the text that `as_text` returns for columns of these names, to `table` by COPY."""
    statement = sql.SQL("copy {} ({}) from stdin").format(
        sql.Identifier(SCHEMA, table.name), sql.SQL(", ").join(map(sql.Identifier, names))
    )
    with connection.cursor().copy(statement) as copy:
        copy.write(rows)


def _texts(column: Column[object], values: NDArray[np.generic]) -> list[str]:
    if values.dtype.kind == "S":
        return [value or NULL for value in values.astype("U32").tolist()]
    if isinstance(column.type, DateTime):
        moments = values.astype("datetime64[s]")
        texts: list[str] = np.where(np.isnat(moments), NULL, np.datetime_as_string(moments)).tolist()
        return texts
    if isinstance(column.type, Numeric):
        return [NULL if value is None else f"{value / 100:.2f}" for value in values.tolist()]
    return [NULL if value is None else str(value) for value in values.tolist()]
