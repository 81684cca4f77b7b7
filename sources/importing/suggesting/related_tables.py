"""Several related tables: which of them holds the bookings, and how the others refer to them."""

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

OVERLAP: Final = 0.9  # the share of values that are keys of another table, which makes a column refer to it
ENTITIES: Final = ("client", "provider", "service")
OF_BOOKINGS: Final = ("start", "created", "status", "amount", "client_name", "client_id", "service_name", "service_id")


@dataclass(frozen=True)
class Source:
    """A table with what was learnt of it."""

    path: Path
    table: str | None  # the sheet or the file within a zip, where there are several
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


def find_bookings(sources: Sequence[Source]) -> Source:
    """The table that says most of what belongs to a booking."""
    return max(sources, key=lambda it: (sum(target in it.matches for target in OF_BOOKINGS), it.rows))


def draft_tables(
    sources: Sequence[Source], bookings: Source, place: Locale
) -> Iterator[tuple[str, Source, Draft | None]]:
    """The kind of records of each table, with its draft; None where it is not known what a table is."""
    described: dict[str, Match] = {}
    entities: dict[int, str] = {}
    for source in sources:
        for own, reference in _references(source, bookings) if source is not bookings else ():
            kind = _entity(source)
            if kind and kind not in described:
                described[kind] = Match(reference, 1.0)
                entities[id(source)] = kind
                source.matches["key"] = Match(own, 1.0)
                break
    kinds = {
        id(source): entities.get(id(source)) or _kind(source, bookings) for source in sources if source is not bookings
    }
    matches = bookings.matches | {f"{kind}_id": match for kind, match in described.items()}
    elsewhere = frozenset(kind for kind in kinds.values() if kind)
    yield "booking", bookings, draft_bookings(bookings.columns, matches, bookings.layout, place, elsewhere)
    for source in sources:
        if source is not bookings:
            kind = kinds[id(source)]
            yield kind or "unknown", source, _DRAFTS[kind](source, bookings) if kind else None


def _keys(source: Source) -> list[ColumnProfile]:
    return [it for it in source.columns if it.unique and it.kind in TEXTS]


def _refers(one: ColumnProfile, other: ColumnProfile) -> bool:
    """Whether the values of `one` are mostly those of the key `other`."""
    return bool(one.values) and sum(value in other.values for value in one.values) >= OVERLAP * len(one.values)


def _references(source: Source, bookings: Source) -> Iterator[tuple[ColumnProfile, ColumnProfile]]:
    """The keys of `source`, each with the column of the bookings that refers to it."""
    key = bookings.matches.get("key")
    for own in _keys(source):
        for other in bookings.columns:
            is_key = key is not None and other is key.column
            if not is_key and other.kind in TEXTS and _refers(other, own):
                yield own, other


def _entity(source: Source) -> str | None:
    said = meanings(source.name.rsplit(".", 1)[0])[0]
    by_name = next((kind for kind in ENTITIES if kind in said), None)
    if by_name:
        return by_name
    return next((kind for kind in ENTITIES if f"{kind}_name" in source.matches), None)


def _booking_column(source: Source, bookings: Source) -> ColumnProfile | None:
    """The column of `source` that refers to the key of the bookings."""
    if "key" not in bookings.matches:
        return None
    key = bookings.matches["key"].column
    found = [it for it in source.columns if it.kind in TEXTS and _refers(it, key)]
    return max(found, key=lambda it: (it.name == key.name, "booking" in meanings(it.name)[0]), default=None)


def _kind(source: Source, bookings: Source) -> str | None:
    if _booking_column(source, bookings) is None:
        return None
    said = meanings(source.name.rsplit(".", 1)[0])[0]
    if _find(source, {"rating"}, {"number"}):
        return "review"
    if not _amount(source):
        return None
    if "invoice" in said:
        return "invoice"
    if "paid" not in said and {"service_name", "service_id"} & set(source.matches):
        return "line"
    return "payment"


def _find(source: Source, meant: set[str], kinds: set[str] | frozenset[str]) -> ColumnProfile | None:
    """The first column of these kinds whose name means one of `meant`, and neither an identifier nor an address."""
    said = ((it, meanings(it.name)[0]) for it in source.columns if it.kind in kinds)
    return next((it for it, words in said if meant & words and not words & {"id", "address"}), None)


