"""Columns that follow from the mapped ones: references, default values, the status history."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from sources.importing.compiled_mapping import OWN_REF
from sources.importing.expressions import KEY_SEPARATOR
from sources.importing.mapping import MASTER_KINDS, Organization
from sources.importing.record_kinds import RecordKind
from sources.importing.status_history import as_text, order_events
from sources.lifecycle import END_COLUMNS, STATUSES

WALK_IN: Final = "Walk-in client"  # of a sale without a client
OUT_OF_ORDER: Final = "The recorded order of events is unusual; it was imported as it is"

Columns = dict[str, list[Any]]
# An entry of the mapping's history: status (None: the booking's own), times, conditions.
EventColumns = tuple[str | None, list[Any], list[Any] | None]
Warnings = list[tuple[int, str]]  # the index of the record, and the sentence


def add_derived_columns(
    kind: RecordKind, columns: Columns, events: Sequence[EventColumns], organization: Organization, as_of_now: datetime
) -> Warnings:
    """Add the derived columns of a kind to `columns`; return a warning for each unusual record."""
    if "currency" in kind.columns:
        _default(columns, "currency", lambda: [organization.currency] * len(columns["external_ref"]))
    if kind.name == "booking":
        _add_references(columns)
        return _add_history(columns, events, as_of_now)
    if complete := _BY_KIND.get(kind.name):
        complete(columns)
    return []


def join_keys(parts: Sequence[list[Any]], prefix: str) -> list[str | None]:
    """Return the key of each record, joined from its `parts` after `prefix`; null where a part is null."""
    if len(parts) == 1 and not prefix:
        return list(parts[0])
    return [None if None in row else prefix + KEY_SEPARATOR.join(row) for row in zip(*parts, strict=True)]


def _coalesce(values: list[Any], others: list[Any]) -> list[Any]:
    return [other if value is None else value for value, other in zip(values, others, strict=True)]


def _default(columns: Columns, column: str, defaults: Callable[[], list[Any]]) -> None:
    """Fill the nulls of `column` from `defaults`, which is only computed where it is needed."""
    values = columns.get(column)
    if values is None:
        columns[column] = defaults()
    elif None in values:
        columns[column] = _coalesce(values, defaults())


def _as_references(kind: str, keys: list[Any]) -> list[str | None]:
    return [None if key is None else f"{kind}:{key}" for key in keys]


def _lower(emails: list[Any]) -> list[str | None]:
    return [email.lower() if email else None for email in emails]


def _add_references(columns: Columns) -> None:
    """Add the references of a booking's service, client and provider: external_ref, else e-mail, else name."""
    rows = len(columns["external_ref"])
    if "client_name" not in columns and "client_external_ref" not in columns:
        columns["client_name"] = [WALK_IN] * rows
    for kind in MASTER_KINDS:
        if emails := columns.get(f"{kind}_email"):
            columns[f"{kind}_email"] = _lower(emails)
        keys = columns.pop(f"{kind}_external_ref", None) or [None] * rows
        for column in (f"{kind}_email", f"{kind}_name"):
            if None in keys and column in columns:
                keys = _coalesce(keys, columns[column])
        columns[f"{kind}_ref"] = _as_references(kind, keys)
    _default(columns, "booking_number", lambda: columns["external_ref"])


def _add_history(columns: Columns, events: Sequence[EventColumns], as_of_now: datetime) -> Warnings:
    """Add the status history and the times that follow from it; an unusual order is a warning."""
    rows = len(columns["external_ref"])
    for column in ("created_at", "scheduled_start", "cancelled_at", "completed_at"):
        columns.setdefault(column, [None] * rows)
    created, starts = columns["created_at"], columns["scheduled_start"]
    columns |= {"history": [None] * rows, "created_at_known": [time is not None for time in created]}
    for column in ("created_at", "cancelled_at", "completed_at"):
        columns[column] = list(columns[column])
    warnings = []
    for index, status in enumerate(columns["status"]):
        if status not in STATUSES:
            continue  # rejected by the checks
        recorded = [
            (times[index], order, event_status or status)
            for order, (event_status, times, conditions) in enumerate(events)
            if times[index] is not None and (conditions is None or conditions[index])
        ]
        closing = columns[END_COLUMNS[status]] if status in END_COLUMNS else None
        entries, unusual = order_events(status, created[index], closing[index] if closing else None, recorded)
        columns["history"][index] = as_text(entries)
        if closing and closing[index] is None:
            closing[index] = entries[-1][0]
        ends = [columns[column][index] for column in ("cancelled_at", "completed_at")]
        if created[index] is None:  # then the earliest known time
            times_known = [starts[index], *ends, *(entry[0] for entry in entries)]
            columns["created_at"][index] = min([time for time in times_known if time is not None] or [as_of_now])
        elif unusual or any(end is not None and end < created[index] for end in ends):
            warnings.append((index, OUT_OF_ORDER))
    return warnings


def _complete_person(columns: Columns, kind: str) -> None:
    _set_own_reference(columns, kind)
    if "email" in columns:
        columns["email"] = _lower(columns["email"])


def _set_own_reference(columns: Columns, kind: str) -> None:
    """Set the reference of a record of its own: its external_ref, else its e-mail, else its name."""
    keys = columns.pop(OWN_REF, None) or [None] * len(columns["external_ref"])
    for column in ("email", "name"):
        if column in columns:
            keys = _coalesce(keys, columns[column])
    columns["external_ref"] = _as_references(kind, keys)


def _move_to_reference(columns: Columns, kind: str) -> None:
    """Turn the mapped key in the column `kind` into the reference column `<kind>_ref`."""
    if kind in columns:
        columns[f"{kind}_ref"] = _as_references(kind, columns.pop(kind))


def _complete_line(columns: Columns) -> None:
    rows = len(columns["external_ref"])
    _move_to_reference(columns, "service")
    _move_to_reference(columns, "provider")
    _default(columns, "quantity", lambda: [Decimal(1)] * rows)
    if "unit_price" in columns:
        _default(
            columns,
            "amount",
            lambda: [
                None if price is None else price * number
                for price, number in zip(columns["unit_price"], columns["quantity"], strict=True)
            ],
        )


def _complete_invoice(columns: Columns) -> None:
    rows = len(columns["external_ref"])
    _default(columns, "number", lambda: columns["external_ref"])
    _default(
        columns,
        "status",
        lambda: ["draft" if time is None else "issued" for time in columns.get("issued_at", [None] * rows)],
    )


def _complete_payment(columns: Columns) -> None:
    rows = len(columns["external_ref"])
    amounts = columns["amount"]
    _default(
        columns, "kind", lambda: ["refund" if amount is not None and amount < 0 else "payment" for amount in amounts]
    )
    _default(columns, "status", lambda: ["succeeded"] * rows)
    _default(columns, "method", lambda: ["unknown"] * rows)
    columns["amount"] = [None if amount is None else abs(amount) for amount in amounts]


def _complete_hours(columns: Columns) -> None:
    _move_to_reference(columns, "provider")
    if "hours" in columns:
        columns["ended_at"] = [
            None if start is None or hours is None else start + timedelta(hours=float(hours))
            for start, hours in zip(columns["started_at"], columns.pop("hours"), strict=True)
        ]


_BY_KIND: Final[dict[str, Callable[[Columns], None]]] = {
    "service": lambda columns: _set_own_reference(columns, "service"),
    "client": lambda columns: _complete_person(columns, "client"),
    "provider": lambda columns: _complete_person(columns, "provider"),
    "line": _complete_line,
    "invoice": _complete_invoice,
    "payment": _complete_payment,
    "hours": _complete_hours,
}
