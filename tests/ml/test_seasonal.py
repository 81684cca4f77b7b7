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
