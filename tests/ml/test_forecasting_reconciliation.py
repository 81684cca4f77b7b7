"""Reconciled forecasts add up, whatever their sizes, and those with small errors change least."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.forecasting_reconciliation import checked_hierarchy, reconcile

# A total split in two ways, one member of which is split again, and a total of its own.
TREE = pd.DataFrame(
    [
        ("a", "total", "one"), ("b", "total", "one"), ("c", "total", "one"),
        ("x", "total", "two"), ("y", "total", "two"),
        ("a1", "a", "one"), ("a2", "a", "one"),
        ("p", "other", ""), ("q", "other", ""),
    ],
    columns=["series_id", "total_id", "dimension"],
)  # fmt: skip
SERIES = pd.Index(["a", "a1", "a2", "b", "c", "lonely", "other", "p", "q", "total", "x", "y"])
SIZES = st.one_of(
    st.floats(0, 1e3), st.sampled_from([0.0, 5e-324, 1e-300, 1e-9, 1e9, 1e300, 8e307]), st.floats(0, 1e307)
)


def reconciled(forecasts: npt.ArrayLike, error: npt.ArrayLike, nonnegative: bool = True) -> pd.Series:
    columns = [np.asarray(each, dtype=float)[:, None] for each in (forecasts, error)]
    flags = np.full(len(SERIES), nonnegative)
    return pd.Series(reconcile(columns[0], columns[1], TREE, SERIES, nonnegative=flags)[:, 0], index=SERIES)


def assert_adds_up(result: pd.Series) -> None:
    for (total, _), members in TREE.groupby(["total_id", "dimension"]):
        parts, whole = result[members["series_id"]], float(result[str(total)])
        unit = max(float(parts.abs().max()), abs(whole), 1e-300)
        assert abs((parts / unit).sum() - whole / unit) < 1e-6


@settings(max_examples=40, deadline=None)
@given(
    st.lists(SIZES, min_size=len(SERIES), max_size=len(SERIES)),
    st.lists(SIZES, min_size=len(SERIES), max_size=len(SERIES)),
    st.data(),
)
def test_members_add_up_whatever_their_sizes(forecasts: list[float], error: list[float], data: st.DataObject) -> None:
    signs = data.draw(st.one_of(st.none(), st.lists(st.sampled_from([-1, 1]), min_size=12, max_size=12)))
    result = reconciled(np.array(forecasts) * (1 if signs is None else signs), error, nonnegative=signs is None)
    assert np.isfinite(result).all()
    assert signs is not None or (result >= 0).all()
    assert_adds_up(result)
    assert result["lonely"] == (forecasts if signs is None else np.array(forecasts) * signs)[5]


def test_huge_totals_do_not_change_tiny_ones_and_zero_stays_zero() -> None:
    forecasts = pd.Series(1e300, index=SERIES)
    forecasts[["p", "q", "other"]] = np.array([1e-290, 2e-290, 4e-290])
    assert_adds_up(reconciled(forecasts, forecasts))
    assert reconciled(forecasts, forecasts)["other"] > 3e-290
    forecasts = pd.Series(0.0, index=SERIES)
    forecasts["y"] = 1.0
    result = reconciled(forecasts, forecasts)
    assert_adds_up(result)
    assert (result[["a", "a1", "a2", "p", "q", "other"]] == 0).all()


def test_forecasts_with_smaller_errors_change_less() -> None:
    forecasts = pd.Series(0.0, index=SERIES)
    forecasts[["p", "q", "other"]] = np.array([10.0, 20.0, 60.0])
    error = forecasts * 0 + 1
    error["p"] = 2.0
    result = reconciled(forecasts, error)
    # Of the 30 that are missing, each takes in proportion to the square of its error: 4, 1 and 1 parts of 6.
    np.testing.assert_allclose(result[["p", "q", "other"]], [30, 25, 55], rtol=1e-9)


def test_forecasts_that_add_up_do_not_change() -> None:
    forecasts = pd.Series([3.0, 1.0, 2.0, 4.0, 5.0, 9.0, 8.0, 3.0, 5.0, 12.0, 7.0, 5.0], index=SERIES)
    np.testing.assert_allclose(reconciled(forecasts, forecasts), forecasts, rtol=1e-12)


def test_a_member_that_would_be_negative_is_zero() -> None:
    forecasts = pd.Series(0.0, index=SERIES)
    forecasts[["p", "q", "other"]] = np.array([1.0, 20.0, 10.0])
    error = forecasts * 0 + 1.0
    result = reconciled(forecasts, error)
    assert result["p"] == 0
    assert_adds_up(result)
    assert reconciled(forecasts, error, nonnegative=False)["p"] < 0


@pytest.mark.parametrize(
    ("tree", "sentence"),
    [
        ({"series_id": ["p"]}, "hierarchy has no column total_id"),
        ({"series_id": ["z"], "total_id": ["p"]}, "hierarchy: column series_id names z, which the history"),
        ({"series_id": ["p"], "total_id": [None]}, "hierarchy: column total_id has an empty name"),
        ({"series_id": ["p", "q"], "total_id": ["q", "p"]}, "hierarchy: column total_id runs in a circle"),
        ({"series_id": ["p", "p"], "total_id": ["q", "a"]}, "hierarchy: column series_id has p more than once"),
    ],
)
def test_an_impossible_hierarchy_is_refused(tree: dict[str, list[Any]], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        checked_hierarchy(pd.DataFrame(tree), SERIES)
