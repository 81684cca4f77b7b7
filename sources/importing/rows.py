"""From the records of a file to rows for the staging tables: evaluation, identity, and the checks of a row."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from hashlib import blake2b
from itertools import chain, pairwise
from operator import itemgetter
from typing import Final, cast

from sources.importing.expressions import Cells, Refusal, Rows
from sources.importing.functions import Value
from sources.importing.mapping import KINDS, ROW_KEY, TARGETS, ImportMapping, Plan
from sources.importing.reading import Record
from sources.lifecycle import COMPLETED, STATUSES, leads_to

DIGEST_BYTES: Final = 16  # at 10 million rows two equal digests have a chance below 1 in 10^24
MAX_TEXT: Final = 500  # characters: a B-tree key of the server ends at 2,704 bytes
MAX_SHOWN: Final = 200  # characters of a refused value that are kept
REQUIRED: Final = ("status", "total_amount", "created_at", "client_name", "service_name")
LIMITS: Final[Mapping[str, tuple[Decimal, Decimal]]] = {  # the checks and the precision of the tables
    "total_amount": (Decimal("-999999999999.99"), Decimal("999999999999.99")),
    "service_base_price": (Decimal(0), Decimal("999999999999.99")),
    "service_duration_hours": (Decimal(0), Decimal("999999.99")),
    "provider_capacity_hours_per_day": (Decimal(0), Decimal(24)),
    "progress_pct": (Decimal(0), Decimal(100)),
}
STAGED: Final = ("external_ref", "service_ref", "client_ref", "provider_ref", *TARGETS)
SHORT_TEXT: Final = [  # all texts but those that no index has
    column for column in STAGED if column not in KINDS and column not in ("title", "cancel_reason")
]

Row = dict[str, Value]


@dataclass(frozen=True)
class Rejection:
    """One thing that keeps a row out: where, which value, the kind of reason, and the sentence."""

    row_number: int
    row_key: str
    field: str
    value: str | None
    reason: str
    message: str


@dataclass
class Seen:
    """What identity needs to know of the file so far: how often each digest came, and each key's line."""

    digests: Counter[str] = field(default_factory=Counter)
    keys: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Block:
    """A block of records, ready for the staging tables."""

    rows: list[tuple[Value | int, ...]]  # row_number, row_key, then STAGED
    events: list[tuple[str, int, str, datetime]]  # row_key, position in the mapping, status, time
    rejections: list[Rejection]


def stage(records: Sequence[Record], header: Sequence[str], mapping: ImportMapping, plan: Plan, seen: Seen) -> Block:
    """Evaluate and check `records`; `seen` goes on from one block to the next."""
    digest, in_order = _digester(header), itemgetter(*STAGED)
    block = Block([], [], [])
    good: list[tuple[Record, str]] = []
    for record in records:
        content = digest(record.fields)
        seen.digests[content] += 1
        row_key = f"{content}-{seen.digests[content]}"
        if record.problem:
            value = ",".join(record.fields).replace("\0", "\\0")
            refusal = Refusal(record.problem[0], value or None, record.problem[1])
            block.rejections.append(_rejection(record.line, row_key, "row", refusal))
        else:
            good.append((record, row_key))
    values = _evaluated(good, header, mapping, plan)
    for position, (record, row_key) in enumerate(good):
        row, events, refusals = values.row(position)
        external_ref = cast(str | None, row["external_ref"])
        if not refusals:
            refusals = _faults(row, events, mapping.organization.currency)
        if not refusals and external_ref in seen.keys:
            first = f"The key '{external_ref}' is already that of the row on line {seen.keys[external_ref]}."
            refusals = {"key": Refusal("key is not unique", external_ref, first)}
        if refusals:
            block.rejections.extend(_rejection(record.line, row_key, *item) for item in refusals.items())
            continue
        seen.keys[str(external_ref)] = record.line
        block.rows.append((record.line, row_key, *in_order(row)))
        block.events.extend((row_key, *event) for event in events)
    return block


