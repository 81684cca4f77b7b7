"""Drafts for several related tables: the table of bookings, and the tables that refer to it or that it refers to."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sources.importing.reading import Layout
from sources.importing.suggesting.draft import Draft, draft_bookings
from sources.importing.suggesting.fields import Field, column, quoted
from sources.importing.suggesting.locales import Locale
from sources.importing.suggesting.matching import TEXTS, TIMES, Match, Matches
from sources.importing.suggesting.profile import ColumnProfile, best_format
from sources.importing.suggesting.words import meanings

OVERLAP: Final = 0.9  # the least share of a column's values that are keys of another table, for it to be a reference
KINDS_BY_PRIORITY: Final = ("client", "provider", "service")  # if several kinds fit a table, it has the first of them
BOOKING_TARGETS: Final = (
    "start", "created", "status", "amount", "client_name", "client_id", "service_name", "service_id",
)  # fmt: skip


@dataclass(frozen=True)
class Source:
    """A table with the profiles and the matches of its columns."""

    path: Path
    table: str | None  # the sheet or the file within a zip, if there are several
    columns: Sequence[ColumnProfile]
    matches: Matches
    layout: Layout
    header: Sequence[str]

    @property
    def name(self) -> str:
        return self.table or self.path.name

    @property
    def rows(self) -> int:
        return len(self.columns[0].cells)

    def meanings(self) -> frozenset[str]:
        """Return the meanings of the words in the name of the table."""
        return meanings(self.name.rsplit(".", 1)[0])[0]


def find_bookings(sources: Sequence[Source]) -> Source:
    """Return the table of bookings: the one with most of a booking's fields."""
    return max(sources, key=lambda source: (sum(target in source.matches for target in BOOKING_TARGETS), source.rows))


def draft_tables(
    sources: Sequence[Source], bookings: Source, locale: Locale
) -> Iterator[tuple[str, Source, Draft | None]]:
    """Yield the kind of records of each table, with its draft; None for a table that is not recognised."""
    others = [source for source in sources if source is not bookings]
    references: dict[str, Match] = {}  # the column of the bookings that refers to each kind of master data
    kinds: dict[int, str | None] = {}
    for source in others:
        for key, reference in _references(source, bookings):
            kind = _master_kind(source)
            if kind and kind not in references:
                references[kind] = Match(reference, 1.0)
                kinds[id(source)] = kind
                source.matches["key"] = Match(key, 1.0)
                break
    for source in others:
        kinds.setdefault(id(source), _detail_kind(source, bookings))
    matches = bookings.matches | {f"{kind}_id": match for kind, match in references.items()}
    elsewhere = frozenset(kind for kind in kinds.values() if kind)
    yield "booking", bookings, draft_bookings(bookings.columns, matches, bookings.layout, locale, elsewhere)
    for source in others:
        kind = kinds[id(source)]
        yield kind or "unknown", source, _DRAFTS[kind](source, bookings) if kind else None


def _keys(source: Source) -> list[ColumnProfile]:
    return [profile for profile in source.columns if profile.unique and profile.kind in TEXTS]


def _refers(referring: ColumnProfile, key: ColumnProfile) -> bool:
    """Return True if most values of `referring` are values of `key`."""
    values = referring.values
    return bool(values) and sum(value in key.values for value in values) >= OVERLAP * len(values)


def _references(source: Source, bookings: Source) -> Iterator[tuple[ColumnProfile, ColumnProfile]]:
    """Yield the keys of `source`, each with the column of the bookings that refers to it."""
    booking_key = bookings.matches.get("key")
    for key in _keys(source):
        for profile in bookings.columns:
            is_booking_key = booking_key is not None and profile is booking_key.column
            if not is_booking_key and profile.kind in TEXTS and _refers(profile, key):
                yield key, profile


def _master_kind(source: Source) -> str | None:
    """Return the kind of master data in a table, by its name or else by its columns."""
    by_name = next((kind for kind in KINDS_BY_PRIORITY if kind in source.meanings()), None)
    return by_name or next((kind for kind in KINDS_BY_PRIORITY if f"{kind}_name" in source.matches), None)


def _booking_column(source: Source, bookings: Source) -> ColumnProfile | None:
    """Return the column of `source` that refers to the key of the bookings."""
    if "key" not in bookings.matches:
        return None
    key = bookings.matches["key"].column
    found = [profile for profile in source.columns if profile.kind in TEXTS and _refers(profile, key)]
    return max(
        found, key=lambda profile: (profile.name == key.name, "booking" in meanings(profile.name)[0]), default=None
    )


def _detail_kind(source: Source, bookings: Source) -> str | None:
    """Return the kind of records of a table that refers to bookings."""
    if _booking_column(source, bookings) is None:
        return None
    if _find(source, {"rating"}, {"number"}):
        return "review"
    if not _amount(source):
        return None
    if "invoice" in source.meanings():
        return "invoice"
    if "paid" not in source.meanings() and {"service_name", "service_id"} & set(source.matches):
        return "line"
    return "payment"


def _find(source: Source, wanted: set[str], kinds: set[str] | frozenset[str]) -> ColumnProfile | None:
    """Return the first column of these kinds whose name has a wanted meaning, except identifiers and addresses."""
    for profile in source.columns:
        words = meanings(profile.name)[0]
        if profile.kind in kinds and wanted & words and not words & {"id", "address"}:
            return profile
    return None


