"""Checks of records, each over a whole column; a failed check is a Fault with a sentence."""

from collections.abc import Iterator
from decimal import Decimal
from itertools import chain
from typing import Any, Final

from sources.importing.compiled_mapping import field_type
from sources.importing.expression_functions import as_text
from sources.importing.expressions import Fault
from sources.importing.record_kinds import LIMITS, LONG_TEXTS, RecordKind
from sources.lifecycle import STATUSES
from sources.row_values import INVOICE_STATUSES, PAYMENT_KINDS, PAYMENT_STATUSES

MAX_TEXT: Final = 500  # characters: a B-tree key of the server ends at 2,704 bytes
# The values that a column may have.
CHOICES: Final = {
    ("booking", "status"): STATUSES,
    ("invoice", "status"): INVOICE_STATUSES,
    ("payment", "status"): PAYMENT_STATUSES,
    ("payment", "kind"): PAYMENT_KINDS,
}
# Columns of a start and its end, by kind of record.
PERIODS: Final = {"booking": ("scheduled_start", "scheduled_end"), "hours": ("started_at", "ended_at")}
CENTS: Final = Decimal("0.01")

Columns = dict[str, list[Any]]
Failures = Iterator[tuple[int, str, Fault]]  # the index of the record, the field, the fault


def check(kind: RecordKind, columns: Columns, currency: str) -> Failures:
    """Yield every failed check of the records in `columns`."""
    return chain(
        _missing_values(kind, columns),
        _texts(kind, columns),
        _numbers(kind, columns),
        _periods(kind, columns),
        _payments_and_invoices(kind, columns),
        _currencies(kind, columns, currency),
    )


def _missing_values(kind: RecordKind, columns: Columns) -> Failures:
    for column in kind.required:
        label = kind.label("client_name" if column == "client_ref" else column)
        for index in _indexes(columns[column], None):
            yield index, label, Fault("required", None, f"{label} is empty, but every row needs it.")
    for index in _indexes(columns["external_ref"], None):
        label = "key" if kind.name not in ("service", "client", "provider") else kind.label("name")
        yield index, label, Fault("required", None, "A part of the key is empty, so nothing identifies the row.")


def _indexes(values: list[Any], wanted: Any) -> list[int]:
    return [index for index, value in enumerate(values) if value == wanted] if wanted in values else []


def _texts(kind: RecordKind, columns: Columns) -> Failures:
    for column in (*kind.columns, "external_ref"):
        label, values = kind.label(column), columns[column]
        is_short = column not in LONG_TEXTS and field_type(column)[0] == "text" and not column.endswith("_known")
        if is_short and max((len(value) for value in values if value), default=0) > MAX_TEXT:
            for index, value in enumerate(values):
                if value and len(value) > MAX_TEXT:
                    yield index, label, Fault("text too long", value, f"More than {MAX_TEXT} characters.")
        if column.endswith("email"):
            for index, value in enumerate(values):
                if value is not None and "@" not in value:
                    yield index, label, Fault("not an e-mail", value, f"'{value}' is not an e-mail address.")
        if choices := CHOICES.get((kind.name, column)):
            for value in set(values) - {None, *choices}:
                message = (
                    f"'{value}' is not a {column} of the Hub: write a value map that turns it into one of "
                    f"{', '.join(choices)}."
                )
                for index in _indexes(values, value):
                    yield index, label, Fault(f"unknown {column}", value, message)


def _numbers(kind: RecordKind, columns: Columns) -> Failures:
    for column in kind.columns:
        name = next((end for end in LIMITS if column == end or column.endswith(f"_{end}")), None)
        if name is None:
            continue
        low, high = LIMITS[name]
        for value in set(columns[column]) - {None}:
            text = as_text(value)
            if not low <= value <= high:
                fault = Fault("out of range", text, f"{text} is not between {low} and {high}.")
            elif name == "rating" and value != value.to_integral_value():
                fault = Fault("not a whole number", text, f"{text} is not one of 1 to 5.")
            elif value != value.quantize(CENTS):
                advice = "use round_money(...) if it should be rounded"
                fault = Fault("more than two decimals", text, f"{text} has more than two decimals: {advice}.")
            else:
                continue
            for index in _indexes(columns[column], value):
                yield index, kind.label(column), fault


def _periods(kind: RecordKind, columns: Columns) -> Failures:
    if kind.name not in PERIODS:
        return
    start_column, end_column = PERIODS[kind.name]
    for index, (start, end) in enumerate(zip(columns[start_column], columns[end_column], strict=True)):
        if start is not None and end is not None and (end < start or (kind.name == "hours" and end == start)):
            message = f"{end_column} ({end}) does not lie after {start_column} ({start})."
            yield index, kind.label(end_column), Fault(f"before {start_column}", str(end), message)


def _payments_and_invoices(kind: RecordKind, columns: Columns) -> Failures:
    if kind.name == "payment":
        for index, amount in enumerate(columns["amount"]):
            if amount == 0:
                yield index, "payment.amount", Fault("no amount", "0", "The amount of a payment cannot be 0.")
    if kind.name == "invoice":
        for index, (status, issued_at) in enumerate(zip(columns["status"], columns["issued_at"], strict=True)):
            if status not in ("draft", "void") and issued_at is None:
                message = f"An invoice with the status {status} needs invoice.issued_at."
                yield index, "invoice.issued_at", Fault("required", None, message)


def _currencies(kind: RecordKind, columns: Columns, currency: str) -> Failures:
    for other in set(columns.get("currency", ())) - {None, currency}:
        message = f"'{other}' is not {currency}, the currency of the organisation: convert the amount."
        for index in _indexes(columns["currency"], other):
            yield index, kind.label("currency"), Fault("another currency", other, message)