def _rejection(line: int, row_key: str, where: str, refusal: Refusal) -> Rejection:
    shown = refusal.value if refusal.value is None else refusal.value[:MAX_SHOWN]
    return Rejection(line, row_key, where, shown, refusal.reason, refusal.message)


def _digester(header: Sequence[str]) -> Callable[[Sequence[str]], str]:
    """A function that gives the digest of a row's fields: columns in another order are the same row."""
    order = sorted(range(len(header)), key=header.__getitem__)
    names = blake2b("\x1f".join(sorted(header)).encode(), digest_size=DIGEST_BYTES)

    def digest(fields: Sequence[str]) -> str:
        in_order = [fields[i] for i in order] if len(fields) == len(header) else fields
        hashed = names.copy()
        hashed.update("\x1f".join(in_order).encode("utf-8", "surrogatepass"))
        return hashed.hexdigest()

    return digest


@dataclass(frozen=True)
class _Evaluated:
    """The evaluated columns of a block; `row` gives one row of them."""

    fields: Mapping[str, Cells]
    keys: Sequence[Cells]
    row_keys: Sequence[str]
    events: Sequence[tuple[str | None, Cells, Cells | None]]
    currency: str

    def row(self, position: int) -> tuple[Row, list[tuple[int, str, datetime]], dict[str, Refusal]]:
        """The row's values; its events in time order: place in the mapping, status, time; its refusals."""
        refusals: dict[Refusal, str] = {}  # one fault that many fields share is told once
        for column, cells in self.fields.items():
            if position in cells.refusals:
                refusals.setdefault(cells.refusals[position], _label(column))
        for cells in self.keys:
            if position in cells.refusals:
                refusals.setdefault(cells.refusals[position], "key")
        row: Row = dict.fromkeys(STAGED)
        row |= {column: cells.values[position] for column, cells in self.fields.items()}
        self._identify(row, position)
        events: list[tuple[int, str, datetime]] = []
        for place, (status, when, condition) in enumerate(self.events):
            refused = when.refusals | (condition.refusals if condition else {})
            if position in refused:
                refusals.setdefault(refused[position], "history")
            moment = cast(datetime | None, when.values[position])
            if moment is not None and (condition is None or condition.values[position]):
                events.append((place, status or str(row["status"]), moment))
        events.sort(key=lambda event: (event[2], event[0]))
        return row, events, {where: refusal for refusal, where in refusals.items()}

    def _identify(self, row: Row, position: int) -> None:
        parts = [cells.values[position] for cells in self.keys] or [self.row_keys[position]]
        row["external_ref"] = None if None in parts else "|".join(map(str, parts))
        row["booking_number"] = row["booking_number"] or row["external_ref"]
        row["currency"] = row["currency"] or self.currency
        row["title"] = row["title"] or row["service_name"]
        for role in ("service", "client", "provider"):
            if email := row.get(f"{role}_email"):
                row[f"{role}_email"] = str(email).lower()
            own = row.get(f"{role}_external_ref") or row.get(f"{role}_email") or row[f"{role}_name"]
            row[f"{role}_ref"] = None if own is None else f"{role}:{own}"


def _evaluated(
    good: Sequence[tuple[Record, str]], header: Sequence[str], mapping: ImportMapping, plan: Plan
) -> _Evaluated:
    by_column = list(zip(*(record.fields for record, _ in good), strict=True)) or [()] * len(header)
    row_keys = [row_key for _, row_key in good]
    rows = Rows(len(good), {**dict(zip(header, by_column, strict=True)), ROW_KEY: row_keys})
    return _Evaluated(
        fields={column: _clean(expression.evaluate(rows)) for column, expression in plan.fields.items()},
        keys=[expression.evaluate(rows) for expression in plan.key],
        row_keys=row_keys,
        events=[
            (status, when.evaluate(rows), condition.evaluate(rows) if condition else None)
            for status, when, condition in plan.events
        ],
        currency=mapping.organization.currency,
    )


def _clean(cells: Cells) -> Cells:
    """`cells` without the white space around texts; a text of nothing else is null."""
    if not any(isinstance(value, str) for value in cells.values):
        return cells
    return Cells([str(value).strip() or None if value else None for value in cells.values], cells.refusals)


