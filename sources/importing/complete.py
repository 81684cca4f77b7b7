"""What the records of each kind are given beside what the mapping says: references, defaults, the chain of statuses."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from sources.importing.chains import MOMENT_OF_END, as_text, chain_of
from sources.importing.kinds import Kind
from sources.importing.mapping import Organization
from sources.importing.plans import OWN_REF, PARTS
from sources.importing.related import KEY_SEPARATOR
from sources.lifecycle import STATUSES

WALK_IN: Final = "Walk-in client"  # of a sale that names nobody
OUT_OF_ORDER: Final = "The recorded order of events is unusual; taken as it is"

Columns = dict[str, list[Any]]
Chain = tuple[str | None, list[Any], list[Any] | None]  # status (None: the booking's own), times, conditions
Warnings = list[tuple[int, str]]  # the place of the record, and the sentence


def complete(
    kind: Kind, columns: Columns, chains: Sequence[Chain], organization: Organization, as_of_now: datetime
) -> Warnings:
    """Add to `columns` what follows from them; return what is unusual about which record."""
    if "currency" in kind.columns:
        _default(columns, "currency", lambda: [organization.currency] * len(columns["external_ref"]))
    if kind.name == "booking":
        _identify_parts(columns)
        return _write_history(columns, chains, as_of_now)
    if completing := _BY_KIND.get(kind.name):
        completing(columns)
    return []


def joined(parts: Sequence[list[Any]]) -> list[str | None]:
    """The keys of the records, of their parts; null where a part is."""
    if len(parts) == 1:
        return parts[0]
    return [None if None in row else KEY_SEPARATOR.join(row) for row in zip(*parts, strict=True)]


def _default(columns: Columns, column: str, values: Callable[[], list[Any]]) -> None:
    """Give `column` the `values` where it has none."""
    given = columns.get(column)
    if given is None:
        columns[column] = values()
    elif None in given:
        columns[column] = [other if own is None else own for own, other in zip(given, values(), strict=True)]


def _refer(columns: Columns, column: str, kind: str) -> None:
    """Turn the column of references `column` into the column `<kind>_ref`."""
    if column in columns:
        columns[f"{kind}_ref"] = [None if ref is None else f"{kind}:{ref}" for ref in columns.pop(column)]


def _identify_parts(columns: Columns) -> None:
    """The references of a booking's service, client and provider: their key, else their e-mail, else their name."""
    rows = len(columns["external_ref"])
    if "client_name" not in columns and "client_external_ref" not in columns:
        columns["client_name"] = [WALK_IN] * rows
    for part in PARTS:
        if emails := columns.get(f"{part}_email"):
            columns[f"{part}_email"] = [email.lower() if email else None for email in emails]
        own = columns.pop(f"{part}_external_ref", None) or [None] * rows
        for other in (f"{part}_email", f"{part}_name"):
            if None in own and other in columns:
                own = [b if a is None else a for a, b in zip(own, columns[other], strict=True)]
        columns[f"{part}_ref"] = [None if ref is None else f"{part}:{ref}" for ref in own]
    _default(columns, "booking_number", lambda: columns["external_ref"])


def _write_history(columns: Columns, chains: Sequence[Chain], as_of_now: datetime) -> Warnings:
    """Add the chain of statuses, and the moments that follow from it; what is out of order is a warning."""
    rows = len(columns["external_ref"])
    for column in ("created_at", "scheduled_start", "cancelled_at", "completed_at"):
        columns.setdefault(column, [None] * rows)
    booked, starts, statuses = columns["created_at"], columns["scheduled_start"], columns["status"]
    columns |= {"history": [None] * rows, "created_at_known": [moment is not None for moment in booked]}
    for column in ("created_at", "cancelled_at", "completed_at"):
        columns[column] = list(columns[column])
    warnings = []
    for place, status in enumerate(statuses):
        if status not in STATUSES:
            continue  # refused below
        events = [
            (times[place], order, of or status)
            for order, (of, times, conditions) in enumerate(chains)
            if times[place] is not None and (conditions is None or conditions[place])
        ]
        ends = columns[MOMENT_OF_END[status]] if status in MOMENT_OF_END else None
        chain, unusual = chain_of(status, booked[place], ends and ends[place], events)
        columns["history"][place] = as_text(chain)
        if ends and ends[place] is None:
            ends[place] = chain[-1][0]
        ended = [columns[column][place] for column in ("cancelled_at", "completed_at")]
        if booked[place] is None:  # the earliest moment that is known
            moments = [starts[place], *ended, *(event[0] for event in chain)]
            columns["created_at"][place] = min([moment for moment in moments if moment is not None] or [as_of_now])
        elif unusual or any(end is not None and end < booked[place] for end in ended):
            warnings.append((place, OUT_OF_ORDER))
    return warnings


def _complete_person(columns: Columns, kind: str) -> None:
    _name_by_itself(columns, kind)
    if "email" in columns:
        columns["email"] = [email.lower() if email else None for email in columns["email"]]


def _name_by_itself(columns: Columns, kind: str) -> None:
    """The reference of a record of its own: its external_ref, else its e-mail, else its name."""
    own = columns.pop(OWN_REF, None) or [None] * len(columns["external_ref"])
    for other in ("email", "name"):
        if other in columns:
            own = [b if a is None else a for a, b in zip(own, columns[other], strict=True)]
    columns["external_ref"] = [None if ref is None else f"{kind}:{ref}" for ref in own]


def _complete_line(columns: Columns) -> None:
    rows = len(columns["external_ref"])
    _refer(columns, "service", "service")
    _refer(columns, "provider", "provider")
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
        lambda: ["draft" if at is None else "issued" for at in columns.get("issued_at", [None] * rows)],
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
    _refer(columns, "provider", "provider")
    if "hours" in columns:
        columns["ended_at"] = [
            None if begin is None or hours is None else begin + timedelta(hours=float(hours))
            for begin, hours in zip(columns["started_at"], columns.pop("hours"), strict=True)
        ]


_BY_KIND: Final[dict[str, Callable[[Columns], None]]] = {
    "service": lambda columns: _name_by_itself(columns, "service"),
    "client": lambda columns: _complete_person(columns, "client"),
    "provider": lambda columns: _complete_person(columns, "provider"),
    "line": _complete_line,
    "invoice": _complete_invoice,
    "payment": _complete_payment,
    "hours": _complete_hours,
}
