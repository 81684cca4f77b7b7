"""Intervals: their coverage is the level, they follow the size of recent errors, and they enclose each other."""

import numpy as np
import numpy.typing as npt
import pytest

from ml.forecasting_intervals import bounds, root_mean_square, shift_bounds

Floats = npt.NDArray[np.float64]
ORIGINS, STEPS = 52, 28


def series_errors(count: int, *, seed: int = 0, shared: float = 0.5) -> tuple[Floats, Floats]:
    """Return errors (series, origin, step), in part common to an origin, and those of the next origin."""
    rng = np.random.default_rng(seed)
    drift = rng.normal(size=(count, ORIGINS + 1, 1)) * shared
    whole = drift + rng.normal(size=(count, ORIGINS + 1, STEPS)) * np.linspace(1, 2, STEPS)
    past = whole[:, :-1].copy()
    for back in range(1, 5):  # errors after the last origin are not known yet
        past[:, -back, 7 * back - 1 :] = np.nan
    return past, whole[:, -1]


def intervals(errors: Floats, levels: tuple[int, ...] = (80, 95), **flags: bool) -> dict[int, tuple[Floats, Floats]]:
    count = len(errors)
    centre = np.full((count, errors.shape[2]), 10.0)
    by_series = {name: np.full(count, flags.get(name, False)) for name in ("is_short", "is_degenerate", "nonnegative")}
    values = np.random.default_rng(1).normal(10, 1, (count, 100))
    return bounds(centre, np.ones_like(centre), errors, values, levels=levels, **by_series)


def test_coverage_of_intervals_is_their_level() -> None:
    errors, next_errors = series_errors(150)
    for level, (lower, upper) in intervals(errors).items():
        inside = (10 + next_errors >= lower) & (10 + next_errors <= upper)
        assert inside.mean() == pytest.approx(level / 100, abs=0.025)
        assert inside[:, :7].mean() == pytest.approx(inside[:, -7:].mean(), abs=0.05)


def test_with_few_origins_the_errors_of_other_series_weigh() -> None:
    rng = np.random.default_rng(2)
    # One error in twenty is eight times as large: a series by itself has hardly any of them.
    errors = rng.normal(size=(30, 12, 7)) * np.where(rng.random((30, 12, 1)) < 0.05, 8.0, 1.0)
    alone = np.mean([(upper - lower).mean() for lower, upper in (intervals(errors[i : i + 1])[95] for i in range(30))])
    lower, upper = intervals(errors)[95]
    widths = (upper - lower).mean(axis=1)
    widths_alone = [np.ptp(intervals(errors[i : i + 1])[95], axis=0).mean() for i in range(30)]
    assert widths.mean() == pytest.approx(alone, rel=0.3)
    assert widths.std() < 0.9 * np.std(widths_alone)


def test_intervals_widen_when_errors_have_grown_and_narrow_when_they_shrink() -> None:
    errors, _ = series_errors(40, shared=0.0)
    usual = intervals(errors)[80]
    for factor in (0.3, 3.0):
        changed = errors.copy()
        changed[:, -8:] *= factor
        width = np.ptp(intervals(changed)[80], axis=0).mean() / np.ptp(usual, axis=0).mean()
        assert (width < 0.8) if factor < 1 else (width > 1.5)


def test_past_bias_shifts_intervals_by_half() -> None:
    errors, _ = series_errors(40, shared=0.0)
    lower, upper = intervals(errors + 5.0)[80]
    assert (lower + upper).mean() / 2 == pytest.approx(10 + 5.0 / 2, abs=0.5)


def test_higher_levels_enclose_lower_ones() -> None:
    errors, _ = series_errors(20)
    found = intervals(errors + 3.0, levels=(10, 50, 80, 95, 99))
    sides = [found[level][0] for level in (99, 95, 80, 50, 10)] + [found[level][1] for level in (10, 50, 80, 95, 99)]
    assert (np.diff(np.stack(sides), axis=0) >= 0).all()
    assert (found[10][0] <= 10).all()
    assert (found[10][1] >= 10).all()


def test_special_series() -> None:
    errors, _ = series_errors(3)
    assert all((side == 10).all() for side in intervals(errors, is_degenerate=True)[95])
    assert (intervals(errors * 50, nonnegative=True)[95][0] >= 0).all()
    # Short series, and steps with too few known errors, use the spread of the values, which is about 1.
    young = errors.copy()
    young[:, 5:] = np.nan
    for lower, upper in (intervals(errors * 50, is_short=True)[80], intervals(young * 50)[80]):
        assert (upper - lower < 6).all()
        assert (np.diff(upper - lower, axis=1) > 0).all()


def test_missing_or_zero_errors_leave_no_missing_bound() -> None:
    errors, _ = series_errors(3)
    for odd in (errors * 0, errors * np.nan, errors[:, :0], np.where(np.arange(3)[:, None, None] == 1, errors, 0.0)):
        assert np.isfinite(intervals(odd)[95]).all()
        assert np.isfinite(root_mean_square(odd, np.ones((3, 50)))).all()


def test_shifted_bounds_follow_their_forecast() -> None:
    before, after = np.array([[10.0, 10.0]]), np.array([[12.0, 1.0]])
    lower, upper = shift_bounds({80: (before - 3, before + 4)}, before, after, np.array([True]))[80]
    np.testing.assert_array_equal(lower, [[9.0, 0.0]])
    np.testing.assert_array_equal(upper, [[16.0, 5.0]])


def test_far_ahead_intervals_are_wider_than_the_past_errors() -> None:
    errors = np.random.default_rng(3).normal(size=(20, 40, 90))
    widths = np.ptp(intervals(errors)[80], axis=0).mean(axis=0)  # (step,)
    assert widths[:28].mean() == pytest.approx(widths[20:28].mean(), rel=0.02)
    # Beyond four weeks 40 weekly origins cover 280 / 62 = 4.5 horizons.
    assert widths[80:].mean() == pytest.approx(np.sqrt(1 + 57.5 / 280) * widths[:28].mean(), rel=0.02)
