"""From the records of a file to rows for the staging tables: evaluation, identity, and the checks of a row.

A block of rows is worked on a column at a time: a check of a million rows is a few list comprehensions.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from typing import Any, Final

from sources.importing.checks import check
from sources.importing.complete import complete, joined
from sources.importing.expressions import Cells, Refusal, Rows
from sources.importing.kinds import KINDS_OF_RECORDS, Kind
from sources.importing.mapping import Organization
from sources.importing.plans import ROW_KEY, FilePlan, RecordPlan
from sources.importing.reading import Record

DIGEST_BYTES: Final = 16  # at 10 million rows two equal digests have a chance below 1 in 10^24
MAX_SHOWN: Final = 200  # characters of a refused value that are kept

Columns = dict[str, list[Any]]
Faults = dict[int, dict[str, Refusal]]  # by the position in the block, by field


@dataclass(frozen=True)
class Rejection:
    """One thing that keeps a record out: where, which value, the kind of reason, and the sentence."""

    position: int
    file: str
    row_number: int
    row_key: str
    external_ref: str | None
    kind: str
    field: str
    value: str | None
    reason: str
    message: str
    booking: str | None = None  # that it is a part of


@dataclass
class Progress:
    """What goes on from block to block and from file to file."""

    organization: Organization
    as_of_now: datetime
    rows_read: int = 0
    digests: Counter[bytes] = field(default_factory=Counter)  # how often each content came in this file
    left_out: Counter[str] = field(default_factory=Counter)  # rows that a condition left out, by kind of record
    warnings: Counter[str] = field(default_factory=Counter)  # records, by the sentence about them


@dataclass(frozen=True)
class Block:
    """The records of one kind from a block of rows, column by column, and what was refused of them."""

    kind: Kind
    columns: Columns
    rejections: list[Rejection]


def stage(
    records: Sequence[Record], header: Sequence[str], plan: FilePlan, file: str, progress: Progress
) -> Iterator[Block]:
    """Evaluate and check `records` of `file`: one block for each kind of record that the plan makes of them."""
    digest = _digester(header)
    first = progress.rows_read
    progress.rows_read += len(records)
    good = [(first + offset, record) for offset, record in enumerate(records) if not record.problem]
    row_keys = [_counted(digest(record.fields), progress) for _, record in good] if plan.needs_row_key else []
    by_column = list(zip(*(record.fields for _, record in good), strict=True)) or [()] * len(header)
    rows = Rows(len(good), {**dict(zip(header, by_column, strict=True)), ROW_KEY: row_keys})
    keys = [expression.evaluate(rows) for expression in plan.key] or [Cells(row_keys)]
    for number, record_plan in enumerate(plan.records):
        kind = KINDS_OF_RECORDS[record_plan.kind]
        chosen, columns, faults = _evaluated(rows, record_plan, keys, kind, progress)
        origins = [good[place] for place in chosen]
        columns["position"] = [position for position, _ in origins]
        columns["file"] = [file] * len(origins)
        columns["row_number"] = [record.line for _, record in origins]
        columns["row_key"] = [row_keys[place] for place in chosen] if row_keys else [None] * len(origins)
        rejections = []
        for place, fields in sorted(faults.items()):
            position, record = origins[place]
            row_key = columns["row_key"][place] or _counted(digest(record.fields), progress)
            ref, booking = columns["external_ref"][place], columns["booking"][place] if "booking" in columns else None
            rejections += _rejections(position, record, row_key, ref, kind, file, fields, booking)
        if number == 0:
            rejections += [
                rejection
                for offset, record in enumerate(records)
                if record.problem
                for rejection in _no_row(first + offset, record, _counted(digest(record.fields), progress), kind, file)
            ]
        yield Block(kind, _without(columns, faults), rejections)


def _counted(content: bytes, progress: Progress) -> str:
    """The identity of a row's content: its digest, and how often it has come."""
    progress.digests[content] += 1
    return f"{content.hex()}-{progress.digests[content]}"


def _no_row(position: int, record: Record, row_key: str, kind: Kind, file: str) -> list[Rejection]:
    reason, message = record.problem or ("", "")
    value = ",".join(record.fields).replace("\0", "\\0") or None
    return _rejections(position, record, row_key, None, kind, file, {"row": Refusal(reason, value, message)})