def _amount(source: Source) -> ColumnProfile | None:
    """Return the column of an amount. A column on payments comes last: it may be a number of instalments."""
    found = (_find(source, {meaning}, {"number"}) for meaning in ("amount", "net", "paid"))
    return next(filter(None, found), None)


def _time(source: Source, *wanted: str) -> str | None:
    """Return the expression of the first time in the table, preferably one with a wanted meaning."""
    times = [profile for profile in source.columns if profile.kind in TIMES]
    preferred = [profile for profile in times if meanings(profile.name)[0] & set(wanted)] or times
    if not preferred:
        return None
    profile = preferred[0]
    date_format = quoted(best_format(profile, day_first=source.layout.date_order != "month first") or "")
    if profile.kind == "datetime":
        return f"parse_time({column(profile.name)}, {date_format})"
    return f"at(parse_date({column(profile.name)}, {date_format}), '12:00')"


def _draft(source: Source, section: str, values: Mapping[str, str | None]) -> Draft:
    """Draft one section from expressions by field."""
    fields = [Field(name, value) for name, value in values.items() if value]
    uses = {
        profile.name: [f"{section}.{field.name}" for field in fields if _is_used(profile.name, field.value)]
        for profile in source.columns
    }
    key = _key(source, values.get("booking"))
    for name in key:
        uses[name].insert(0, "key")
    return Draft(
        sections={section: fields},
        key=[column(name) for name in key],
        nulls=sorted({"", *(text for profile in source.columns for text in profile.nulls)}),
        column_uses={name: ", ".join(used_in) or "not used" for name, used_in in uses.items()},
    )


def _key(source: Source, booking: str | None) -> list[str]:
    """Return the columns that identify a row: a single one, or the booking and another one."""
    if booking is None:
        return [source.matches["key"].column.name]
    keys = sorted(_keys(source), key=lambda profile: column(profile.name) == booking)
    if keys:
        return [keys[0].name]
    reference = next(profile for profile in source.columns if column(profile.name) == booking)
    for other in source.columns:
        pairs = list(zip(reference.cells, other.cells, strict=True))
        if other is not reference and other.complete and len(set(pairs)) == len(pairs):
            return [reference.name, other.name]
    return []


def _is_used(name: str, expression: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(column(name))}(?!\w)", expression) is not None


def _name(profile: ColumnProfile | None) -> str | None:
    return column(profile.name) if profile else None


def _client(source: Source, _: Source) -> Draft:
    return _draft(source, "client", _person(source) | {"client_group": _name(_find(source, {"category"}, TEXTS))})


def _provider(source: Source, _: Source) -> Draft:
    return _draft(source, "provider", _person(source))


def _person(source: Source) -> dict[str, str | None]:
    first, last = _find(source, {"first"}, {"text"}), _find(source, {"last"}, {"text"})
    full = _find(source, {"name", "client", "provider"}, {"text"})
    name = _name(full) or _name(first)
    if first and last:
        name = f"trim(concat(coalesce({column(first.name)}, ''), ' ', coalesce({column(last.name)}, '')))"
    return {
        "external_ref": column(source.matches["key"].column.name),
        "name": name,
        "email": _name(_find(source, {"email"}, {"email"})),
    }


def _service(source: Source, _: Source) -> Draft:
    return _draft(
        source,
        "service",
        {
            "external_ref": column(source.matches["key"].column.name),
            "name": _name(_find(source, {"name", "title", "description", "service"}, {"text"})),
            "category": _name(_find(source, {"category"}, TEXTS)),
            "base_price": _name(_find(source, {"amount"}, {"number"})),
        },
    )


def _booking(source: Source, bookings: Source) -> str | None:
    return _name(_booking_column(source, bookings))


def _payment(source: Source, bookings: Source) -> Draft:
    return _draft(
        source,
        "payment",
        {
            "booking": _booking(source, bookings),
            "amount": f"money({_name(_amount(source))})",
            "method": _name(_find(source, {"method", "type"}, {"text"})),
            "paid_at": _time(source, "paid"),
        },
    )


def _review(source: Source, bookings: Source) -> Draft:
    return _draft(
        source,
        "review",
        {
            "booking": _booking(source, bookings),
            "rating": _name(_find(source, {"rating"}, {"number"})),
            "reviewed_at": _time(source, "created", "date"),
            "comment": _name(_find(source, {"note", "description"}, {"text"})),
        },
    )


def _line(source: Source, bookings: Source) -> Draft:
    quantity = _find(source, {"quantity"}, {"number", "boolean"})  # a column of ones looks like a boolean
    service = source.matches.get("service_id") or source.matches.get("service_name")
    provider = source.matches.get("provider_id") or source.matches.get("provider_name")
    return _draft(
        source,
        "line",
        {
            "booking": _booking(source, bookings),
            "service": _name(service.column) if service else None,
            "provider": _name(provider.column) if provider else None,
            "quantity": _name(quantity),
            "unit_price" if quantity else "amount": _name(_amount(source)),
        },
    )


def _invoice(source: Source, bookings: Source) -> Draft:
    return _draft(
        source,
        "invoice",
        {
            "booking": _booking(source, bookings),
            "amount": f"money({_name(_amount(source))})",
            "issued_at": _time(source, "invoice", "created", "date"),
        },
    )


_DRAFTS: Final[Mapping[str, Callable[[Source, Source], Draft]]] = {
    "client": _client,
    "provider": _provider,
    "service": _service,
    "payment": _payment,
    "review": _review,
    "line": _line,
    "invoice": _invoice,
}
