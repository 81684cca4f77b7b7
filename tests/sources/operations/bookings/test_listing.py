"""Lists and searches of bookings, compared with a filter over all rows in Python; and their query plans."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from typing import Any, Final
from uuid import UUID

import asyncpg
import pytest

from bench.many_bookings import fill
from sources.operations import transaction
from sources.operations.bookings import listing
from sources.operations.bookings.listing import BookingPage, BookingQuery
from sources.operations.errors import Refusal
from sources.operations.transaction import Person, Tx
from tests.sources.business import NORTH, Business, open_business
from tests.sources.conftest import seeded_settings

BOOKINGS: Final = 1_200
NOW: Final = datetime(2026, 11, 20, 18, tzinfo=UTC)
SORTS: Final = ("created_at", "-created_at", "scheduled_start", "-scheduled_start", "total_amount", "-total_amount")
LATEST: Final = datetime(9999, 1, 1, tzinfo=UTC)
SELECT_ALL: Final = """
select b.*, s.document from app.bookings as b join app.booking_search as s on s.booking_id = b.id where b.org_id = %s
"""

Row = dict[str, Any]


@pytest.fixture(scope="module")
def business(seeded: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Business]:
    """The seeded business with many bookings."""
    with seeded_settings(seeded, tmp_path_factory.mktemp("hub")) as settings, open_business(settings) as it:
        fill(it.connection, NORTH.id, BOOKINGS)
        yield it


@pytest.fixture(scope="module")
def rows(business: Business) -> list[Row]:
    cursor = business.connection.execute(SELECT_ALL, [NORTH.id])
    names = [column.name for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def page(business: Business, person: Person, query: BookingQuery) -> BookingPage:
    return business.wait_for(
        transaction.run(business.pool, person, lambda tx: listing.list_bookings(tx, query), at=NOW, timeout_ms=20_000)
    )


def all_ids(business: Business, person: Person, query: BookingQuery) -> list[UUID]:
    """Return the ids of all pages in order."""
    ids = []
    while True:
        found = page(business, person, query)
        ids += [booking.id for booking in found.items]
        if found.next is None:
            return ids
        query = query.model_copy(update={"after": found.next})


def by_hand(rows: list[Row], query: BookingQuery) -> list[UUID]:
    """Return the ids of the rows that match `query`, in its order."""
    name = query.sort.removeprefix("-")
    words = (query.q or "").lower().split()

    def fits(row: Row) -> bool:
        start = row["scheduled_start"]
        return (
            (not query.status or row["status"] in query.status)
            and all(getattr(query, field) in (None, row[field]) for field in ("service_id", "provider_id", "client_id"))
            and (query.created_from is None or row["created_at"] >= query.created_from)
            and (query.created_to is None or row["created_at"] < query.created_to)
            and (query.scheduled_from is None or (start is not None and start >= query.scheduled_from))
            and (query.scheduled_to is None or (start is not None and start < query.scheduled_to))
            and (query.amount_min is None or row["total_amount"] >= query.amount_min)
            and (query.amount_max is None or row["total_amount"] <= query.amount_max)
            and all(word in row["document"] for word in words)
        )

    found = sorted(
        (row for row in rows if fits(row)),
        key=lambda row: (row[name] if row[name] is not None else LATEST, row["id"]),
        reverse=query.sort.startswith("-"),
    )
    return [row["id"] for row in found]


def conditions(rng: Random, row: Row) -> dict[str, dict[str, object]]:
    """Return a condition of each kind that `row` meets."""
    days = timedelta(days=rng.choice([3, 40, 400]))
    start = row["scheduled_start"] or NOW
    words = [rng.choice(row["title"].split()), row["booking_number"], row["title"][2:7].strip()]
    return {
        "status": {"status": sorted({row["status"], rng.choice(["completed", "cancelled", "no_show"])})},
        "service": {"service_id": row["service_id"]},
        "provider": {"provider_id": row["provider_id"]},
        "client": {"client_id": row["client_id"]},
        "created": {"created_from": row["created_at"] - days, "created_to": row["created_at"] + days},
        "from": {"scheduled_from": start - days},
        "to": {"scheduled_to": start + days},
        "amount": {"amount_min": row["total_amount"] - 100, "amount_max": row["total_amount"] + rng.choice([0, 300])},
        "words": {"q": rng.choice(words)},
    }


def some_queries(rows: list[Row], seed: int) -> Iterator[BookingQuery]:
    """Yield each condition in each order, and combinations of conditions."""
    rng = Random(seed)
    names = sorted(conditions(rng, rows[0]))
    together = [(rng.sample(names, rng.choice([0, 2, 3])), rng.choice(SORTS)) for _ in range(20)]
    for chosen, sort in [*(([name], sort) for name in names for sort in SORTS), *together]:
        given: dict[str, object] = {"sort": sort, "limit": rng.choice([130, 200])}
        possible = conditions(rng, rng.choice(rows))
        for name in chosen:
            given |= possible[name]
        yield BookingQuery.model_validate(given)


@pytest.mark.parametrize("bounds", [(10_000, 3_000, 20_000, 3_000), (150, 100, 60, 40)], ids=["as set", "small"])
def test_pages_match_the_rows(
    business: Business, rows: list[Row], monkeypatch: pytest.MonkeyPatch, bounds: tuple[int, int, int, int]
) -> None:
    """Small bounds exercise every way of reading: scans that end early, collections that are too large."""
    for name, bound in zip(("SCANNED", "SCANNED_WORDS", "COLLECTED", "COLLECTED_WORDS"), bounds, strict=True):
        monkeypatch.setattr(listing, name, bound)
    queries = list(some_queries(rows, seed=11))
    for query in queries if bounds[0] < len(rows) else queries[::5]:
        assert all_ids(business, NORTH.person("admin"), query) == by_hand(rows, query), query


@pytest.mark.parametrize("role", ["client", "provider"])
def test_clients_and_providers_see_their_own_bookings(business: Business, rows: list[Row], role: str) -> None:
    rng = Random(5)
    who = rng.choice([row[f"{role}_id"] for row in rows if row[f"{role}_id"]])
    person = Person(NORTH.id, profile_id=who)
    own = [row for row in rows if row[f"{role}_id"] == who]
    for sort in SORTS:
        for given in ({}, {"q": "design"}, {"status": ["completed", "cancelled"]}, {"client_id": own[0]["client_id"]}):
            query = BookingQuery.model_validate({"sort": sort, "limit": 40, **given})
            assert all_ids(business, person, query) == by_hand(own, query)


def test_search_ignores_case_and_accents_and_finds_parts_of_words(business: Business) -> None:
    booking = business.connection.execute(
        "update app.bookings set title = 'Ángulo recto 100%%', notes = 'Für Zoë: half-day plan_b' "
        "where id = (select max(id::text)::uuid from app.bookings) returning id"
    ).fetchall()[0][0]
    for q in ("ángulo", "ANGULO RECTO", "gul", "zoe", "100%", "plan_b", "an rec", '"angulo recto"', "zoe -workshop"):
        assert all_ids(business, NORTH.person("admin"), BookingQuery(q=q))[:1] == [booking], q
    for q in ('"recto angulo"', "angulo -recto", "1000%", "planxb", "zoe angulos"):
        assert booking not in all_ids(business, NORTH.person("admin"), BookingQuery(q=q)), q


def test_a_renamed_client_is_found(business: Business, rows: list[Row]) -> None:
    client = rows[0]["client_id"]
    business.connection.execute("update app.profiles set full_name = 'Quintessa Voss' where id = %s", [client])
    found = all_ids(business, NORTH.person("admin"), BookingQuery(q="quintessa"))
    assert set(found) == {row["id"] for row in rows if row["client_id"] == client}


def test_counts_are_bounded(business: Business, rows: list[Row]) -> None:
    def counted(**given: Any) -> tuple[int, bool]:
        count = page(business, NORTH.person("admin"), BookingQuery(count=True, **given)).count
        assert count is not None
        return count.value, count.exact

    assert counted() == (1_000, False)
    service = rows[0]["service_id"]
    assert counted(service_id=service, amount_max=100) == (
        min(1_000, sum(row["service_id"] == service and row["total_amount"] <= 100 for row in rows)), True,
    )  # fmt: skip
    assert counted(q="no such words") == (0, True)


@pytest.mark.parametrize("cursor", ["", "x", "AAAA", "W10", "bnVsbA", "é" * 10, "WyItY3JlYXRlZF9hdCIsIm5vIiwibm8iXQ"])
def test_an_invalid_cursor_is_refused(business: Business, cursor: str) -> None:
    with pytest.raises(Refusal) as refused:
        page(business, NORTH.person("admin"), BookingQuery(after=cursor))
    assert refused.value.code == "invalid_cursor"


def test_a_cursor_is_valid_for_one_order_only(business: Business) -> None:
    cursor = page(business, NORTH.person("admin"), BookingQuery(limit=5)).next
    with pytest.raises(Refusal, match="cursor"):
        page(business, NORTH.person("admin"), BookingQuery(limit=5, sort="created_at", after=cursor))


PLANS: Final[list[str]] = []


class Explaining(Tx):
    """A transaction that adds the plan of each query to PLANS."""

    async def _explain(self, query: str, values: tuple[object, ...]) -> None:
        if "app.bookings" in query:
            plan = await self.connection.fetch(f"explain {query}", *values)
            PLANS.append("\n".join(row[0] for row in plan))

    async def rows(self, query: str, *values: object) -> list[asyncpg.Record]:
        await self._explain(query, values)
        return await super().rows(query, *values)

    async def row(self, query: str, *values: object) -> asyncpg.Record | None:
        await self._explain(query, values)
        return await super().row(query, *values)

    async def one(self, query: str, *values: object) -> asyncpg.Record:
        await self._explain(query, values)
        return await super().one(query, *values)


async def explained(query: BookingQuery, tx: Tx) -> BookingPage:
    return await listing.list_bookings(Explaining(tx.connection, tx.caller, tx.at), query)


def test_no_plan_scans_all_bookings(business: Business, rows: list[Row], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every list and search uses an index of bookings, in every way of reading, and scans follow its order."""
    for name in ("SCANNED", "SCANNED_WORDS"):
        monkeypatch.setattr(listing, name, 60)
    PLANS.clear()
    client = Person(NORTH.id, profile_id=rows[0]["client_id"])
    for number, query in enumerate(some_queries(rows, seed=3)):
        person = client if number % 4 == 0 else NORTH.person("admin")
        business.wait_for(
            transaction.run(
                business.pool,
                person,
                partial(explained, query),
                at=NOW,
                timeout_ms=20_000,
            )
        )
    assert len(PLANS) > 120
    for plan in PLANS:
        assert "Seq Scan on bookings" not in plan, plan
        assert "Index" in plan or "One-Time Filter: false" in plan, plan
