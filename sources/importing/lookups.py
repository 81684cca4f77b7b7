"""Columns of another file of the mapping, read by its key: `lookup('products', product_id, 'name')`."""

from collections.abc import Iterable, Mapping, Sequence

from sources.importing.expression_functions import MappingError
from sources.importing.expressions import KEY_SEPARATOR, Expression, Rows, closest


class Lookups:
    """The columns that expressions look up, and their values by the key of their file once it has been read."""

    def __init__(self, headers: Mapping[str, Sequence[str]]) -> None:
        self._headers = headers
        self.values: dict[str, dict[str, dict[str, str]]] = {}  # file, column, key: the value

    def column(self, file: str, column: str) -> Mapping[str, str]:
        """Return the values of `column` in `file` by its key: empty until `add` fills them.

        Raises MappingError where there is no such file or column.
        """
        if file not in self._headers:
            raise MappingError(f"no file '{file}' is read{closest(file, list(self._headers))}")
        if column not in self._headers[file]:
            raise MappingError(f"the file '{file}' has no column '{column}'{closest(column, self._headers[file])}")
        return self.values.setdefault(file, {}).setdefault(column, {})

    def add(self, file: str, key: Sequence[Expression], rows: Rows, nulls: Iterable[str]) -> None:
        """Add the looked-up columns of a block of rows of `file`."""
        null_texts = frozenset(nulls)
        parts = [expression.evaluate(rows).values for expression in key]
        keys = [None if None in row else KEY_SEPARATOR.join(map(str, row)) for row in zip(*parts, strict=True)]
        for column, values in self.values[file].items():
            cells = (cell.strip() for cell in rows.columns[column])
            values.update(
                (key_text, cell)
                for key_text, cell in zip(keys, cells, strict=True)
                if key_text and cell not in null_texts
            )
