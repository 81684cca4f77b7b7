"""Kinds of records that an import writes: the staged columns of each, and the columns that every row needs."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from sources.importing.compiled_mapping import field_type
from sources.importing.mapping import MASTER_KINDS, Booking, Client, Provider, Service

SQL_TYPES: Final = {"text": "text", "number": "numeric", "instant": "timestamptz"}
# Columns of every staged row: its position among all rows read, its place in the files, and its key in the source.
ORIGIN: Final = ("position", "file", "row_number", "row_key", "external_ref")
MAX_AMOUNT: Final = Decimal("999999999999.99")
# Lowest and highest value by the checks and the precision of the tables, by the end of a column's name.
LIMITS: Final[Mapping[str, tuple[Decimal, Decimal]]] = {
    "total_amount": (-MAX_AMOUNT, MAX_AMOUNT),
    "amount": (-MAX_AMOUNT, MAX_AMOUNT),
    "unit_price": (-MAX_AMOUNT, MAX_AMOUNT),
    "base_price": (Decimal(0), MAX_AMOUNT),
    "quantity": (Decimal("-99999999.99"), Decimal("99999999.99")),
    "duration_hours": (Decimal(0), Decimal("999999.99")),
    "capacity_hours_per_day": (Decimal(0), Decimal(24)),
    "progress_pct": (Decimal(0), Decimal(100)),
    "rating": (Decimal(1), Decimal(5)),
}
# Texts without an index may be longer.
LONG_TEXTS: Final = frozenset({"title", "cancel_reason", "description", "comment", "note", "history"})


@dataclass(frozen=True)
class RecordKind:
    """A kind of record: its staged columns (besides ORIGIN), and the required ones."""

    name: str
    columns: tuple[str, ...]
    required: tuple[str, ...]

    @property
    def staged(self) -> tuple[str, ...]:
        return (*ORIGIN, *self.columns)

    def sql_type(self, column: str) -> str:
        """Return the type of a staged column."""
        if column in ("position", "row_number"):
            return "bigint"
        return "boolean" if column.endswith("_known") else SQL_TYPES[field_type(column)[0]]

    def label(self, column: str) -> str:
        """Return the name of a column as the mapping writes it: client_email of a booking is client.email."""
        if self.name != "booking":
            return f"{self.name}.{column}"
        for kind in MASTER_KINDS:
            if column.startswith(f"{kind}_"):
                return column.replace("_", ".", 1)
        return column


def _own_columns(*models: type[Service] | type[Client] | type[Provider]) -> list[str]:
    return [column for model in models for column in model.model_fields if column != "external_ref"]


RECORD_KINDS: Final[Mapping[str, RecordKind]] = {
    kind.name: kind
    for kind in (
        RecordKind("service", tuple(_own_columns(Service)), ()),
        RecordKind("client", tuple(_own_columns(Client)), ()),
        RecordKind("provider", tuple(_own_columns(Provider)), ()),
        RecordKind(
            "booking",
            (
                *Booking.model_fields,
                *(f"service_{column}" for column in _own_columns(Service)),
                *(f"client_{column}" for column in _own_columns(Client)),
                *(f"provider_{column}" for column in _own_columns(Provider)),
                *(f"{kind}_ref" for kind in MASTER_KINDS),
                "created_at_known",
                "history",
            ),
            ("status", "client_ref"),
        ),
        RecordKind(
            "line",
            ("booking", "service_ref", "provider_ref", "description", "quantity", "unit_price", "amount"),
            ("booking", "amount"),
        ),
        RecordKind(
            "invoice",
            ("booking", "number", "amount", "currency", "status", "issued_at", "due_at"),
            ("booking", "amount", "status"),
        ),
        RecordKind(
            "payment",
            ("booking", "invoice", "amount", "currency", "kind", "status", "method", "paid_at"),
            ("amount", "kind", "status"),
        ),
        RecordKind("review", ("booking", "rating", "comment", "reviewed_at"), ("booking", "rating", "reviewed_at")),
        RecordKind(
            "hours",
            ("booking", "provider_ref", "started_at", "ended_at", "note"),
            ("booking", "started_at", "ended_at"),
        ),
    )
}