def _label(column: str) -> str:
    """The name of a target as the mapping writes it: client_email is client.email."""
    return re.sub(r"^(service|client|provider)_", r"\1.", column)


# --- the checks of a row, each a field and a refusal ---------------------------------------------

Faults = Iterator[tuple[str, Refusal]]


def _faults(row: Row, events: Sequence[tuple[int, str, datetime]], currency: str) -> dict[str, Refusal]:
    faults = dict(chain(_missing(row), _bad_texts(row), _bad_numbers(row), _bad_times(row)))
    if row["currency"] != currency:
        message = f"'{row['currency']}' is not {currency}, in which the organisation counts: convert the amount."
        faults["currency"] = _refusal("another currency", row["currency"], message)
    last = events[-1][1] if events else "nothing"
    if not faults and last != row["status"]:  # otherwise it follows from the others
        message = f"The history of the row ends with {last}, but its status is {row['status']}."
        faults["history"] = _refusal("history ends elsewhere", row["status"], message)
    for (_, before, _), (_, after, _) in pairwise(events):
        if not faults and not leads_to(before, after):
            message = (
                f"The history of the row goes from {before} to {after}, but no steps lead there (docs/lifecycle.md)."
            )
            faults["history"] = _refusal("impossible history", f"{before}, {after}", message)
    return faults


def _refusal(reason: str, value: Value, message: str) -> Refusal:
    return Refusal(reason, None if value is None else str(value), message)


def _missing(row: Row) -> Faults:
    for column in REQUIRED:
        if row[column] is None:
            yield (
                _label(column),
                Refusal("required", None, f"{_label(column)} is empty, but every row needs it."),
            )
    if row["external_ref"] is None:
        yield "key", Refusal("required", None, "A part of the key is empty, so nothing identifies the row.")
    if row["provider_ref"] is not None and row["provider_name"] is None:
        yield "provider.name", Refusal("required", None, "The provider of the row has no name.")


def _bad_texts(row: Row) -> Faults:
    for column in SHORT_TEXT:
        value = row[column]
        if value is not None and len(str(value)) > MAX_TEXT:
            yield _label(column), _refusal("text too long", value, f"More than {MAX_TEXT} characters.")
    for column in ("client_email", "provider_email"):
        if row[column] is not None and "@" not in str(row[column]):
            yield (
                _label(column),
                _refusal("not an e-mail", row[column], f"'{row[column]}' is not an e-mail address."),
            )
    if row["status"] is not None and row["status"] not in STATUSES:
        yield (
            "status",
            _refusal(
                "unknown status",
                row["status"],
                f"'{row['status']}' is not a status of the Hub: add it to the value map of booking.status.",
            ),
        )


def _bad_numbers(row: Row) -> Faults:
    for column, (low, high) in LIMITS.items():
        value = row[column]
        if not isinstance(value, Decimal):
            continue
        if not low <= value <= high:
            yield _label(column), _refusal("out of range", value, f"{value} is not between {low} and {high}.")
        elif value != value.quantize(Decimal("0.01")):
            yield (
                _label(column),
                _refusal(
                    "more than two decimals",
                    value,
                    f"{value} has more than two decimals: use round_money(...) if it should be rounded.",
                ),
            )


def _bad_times(row: Row) -> Faults:
    created = row["created_at"]
    for later, earlier in (
        ("scheduled_end", "scheduled_start"),
        ("cancelled_at", "created_at"),
        ("completed_at", "created_at"),
    ):
        end, begin = row[later], row[earlier]
        if isinstance(end, datetime) and isinstance(begin, datetime) and end < begin:
            yield (
                later,
                _refusal(f"before {earlier}", end, f"{later} ({end}) lies before {earlier} ({begin})."),
            )
    needed = {COMPLETED[0]: "completed_at", "cancelled": "cancelled_at", "no_show": "cancelled_at"}
    column = needed.get(str(row["status"]))
    if column and created is not None and row[column] is None:
        yield column, Refusal("required", None, f"A booking that is {row['status']} needs {column}.")
