"""The seasonal models: single events and changed weekdays."""

import numpy as np
import pandas as pd
import pytest

from ml import seasonal
from ml.panel import Floats
from tests.ml.series import days
from tests.ml.series import seasonal as seasonal_series

HORIZON = 14


def regressed(values: Floats) -> Floats:
    through = pd.date_range(days(len(values))[0], periods=len(values) + HORIZON)
    calendar = seasonal.calendar(through, pd.DatetimeIndex([]))
    row = values[None, :]
    return np.asarray(seasonal.regress(row, row, calendar, np.array([300, len(values) - 1]), HORIZON)[0])


def test_one_event_does_not_change_the_regression_for_years() -> None:
    values = seasonal_series(500, noise=4.0)
    without_event = regressed(values)[-1]
    values[150:190:5] *= 5
    assert regressed(values)[-1] == pytest.approx(without_event, rel=0.2)


def test_smoothing_follows_a_changed_weekday_season() -> None:
    rng = np.random.default_rng(3)
    old, new = np.array([1.0, 1.0, 1.0, 1.0, 1.4, 1.6, 0.4]), np.array([1.6, 0.4, 1.0, 1.4, 1.0, 1.0, 1.0])
    shape = np.concatenate([np.tile(old, 20), np.tile(new, 5), np.tile(new, 2)])
    values = 100 * shape * rng.normal(1, 0.02, len(shape))
    known = len(values) - HORIZON
    holiday = np.zeros(len(values), dtype=bool)
    forecasts = seasonal.smooth(values[None, :known], holiday, np.array([known - 1]), HORIZON)[0, 0]
    assert forecasts == pytest.approx(values[known:], rel=0.2)
