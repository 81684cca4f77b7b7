"""Compiler of the expression language of import mappings, which computes values from columns and nothing else.

An expression is parsed with `ast`, and checked against the allowed nodes, names, functions and types before
any row is read. Nothing is ever passed to `eval`.
"""

import ast
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from sources.importing.expression_functions import (
    EXACT,
    OPERATIONS,
    TYPE_NAMES,
    Dialect,
    Function,
    MappingError,
    functions,
)
from sources.importing.expressions import (
    COLUMN_FUNCTIONS,
    KEY_SEPARATOR,
    Cells,
    Expression,
    Rows,
    cached,
    closest,
    columnwise,
    constant,
    convert,
    merge_faults,
)

MAX_LENGTH: Final = 1000  # of an expression, in characters; longer ones belong in `let`
MAX_DEPTH: Final = 60  # of its syntax tree: evaluation recurses as deep


@dataclass(frozen=True)
class Namespace:
    """The names that an expression may use: the columns of the file, and named expressions (which take precedence)."""

    columns: Sequence[str]
    names: Mapping[str, Expression]
    dialect: Dialect
    lookup: Callable[[str, str], Mapping[str, str]] | None = None  # a column of another file, by that file's key


def compile_expression(source: str, namespace: Namespace) -> Expression:
    """Check `source` against `namespace` and compile it.

    Raises MappingError, with the expression quoted, for a syntax error, for a node, function or name that is not
    allowed, and for types that do not fit.
    """
    source = source.strip()
    try:
        if len(source) > MAX_LENGTH:
            raise MappingError(f"the expression is longer than {MAX_LENGTH} characters: split it with `let`")
        body = ast.parse(source, mode="eval").body
        if _depth(body) > MAX_DEPTH:
            raise MappingError("the expression is nested too deeply: split it with `let`")
        return _compile(body, namespace, source)
    except MappingError as error:
        raise MappingError(f"{error}, in `{source[:200]}`") from None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise MappingError(f"`{source[:200]}` is not an expression") from None


def _depth(node: ast.AST) -> int:
    return 1 + max((_depth(child) for child in ast.iter_child_nodes(node)), default=0)


def column_text(name: str, namespace: Namespace) -> Expression:
    """Return the text of the column `name`. Raises MappingError with the closest names if there is no such column."""
    if name not in namespace.columns:
        raise MappingError(f"the file has no column '{name}'{closest(name, namespace.columns)}")
    nulls = namespace.dialect.nulls

    def evaluate(rows: Rows) -> Cells:
        return Cells([None if cell.strip() in nulls else cell for cell in rows.columns[name]])

    return cached(f"column {name}", Expression("text", evaluate))


def _compile(node: ast.expr, namespace: Namespace, source: str) -> Expression:
    compiler = _COMPILERS.get(type(node))
    if compiler is None:
        raise MappingError(f"{type(node).__name__} is not part of the expression language")
    return compiler(node, namespace, source)


def _constant(node: ast.Constant, _: Namespace, source: str) -> Expression:
    if node.value is None:
        return constant("null", None)
    if isinstance(node.value, bool):
        return constant("truth", node.value)
    if isinstance(node.value, str):
        return constant("text", node.value)
    # From the text of the literal: the parser has turned 0.1 into a binary float.
    literal = ast.get_source_segment(source, node) or ""
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", literal):
        raise MappingError(f"`{literal}` is not a plain number such as 12 or 0.5")
    return constant("number", Decimal(literal))


def _name(node: ast.Name, namespace: Namespace, _: str) -> Expression:
    if node.id.startswith("__"):
        raise MappingError(f"names such as `{node.id}` are not allowed")
    if node.id in namespace.names:
        return namespace.names[node.id]
    if node.id in namespace.columns:
        return column_text(node.id, namespace)
    names = [*namespace.names, *namespace.columns]
    raise MappingError(f"there is no column or name '{node.id}'{closest(node.id, names)}")


def _call(node: ast.Call, namespace: Namespace, source: str) -> Expression:
    if not isinstance(node.func, ast.Name):
        raise MappingError("only functions of the expression language can be called")
    if node.keywords or any(isinstance(argument, ast.Starred) for argument in node.args):
        raise MappingError(f"{node.func.id}(...) takes plain arguments only")
    name = node.func.id
    cell_functions = functions(namespace.dialect)
    names = sorted([*cell_functions, *COLUMN_FUNCTIONS, *_NAMESPACE_FUNCTIONS])
    if name not in names:
        raise MappingError(f"there is no function '{name}'{closest(name, names)}")
    arguments = [_compile(argument, namespace, source) for argument in node.args]
    if name in _NAMESPACE_FUNCTIONS:
        return _NAMESPACE_FUNCTIONS[name](arguments, namespace)
    if name in COLUMN_FUNCTIONS:
        return COLUMN_FUNCTIONS[name](name, arguments)
    return _cell_function(name, cell_functions[name], arguments)


