"""Windows of days: lasting changes are found with the day they began, single outliers and later days change nothing."""

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from ml.sequential import Null, chances
from ml.shifts import Evidence, evidence
from tests.ml.series import days, odd_series, seasonal

NO_HOLIDAYS = pd.DatetimeIndex([])
SHARE = 0.002
Floats = npt.NDArray[np.float64]


def judged(values: Floats, last: int = 14, incidents: slice | None = None) -> Evidence:
    """Return the evidence of the `last` days of each row."""
    is_training = np.ones(values.shape, dtype=bool)
    if incidents is not None:
        is_training[:, incidents] = False
    first = values.shape[1] - last
    calendar = days(values.shape[1])
    return evidence(values, calendar, holidays=NO_HOLIDAYS, is_training=is_training, first=first, share=SHARE)


def counts(mean: float, length: int = 500, seed: int = 1, series: int = 1) -> Floats:
    return np.random.default_rng(seed).poisson(mean, (series, length)).astype(float)


@pytest.mark.parametrize(("mean", "factor", "day"), [(300.0, 0.5, 1), (40.0, 0.4, 2), (15.0, 0.2, 2)])
@pytest.mark.parametrize("seed", range(4))
def test_a_fall_is_told_within_days(mean: float, factor: float, day: int, seed: int) -> None:
    values = counts(mean, seed=seed)
    values[:, -3:] = np.round(values[:, -3:] * factor)
    assert judged(values, last=3).is_lasting[0, : day + 1].any()


@pytest.mark.parametrize(("factor", "direction"), [(0.6, -1), (1.5, 1)])
def test_a_shift_is_found_with_its_direction_size_and_first_day(factor: float, direction: int) -> None:
    values = np.stack([seasonal(seed=seed, noise=10.0) for seed in range(5)])
    shifted = values.copy()
    shifted[:, -10:] = np.round(shifted[:, -10:] * factor)
    found = judged(shifted)
    last = found.is_lasting[:, -1]
    assert last.all()
    assert (found.direction[last, -1] == direction).all()
    began = values.shape[1] - 10
    assert np.abs(found.began[:, -1] - began).max() <= 2
    assert found.expected[:, -1] == pytest.approx(values[:, -1], rel=0.25)
    assert found.since_value[:, -1] / found.since_expected[:, -1] == pytest.approx(np.full(5, factor), rel=0.15)
    assert found.is_new.sum(axis=1).tolist() == [1] * 5


def test_a_slow_fall_is_a_trend() -> None:
    values = np.stack([seasonal(seed=seed, noise=6.0) for seed in range(6)])
    values[:, -21:] = np.round(values[:, -21:] * (1 - 0.025 * np.arange(1, 22)))
    found = judged(values, last=21)
    assert found.is_lasting.any(axis=1).all()
    assert (found.direction[found.is_lasting] == -1).all()
    assert found.is_trend[:, -7:].any()


@pytest.mark.parametrize("size", [0.0, 4.0, 40.0])
def test_one_outlier_makes_no_change_of_the_days_after_it(size: float) -> None:
    values = counts(30.0, series=20)
    values[:, -8] *= size
    found = judged(values, last=8)
    assert found.is_lasting.any(axis=1).sum() <= 2


def test_new_changes_of_ordinary_series_keep_to_the_share() -> None:
    values = np.concatenate([counts(mean, 700, seed=3, series=20) for mean in (2.0, 8.0, 60.0)])
    found = judged(values, last=300)
    assert found.is_new.mean() < 2 * SHARE


def test_a_change_is_what_is_usual_after_four_weeks() -> None:
    values = counts(50.0, series=5)
    values[:, -60:] = np.round(values[:, -60:] * 0.5)
    found = judged(values, last=60)
    assert found.is_lasting[:, 1:20].mean() > 0.8
    assert not found.is_lasting[:, 32:].any()


def test_incidents_do_not_teach() -> None:
    values = counts(50.0, series=3)
    values[:, -30:-3] = 0
    found = judged(values, last=3, incidents=slice(470, 497))
    assert found.expected == pytest.approx(np.full((3, 3), 50.0), rel=0.2)
    assert not found.is_lasting.any()


def test_a_day_depends_on_it_and_earlier_days_alone() -> None:
    values = np.concatenate([counts(20.0, series=3), seasonal(500)[None]])
    values[:, -25:] *= 0.6
    later = judged(values, last=30)
    early = judged(values[:, :-10], last=20)
    calendar = days(500)
    first = 470
    again = evidence(
        values[:, :-10],
        calendar[:-10],
        holidays=NO_HOLIDAYS,
        is_training=np.ones((4, 490), dtype=bool),
        first=first,
        share=SHARE,
    )
    for name, array in again._asdict().items():
        np.testing.assert_array_equal(array, getattr(later, name)[:, :20], err_msg=name)
        np.testing.assert_array_equal(array, getattr(early, name), err_msg=name)


def test_chances_are_those_of_independent_days_widened_by_the_past_of_the_series_alone() -> None:
    rng = np.random.default_rng(6)
    null = Null(location=1.3, scale=0.17, blocks=120)
    size = np.expm1(rng.gumbel(1.3, 0.17, (3, 560)).clip(0))
    size[1] *= 1.5
    size[:, -1] = 6.0
    counts = np.ones(size.shape, dtype=bool)
    calm, restless, _ = chances(size, counts, null)[:, -1]
    assert 0.0005 < calm < restless / 1.5 < 0.02
    alone = chances(size[:1], counts[:1], null)
    np.testing.assert_array_equal(alone, chances(size, counts, null)[:1])


def test_odd_series_give_finite_evidence() -> None:
    for name, series in odd_series().items():
        found = judged(series[None], last=min(14, len(series)))
        for field in ("chance", "expected", "since_value", "since_expected"):
            assert np.isfinite(getattr(found, field)).all(), (name, field)
