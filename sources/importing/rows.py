"""Evaluation of the records of a file into rows for the staging tables, with the checks of each row.

A block of rows is processed column by column: a check of a million rows is a few list comprehensions.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from typing import Any, Final

from sources.importing.checks import check
from sources.importing.compiled_mapping import ROW_KEY, FilePlan, RecordPlan
from sources.importing.derived_columns import add_derived_columns, join_keys
from sources.importing.expressions import Cells, Fault, Rows
from sources.importing.mapping import Organization
from sources.importing.reading import Record
from sources.importing.record_kinds import RECORD_KINDS, RecordKind

DIGEST_BYTES: Final = 16  # at 10 million rows two equal digests have a chance below 1 in 10^24
MAX_SHOWN: Final = 200  # characters of a rejected value that are kept

Columns = dict[str, list[Any]]
Faults = dict[int, dict[str, Fault]]  # by the index of the record in the block, by field


@dataclass(frozen=True)
class Rejection:
    """A fault of a row: its place in the files, the field and its value, the kind of reason, and the sentence."""

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
    booking: str | None = None  # the key of the booking that the record belongs to


@dataclass
class Progress:
    """The state of an import from block to block and from file to file."""

    organization: Organization
    as_of_now: datetime
    rows_read: int = 0
    digests: Counter[bytes] = field(default_factory=Counter)  # occurrences of each row content in this file
    left_out: Counter[str] = field(default_factory=Counter)  # rows that a condition left out, by kind of record
    warnings: Counter[str] = field(default_factory=Counter)  # number of records by warning


@dataclass(frozen=True)
class Block:
    """The records of one kind from a block of rows, column by column, and the rejections among them."""

    kind: RecordKind
    columns: Columns
    rejections: list[Rejection]


def stage(
    records: Sequence[Record], header: Sequence[str], plan: FilePlan, file: str, progress: Progress
) -> Iterator[Block]:
    """Evaluate and check `records` of `file`: yield one block for each kind of record in the plan."""
    digest = _digester(header)
    first = progress.rows_read
    progress.rows_read += len(records)
    good = [(first + offset, record) for offset, record in enumerate(records) if not record.problem]
    row_keys = [_row_key(digest(record.fields), progress) for _, record in good] if plan.needs_row_key else []
    by_column = list(zip(*(record.fields for _, record in good), strict=True)) or [()] * len(header)
    rows = Rows(len(good), {**dict(zip(header, by_column, strict=True)), ROW_KEY: row_keys})
    keys = [expression.evaluate(rows) for expression in plan.key] or [Cells(row_keys)]
    for number, record_plan in enumerate(plan.records):
        kind = RECORD_KINDS[record_plan.kind]
        chosen, columns, faults = _evaluate(rows, record_plan, keys, kind, progress)
        origins = [good[row] for row in chosen]
        columns["position"] = [position for position, _ in origins]
        columns["file"] = [file] * len(origins)
        columns["row_number"] = [record.line for _, record in origins]
        columns["row_key"] = [row_keys[row] for row in chosen] if row_keys else [None] * len(origins)
        rejections = []
        for index, fields in sorted(faults.items()):
            position, record = origins[index]
            row_key = columns["row_key"][index] or _row_key(digest(record.fields), progress)
            ref, booking = columns["external_ref"][index], columns["booking"][index] if "booking" in columns else None
            rejections += _rejections(position, record, row_key, ref, kind, file, fields, booking)
        if number == 0:
            rejections += [
                rejection
                for offset, record in enumerate(records)
                if record.problem
                for rejection in _unreadable(
                    first + offset, record, _row_key(digest(record.fields), progress), kind, file
                )
            ]
        yield Block(kind, _without(columns, faults), rejections)


def _row_key(digest: bytes, progress: Progress) -> str:
    """Return the identity of a row's content: its digest, and the number of its occurrence in the file."""
    progress.digests[digest] += 1
    return f"{digest.hex()}-{progress.digests[digest]}"


def _unreadable(position: int, record: Record, row_key: str, kind: RecordKind, file: str) -> list[Rejection]:
    reason, message = record.problem or ("", "")
    value = ",".join(record.fields).replace("\0", "\\0") or None
    return _rejections(position, record, row_key, None, kind, file, {"row": Fault(reason, value, message)})


