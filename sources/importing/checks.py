"""The checks of records, each of a whole column; what fails is a refusal with a sentence."""

from collections.abc import Iterator
from decimal import Decimal
from itertools import chain
from typing import Any, Final

from sources.importing.expressions import Refusal
from sources.importing.functions import as_text
from sources.importing.kinds import LIMITS, LONG_TEXTS, Kind
from sources.importing.plans import field_kind
from sources.lifecycle import STATUSES

MAX_TEXT: Final = 500  # characters: a B-tree key of the server ends at 2,704 bytes
# The values that a column may have, and where the mapping says so.
CHOICES: Final = {
    ("booking", "status"): STATUSES,
    ("invoice", "status"): ("draft", "issued", "part_paid", "paid", "overdue", "void"),
    ("payment", "status"): ("pending", "succeeded", "failed"),
    ("payment", "kind"): ("payment", "refund"),
}
CENTS: Final = Decimal("0.01")

Columns = dict[str, list[Any]]
Found = Iterator[tuple[int, str, Refusal]]  # the place of the record, the field, what is wrong


def check(kind: Kind, columns: Columns, currency: str) -> Found:
    """What is wrong with which records."""
    return chain(
        _missing(kind, columns),
        _texts(kind, columns),
        _numbers(kind, columns),
        _by_kind(kind, columns),
        _currencies(kind, columns, currency),
    )


def _missing(kind: Kind, columns: Columns) -> Found:
    for column in kind.required:
        label = kind.label("client_name" if column == "client_ref" else column)
        for place in _places(columns[column], None):
            yield place, label, Refusal("required", None, f"{label} is empty, but every row needs it.")
    for place in _places(columns["external_ref"], None):
        label = "key" if kind.name not in ("service", "client", "provider") else kind.label("name")
        yield place, label, Refusal("required", None, "A part of the key is empty, so nothing identifies the row.")


def _places(values: list[Any], wanted: Any) -> list[int]:
    return [place for place, value in enumerate(values) if value is wanted] if wanted in values else []


def _texts(kind: Kind, columns: Columns) -> Found:
    for column in (*kind.columns, "external_ref"):
        if column not in LONG_TEXTS and field_kind(column)[0] == "text" and not column.endswith("_known"):
            values = columns[column]
            if max((len(value) for value in values if value), default=0) > MAX_TEXT:
                for place, value in enumerate(values):
                    if value and len(value) > MAX_TEXT:
                        yield (
                            place,
                            kind.label(column),
                            Refusal("text too long", value, f"More than {MAX_TEXT} characters."),
                        )
        if column.endswith("email"):
            for place, value in enumerate(columns[column]):
                if value is not None and "@" not in value:
                    yield (
                        place,
                        kind.label(column),
                        Refusal("not an e-mail", value, f"'{value}' is not an e-mail address."),
                    )
        if choices := CHOICES.get((kind.name, column)):
            for value in set(columns[column]) - {None, *choices}:
                for place in (place for place, other in enumerate(columns[column]) if other == value):
                    yield (
                        place,
                        kind.label(column),
                        Refusal(
                            f"unknown {column}",
                            value,
                            f"'{value}' is not a {column} of the Hub: write a value map that turns it into one of "
                            f"{', '.join(choices)}.",
                        ),
                    )


def _numbers(kind: Kind, columns: Columns) -> Found:
    for column in kind.columns:
        name = next((end for end in LIMITS if column == end or column.endswith(f"_{end}")), None)
        if name is None:
            continue
        low, high = LIMITS[name]
        for value in set(columns[column]) - {None}:
            if not low <= value <= high:
                refusal = Refusal("out of range", as_text(value), f"{as_text(value)} is not between {low} and {high}.")
            elif name == "rating" and value != value.to_integral_value():
                refusal = Refusal("not a whole number", as_text(value), f"{as_text(value)} is not one of 1 to 5.")
            elif value != value.quantize(CENTS):
                advice = "use round_money(...) if it should be rounded"
                refusal = Refusal(
                    "more than two decimals", as_text(value), f"{as_text(value)} has more than two decimals: {advice}."
                )
            else:
                continue
            for place in (place for place, other in enumerate(columns[column]) if other == value):
                yield place, kind.label(column), refusal


def _by_kind(kind: Kind, columns: Columns) -> Found:
    begins, ends = {"booking": ("scheduled_start", "scheduled_end"), "hours": ("started_at", "ended_at")}.get(
        kind.name, ("", "")
    )
    if begins:
        for place, (begin, end) in enumerate(zip(columns[begins], columns[ends], strict=True)):
            if begin is not None and end is not None and (end < begin or (kind.name == "hours" and end == begin)):
                yield (
                    place,
                    kind.label(ends),
                    Refusal(f"before {begins}", str(end), f"{ends} ({end}) does not lie after {begins} ({begin})."),
                )
    if kind.name == "payment":
        for place, amount in enumerate(columns["amount"]):
            if amount == 0:
                yield place, "payment.amount", Refusal("no amount", "0", "A payment of 0 moves no money.")
    if kind.name == "invoice":
        for place, (status, at) in enumerate(zip(columns["status"], columns["issued_at"], strict=True)):
            if status not in ("draft", "void") and at is None:
                yield (
                    place,
                    "invoice.issued_at",
                    Refusal("required", None, f"An invoice that is {status} needs invoice.issued_at."),
                )


def _currencies(kind: Kind, columns: Columns, currency: str) -> Found:
    for other in set(columns.get("currency", ())) - {None, currency}:
        message = f"'{other}' is not {currency}, in which the organisation counts: convert the amount."
        for place in (place for place, value in enumerate(columns["currency"]) if value == other):
            yield place, kind.label("currency"), Refusal("another currency", other, message)
