"""The expression language of import mappings: a mapping can compute with columns, and do nothing else.

An expression is parsed with `ast`, checked against the allowed nodes, names, functions and kinds before
any row is read, and then evaluated a whole column at a time. Nothing is ever handed to `eval`.
A column is a list, because exact Decimals are Python objects in any container.

A fault of the mapping raises Wrong. What a single cell makes impossible is a Refusal of that row.
"""

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from difflib import get_close_matches
from typing import Any, Final

from sources.importing.functions import (
    EXACT,
    NAMED_KINDS,
    OPERATIONS,
    Dialect,
    Function,
    Kind,
    Refused,
    Value,
    Wrong,
    as_text,
    functions,
)

MAX_LENGTH: Final = 1000  # of an expression, in characters; longer ones belong in `let`
MAX_DEPTH: Final = 60  # of its syntax tree: evaluation recurses as deep


@dataclass(frozen=True)
class Refusal:
    """Why a cell cannot be: the kind of reason (counted), the value as in the file, and a sentence."""

    reason: str
    value: str | None
    message: str


@dataclass(frozen=True)
class Cells:
    """An evaluated column: one value a row (None: null), and the refusals by position."""

    values: Sequence[Value]
    refusals: dict[int, Refusal] = field(default_factory=dict)


@dataclass(frozen=True)
class Rows:
    """A block of rows by column, as in the file; `known` keeps what named expressions gave for it."""

    size: int
    columns: Mapping[str, Sequence[str]]
    known: dict[str, Cells] = field(default_factory=dict)


@dataclass(frozen=True)
class Expression:
    """A checked expression: the kind of its values, and the function that computes them."""

    kind: Kind
    evaluate: Callable[[Rows], Cells]
    literal: str | None = None  # where the expression is a text in quotes


@dataclass(frozen=True)
class Scope:
    """What an expression may name: the columns of the file, and expressions by name (which win)."""

    columns: Sequence[str]
    names: Mapping[str, Expression]
    dialect: Dialect
    related: Callable[[str, str], Mapping[str, str]] | None = None  # a column of another file, by that file's key


def compile_expression(source: str, scope: Scope) -> Expression:
    """Check `source` against `scope` and return what evaluates it.

    Raises Wrong, with the expression quoted, for a syntax error, for a node, function or name that is not
    allowed, and for kinds that do not fit.
    """
    source = source.strip()
    try:
        if len(source) > MAX_LENGTH:
            raise Wrong(f"the expression is longer than {MAX_LENGTH} characters: split it with `let`")
        body = ast.parse(source, mode="eval").body
        if _depth(body) > MAX_DEPTH:
            raise Wrong("the expression is nested too deeply: split it with `let`")
        return _build(body, scope, source)
    except Wrong as wrong:
        raise Wrong(f"{wrong}, in `{source[:200]}`") from None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise Wrong(f"`{source[:200]}` is not an expression") from None


def _depth(node: ast.AST) -> int:
    return 1 + max((_depth(child) for child in ast.iter_child_nodes(node)), default=0)


def remembered(name: str, expression: Expression) -> Expression:
    """`expression`, evaluated once a block however often it is named."""

    def evaluate(rows: Rows) -> Cells:
        if name not in rows.known:
            rows.known[name] = expression.evaluate(rows)
        return rows.known[name]

    return Expression(expression.kind, evaluate)


def constant(kind: Kind, value: Value) -> Expression:
    """The same value in every row."""
    return Expression(kind, lambda rows: Cells([value] * rows.size), literal=value if isinstance(value, str) else None)


def column_expression(name: str, scope: Scope) -> Expression:
    """The text of the column `name`. Raises Wrong with the closest names if there is none."""
    if name not in scope.columns:
        raise Wrong(f"the file has no column '{name}'{closest(name, scope.columns)}")
    nulls = scope.dialect.nulls

    def evaluate(rows: Rows) -> Cells:
        return Cells([None if cell.strip() in nulls else cell for cell in rows.columns[name]])

    return remembered(f"column {name}", Expression("text", evaluate))


