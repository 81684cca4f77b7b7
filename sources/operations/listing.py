"""Lists of bookings: filtered, searched, sorted, page by page; however many bookings there are.

A page is read in three bounded ways. First the list is walked in its order, along an index, and what does not fit is
left out: that finds what is common. Where the walk ends with too little, all that fits is gathered by the words or by
the filters, if it is not more than GATHERED: that finds what is rare. What is neither (rare at first, common further
on) comes in pages that hold less than was asked for, with a cursor that goes on where the walk ended.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final, Literal
from uuid import UUID

import asyncpg
from pydantic import AfterValidator, BaseModel, Field

from sources.lifecycle import STATUSES
from sources.operations import keyset
from sources.operations.bookings import COLUMNS, JOINS, Booking, as_booking
from sources.operations.transaction import Tx
from sources.operations.values import Moment, Money, Request, Words

WALKED: Final = 10_000  # bookings that a page looks through
WALKED_WORDS: Final = 3_000  # where their words are read too
FARTHER: Final = 4  # times as many, where there was too much to gather
GATHERED: Final = 40_000  # bookings that are gathered and sorted
GATHERED_WORDS: Final = 3_000  # of those that have the words, in any order
COUNTED: Final = 1_000
TERMS: Final = 8  # of a search, looked for as parts of words
SHORTEST_PART: Final = 3  # characters; a shorter term is looked for where words begin

NEVER: Final = "9999-12-31T00:00:00+00:00"  # start_key of what has no start
KEYS: Final = {
    "created_at": ("b.created_at", "timestamptz"),
    "scheduled_start": ("b.start_key", "timestamptz"),
    "total_amount": ("b.amount_minor", "bigint"),
}
# Values are named here, and numbered by `_bound`.
ORGANIZATION: Final = "b.org_id = %(org)s"
CONDITIONS: Final = {
    "client_id": "b.client_id = %(client_id)s",
    "provider_id": "b.provider_id = %(provider_id)s",
    "service_id": "b.service_id = %(service_id)s",
    "status": "b.status = any(%(status)s)",
    "created_from": "b.created_at >= %(created_from)s",
    "created_to": "b.created_at < %(created_to)s",
    "scheduled_from": "b.start_key >= %(scheduled_from)s and b.start_key < '9999-12-31Z'",
    "scheduled_to": "b.start_key < %(scheduled_to)s",
    "amount_min": "b.amount_minor >= %(amount_min)s",
    "amount_max": "b.amount_minor <= %(amount_max)s",
}
# Row security says the same of clients and providers, but no index follows from its `or`.
OWN: Final = {
    "client": ("client_id", "b.client_id = %(person)s"),
    "provider": ("provider_id", "b.provider_id = %(person)s"),
}
# What an index has in front of the key, the most selective first: only these bookings are walked.
WALKED_WITHIN: Final = {
    "created_at": ("client_id", "provider_id", "status", "service_id"),
    "scheduled_start": ("provider_id", "status"),
    "total_amount": ("service_id",),
}
RANGES: Final = {
    "created_at": ("created_from", "created_to"),
    "scheduled_start": ("scheduled_from", "scheduled_to"),
    "total_amount": ("amount_min", "amount_max"),
}
JOIN_WORDS: Final = "join app.booking_search as s on s.booking_id = b.id"
HAS_WORDS: Final = "s.words @@ websearch_to_tsquery('simple', %(words)s)"
HAS_PARTS: Final = "s.document like all (%(parts)s)"
FOUND: Final = "app.search_bookings(websearch_to_tsquery('simple', %(words)s), %(parts)s, %(most)s)"
# Quotes, `or` and a minus are of the full-text search alone; other words may be parts of words.
SYNTAX: Final = re.compile(r'"|(^|\s)-\S|\sor\s')

SELECT_IN_ORDER: Final = f"""
select {COLUMNS}
from unnest($2::uuid[]) with ordinality as wanted (id, place)
join app.bookings as b on b.org_id = $1 and b.id = wanted.id {JOINS}
order by wanted.place
"""  # noqa: S608  constants of these files

# Plans are made for the values at hand, and read no table from end to end.
PREPARE: Final = """
select set_config('plan_cache_mode', 'force_custom_plan', true), set_config('enable_seqscan', 'off', true),
    app.folded($1) as words
