"""The usual range: wide enough for the earlier values, blind to single ones, unknown of few."""

import math

import numpy as np
import pytest

from ml.usual_range import LEAST_VALUES, SPREADS, usual_range


def test_of_few_values_nothing_is_usual() -> None:
    assert usual_range([1.0] * (LEAST_VALUES - 1)) is None
    assert usual_range([*[1.0] * (LEAST_VALUES - 1), math.nan]) is None


def test_single_values_far_out_do_not_widen_it() -> None:
    steady = [100.0, 103, 98, 101, 97, 104, 99, 102, 100, 101]
    with_one = usual_range([*steady[:-1], 100_000.0])
    usual = usual_range(steady)
    assert usual
    assert with_one
    assert usual.lower < min(steady)
    assert usual.upper > max(steady)
    assert with_one.upper < 130


def test_it_holds_nearly_all_normal_values() -> None:
    values = np.random.default_rng(3).normal(50, 4, 2000)
    usual = usual_range(values[:26].tolist())
    assert usual
    assert ((values > usual.lower) & (values < usual.upper)).mean() > 0.95


def test_a_constant_past_has_the_least_spread() -> None:
    usual = usual_range([5.0] * 20, least_spread=0.5)
    assert usual == pytest.approx((5.0, 5.0 - SPREADS * 0.5, 5.0 + SPREADS * 0.5))