def converted(expression: Expression, kind: Kind, function: str, dialect: Dialect) -> Expression:
    """`expression` as `kind`: text is passed to the `function` of the language, any kind can become text.

    Raises Wrong where there is no such conversion.
    """
    if expression.kind in (kind, "null"):
        return expression
    if kind == "text" or (kind == "number" and expression.kind == "text"):
        called = functions(dialect)["text" if kind == "text" else function]
        return _lifted(kind, called.apply, [expression])
    advice = {"date": "use at(day, 'HH:MM')", "text": "use parse_time(...) or at(parse_date(...), 'HH:MM')"}
    hint = f": {advice[expression.kind]}" if kind == "instant" and expression.kind in advice else ""
    raise Wrong(f"the expression gives {NAMED_KINDS[expression.kind]}, not {NAMED_KINDS[kind]}{hint}")


def looked_up(expression: Expression, values: Mapping[str, str], dialect: Dialect) -> Expression:
    """`expression` through a value map; a value that the map does not have refuses its row."""

    def look_up(value: str) -> str:
        if value in values:
            return values[value]
        raise Refused(
            "value not in the value map", f"The value '{value}' is not in the value map: {', '.join(values)}."
        )

    return _lifted("text", look_up, [converted(expression, "text", "text", dialect)])


def closest(name: str, known: Sequence[str]) -> str:
    """' (closest: ...)' with the known names that look like `name`; a short list of all where none does."""
    near = get_close_matches(name, known, n=3, cutoff=0.5)
    if near:
        return f" (closest: {', '.join(near)})"
    return f" (there are: {', '.join(known[:12])}{', ...' if len(known) > 12 else ''})" if known else ""


# --- from the syntax tree to expressions ---------------------------------------------------------


def _build(node: ast.expr, scope: Scope, source: str) -> Expression:
    builder = _BUILDERS.get(type(node))
    if builder is None:
        raise Wrong(f"{type(node).__name__} is not part of the expression language")
    return builder(node, scope, source)


def _constant(node: ast.Constant, _: Scope, source: str) -> Expression:
    value: Value
    kind: Kind
    if node.value is None:
        value, kind = None, "null"
    elif isinstance(node.value, bool):
        value, kind = node.value, "truth"
    elif isinstance(node.value, str):
        value, kind = node.value, "text"
    else:
        # From the text of the literal: Python has made 0.1 a binary float by now.
        literal = ast.get_source_segment(source, node) or ""
        if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", literal):
            raise Wrong(f"`{literal}` is not a plain number such as 12 or 0.5")
        value, kind = Decimal(literal), "number"
    return constant(kind, value)


def _name(node: ast.Name, scope: Scope, _: str) -> Expression:
    if node.id.startswith("__"):
        raise Wrong(f"names such as `{node.id}` are not allowed")
    if node.id in scope.names:
        return scope.names[node.id]
    if node.id in scope.columns:
        return column_expression(node.id, scope)
    known = [*scope.names, *scope.columns]
    raise Wrong(f"there is no column or name '{node.id}'{closest(node.id, known)}")


def _call(node: ast.Call, scope: Scope, source: str) -> Expression:
    if not isinstance(node.func, ast.Name):
        raise Wrong("only functions of the expression language can be called")
    if node.keywords or any(isinstance(argument, ast.Starred) for argument in node.args):
        raise Wrong(f"{node.func.id}(...) takes plain arguments only")
    name = node.func.id
    known = functions(scope.dialect)
    if name not in known and name not in _FORMS and name not in _OF_THE_SCOPE:
        raise Wrong(f"there is no function '{name}'{closest(name, sorted([*known, *_FORMS, *_OF_THE_SCOPE]))}")
    arguments = [_build(argument, scope, source) for argument in node.args]
    if name in _OF_THE_SCOPE:
        return _OF_THE_SCOPE[name](arguments, scope)
    if name in _FORMS:
        return _FORMS[name](name, arguments)
    return _function_call(name, known[name], arguments)


def _column_call(arguments: list[Expression], scope: Scope) -> Expression:
    if len(arguments) != 1 or arguments[0].literal is None:
        raise Wrong("column(...) takes one name in quotes")
    return column_expression(arguments[0].literal, scope)


def _lookup(arguments: list[Expression], scope: Scope) -> Expression:
    if len(arguments) < 3 or arguments[0].literal is None or arguments[-1].literal is None:
        raise Wrong("lookup(...) takes the name of a file in quotes, its key, and the name of a column in quotes")
    if scope.related is None:
        raise Wrong("lookup(...) needs a mapping of several files")
    values = scope.related(arguments[0].literal, arguments[-1].literal)
    key = [converted(argument, "text", "text", scope.dialect) for argument in arguments[1:-1]]
    return _lifted("text", lambda *parts: values.get("|".join(parts)), key)


