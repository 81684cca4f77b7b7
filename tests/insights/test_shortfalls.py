"""Shortfalls of members beside the others, on made counts."""

import numpy as np
import pytest

from insights.shortfalls import BEFORE_DAYS, CHANCE, WINDOWS, _shortfall

DAYS = int(WINDOWS.max()) + BEFORE_DAYS
CHANCE_OF_ONE = CHANCE / 10


def counts(seed: int, mean: float) -> np.ndarray:
    """Bookings by days ago."""
    return np.random.default_rng(seed).poisson(mean, DAYS).astype(float)


@pytest.mark.parametrize(("days", "told"), [(3, False), (5, True)])
def test_a_member_without_bookings_is_told_once_chance_would_not_make_it(days: int, told: bool) -> None:
    own, others = counts(1, 1.75), counts(2, 12)
    own[:days], own[days] = 0, 2
    found = _shortfall(own, own + others, CHANCE_OF_ONE)
    assert (found is not None) is told
    if found:
        assert (found["length"], found["value"]) == (days, 0)
        assert found["expected"] == pytest.approx(1.75 * days, rel=0.35)


def test_quiet_days_of_all_are_no_shortfall_of_one() -> None:
    own, others = counts(1, 3), counts(2, 12)
    own[:3], others[:3] = 0, 1
    assert _shortfall(own, own + others, CHANCE_OF_ONE) is None


def test_a_rush_of_the_others_is_no_shortfall() -> None:
    own, others = counts(1, 1.5), counts(2, 6)
    own[:2], others[:2] = 1, 60
    assert _shortfall(own, own + others, CHANCE_OF_ONE) is None


def test_what_was_given_up_weeks_ago_is_no_shortfall() -> None:
    own, others = counts(1, 3), counts(2, 12)
    own[:60] = 0
    assert _shortfall(own, own + others, CHANCE_OF_ONE) is None


def test_bookings_that_come_in_groups_are_less_unlikely() -> None:
    others = counts(2, 12)
    own = np.where(np.arange(DAYS) % 10 == 5, 20.0, 0.0)
    own[:14] = 0
    assert _shortfall(own, own + others, CHANCE_OF_ONE) is None
    steady = np.full(DAYS, 2.0)
    steady[:14] = 0
    assert _shortfall(steady, steady + others, CHANCE_OF_ONE) is not None


def test_a_weekend_without_bookings_is_usual() -> None:
    weekday = np.arange(DAYS) % 7
    own, others = np.where(weekday < 2, 0.0, 4.0), np.where(weekday < 2, 6.0, 12.0)
    assert _shortfall(own, own + others, CHANCE_OF_ONE) is None