def _amount(source: Source) -> ColumnProfile | None:
    """The column of an amount; one whose name only has to do with payments may be a number of instalments."""
    found = (_find(source, {meant}, {"number"}) for meant in ("amount", "net", "paid"))
    return next(filter(None, found), None)


def _moment(source: Source, *meant: str) -> str | None:
    """The expression of the first time of the table, one of `meant` if there is."""
    times = [it for it in source.columns if it.kind in TIMES]
    preferred = [it for it in times if meanings(it.name)[0] & set(meant)] or times
    if not preferred:
        return None
    profile = preferred[0]
    form = quoted(best_format(profile, day_first=source.layout.date_order != "month first") or "")
    if profile.kind == "moment":
        return f"parse_time({column(profile.name)}, {form})"
    return f"at(parse_date({column(profile.name)}, {form}), '12:00')"


def _draft(source: Source, section: str, values: Mapping[str, str | None]) -> Draft:
    """A draft of one section, from expressions by field."""
    fields = [Field(name, value) for name, value in values.items() if value]
    said = {it.name: [f"{section}.{field.name}" for field in fields if _names(field.value, it.name)]
            for it in source.columns}  # fmt: skip
    key = _key(source, values.get("booking"))
    for name in key:
        said[name].insert(0, "key")
    return Draft(
        sections={section: fields},
        key=[column(name) for name in key],
        nulls=sorted({"", *(text for it in source.columns for text in it.nulls)}),
        became={name: ", ".join(fields) or "not used" for name, fields in said.items()},
    )


def _key(source: Source, booking: str | None) -> list[str]:
    """The columns that identify a row: one alone, or the booking with another one."""
    if booking is None:
        return [source.matches["key"].column.name]
    keys = sorted(_keys(source), key=lambda it: column(it.name) == booking)
    if keys:
        return [keys[0].name]
    of_booking = next(it for it in source.columns if column(it.name) == booking)
    for other in source.columns:
        pairs = list(zip(of_booking.cells, other.cells, strict=True))
        if other is not of_booking and other.complete and len(set(pairs)) == len(pairs):
            return [of_booking.name, other.name]
    return []


def _names(expression: str, name: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(column(name))}(?!\w)", expression) is not None


def _name(profile: ColumnProfile | None) -> str | None:
    return column(profile.name) if profile else None


def _client(source: Source, _: Source) -> Draft:
    return _draft(source, "client", _person(source) | {"client_group": _name(_find(source, {"category"}, TEXTS))})


def _provider(source: Source, _: Source) -> Draft:
    return _draft(source, "provider", _person(source))


def _person(source: Source) -> dict[str, str | None]:
    first, last = _find(source, {"first"}, {"text"}), _find(source, {"last"}, {"text"})
    whole = _find(source, {"name", "client", "provider"}, {"text"})
    name = _name(whole) or _name(first)
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


def _booked(source: Source, bookings: Source) -> str | None:
    return _name(_booking_column(source, bookings))


def _payment(source: Source, bookings: Source) -> Draft:
    return _draft(
        source,
        "payment",
        {
            "booking": _booked(source, bookings),
            "amount": f"money({_name(_amount(source))})",
            "method": _name(_find(source, {"method", "type"}, {"text"})),
            "paid_at": _moment(source, "paid"),
        },
    )


def _review(source: Source, bookings: Source) -> Draft:
    return _draft(
        source,
        "review",
        {
            "booking": _booked(source, bookings),
            "rating": _name(_find(source, {"rating"}, {"number"})),
            "reviewed_at": _moment(source, "created", "date"),
            "comment": _name(_find(source, {"note", "description"}, {"text"})),
        },
    )


def _line(source: Source, bookings: Source) -> Draft:
    quantity = _find(source, {"quantity"}, {"number", "truth"})  # one of each looks like a yes
    service = source.matches.get("service_id") or source.matches.get("service_name")
    provider = source.matches.get("provider_id") or source.matches.get("provider_name")
    return _draft(
        source,
        "line",
        {
            "booking": _booked(source, bookings),
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
            "booking": _booked(source, bookings),
            "amount": f"money({_name(_amount(source))})",
            "issued_at": _moment(source, "invoice", "created", "date"),
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