def _rejections(
    position: int,
    record: Record,
    row_key: str,
    external_ref: str | None,
    kind: RecordKind,
    file: str,
    fields: dict[str, Fault],
    booking: str | None = None,
) -> list[Rejection]:
    return [
        Rejection(
            position, file, record.line, row_key, external_ref, kind.name, name,
            fault.value if fault.value is None else fault.value[:MAX_SHOWN], fault.reason, fault.message, booking,
        )
        for name, fault in fields.items()
    ]  # fmt: skip


def _without(columns: Columns, faults: Faults) -> Columns:
    if not faults:
        return columns
    return {
        name: [value for index, value in enumerate(values) if index not in faults] for name, values in columns.items()
    }


def _digester(header: Sequence[str]) -> Callable[[Sequence[str]], bytes]:
    """Return a function that computes the digest of a row's fields, whatever the order of the columns."""
    order = sorted(range(len(header)), key=header.__getitem__)
    names = blake2b("\x1f".join(sorted(header)).encode(), digest_size=DIGEST_BYTES)

    def digest(fields: Sequence[str]) -> bytes:
        in_order = [fields[index] for index in order] if len(fields) == len(header) else fields
        hashed = names.copy()
        hashed.update("\x1f".join(in_order).encode("utf-8", "surrogatepass"))
        return hashed.digest()

    return digest


def _evaluate(
    rows: Rows, plan: RecordPlan, keys: Sequence[Cells], kind: RecordKind, progress: Progress
) -> tuple[list[int], Columns, Faults]:
    """Return the rows of the block with a record of this kind, the columns of these records, and their faults."""
    condition = plan.condition.evaluate(rows) if plan.condition else Cells([True] * rows.size)
    chosen = [row for row in range(rows.size) if condition.values[row] or row in condition.faults]
    progress.left_out[kind.name] += rows.size - len(chosen)
    cells = {column: _strip(expression.evaluate(rows)) for column, expression in plan.fields.items()}
    events = [
        (status, when.evaluate(rows), event_condition.evaluate(rows) if event_condition else None)
        for status, when, event_condition in plan.events
    ]
    evaluated = [(kind.label(column), column_cells) for column, column_cells in cells.items()]
    evaluated += [("key", key) for key in keys]
    evaluated += [("history", part) for _, *parts in events for part in parts if part]
    faults = _evaluation_faults([*evaluated, ("if", condition)], chosen)

    def select(column_cells: Cells) -> list[Any]:
        return [column_cells.values[row] for row in chosen]

    columns: Columns = {column: select(column_cells) for column, column_cells in cells.items()}
    columns["external_ref"] = join_keys([select(key) for key in keys], plan.key_prefix)
    event_columns = [
        (status, select(when), select(event_condition) if event_condition else None)
        for status, when, event_condition in events
    ]
    warnings = add_derived_columns(kind, columns, event_columns, progress.organization, progress.as_of_now)
    for column in kind.columns:
        columns.setdefault(column, [None] * len(chosen))
    failed_checks: Faults = {}
    for index, label, fault in check(kind, columns, progress.organization.currency):
        if index not in faults:
            failed_checks.setdefault(index, {}).setdefault(label, fault)
    faults |= failed_checks
    progress.warnings.update(sentence for index, sentence in warnings if index not in faults)
    return chosen, columns, faults


def _evaluation_faults(evaluated: Iterable[tuple[str, Cells]], chosen: Sequence[int]) -> Faults:
    """Return the faults of the chosen rows; a fault that several fields share is reported for the first of them."""
    indexes = {row: index for index, row in enumerate(chosen)}
    faults: dict[int, dict[Fault, str]] = {}
    for label, cells in evaluated:
        for row, fault in cells.faults.items():
            if row in indexes:
                faults.setdefault(indexes[row], {}).setdefault(fault, label)
    return {index: {label: fault for fault, label in found.items()} for index, found in faults.items()}


def _strip(cells: Cells) -> Cells:
    """Return `cells` with surrounding white space removed from texts; a text of white space only is null."""
    if not any(isinstance(value, str) for value in cells.values):
        return cells
    return Cells([str(value).strip() or None if value else None for value in cells.values], cells.faults)
