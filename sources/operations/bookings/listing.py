"""Lists of bookings: filtered, searched, sorted and paged at a bounded cost per page, however many bookings there are.

A page is read in three bounded ways. First a scan along an index in the order of the list skips the rows that do not
match; it finds frequent matches. Where the scan ends with too few rows, all matches of the words or of the filters are
collected and sorted, if they are no more than COLLECTED; that finds rare matches. Matches of neither kind (rare at
first, frequent further on) come in pages with fewer rows than requested, with a cursor at the end of the scan.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final, Literal
from uuid import UUID

import asyncpg
from pydantic import BaseModel, Field

from sources.lifecycle import STATUSES
from sources.operations import pagination
from sources.operations.bookings.booking import COLUMNS, JOINS, Booking, as_booking
from sources.operations.field_types import Moment, Money, Request, Words, one_of
from sources.operations.transaction import Tx

SCANNED: Final = 10_000  # the most bookings that the scan of a page reads
SCANNED_WORDS: Final = 3_000  # the same for a search, which reads their words as well
LONG_SCAN: Final = 4  # the factor of these limits if there are too many matches to collect
COLLECTED: Final = 40_000  # the most bookings that are collected and sorted
COLLECTED_WORDS: Final = 3_000  # the same for a search
COUNTED: Final = 1_000  # the highest number of matches that is counted
TERMS: Final = 8  # the number of terms of a search that may match parts of words
SHORTEST_PART: Final = 3  # characters; a shorter term matches only the beginning of a word

NEVER: Final = "9999-12-31T00:00:00+00:00"  # start_key of a booking without a start
KEYS: Final = {
    "created_at": ("bookings.created_at", "timestamptz"),
    "scheduled_start": ("bookings.start_key", "timestamptz"),
    "total_amount": ("bookings.amount_minor", "bigint"),
}
# Parameters are named here; `_numbered` gives them numbers.
ORGANIZATION: Final = "bookings.org_id = %(org)s"
CONDITIONS: Final = {
    "client_id": "bookings.client_id = %(client_id)s",
    "provider_id": "bookings.provider_id = %(provider_id)s",
    "service_id": "bookings.service_id = %(service_id)s",
    "status": "bookings.status = any(%(status)s)",
    "created_from": "bookings.created_at >= %(created_from)s",
    "created_to": "bookings.created_at < %(created_to)s",
    "scheduled_from": "bookings.start_key >= %(scheduled_from)s and bookings.start_key < '9999-12-31Z'",
    "scheduled_to": "bookings.start_key < %(scheduled_to)s",
    "amount_min": "bookings.amount_minor >= %(amount_min)s",
    "amount_max": "bookings.amount_minor <= %(amount_max)s",
}
# Row security demands the same of clients and providers, but its `or` cannot use an index.
OWN: Final = {
    "client": ("client_id", "bookings.client_id = %(person)s"),
    "provider": ("provider_id", "bookings.provider_id = %(person)s"),
}
# Sort key -> the filters that have an index in the order of the key, the most selective first. The scan uses the first
# one that the query has, and reads only the bookings that meet it.
SCANNED_WITHIN: Final = {
    "created_at": ("client_id", "provider_id", "status", "service_id"),
    "scheduled_start": ("provider_id", "status"),
    "total_amount": ("service_id",),
}
RANGES: Final = {
    "created_at": ("created_from", "created_to"),
    "scheduled_start": ("scheduled_from", "scheduled_to"),
    "total_amount": ("amount_min", "amount_max"),
}
JOIN_WORDS: Final = "join app.booking_search as search on search.booking_id = bookings.id"
HAS_WORDS: Final = "search.words @@ websearch_to_tsquery('simple', %(words)s)"
HAS_PARTS: Final = "search.document like all (%(parts)s)"
FOUND: Final = "app.search_bookings(websearch_to_tsquery('simple', %(words)s), %(parts)s, %(most)s)"
# With quotes, `or` or a minus only whole words match; without them, terms may be parts of words.
SYNTAX: Final = re.compile(r'"|(^|\s)-\S|\sor\s')

SELECT_IN_ORDER: Final = f"""
select {COLUMNS}
from unnest($2::uuid[]) with ordinality as ids (id, position)
join app.bookings as bookings on bookings.org_id = $1 and bookings.id = ids.id {JOINS}
order by ids.position
"""  # noqa: S608  constants of these files

# The planner knows the values of the parameters, and never scans a whole table.
PREPARE: Final = """
select set_config('plan_cache_mode', 'force_custom_plan', true), set_config('enable_seqscan', 'off', true),
    app.folded($1) as words
