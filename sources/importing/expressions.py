"""Expressions over the columns of a file: evaluated a whole column at a time.

A column is a list, because exact Decimals are Python objects in any container.
An error of the mapping raises MappingError. A cell that cannot be evaluated is a Fault of its row.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Final

from sources.importing.expression_functions import (
    TYPE_NAMES,
    CellError,
    Dialect,
    MappingError,
    Value,
    ValueType,
    as_text,
    functions,
)

KEY_SEPARATOR: Final = "|"  # between the parts of a key


@dataclass(frozen=True)
class Fault:
    """The reason to reject a row: the kind of reason (counted), the value as in the file, and a sentence."""

    reason: str
    value: str | None
    message: str


@dataclass(frozen=True)
class Cells:
    """An evaluated column: one value per row (None: null), and the faults by position."""

    values: Sequence[Value]
    faults: dict[int, Fault] = field(default_factory=dict)


@dataclass(frozen=True)
class Rows:
    """A block of rows by column, as in the file; `cache` has the results of named expressions for it."""

    size: int
    columns: Mapping[str, Sequence[str]]
    cache: dict[str, Cells] = field(default_factory=dict)


@dataclass(frozen=True)
class Expression:
    """A checked expression: the type of its values, and the function that computes them."""

    type: ValueType
    evaluate: Callable[[Rows], Cells]
    literal: str | None = None  # if the expression is a text in quotes


def cached(name: str, expression: Expression) -> Expression:
    """Return `expression`, evaluated once per block however often its name is used."""

    def evaluate(rows: Rows) -> Cells:
        if name not in rows.cache:
            rows.cache[name] = expression.evaluate(rows)
        return rows.cache[name]

    return Expression(expression.type, evaluate)


def constant(value_type: ValueType, value: Value) -> Expression:
    """Return an expression with the same value in every row."""
    literal = value if isinstance(value, str) else None
    return Expression(value_type, lambda rows: Cells([value] * rows.size), literal)


def convert(expression: Expression, value_type: ValueType, function: str, dialect: Dialect) -> Expression:
    """Convert `expression` to `value_type`: text by the `function` of the language, any type to text.

    Raises MappingError where there is no such conversion.
    """
    if expression.type in (value_type, "null"):
        return expression
    if value_type == "text" or (value_type == "number" and expression.type == "text"):
        called = functions(dialect)["text" if value_type == "text" else function]
        return columnwise(value_type, called.apply, [expression])
    advice = {"date": "use at(day, 'HH:MM')", "text": "use parse_time(...) or at(parse_date(...), 'HH:MM')"}
    hint = f": {advice[expression.type]}" if value_type == "instant" and expression.type in advice else ""
    raise MappingError(f"the expression gives {TYPE_NAMES[expression.type]}, not {TYPE_NAMES[value_type]}{hint}")


def map_values(expression: Expression, values: Mapping[str, str], dialect: Dialect) -> Expression:
    """Apply a value map to `expression`; a value that the map does not have rejects its row."""

    def apply(value: str) -> str:
        if value in values:
            return values[value]
        raise CellError(
            "value not in the value map", f"The value '{value}' is not in the value map: {', '.join(values)}."
        )

    return columnwise("text", apply, [convert(expression, "text", "text", dialect)])


def closest(name: str, names: Sequence[str]) -> str:
    """Return ' (closest: ...)' with the `names` most similar to `name`; the first names if none is similar."""
    similar = get_close_matches(name, names, n=3, cutoff=0.5)
    if similar:
        return f" (closest: {', '.join(similar)})"
    return f" (there are: {', '.join(names[:12])}{', ...' if len(names) > 12 else ''})" if names else ""


def merge_faults(columns: Sequence[Cells]) -> dict[int, Fault]:
    """Return the first fault of each row."""
    merged: dict[int, Fault] = {}
    for column in reversed(columns):
        merged.update(column.faults)
    return merged


def columnwise(value_type: ValueType, function: Callable[..., Value], arguments: Sequence[Expression]) -> Expression:
    """Apply a `function` of single cells to columns: null if an argument is null; equal arguments computed once."""

    def evaluate(rows: Rows) -> Cells:
        columns = [argument.evaluate(rows) for argument in arguments]
        results: dict[tuple[Value, ...], Value | Fault] = {}
        values: list[Value] = []
        faults: dict[int, Fault] = {}
        for position, cells in enumerate(zip(*(column.values for column in columns), strict=True)):
            if None in cells:
                values.append(None)
                continue
            if cells not in results:
                results[cells] = _apply(function, cells)
            result = results[cells]
            if isinstance(result, Fault):
                faults[position] = result
                result = None
            values.append(result)
        return Cells(values, faults | merge_faults(columns))

    return Expression(value_type, evaluate)


def _apply(function: Callable[..., Value], cells: tuple[Value, ...]) -> Value | Fault:
    try:
        return function(*cells)
    except CellError as error:
        return Fault(error.reason, as_text(cells[0]), error.message)
    except (ArithmeticError, ValueError):
        shown = ", ".join(as_text(value) for value in cells)
        return Fault("cannot be computed", shown, f"The value cannot be computed from {shown}.")


def _common_type(name: str, arguments: Sequence[Expression]) -> ValueType:
    types = sorted({argument.type for argument in arguments} - {"null"})
    if len(types) > 1:
        raise MappingError(f"{name}(...) has to give one kind of value, not {' and '.join(types)}")
    return types[0] if types else "null"


def _when(name: str, arguments: list[Expression]) -> Expression:
    if len(arguments) != 3 or arguments[0].type != "truth":
        raise MappingError(f"{name}(...) takes a condition and two values")
    condition, *branches = arguments

    def evaluate(rows: Rows) -> Cells:
        chosen = condition.evaluate(rows)
        yes, no = (branch.evaluate(rows) for branch in branches)
        values = [
            if_true if is_true else if_false
            for is_true, if_true, if_false in zip(chosen.values, yes.values, no.values, strict=True)
        ]
        faults = {position: fault for position, fault in yes.faults.items() if chosen.values[position]}
        faults |= {position: fault for position, fault in no.faults.items() if not chosen.values[position]}
        return Cells(values, faults | chosen.faults)

    return Expression(_common_type(name, branches), evaluate)


def _coalesce(name: str, arguments: list[Expression]) -> Expression:
    if not arguments:
        raise MappingError(f"{name}(...) takes one or more values")

    def evaluate(rows: Rows) -> Cells:
        first = arguments[0].evaluate(rows)
        values, faults = list(first.values), dict(first.faults)
        for argument in arguments[1:]:
            other = argument.evaluate(rows)
            for position, value in enumerate(values):
                if value is None and position not in faults:
                    values[position] = other.values[position]
                    if position in other.faults:
                        faults[position] = other.faults[position]
        return Cells(values, faults)

    return Expression(_common_type(name, arguments), evaluate)


def _is_null(name: str, arguments: list[Expression]) -> Expression:
    if len(arguments) != 1:
        raise MappingError(f"{name}(...) takes one value")

    def evaluate(rows: Rows) -> Cells:
        cells = arguments[0].evaluate(rows)
        return Cells([value is None for value in cells.values], cells.faults)

    return Expression("truth", evaluate)


def _extreme(name: str, arguments: list[Expression]) -> Expression:
    if len(arguments) < 2:
        raise MappingError(f"{name}(...) takes two or more values")
    return columnwise(_common_type(name, arguments), max if name == "latest" else min, arguments)


# Functions with their own treatment of null, which accept arguments of any type.
COLUMN_FUNCTIONS: Final[Mapping[str, Callable[[str, list[Expression]], Expression]]] = {
    "when": _when,
    "coalesce": _coalesce,
    "is_null": _is_null,
    "latest": _extreme,
    "earliest": _extreme,
}
