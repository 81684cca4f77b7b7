"""Retries: the delay after a failed attempt."""

import pytest

from notifications.retries import wait_s


@pytest.mark.parametrize(
    ("attempt", "after_s", "wait"), [(1, None, 60), (2, None, 120), (4, 5.0, 480), (1, 300.0, 300), (11, None, 14400)]
)
def test_waits_grow_and_respect_retry_after(attempt: int, after_s: float | None, wait: float) -> None:
    assert wait_s(attempt, after_s, lambda _, high: high) == wait
    assert wait_s(attempt, after_s, lambda low, _: low) == (after_s or 0)