_OF_THE_SCOPE: Final[Mapping[str, Callable[[list[Expression], Scope], Expression]]] = {
    "column": _column_call,
    "lookup": _lookup,
}


def _function_call(name: str, function: Function, arguments: list[Expression]) -> Expression:
    takes = function.takes * len(arguments) if function.variadic else function.takes
    if len(arguments) != len(takes) or not arguments:
        count = "one or more" if function.variadic else str(len(takes))
        raise Wrong(f"{name}(...) takes {count} arguments, not {len(arguments)}")
    for argument, kinds in zip(arguments, takes, strict=True):
        if argument.kind not in (*kinds, "null"):
            wanted = " or ".join(NAMED_KINDS[kind] for kind in kinds)
            raise Wrong(f"{name}(...) takes {wanted}, not {NAMED_KINDS[argument.kind]}")
    if function.check_last is not None:
        if arguments[-1].literal is None:
            raise Wrong(f"the last argument of {name}(...) is a text in quotes")
        function.check_last(arguments[-1].literal)
    return _lifted(function.gives, function.apply, arguments)


def _binary(node: ast.BinOp, scope: Scope, source: str) -> Expression:
    left, right = _build(node.left, scope, source), _build(node.right, scope, source)
    found = OPERATIONS.get((type(node.op), left.kind, right.kind))
    if found is None:
        hint = ": wrap the text in number(...)" if "text" in (left.kind, right.kind) else ""
        raise Wrong(
            f"{type(node.op).__name__} does not go with {NAMED_KINDS[left.kind]} and {NAMED_KINDS[right.kind]}{hint}"
        )
    return _lifted(*found, [left, right])


def _unary(node: ast.UnaryOp, scope: Scope, source: str) -> Expression:
    operand = _build(node.operand, scope, source)
    if isinstance(node.op, ast.USub) and operand.kind == "number":
        return _lifted("number", EXACT.minus, [operand])
    if isinstance(node.op, ast.Not) and operand.kind == "truth":
        return _lifted("truth", lambda value: not value, [operand])
    raise Wrong(f"{type(node.op).__name__} does not go with {NAMED_KINDS[operand.kind]}")


def _boolean(node: ast.BoolOp, scope: Scope, source: str) -> Expression:
    parts = [_build(part, scope, source) for part in node.values]
    if any(part.kind != "truth" for part in parts):
        raise Wrong("`and` and `or` take conditions")
    combine = all if isinstance(node.op, ast.And) else any

    def evaluate(rows: Rows) -> Cells:
        cells = [part.evaluate(rows) for part in parts]
        # Null is not true, so that a condition always decides.
        return Cells([combine(row) for row in zip(*(c.values for c in cells), strict=True)], _merged(cells))

    return Expression("truth", evaluate)


def _compare(node: ast.Compare, scope: Scope, source: str) -> Expression:
    if len(node.ops) != 1 or type(node.ops[0]) not in _COMPARISONS:
        raise Wrong("a comparison is one of == != < <= > >= between two values")
    left, right = _build(node.left, scope, source), _build(node.comparators[0], scope, source)
    if left.kind != right.kind:
        raise Wrong(
            f"{NAMED_KINDS[left.kind]} cannot be compared with {NAMED_KINDS[right.kind]}"
            f"{': use is_null(...)' if 'null' in (left.kind, right.kind) else ''}"
        )
    return _lifted("truth", _COMPARISONS[type(node.ops[0])], [left, right])


_BUILDERS: Final[Mapping[type[ast.expr], Callable[[Any, Scope, str], Expression]]] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.Call: _call,
    ast.BinOp: _binary,
    ast.UnaryOp: _unary,
    ast.BoolOp: _boolean,
    ast.Compare: _compare,
}
_COMPARISONS: Final[Mapping[type[ast.cmpop], Callable[[Any, Any], bool]]] = {
    ast.Eq: lambda left, right: left == right,
    ast.NotEq: lambda left, right: left != right,
    ast.Lt: lambda left, right: left < right,
    ast.LtE: lambda left, right: left <= right,
    ast.Gt: lambda left, right: left > right,
    ast.GtE: lambda left, right: left >= right,
}


