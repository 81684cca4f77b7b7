"""Drivers: contributions add up to the change, the largest first."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.drivers import COLUMNS, explain


def members(**values: float) -> pd.DataFrame:
    return pd.DataFrame({"member": list(values), "value": list(values.values())}, columns=["member", "value"])


def test_members_are_ranked_by_what_they_contribute() -> None:
    table = explain(members(a=10, b=0, new=4), members(a=8, b=9, gone=1))
    assert list(table.columns) == COLUMNS
    assert list(table["member"]) == ["b", "new", "a", "gone"]
    assert list(table["contribution"]) == [-9, 4, 2, -1]
    assert list(table["share"]) == [2.25, -1, -0.5, 0.25]


def test_no_change_has_no_shares() -> None:
    assert list(explain(members(a=1, b=2), members(a=2, b=1))["share"]) == [0, 0]
    assert explain(members(), members()).empty


@given(*[st.dictionaries(st.sampled_from("abcdef"), st.integers(-(10**9), 10**9)) for _ in range(2)])
def test_contributions_add_up(current: dict[str, float], baseline: dict[str, float]) -> None:
    table = explain(members(**current), members(**baseline))
    change = sum(current.values()) - sum(baseline.values())
    assert table["contribution"].sum() == change
    if change:
        assert table["share"].sum() == pytest.approx(1)


def test_what_cannot_be_read_is_refused() -> None:
    with pytest.raises(ValueError, match="current has no column value"):
        explain(pd.DataFrame({"member": []}), members())
    with pytest.raises(ValueError, match="baseline: column value has a missing"):
        explain(members(a=1), members(a=float("nan")))
