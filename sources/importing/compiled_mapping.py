"""Compilation of a mapping against the header of a file: every expression is checked before any row is read."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final
from zoneinfo import ZoneInfo

from sources.errors import HubError
from sources.importing.expression_compiler import Namespace, column_text, compile_expression
from sources.importing.expression_functions import Dialect, MappingError, ValueType
from sources.importing.expressions import Expression, cached, constant, convert, map_values
from sources.importing.lookups import Lookups
from sources.importing.mapping import (
    FINAL,
    MASTER_KINDS,
    Booking,
    FileMapping,
    HistoryEntry,
    ImportMapping,
    Section,
    Source,
)
from sources.importing.reading import Layout

ROW_KEY: Final = "row_key"  # an additional column of every file: the digest of the row and its occurrence
DEFAULT_HISTORY: Final = (HistoryEntry(status=FINAL, when="coalesce(completed_at, cancelled_at, created_at)"),)
# The type of each field that is not text, and the function that converts a bare column to it.
FIELD_TYPES: Final[Mapping[str, tuple[ValueType, str]]] = {
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
OWN_REF: Final = "own_ref"  # the external_ref of a service, client or provider, besides the key of its file
SALE_PREFIX: Final = "sale-"  # receipts and bookings may have the same numbers
# A sale is a booking that is completed at the time of the sale.
SOLD_AT: Final = ("created_at", "scheduled_start", "scheduled_end", "completed_at")


@dataclass(frozen=True)
class RecordPlan:
    """The compiled mapping of one kind of record.

    `fields` are its columns; `events` are triples of status (None: the booking's own), time and condition;
    `key_prefix` is put before its keys.
    """

    kind: str
    fields: Mapping[str, Expression]
    condition: Expression | None = None
    events: Sequence[tuple[str | None, Expression, Expression | None]] = ()
    key_prefix: str = ""


@dataclass(frozen=True)
class FilePlan:
    """The compiled mapping of a file; without a `key` the digest of a row identifies it."""

    name: str
    key: Sequence[Expression]
    records: Sequence[RecordPlan]
    needs_row_key: bool


def field_type(column: str) -> tuple[ValueType, str]:
    """Return the type of a record's column, and the function that converts text to it."""
    return FIELD_TYPES.get(re.sub(rf"^({'|'.join(MASTER_KINDS)})_", "", column), ("text", "text"))


def compile_file(
    mapping: ImportMapping, name: str, header: Sequence[str], layout: Layout, mapping_name: str, lookups: Lookups
) -> FilePlan:
    """Compile every expression of the file `name` of `mapping` for a table with this `header` and `layout`.

    Raises HubError, "<mapping_name>: <field>: ...", for an unknown column or name and for a bad expression.
    """
    records = mapping.files_by_name()[name]
    path = f"{mapping_name}: files.{name}" if mapping.files else mapping_name
    zone = ZoneInfo(records.timezone or mapping.organization.timezone)
    dialect = Dialect(zone, layout.decimal, layout.thousands, layout.nulls)
    columns = [*header, ROW_KEY]
    names: dict[str, Expression] = {}
    namespace = Namespace(columns, names, dialect, lookups.column)
    for let_name, source in records.let.items():
        with _located(path, f"let.{let_name}"):
            if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", let_name) or let_name in columns:
                raise MappingError("a name of `let` is a word that is not a column of the file")
            names[let_name] = cached(let_name, _compile_source(source, namespace))
    with _located(path, "key"):
        key = [convert(compile_expression(part, namespace), "text", "text", dialect) for part in records.key]
    needs_row_key = not key or ROW_KEY in repr(records)
    return FilePlan(name, key, list(_record_plans(path, records, namespace)), needs_row_key)


def _record_plans(path: str, records: FileMapping, namespace: Namespace) -> Iterator[RecordPlan]:
    sections = records.sections()
    main = "booking" if records.booking else "sale" if records.sale else None
    if main:
        fields = _fields(path, main, sections.pop(main), namespace)
        if records.sale:
            sold_at = fields.pop("sold_at")
            fields |= dict.fromkeys(SOLD_AT, sold_at) | {"status": constant("text", "completed")}
        events = [_event(path, event, fields, namespace) for event in records.history or DEFAULT_HISTORY]
        for kind in MASTER_KINDS:
            if kind in sections:
                nested = _fields(path, kind, sections.pop(kind), namespace)
                fields |= {f"{kind}_{column}": expression for column, expression in nested.items()}
        key_prefix = SALE_PREFIX if records.sale else ""
        yield RecordPlan("booking", fields, _condition(path, "sale", records.sale, namespace), events, key_prefix)
    for kind, section in sections.items():
        fields = _fields(path, kind, section, namespace)
        if kind in MASTER_KINDS and "external_ref" in fields:
            fields[OWN_REF] = fields.pop("external_ref")
        yield RecordPlan(kind, fields, _condition(path, kind, section, namespace))


def _fields(path: str, section_name: str, section: Section, namespace: Namespace) -> dict[str, Expression]:
    fields = {}
    for column in type(section).model_fields:
        source = getattr(section, column)
        if isinstance(source, Source):
            with _located(path, f"{section_name}.{column}"):
                value_type, function = field_type(column)
                value = convert(_compile_source(source, namespace), value_type, function, namespace.dialect)
                fields[column] = cached(f"{section_name}.{column}", value)
    return fields


def _condition(path: str, section_name: str, section: Section | None, namespace: Namespace) -> Expression | None:
    condition = getattr(section, "condition", None)
    if condition is None:
        return None
    with _located(path, f"{section_name}.if"):
        return _compile_condition(condition, namespace)


def _compile_condition(source: str, namespace: Namespace) -> Expression:
    expression = compile_expression(source, namespace)
    if expression.type != "truth":
        raise MappingError(f"`if` is a condition such as status == 'completed', not `{source}`")
    return expression


def _event(
    path: str, event: HistoryEntry, fields: Mapping[str, Expression], namespace: Namespace
) -> tuple[str | None, Expression, Expression | None]:
    unmapped = {column: constant("null", None) for column in Booking.model_fields if column not in fields}
    inner = replace(namespace, names={**namespace.names, **fields, **unmapped})
    with _located(path, f"history.{event.status}"):
        when = convert(compile_expression(event.when, inner), "instant", "", namespace.dialect)
        condition = _compile_condition(event.condition, inner) if event.condition else None
    return None if event.status == FINAL else event.status, when, condition


def _compile_source(source: Source, namespace: Namespace) -> Expression:
    if source.column is not None:
        expression = column_text(source.column, namespace)
    elif source.constant is not None:
        expression = constant("text", source.constant)
    else:
        expression = compile_expression(source.expression or "", namespace)
    return map_values(expression, source.values, namespace.dialect) if source.values else expression


@contextmanager
def _located(path: str, field: str) -> Iterator[None]:
    """Turn a MappingError into a HubError that names the file of the mapping and the field."""
    try:
        yield
    except MappingError as error:
        raise HubError(f"{path}: {field}: {error}.") from None