"""
# The scan follows its index; the planner would sort instead if it expected to read all of it.
SCANNING: Final = "set local enable_bitmapscan to off; set local enable_sort to off"
COLLECTING: Final = "set local enable_bitmapscan to on; set local enable_sort to on"


Status = Annotated[str, one_of(STATUSES)]
Sort = Literal["created_at", "-created_at", "scheduled_start", "-scheduled_start", "total_amount", "-total_amount"]


class BookingQuery(Request):
    """The filters, the order and the page of a list of bookings."""

    status: list[Status] = Field(default=[], max_length=len(STATUSES), description="Any of these statuses.")
    service_id: UUID | None = None
    provider_id: UUID | None = None
    client_id: UUID | None = None
    created_from: Moment | None = None
    created_to: Moment | None = Field(None, description="Exclusive.")
    scheduled_from: Moment | None = Field(None, description="Starts at this moment or later.")
    scheduled_to: Moment | None = Field(None, description="Starts before this moment.")
    amount_min: Money | None = None
    amount_max: Money | None = Field(None, description="Inclusive.")
    q: Words | None = Field(
        None,
        description="Words, or parts of words, of the number, title, client's name and notes; all must match. "
        'Whole words may be combined as `"in this order"`, `or` and `-without`.',
        examples=["workshop garcia"],
    )
    sort: Sort = Field(
        "-created_at", description="With a minus the greatest first. A booking without a start counts as the latest."
    )
    limit: int = Field(50, ge=1, le=200)
    after: str | None = Field(None, max_length=pagination.MAX_LENGTH, description="`next` of the previous page.")
    count: bool = Field(False, description=f"Return the number of matches, up to {COUNTED:,}.")


class Count(BaseModel):
    """The number of matches; where it is not exact, there are at least this many."""

    value: int = Field(examples=[COUNTED])
    exact: bool = Field(examples=[False])


class BookingPage(BaseModel):
    """A page of a list. It may have fewer items than `limit`, even none, while `next` is set: continue until null."""

    items: list[Booking]
    next: str | None = Field(description="The `after` of the next page; null at the end of the list.")
    count: Count | None = Field(description="Only if `count` is true.")


@dataclass(frozen=True)
class _Parts:
    """The parts of the SQL that reads a list, and the values of their parameters."""

    sort: str
    filters: dict[str, str]  # filter -> its condition
    after: str  # condition of the rows after the cursor
    search: str  # condition of the words; empty without a search
    values: dict[str, object]

    @property
    def is_small(self) -> bool:
        """True if the matches are probably few, but no index has them in the order of the list."""
        return "client_id" in self.filters and "client_id" not in SCANNED_WITHIN[self.column]

    @property
    def words(self) -> str:
        """The join that `search` needs."""
        return JOIN_WORDS if self.search else ""

    @property
    def column(self) -> str:
        return self.sort.removeprefix("-")

    @property
    def read(self) -> str:
        """The query of the bookings, with the sort key of the list."""
        return f"select bookings.*, {KEYS[self.column][0]} as key from app.bookings as bookings"  # noqa: S608  constants

    @property
    def order(self) -> str:
        direction = "desc" if self.sort.startswith("-") else "asc"
        return f"bookings.key {direction}, bookings.id {direction}"


@dataclass(frozen=True)
class _Reading:
    """Ids of the first rows of a list; `end`: the last row of a scan that found too few, if more rows may follow."""

    ids: list[UUID]
    end: asyncpg.Record | None = None


async def list_bookings(tx: Tx, query: BookingQuery) -> BookingPage:
    """Return a page of the matching bookings that the caller may see. Raises Refusal invalid for a bad cursor."""
    words = (await tx.one(PREPARE, query.q or ""))["words"]
    read = await _read(tx, _parts(tx, query, words), query.limit + 1)
    rows = await tx.rows(SELECT_IN_ORDER, tx.org_id, read.ids[: query.limit])
    last = rows[-1] if rows and len(read.ids) > query.limit else read.end
    count = None
    if query.count and query.after is None and last is None:
        count = Count(value=len(rows), exact=True)
    elif query.count:
        whole = _parts(tx, query.model_copy(update={"after": None}), words)
        counted = await _read(tx, whole, COUNTED + 1)
        count = Count(value=min(len(counted.ids), COUNTED), exact=len(counted.ids) <= COUNTED and not counted.end)
    return BookingPage.model_construct(
        items=[as_booking(row, tx) for row in rows],
        next=None if last is None else pagination.encode(query.sort, _key(last, query.sort), last["id"]),
        count=count,
    )


def _parts(tx: Tx, query: BookingQuery, words: str) -> _Parts:
    wanted = {name: value for name in CONDITIONS if (value := getattr(query, name)) not in (None, [])}
    values: dict[str, object] = {"org": tx.org_id, **wanted}
    values |= {name: int(wanted[name] * 100) for name in RANGES["total_amount"] if name in wanted}
    filters = {name: CONDITIONS[name] for name in wanted}
    if tx.caller.role in OWN:
        name, own = OWN[tx.caller.role]
        filters[name] = f"{own} and {filters[name]}" if name in filters else own
        values["person"] = tx.caller.profile_id
    values |= {f"status_{number}": status for number, status in enumerate(dict.fromkeys(query.status))}
    after, search = "true", ""
    if query.after is not None:
        key, kind = KEYS[query.sort.removeprefix("-")]
        sign = "<" if query.sort.startswith("-") else ">"
        after = f"({key}, bookings.id) {sign} (%(key)s::text::{kind}, %(id)s::uuid)"
        values["key"], values["id"] = _decoded(query.after, query.sort)
    if query.q is not None:
        values |= {"words": words, "parts": _like(words), "most": COLLECTED_WORDS + 1}
        search = f"({HAS_WORDS} or {HAS_PARTS})" if values["parts"] else HAS_WORDS
    return _Parts(query.sort, filters, after, search, values)


def _like(words: str) -> list[str]:
    """Return the LIKE patterns of the terms that may be parts of words."""
    if SYNTAX.search(words):
        return []
    terms = [re.sub(r"([\\%_])", r"\\\1", term) for term in words.split()[:TERMS]]
    return [f"%{term}%" if len(term) >= SHORTEST_PART else f"% {term}%" for term in terms]


def _key(row: asyncpg.Record, sort: str) -> str:
    """Return the sort key of a row as a cursor has it."""
    value = row[sort.removeprefix("-")]
    if sort.endswith("total_amount"):
        return str(int(value * 100))
    return NEVER if value is None else str(value.isoformat())


def _decoded(cursor: str, sort: str) -> tuple[str, UUID]:
    """Return the key and the id of a cursor, with the key validated. Raises Refusal."""
    key, row_id = pagination.decode(cursor, sort)
    try:
        if sort.endswith("total_amount"):
            int(key).to_bytes(8, signed=True)
        else:
            datetime.fromisoformat(key)
    except (ValueError, OverflowError):
        raise pagination.bad_cursor() from None
    return key, row_id


async def _read(tx: Tx, parts: _Parts, most: int) -> _Reading:
    """Return the ids of the first `most` rows of the list, in its order."""
    if not parts.is_small:
        read = await _scan(tx, parts, most, 1)
        if read.end is None:
            return read
    collected = await _collect(tx, parts, most)
    return await _scan(tx, parts, most, LONG_SCAN) if collected is None else _Reading(collected)


async def _scan(tx: Tx, parts: _Parts, most: int, factor: int) -> _Reading:
    """Return the matches among the first bookings in the order of the list, `factor` times as many as usual."""
    scanned = max(most, factor * (SCANNED_WORDS if parts.search else SCANNED))
    scan, remaining = _scan_query(parts, scanned)
    conditions = [*remaining, parts.search or "true"]
    page, values = _numbered(_page(f"({scan}) as bookings {parts.words}", conditions, parts, most), parts.values)
    await tx.execute(SCANNING)
    ids = [row["id"] for row in await tx.rows(page, *values)]
    if len(ids) == most or conditions == ["true"]:
        return _Reading(ids)
    last, values = _numbered(f"{scan} offset {scanned - 1}", parts.values)
    return _Reading(ids, await tx.row(last, *values))


async def _collect(tx: Tx, parts: _Parts, most: int) -> list[UUID] | None:
    """Return the ids of the first `most` of all matches, in the order of the list; None where there are too many."""
    await tx.execute(COLLECTING)
    for candidates, page, limit in _collections(parts, most):
        statement, values = _numbered(
            f"with candidates as materialized ({candidates}) "  # noqa: S608  constants
            f"select (select count(*) from candidates) as total, array({page}) as ids",
            parts.values,
        )
        row = await tx.one(statement, *values)
        if row["total"] <= limit:
            ids: list[UUID] = row["ids"]
            return ids
    return None


def _scan_query(parts: _Parts, most: int) -> tuple[str, list[str]]:
    """Return the query of the first bookings of an index in the order of the list, and the conditions left to check."""
    within = next((name for name in SCANNED_WITHIN[parts.column] if name in parts.filters), "")
    ranges = [name for name in RANGES[parts.column] if name in parts.filters]
    branches = [parts.filters[within]] if within else ["true"]
    if within == "status":  # the index is in order within each status, and the statuses are merged
        branches = [f"bookings.status = %({name})s" for name in parts.values if name.startswith("status_")]
    ordered = f"order by {parts.order} limit {most}"
    shared = [ORGANIZATION, *(parts.filters[name] for name in ranges), parts.after]
    source = " union all ".join(
        f"(select bookings.* from ({parts.read} where {' and '.join([*shared, branch])}) as bookings {ordered})"  # noqa: S608  constants
        for branch in branches
    )
    scan = f"select bookings.* from ({source}) as bookings {ordered}"  # noqa: S608  constants
    return scan, [condition for name, condition in parts.filters.items() if name not in (within, *ranges)]


def _collections(parts: _Parts, most: int) -> Iterator[tuple[str, str, int]]:
    """Yield the ways to collect all matches: queries of the candidates and of their page, and the most candidates."""
    matching = f"{parts.read} where {' and '.join([ORGANIZATION, *parts.filters.values(), parts.after])}"
    if parts.search:
        page = _page(f"candidates join ({matching}) as bookings on bookings.id = candidates.id", [], parts, most)
        yield f"select id from {FOUND} as id", page, COLLECTED_WORDS  # noqa: S608  constants
    if parts.filters:
        limit = COLLECTED_WORDS if parts.search else COLLECTED
        candidates = f"select bookings.id, bookings.key from ({matching} limit {limit + 1}) as bookings"  # noqa: S608  constants
        yield candidates, _page(f"candidates as bookings {parts.words}", [parts.search or "true"], parts, most), limit


def _page(source: str, conditions: list[str], parts: _Parts, most: int) -> str:
    where = " and ".join(conditions) or "true"
    return f"select bookings.id from {source} where {where} order by {parts.order} limit {most}"  # noqa: S608  constants


def _numbered(statement: str, values: dict[str, object]) -> tuple[str, list[object]]:
    """Return `statement` with numbered instead of named parameters, and their values in that order."""
    names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", statement)))
    return statement % {name: f"${number}" for number, name in enumerate(names, 1)}, [values[name] for name in names]