"""
# A walk follows its index, which the planner would not do if all of the walk were to be read.
WALKING: Final = "set local enable_bitmapscan to off; set local enable_sort to off"
GATHERING: Final = "set local enable_bitmapscan to on; set local enable_sort to on"


def _known(status: str) -> str:
    if status not in STATUSES:
        raise ValueError(f"there is no such status; there are {', '.join(STATUSES)}")
    return status


Status = Annotated[str, AfterValidator(_known), Field(json_schema_extra={"enum": list(STATUSES)})]
Sort = Literal["created_at", "-created_at", "scheduled_start", "-scheduled_start", "total_amount", "-total_amount"]


class BookingQuery(Request):
    """Which bookings, in which order."""

    status: list[Status] = Field(default=[], max_length=len(STATUSES), description="Any of these.")
    service_id: UUID | None = None
    provider_id: UUID | None = None
    client_id: UUID | None = None
    created_from: Moment | None = None
    created_to: Moment | None = Field(None, description="Exclusive.")
    scheduled_from: Moment | None = Field(None, description="Of the start.")
    scheduled_to: Moment | None = Field(None, description="Of the start; exclusive.")
    amount_min: Money | None = None
    amount_max: Money | None = Field(None, description="Inclusive.")
    q: Words | None = Field(
        None,
        description="Words, or parts of them, of the number, the title, the client's name and the notes: all must be "
        'there. Of whole words, `"in this order"`, `or` and `-without` are understood.',
        examples=["workshop garcia"],
    )
    sort: Sort = Field("-created_at", description="A minus: the greatest first. No start counts as the latest.")
    limit: int = Field(50, ge=1, le=200)
    after: str | None = Field(None, max_length=keyset.MAX_LENGTH, description="`next` of the page before.")
    count: bool = Field(False, description=f"Say how many fit, up to {COUNTED:,}.")


class Count(BaseModel):
    """How many fit; at least so many where it is not exact."""

    value: int = Field(examples=[COUNTED])
    exact: bool = Field(examples=[False])


class BookingPage(BaseModel):
    """A page of a list. It may hold less than `limit`, even nothing, while `next` is set: go on until it is null."""

    items: list[Booking]
    next: str | None = Field(description="The `after` of the next page; null at the end of the list.")
    count: Count | None = Field(description="Only where it was asked for.")


@dataclass(frozen=True)
class _Parts:
    """The parts of the SQL that reads a list, and the values that they name."""

    sort: str
    fits: dict[str, str]  # what every booking of the list meets, by filter
    after: str  # what those behind the cursor meet
    search: str  # what their words meet; empty without a search
    values: dict[str, object]

    @property
    def is_small(self) -> bool:
        """Whether all that fits is likely to be little, but in no index in the order of the list."""
        return "client_id" in self.fits and "client_id" not in WALKED_WITHIN[self.column]

    @property
    def words(self) -> str:
        """The join of the words that `search` reads."""
        return JOIN_WORDS if self.search else ""

    @property
    def column(self) -> str:
        return self.sort.removeprefix("-")

    @property
    def read(self) -> str:
        """The bookings, with the key of the list's order."""
        return f"select b.*, {KEYS[self.column][0]} as key from app.bookings as b"  # noqa: S608  constants

    @property
    def order(self) -> str:
        way = "desc" if self.sort.startswith("-") else "asc"
        return f"b.key {way}, b.id {way}"


@dataclass(frozen=True)
class _Reading:
    """The ids read of a list; `end` is where the walk ended, if the list goes on although they are too few."""

    ids: list[UUID]
    end: asyncpg.Record | None = None


async def list_bookings(tx: Tx, query: BookingQuery) -> BookingPage:
    """A page of those bookings that fit, of those that the caller may see. Raises Refusal invalid for a bad cursor."""
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
        next=None if last is None else keyset.encode(query.sort, _key(last, query.sort), last["id"]),
        count=count,
    )


def _parts(tx: Tx, query: BookingQuery, words: str) -> _Parts:
    given = {name: value for name in CONDITIONS if (value := getattr(query, name)) not in (None, [])}
    values: dict[str, object] = {"org": tx.org_id, **given}
    values |= {name: int(given[name] * 100) for name in RANGES["total_amount"] if name in given}
    fits = {name: CONDITIONS[name] for name in given}
    if tx.caller.role in OWN:
        name, own = OWN[tx.caller.role]
        fits[name] = f"{own} and {fits[name]}" if name in fits else own
        values["person"] = tx.caller.profile_id
    values |= {f"status_{place}": status for place, status in enumerate(dict.fromkeys(query.status))}
    after, search = "true", ""
    if query.after is not None:
        key, kind = KEYS[query.sort.removeprefix("-")]
        sign = "<" if query.sort.startswith("-") else ">"
        after = f"({key}, b.id) {sign} (%(key)s::text::{kind}, %(id)s::uuid)"
        values["key"], values["id"] = _keyed(query.after, query.sort)
    if query.q is not None:
        values |= {"words": words, "parts": _like(words), "most": GATHERED_WORDS + 1}
        search = f"({HAS_WORDS} or {HAS_PARTS})" if values["parts"] else HAS_WORDS
    return _Parts(query.sort, fits, after, search, values)


def _like(words: str) -> list[str]:
    """The patterns of the terms that may be parts of words."""
    if SYNTAX.search(words):
        return []
    terms = [re.sub(r"([\\%_])", r"\\\1", term) for term in words.split()[:TERMS]]
    return [f"%{term}%" if len(term) >= SHORTEST_PART else f"% {term}%" for term in terms]


