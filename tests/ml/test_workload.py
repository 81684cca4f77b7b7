"""Workload: booked, expected and available hours by provider and day, and the days that will overload."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.workload import COLUMNS, LONG_DAY_HOURS, MOST_LOAD, load

AS_OF = pd.Timestamp("2025-06-30")


def hours(*rows: tuple[str, int, float]) -> pd.DataFrame:
    """Return hours by provider and day, from rows of provider, days after AS_OF, hours."""
    table = pd.DataFrame(rows, columns=["provider_id", "day", "hours"])
    return table.assign(day=AS_OF + pd.to_timedelta(table["day"], unit="D"))


def test_booked_hours_are_compared_with_available_ones() -> None:
    booked = hours(("ana", 1, 3.0), ("ana", 1, 2.0), ("ana", 2, 9.5), ("ben", 3, 2.0), ("ana", 0, 7.0), ("ana", 9, 7.0))
    available = hours(("ana", 1, 8.0), ("ana", 2, 8.0), ("ana", 3, 8.0), ("ben", 1, 8.0))
    table = load(booked, available, as_of=AS_OF, horizon=3)
    assert list(table.columns) == COLUMNS
    ana = table[table["provider_id"] == "ana"].set_index("day")
    assert list(ana["booked_hours"]) == [5, 9.5, 0]
    assert list(ana["free_hours"]) == [3, 0, 8]
    assert list(ana["overload_hours"]) == [0, 1.5, 0]
    assert list(ana["load"]) == [5 / 8, 9.5 / 8, 0]
    assert list(ana["will_overload"]) == [False, True, False]
    ben = table[table["provider_id"] == "ben"]
    assert list(ben["load"]) == [0, 0, MOST_LOAD]
    assert list(ben["will_overload"]) == [False, False, True]


def test_a_provider_without_known_capacity_is_left_out() -> None:
    table = load(hours(("ana", 1, 3.0), ("ben", 1, 99.0)), hours(("ana", 1, 8.0)), as_of=AS_OF, horizon=1)
    assert list(table["provider_id"]) == ["ana"]
    assert load(hours(("ben", 1, 99.0)), hours(), as_of=AS_OF).empty


def test_expected_hours_can_overload_a_day() -> None:
    booked, available = hours(("ana", 1, 6.0), ("ana", 2, 6.0)), hours(("ana", 1, 8.0), ("ana", 2, 8.0))
    table = load(booked, available, as_of=AS_OF, horizon=2, expected=hours(("ana", 1, 10.0), ("ana", 2, 1.0)))
    assert list(table["expected_hours"]) == [10, 6]
    assert list(table["will_overload"]) == [True, False]
    assert list(table["free_hours"]) == [2, 2]


def test_unreadable_input_is_refused() -> None:
    with pytest.raises(ValueError, match="booked has no column provider_id"):
        load(hours().drop(columns="provider_id"), hours(), as_of=AS_OF)
    with pytest.raises(ValueError, match="available: column hours has a missing"):
        load(hours(), hours(("ana", 1, -1.0)), as_of=AS_OF)
    with pytest.raises(ValueError, match="expected: column hours has a missing"):
        load(hours(), hours(), as_of=AS_OF, expected=hours(("ana", 1, float("nan"))))


ROWS = st.lists(st.tuples(st.sampled_from(["a", "b"]), st.integers(-2, 9), st.floats(0, 1e6)), max_size=12)


@settings(deadline=None, max_examples=50)
@given(ROWS, ROWS, ROWS, st.integers(0, 6))
def test_any_hours_give_a_complete_table(booked: list, available: list, expected: list, horizon: int) -> None:  # type: ignore[type-arg]
    frames = [hours(*rows) for rows in (booked, available, expected)]
    table = load(frames[0], frames[1], as_of=AS_OF, horizon=horizon, expected=frames[2])
    assert len(table) == horizon * len(set(frames[1]["provider_id"]))
    assert np.isfinite(table[COLUMNS[2:8]].to_numpy(dtype=float)).all()
    assert table["will_overload"].eq(table["overload_hours"] > LONG_DAY_HOURS).all()
