"""The quick models: what they learn from, and what they do not."""

import numpy as np
import pandas as pd
import pytest

from ml import seasonal
from ml.panel import Floats
from tests.ml.series import days
from tests.ml.series import seasonal as made

HORIZON = 14


def regressed(values: Floats) -> Floats:
    through = pd.date_range(days(len(values))[0], periods=len(values) + HORIZON)
    calendar = seasonal.calendar(through, pd.DatetimeIndex([]))
    row = values[None, :]
    return np.asarray(seasonal.regress(row, row, calendar, np.array([300, len(values) - 1]), HORIZON)[0])


def test_one_event_does_not_teach_the_regression_for_years() -> None:
    values = made(500, noise=4.0)
    calm = regressed(values)[-1]
    values[150:190:5] *= 5
    assert regressed(values)[-1] == pytest.approx(calm, rel=0.2)


def test_smoothing_follows_a_week_that_changed_its_shape() -> None:
    rng = np.random.default_rng(3)
    old, new = np.array([1.0, 1.0, 1.0, 1.0, 1.4, 1.6, 0.4]), np.array([1.6, 0.4, 1.0, 1.4, 1.0, 1.0, 1.0])
    shape = np.concatenate([np.tile(old, 20), np.tile(new, 5), np.tile(new, 2)])
    values = 100 * shape * rng.normal(1, 0.02, len(shape))
    known = len(values) - HORIZON
    holiday = np.zeros(len(values), dtype=bool)
    said = seasonal.smooth(values[None, :known], holiday, np.array([known - 1]), HORIZON)[0, 0]
    assert said == pytest.approx(values[known:], rel=0.2)