def _rejections(
    position: int,
    record: Record,
    row_key: str,
    external_ref: str | None,
    kind: Kind,
    file: str,
    fields: dict[str, Refusal],
    booking: str | None = None,
) -> list[Rejection]:
    return [
        Rejection(
            position, file, record.line, row_key, external_ref, kind.name, name,
            refusal.value if refusal.value is None else refusal.value[:MAX_SHOWN], refusal.reason, refusal.message,
            booking,
        )
        for name, refusal in fields.items()
    ]  # fmt: skip


def _without(columns: Columns, faults: Faults) -> Columns:
    if not faults:
        return columns
    return {
        name: [value for place, value in enumerate(values) if place not in faults] for name, values in columns.items()
    }


def _digester(header: Sequence[str]) -> Callable[[Sequence[str]], bytes]:
    """A function that gives the digest of a row's fields: columns in another order are the same row."""
    order = sorted(range(len(header)), key=header.__getitem__)
    names = blake2b("\x1f".join(sorted(header)).encode(), digest_size=DIGEST_BYTES)

    def digest(fields: Sequence[str]) -> bytes:
        in_order = [fields[i] for i in order] if len(fields) == len(header) else fields
        hashed = names.copy()
        hashed.update("\x1f".join(in_order).encode("utf-8", "surrogatepass"))
        return hashed.digest()

    return digest


def _evaluated(
    rows: Rows, plan: RecordPlan, keys: Sequence[Cells], kind: Kind, progress: Progress
) -> tuple[list[int], Columns, Faults]:
    """The rows of the block that give a record of this kind; its columns; what is wrong with which of them."""
    condition = plan.condition.evaluate(rows) if plan.condition else Cells([True] * rows.size)
    chosen = [place for place in range(rows.size) if condition.values[place] or place in condition.refusals]
    progress.left_out[kind.name] += rows.size - len(chosen)
    cells = {column: _clean(expression.evaluate(rows)) for column, expression in plan.fields.items()}
    events = [
        (status, when.evaluate(rows), event_condition.evaluate(rows) if event_condition else None)
        for status, when, event_condition in plan.events
    ]
    told = [(kind.label(column), column_cells) for column, column_cells in cells.items()]
    told += [("key", key) for key in keys]
    told += [("history", part) for _, *parts in events for part in parts if part]
    faults = _refusals([*told, ("if", condition)], chosen)

    def picked(column_cells: Cells) -> list[Any]:
        return [column_cells.values[place] for place in chosen]

    columns: Columns = {column: picked(column_cells) for column, column_cells in cells.items()}
    columns["external_ref"] = joined([picked(key) for key in keys], plan.key_mark)
    chains = [(status, picked(when), picked(its) if its else None) for status, when, its in events]
    warnings = complete(kind, columns, chains, progress.organization, progress.as_of_now)
    for column in kind.columns:
        columns.setdefault(column, [None] * len(chosen))
    checked: Faults = {}
    for place, label, refusal in check(kind, columns, progress.organization.currency):
        if place not in faults:
            checked.setdefault(place, {}).setdefault(label, refusal)
    faults |= checked
    progress.warnings.update(sentence for place, sentence in warnings if place not in faults)
    return chosen, columns, faults


def _refusals(told: Iterable[tuple[str, Cells]], chosen: Sequence[int]) -> Faults:
    """What evaluation refused, by place among the chosen rows; one fault that many fields share is told once."""
    places = {row: place for place, row in enumerate(chosen)}
    faults: dict[int, dict[Refusal, str]] = {}
    for label, cells in told:
        for row, refusal in cells.refusals.items():
            if row in places:
                faults.setdefault(places[row], {}).setdefault(refusal, label)
    return {place: {label: refusal for refusal, label in found.items()} for place, found in faults.items()}


def _clean(cells: Cells) -> Cells:
    """`cells` without the white space around texts; a text of nothing else is null."""
    if not any(isinstance(value, str) for value in cells.values):
        return cells
    return Cells([str(value).strip() or None if value else None for value in cells.values], cells.refusals)
