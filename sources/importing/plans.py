"""A mapping compiled against the header of a file: every expression checked before any row is read."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from sources.errors import HubError
from sources.importing.expressions import (
    Expression,
    Scope,
    column_expression,
    compile_expression,
    constant,
    converted,
    looked_up,
    remembered,
)
from sources.importing.functions import Dialect, Kind, Wrong
from sources.importing.mapping import (
    FINAL,
    Booking,
    Event,
    ImportMapping,
    Records,
    Sale,
    Section,
    Source,
)
from sources.importing.reading import Layout
from sources.importing.related import Related

ROW_KEY: Final = "row_key"  # a column that every file has: the digest of the row and its occurrence
DEFAULT_HISTORY: Final = (Event(status=FINAL, when="coalesce(completed_at, cancelled_at, created_at)"),)
# What each field takes, where it is not text; and by which function a bare column becomes it.
KINDS: Final[Mapping[str, tuple[Kind, str]]] = {
    **dict.fromkeys(("total_amount", "base_price", "amount", "unit_price"), ("number", "money")),
    **dict.fromkeys(
        ("duration_hours", "capacity_hours_per_day", "progress_pct", "quantity", "rating", "hours"),
        ("number", "number"),
    ),
    **dict.fromkeys(
        (
            "created_at", "scheduled_start", "scheduled_end", "cancelled_at", "completed_at",
            "issued_at", "due_at", "paid_at", "reviewed_at", "started_at", "ended_at", "sold_at",
        ),
        ("instant", ""),
    ),
}  # fmt: skip
# A booking carries its service, client and provider with it: their fields begin with these names.
PARTS: Final = ("service", "client", "provider")
OWN_REF: Final = "own_ref"  # what identifies a service, a client, a provider, beside the key of its file
# A sale is a booking that is done at the moment of the sale.
SOLD_AT: Final = ("created_at", "scheduled_start", "scheduled_end", "completed_at")


@dataclass(frozen=True)
class RecordPlan:
    """One kind of record that the rows of a file become.

    `fields` are its columns; `events` are triples of status (None: the booking's own), time and condition.
    """

    kind: str
    fields: Mapping[str, Expression]
    condition: Expression | None = None
    events: Sequence[tuple[str | None, Expression, Expression | None]] = ()


@dataclass(frozen=True)
class FilePlan:
    """A file's records; without a `key` the digest of a row identifies it."""

    name: str
    key: Sequence[Expression]
    records: Sequence[RecordPlan]
    needs_row_key: bool


def field_kind(column: str) -> tuple[Kind, str]:
    """The kind of a record's column, and the function by which text becomes it."""
    return KINDS.get(re.sub(rf"^({'|'.join(PARTS)})_", "", column), ("text", "text"))


def compile_file(
    mapping: ImportMapping, name: str, header: Sequence[str], layout: Layout, mapping_name: str, related: Related
) -> FilePlan:
    """Compile every expression of the file `name` of `mapping` for a table with `header`, written as `layout` says.

    Raises HubError, "<mapping_name>: <field>: ...", for an unknown column or name and for a bad expression.
    """
    records = mapping.files_by_name()[name]
    place = f"{mapping_name}: files.{name}" if mapping.files else mapping_name
    zone = ZoneInfo(records.timezone or mapping.organization.timezone)
    dialect = Dialect(zone, layout.decimal, layout.thousands, layout.nulls)
    columns = [*header, ROW_KEY]
    names: dict[str, Expression] = {}
    scope = Scope(columns, names, dialect, related.column)
    for name_of_let, source in records.let.items():
        with _located(place, f"let.{name_of_let}"):
            if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name_of_let) or name_of_let in columns:
                raise Wrong("a name of `let` is a word that is not a column of the file")
            names[name_of_let] = remembered(name_of_let, _from_source(source, scope))
    with _located(place, "key"):
        key = [converted(compile_expression(part, scope), "text", "text", dialect) for part in records.key]
    needs_row_key = not key or ROW_KEY in repr(records)
    return FilePlan(name, key, list(_record_plans(place, records, scope)), needs_row_key)


def _record_plans(place: str, records: Records, scope: Scope) -> Iterator[RecordPlan]:
    sections = records.sections()
    whole = "booking" if records.booking else "sale" if records.sale else None
    if whole:
        fields = _fields(place, whole, sections.pop(whole), scope)
        if records.sale:
            sold_at = fields.pop("sold_at")
            fields |= dict.fromkeys(SOLD_AT, sold_at) | {"status": constant("text", "completed")}
        events = [_event(place, event, fields, scope) for event in records.history or DEFAULT_HISTORY]
        for part in PARTS:
            if part in sections:
                own = _fields(place, part, sections.pop(part), scope)
                fields |= {f"{part}_{column}": expression for column, expression in own.items()}
        yield RecordPlan("booking", fields, _condition(place, "sale", records.sale, scope), events)
    for kind, section in sections.items():
        fields = _fields(place, kind, section, scope)
        if kind in PARTS and "external_ref" in fields:
            fields[OWN_REF] = fields.pop("external_ref")
        yield RecordPlan(kind, fields, _condition(place, kind, section, scope))


def _fields(place: str, section_name: str, section: Section, scope: Scope) -> dict[str, Expression]:
    fields = {}
    for column in type(section).model_fields:
        source = getattr(section, column)
        if isinstance(source, Source):
            with _located(place, f"{section_name}.{column}"):
                kind, function = field_kind(column)
                value = converted(_from_source(source, scope), kind, function, scope.dialect)
                fields[column] = remembered(f"{section_name}.{column}", value)
    return fields


def _condition(place: str, section_name: str, section: Section | None, scope: Scope) -> Expression | None:
    condition = getattr(section, "condition", None)
    if condition is None:
        return None
    with _located(place, f"{section_name}.if"):
        return _checked_condition(condition, scope)


def _checked_condition(source: str, scope: Scope) -> Expression:
    expression = compile_expression(source, scope)
    if expression.kind != "truth":
        raise Wrong(f"`if` is a condition such as status == 'completed', not `{source}`")
    return expression


def _event(
    place: str, event: Event, fields: Mapping[str, Expression], scope: Scope
) -> tuple[str | None, Expression, Expression | None]:
    absent = {column: constant("null", None) for column in Booking.model_fields if column not in fields}
    inner = Scope(scope.columns, {**scope.names, **fields, **absent}, scope.dialect, scope.related)
    with _located(place, f"history.{event.status}"):
        when = converted(compile_expression(event.when, inner), "instant", "", scope.dialect)
        condition = _checked_condition(event.condition, inner) if event.condition else None
    return None if event.status == FINAL else event.status, when, condition


def _from_source(source: Source, scope: Scope) -> Expression:
    if source.column is not None:
        expression = column_expression(source.column, scope)
    elif source.constant is not None:
        expression = constant("text", source.constant)
    else:
        expression = compile_expression(source.expression or "", scope)
    return looked_up(expression, source.values, scope.dialect) if source.values else expression


@contextmanager
def _located(place: str, where: str) -> Iterator[None]:
    try:
        yield
    except Wrong as wrong:
        raise HubError(f"{place}: {where}: {wrong}.") from None
