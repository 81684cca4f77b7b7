"""What expressions look up in another file of the mapping: `lookup('products', product_id, 'name')`."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from sources.importing.expressions import Expression, Rows, closest
from sources.importing.functions import Wrong

KEY_SEPARATOR: Final = "|"  # between the parts of a key


class Related:
    """The columns that expressions ask for, and their values by the key of their file once it has been read."""

    def __init__(self, headers: Mapping[str, Sequence[str]]) -> None:
        self._headers = headers
        self.asked: dict[str, dict[str, dict[str, str]]] = {}  # file, column, key: the value

    def column(self, file: str, column: str) -> Mapping[str, str]:
        """The values of `column` in `file` by its key: empty until `remember` fills them.

        Raises Wrong where there is no such file or column.
        """
        if file not in self._headers:
            raise Wrong(f"no file '{file}' is given{closest(file, list(self._headers))}")
        if column not in self._headers[file]:
            raise Wrong(f"the file '{file}' has no column '{column}'{closest(column, self._headers[file])}")
        return self.asked.setdefault(file, {}).setdefault(column, {})

    def remember(self, file: str, key: Sequence[Expression], rows: Rows, nulls: Iterable[str]) -> None:
        """Keep what was asked of a block of rows of `file`."""
        absent = frozenset(nulls)
        parts = [expression.evaluate(rows).values for expression in key]
        keys = [None if None in row else KEY_SEPARATOR.join(map(str, row)) for row in zip(*parts, strict=True)]
        for column, values in self.asked[file].items():
            cells = (cell.strip() for cell in rows.columns[column])
            values.update((k, cell) for k, cell in zip(keys, cells, strict=True) if k and cell not in absent)