# --- evaluation ----------------------------------------------------------------------------------


def _merged(cells: Sequence[Cells]) -> dict[int, Refusal]:
    merged: dict[int, Refusal] = {}
    for column in reversed(cells):  # the leftmost refusal of a row wins
        merged.update(column.refusals)
    return merged


def _lifted(kind: Kind, function: Callable[..., Value], arguments: Sequence[Expression]) -> Expression:
    """`function` of single cells over columns: null in, null out; computed once for equal arguments."""

    def evaluate(rows: Rows) -> Cells:
        cells = [argument.evaluate(rows) for argument in arguments]
        known: dict[tuple[Value, ...], Value | Refusal] = {}
        values: list[Value] = []
        refusals: dict[int, Refusal] = {}
        for position, given in enumerate(zip(*(column.values for column in cells), strict=True)):
            if None in given:
                values.append(None)
                continue
            if given not in known:
                known[given] = _applied(function, given)
            result = known[given]
            if isinstance(result, Refusal):
                refusals[position] = result
                result = None
            values.append(result)
        return Cells(values, refusals | _merged(cells))

    return Expression(kind, evaluate)


def _applied(function: Callable[..., Value], given: tuple[Value, ...]) -> Value | Refusal:
    try:
        return function(*given)
    except Refused as refused:
        return Refusal(refused.reason, as_text(given[0]), refused.message)
    except (ArithmeticError, ValueError):
        shown = ", ".join(as_text(value) for value in given)
        return Refusal("cannot be computed", shown, f"The value cannot be computed from {shown}.")


def _common_kind(name: str, arguments: Sequence[Expression]) -> Kind:
    kinds = sorted({argument.kind for argument in arguments} - {"null"})
    if len(kinds) > 1:
        raise Wrong(f"{name}(...) has to give one kind of value, not {' and '.join(kinds)}")
    return kinds[0] if kinds else "null"


def _when(name: str, arguments: list[Expression]) -> Expression:
    if len(arguments) != 3 or arguments[0].kind != "truth":
        raise Wrong(f"{name}(...) takes a condition and two values")
    condition, *branches = arguments

    def evaluate(rows: Rows) -> Cells:
        chosen = condition.evaluate(rows)
        yes, no = (branch.evaluate(rows) for branch in branches)
        values = [a if c else b for c, a, b in zip(chosen.values, yes.values, no.values, strict=True)]
        taken = {i: why for i, why in yes.refusals.items() if chosen.values[i]}
        taken |= {i: why for i, why in no.refusals.items() if not chosen.values[i]}
        return Cells(values, taken | chosen.refusals)

    return Expression(_common_kind(name, branches), evaluate)


def _coalesce(name: str, arguments: list[Expression]) -> Expression:
    if not arguments:
        raise Wrong(f"{name}(...) takes one or more values")

    def evaluate(rows: Rows) -> Cells:
        first = arguments[0].evaluate(rows)
        values, refusals = list(first.values), dict(first.refusals)
        for argument in arguments[1:]:
            other = argument.evaluate(rows)
            for position, value in enumerate(values):
                if value is None and position not in refusals:
                    values[position] = other.values[position]
                    if position in other.refusals:
                        refusals[position] = other.refusals[position]
        return Cells(values, refusals)

    return Expression(_common_kind(name, arguments), evaluate)


def _is_null(name: str, arguments: list[Expression]) -> Expression:
    if len(arguments) != 1:
        raise Wrong(f"{name}(...) takes one value")

    def evaluate(rows: Rows) -> Cells:
        cells = arguments[0].evaluate(rows)
        return Cells([value is None for value in cells.values], cells.refusals)

    return Expression("truth", evaluate)


def _extreme(name: str, arguments: list[Expression]) -> Expression:
    if len(arguments) < 2:
        raise Wrong(f"{name}(...) takes two or more values")
    return _lifted(_common_kind(name, arguments), max if name == "latest" else min, arguments)


_FORMS: Final[Mapping[str, Callable[[str, list[Expression]], Expression]]] = {
    "when": _when,
    "coalesce": _coalesce,
    "is_null": _is_null,
    "latest": _extreme,
    "earliest": _extreme,
}
