"""Lateness: rates of the kind, shrunk; the state of the milestone before counts when it is known."""

from datetime import date, timedelta

import pandas as pd
import pytest

from ml.lateness import TOLD_BY_PREVIOUS_DAYS, lateness

AS_OF = date(2026, 3, 2)
HISTORY = pd.DataFrame(
    [("audit", 1, False, 100, 10, 4.0), ("audit", 2, False, 80, 20, 5.0), ("audit", 2, True, 20, 18, 9.0)],
    columns=["service_id", "position", "is_behind", "milestones", "late", "slip_days"],
)


def foretold(service: str, position: int, *, is_behind: bool = False, days: int = 10) -> tuple[float, float]:
    coming = pd.DataFrame(
        [(service, position, is_behind, AS_OF + timedelta(days=days))],
        columns=["service_id", "position", "is_behind", "due_day"],
    )
    (row,) = lateness(HISTORY, coming, as_of=AS_OF)[["probability", "slip_days"]].to_numpy()
    return row[0], row[1]


def test_far_ahead_the_rate_of_the_kind_holds() -> None:
    probability, slip = foretold("audit", 2)
    assert probability == pytest.approx((38 + 10 * 0.24) / 110)
    assert slip == pytest.approx((20 * 5 + 18 * 9) / 38)


def test_a_milestone_after_a_late_one_is_likelier_late_than_one_in_time_due_soon() -> None:
    behind, _ = foretold("audit", 2, is_behind=True)
    soon, _ = foretold("audit", 2, days=TOLD_BY_PREVIOUS_DAYS)
    far, _ = foretold("audit", 2)
    assert soon < far < behind
    assert behind == pytest.approx((18 + 2.4) / 30)


def test_of_an_unknown_kind_the_rate_of_all_is_taken() -> None:
    assert foretold("new", 1) == pytest.approx((0.24, 0.0))
