"""Moves: to colleagues who do the service and have the hours, each free hour once, else to an own day near by."""

from datetime import date, timedelta
from typing import Any

import pandas as pd

from ml.moves import FARTHEST_DAYS, moves

MONDAY = date(2026, 3, 2)
TUESDAY = MONDAY + timedelta(days=1)


def bookings(*rows: tuple[str, str, str, date, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["booking_id", "provider_id", "service_id", "day", "hours"])


def loads(*rows: tuple[str, date, float, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["provider_id", "day", "free_hours", "overload_hours"])


def skills(*rows: tuple[str, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["provider_id", "service_id"])


def moved(*frames: pd.DataFrame) -> list[tuple[Any, ...]]:
    found = moves(*frames)
    return list(found[["booking_id", "to_provider_id", "to_day"]].itertuples(index=False, name=None))


def test_the_shortest_booking_that_ends_the_overload_goes_to_the_freest_colleague() -> None:
    assert moved(
        bookings(
            ("long", "ana", "cut", MONDAY, 5), ("fits", "ana", "cut", MONDAY, 3), ("tiny", "ana", "cut", MONDAY, 1)
        ),
        loads(("ana", MONDAY, 0, 3.5), ("ben", MONDAY, 4, 0), ("cleo", MONDAY, 6, 0)),
        skills(("ana", "cut"), ("ben", "cut"), ("cleo", "cut")),
    ) == [("fits", "cleo", MONDAY)]


def test_who_does_not_do_the_service_gets_no_booking() -> None:
    assert (
        moved(
            bookings(("b", "ana", "cut", MONDAY, 3)),
            loads(("ana", MONDAY, 0, 3), ("ben", MONDAY, 8, 0)),
            skills(("ana", "cut"), ("ben", "colour")),
        )
        == []
    )


def test_without_a_colleague_an_own_day_near_by_is_offered() -> None:
    far = MONDAY + timedelta(days=FARTHEST_DAYS + 1)
    ana = bookings(("b", "ana", "cut", MONDAY, 3))
    assert moved(ana, loads(("ana", MONDAY, 0, 3), ("ana", TUESDAY, 3, 0)), skills()) == [("b", "ana", TUESDAY)]
    assert moved(ana, loads(("ana", MONDAY, 0, 3), ("ana", far, 8, 0)), skills()) == []


def test_free_hours_are_used_once() -> None:
    found = moves(
        bookings(("1", "ana", "cut", MONDAY, 3), ("2", "ana", "cut", MONDAY, 3)),
        loads(("ana", MONDAY, 0, 6), ("ben", MONDAY, 5, 0)),
        skills(("ben", "cut")),
    )
    assert len(found) == 1
    assert found.iloc[0]["free_hours"] == 5


def test_a_long_day_is_left_alone() -> None:
    assert (
        moved(
            bookings(("b", "ana", "cut", MONDAY, 1)),
            loads(("ana", MONDAY, 0, 1), ("ben", MONDAY, 8, 0)),
            skills(("ben", "cut")),
        )
        == []
    )