def _column(arguments: list[Expression], namespace: Namespace) -> Expression:
    """Return the first of the named columns that the file has; null if it has none and the last argument is None."""
    optional = len(arguments) > 1 and arguments[-1].type == "null"
    names = [argument.literal for argument in (arguments[:-1] if optional else arguments)]
    if not names or None in names:
        raise MappingError("column(...) takes names in quotes, and perhaps None last")
    found = next((name for name in names if name in namespace.columns), None)
    if found is None and optional:
        return constant("text", None)
    return column_text(str(found or names[0]), namespace)


def _lookup(arguments: list[Expression], namespace: Namespace) -> Expression:
    if len(arguments) < 3 or arguments[0].literal is None or arguments[-1].literal is None:
        raise MappingError(
            "lookup(...) takes the name of a file in quotes, its key, and the name of a column in quotes"
        )
    if namespace.lookup is None:
        raise MappingError("lookup(...) needs a mapping of several files")
    values = namespace.lookup(arguments[0].literal, arguments[-1].literal)
    key = [convert(argument, "text", "text", namespace.dialect) for argument in arguments[1:-1]]
    return columnwise("text", lambda *parts: values.get(KEY_SEPARATOR.join(parts)), key)


# Functions that read the columns of this file or of another one.
_NAMESPACE_FUNCTIONS: Final[Mapping[str, Callable[[list[Expression], Namespace], Expression]]] = {
    "column": _column,
    "lookup": _lookup,
}


def _cell_function(name: str, function: Function, arguments: list[Expression]) -> Expression:
    takes = function.takes * len(arguments) if function.variadic else function.takes
    if len(arguments) != len(takes) or not arguments:
        count = "one or more" if function.variadic else str(len(takes))
        raise MappingError(f"{name}(...) takes {count} arguments, not {len(arguments)}")
    for argument, types in zip(arguments, takes, strict=True):
        if argument.type not in (*types, "null"):
            expected = " or ".join(TYPE_NAMES[value_type] for value_type in types)
            raise MappingError(f"{name}(...) takes {expected}, not {TYPE_NAMES[argument.type]}")
    if function.check_last is not None:
        if arguments[-1].literal is None:
            raise MappingError(f"the last argument of {name}(...) is a text in quotes")
        function.check_last(arguments[-1].literal)
    return columnwise(function.gives, function.apply, arguments)


def _binary(node: ast.BinOp, namespace: Namespace, source: str) -> Expression:
    left, right = _compile(node.left, namespace, source), _compile(node.right, namespace, source)
    operation = OPERATIONS.get((type(node.op), left.type, right.type))
    if operation is None:
        hint = ": wrap the text in number(...)" if "text" in (left.type, right.type) else ""
        raise MappingError(
            f"{type(node.op).__name__} does not go with {TYPE_NAMES[left.type]} and {TYPE_NAMES[right.type]}{hint}"
        )
    return columnwise(*operation, [left, right])


def _unary(node: ast.UnaryOp, namespace: Namespace, source: str) -> Expression:
    operand = _compile(node.operand, namespace, source)
    if isinstance(node.op, ast.USub) and operand.type == "number":
        return columnwise("number", EXACT.minus, [operand])
    if isinstance(node.op, ast.Not) and operand.type == "truth":
        return columnwise("truth", lambda value: not value, [operand])
    raise MappingError(f"{type(node.op).__name__} does not go with {TYPE_NAMES[operand.type]}")


def _boolean(node: ast.BoolOp, namespace: Namespace, source: str) -> Expression:
    operands = [_compile(operand, namespace, source) for operand in node.values]
    if any(operand.type != "truth" for operand in operands):
        raise MappingError("`and` and `or` take conditions")
    combine = all if isinstance(node.op, ast.And) else any

    def evaluate(rows: Rows) -> Cells:
        columns = [operand.evaluate(rows) for operand in operands]
        # Null counts as false, so that a condition is never null.
        values = [combine(row) for row in zip(*(column.values for column in columns), strict=True)]
        return Cells(values, merge_faults(columns))

    return Expression("truth", evaluate)


def _compare(node: ast.Compare, namespace: Namespace, source: str) -> Expression:
    if len(node.ops) != 1 or type(node.ops[0]) not in _COMPARISONS:
        raise MappingError("a comparison is one of == != < <= > >= between two values")
    left, right = _compile(node.left, namespace, source), _compile(node.comparators[0], namespace, source)
    if left.type != right.type:
        raise MappingError(
            f"{TYPE_NAMES[left.type]} cannot be compared with {TYPE_NAMES[right.type]}"
            f"{': use is_null(...)' if 'null' in (left.type, right.type) else ''}"
        )
    return columnwise("truth", _COMPARISONS[type(node.ops[0])], [left, right])


_COMPILERS: Final[Mapping[type[ast.expr], Callable[[Any, Namespace, str], Expression]]] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.Call: _call,
    ast.BinOp: _binary,
    ast.UnaryOp: _unary,
    ast.BoolOp: _boolean,
    ast.Compare: _compare,
}
_COMPARISONS: Final[Mapping[type[ast.cmpop], Callable[[Any, Any], bool]]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