def _key(row: asyncpg.Record, sort: str) -> str:
    """The key of a row in a cursor."""
    value = row[sort.removeprefix("-")]
    if sort.endswith("total_amount"):
        return str(int(value * 100))
    return NEVER if value is None else str(value.isoformat())


def _keyed(cursor: str, sort: str) -> tuple[str, UUID]:
    """What `_key` wrote into the cursor, and the id. Raises Refusal."""
    key, row_id = keyset.decode(cursor, sort)
    try:
        if sort.endswith("total_amount"):
            int(key).to_bytes(8, signed=True)
        else:
            datetime.fromisoformat(key)
    except (ValueError, OverflowError):
        raise keyset.bad_cursor() from None
    return key, row_id


async def _read(tx: Tx, parts: _Parts, most: int) -> _Reading:
    """The first `most` of the list, in its order."""
    if not parts.is_small:
        read = await _walk_along(tx, parts, most, 1)
        if read.end is None:
            return read
    gathered = await _gather(tx, parts, most)
    return await _walk_along(tx, parts, most, FARTHER) if gathered is None else _Reading(gathered)


async def _walk_along(tx: Tx, parts: _Parts, most: int, times: int) -> _Reading:
    """What fits of the first bookings in the list's order; `times`: how often as many as usual are looked at."""
    walked = max(most, times * (WALKED_WORDS if parts.search else WALKED))
    walk, rest = _walk(parts, walked)
    conditions = [*rest, parts.search or "true"]
    page, values = _bound(_page(f"({walk}) as b {parts.words}", conditions, parts, most), parts.values)
    await tx.execute(WALKING)
    ids = [row["id"] for row in await tx.rows(page, *values)]
    if len(ids) == most or conditions == ["true"]:
        return _Reading(ids)
    last, values = _bound(f"{walk} offset {walked - 1}", parts.values)
    return _Reading(ids, await tx.row(last, *values))


async def _gather(tx: Tx, parts: _Parts, most: int) -> list[UUID] | None:
    """The first `most` of all that fit, in the order of the list; None where there are too many to look at."""
    await tx.execute(GATHERING)
    for candidates, page, bound in _gatherings(parts, most):
        gather, values = _bound(
            f"with candidates as materialized ({candidates}) "  # noqa: S608  constants
            f"select (select count(*) from candidates) as total, array({page}) as ids",
            parts.values,
        )
        gathered = await tx.one(gather, *values)
        if gathered["total"] <= bound:
            ids: list[UUID] = gathered["ids"]
            return ids
    return None


def _walk(parts: _Parts, most: int) -> tuple[str, list[str]]:
    """The first bookings of an index in the order of the list; and the conditions that they have still to meet."""
    within = next((name for name in WALKED_WITHIN[parts.column] if name in parts.fits), "")
    ranges = [name for name in RANGES[parts.column] if name in parts.fits]
    branches = [parts.fits[within]] if within else ["true"]
    if within == "status":  # each status is in order by itself, and their orders are merged
        branches = [f"b.status = %({name})s" for name in parts.values if name.startswith("status_")]
    ordered = f"order by {parts.order} limit {most}"
    shared = [ORGANIZATION, *(parts.fits[name] for name in ranges), parts.after]
    source = " union all ".join(
        f"(select b.* from ({parts.read} where {' and '.join([*shared, branch])}) as b {ordered})"  # noqa: S608  constants
        for branch in branches
    )
    walk = f"select b.* from ({source}) as b {ordered}"  # noqa: S608  constants
    return walk, [condition for name, condition in parts.fits.items() if name not in (within, *ranges)]


def _gatherings(parts: _Parts, most: int) -> Iterator[tuple[str, str, int]]:
    """Ways to gather all that may fit: the candidates, the page of them that does, and how many may be candidates."""
    fitting = f"{parts.read} where {' and '.join([ORGANIZATION, *parts.fits.values(), parts.after])}"
    if parts.search:
        page = _page(f"candidates as c join ({fitting}) as b on b.id = c.id", [], parts, most)
        yield f"select id from {FOUND} as id", page, GATHERED_WORDS  # noqa: S608  constants
    if parts.fits:
        bound = GATHERED_WORDS if parts.search else GATHERED
        candidates = f"select b.id, b.key from ({fitting} limit {bound + 1}) as b"  # noqa: S608  constants
        yield candidates, _page(f"candidates as b {parts.words}", [parts.search or "true"], parts, most), bound


def _page(source: str, conditions: list[str], parts: _Parts, most: int) -> str:
    where = " and ".join(conditions) or "true"
    return f"select b.id from {source} where {where} order by {parts.order} limit {most}"  # noqa: S608  constants


def _bound(statement: str, values: dict[str, object]) -> tuple[str, list[object]]:
    """`statement` with numbered parameters, and the values of those that it names."""
    names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", statement)))
    return statement % {name: f"${number}" for number, name in enumerate(names, 1)}, [values[name] for name in names]
