"""Drivers: contributions add up to the change, the largest first."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.drivers import COLUMNS, RATIO_COLUMNS, explain


def members(**values: float) -> pd.DataFrame:
    return pd.DataFrame({"member": list(values), "value": list(values.values())}, columns=["member", "value"])


def test_members_are_ranked_by_their_contribution() -> None:
    table = explain(members(a=10, b=0, new=4), members(a=8, b=9, gone=1))
    assert list(table.columns) == COLUMNS
    assert list(table["member"]) == ["b", "new", "a", "gone"]
    assert list(table["contribution"]) == [-9, 4, 2, -1]
    assert list(table["share"]) == [2.25, -1, -0.5, 0.25]


def test_no_change_has_no_shares() -> None:
    assert list(explain(members(a=1, b=2), members(a=2, b=1))["share"]) == [0, 0]
    assert explain(members(), members()).empty


@settings(deadline=None)
@given(*[st.dictionaries(st.sampled_from("abcdef"), st.integers(-(10**9), 10**9)) for _ in range(2)])
def test_contributions_add_up(current: dict[str, float], baseline: dict[str, float]) -> None:
    table = explain(members(**current), members(**baseline))
    change = sum(current.values()) - sum(baseline.values())
    assert table["contribution"].sum() == change
    if change:
        assert table["share"].sum() == pytest.approx(1)


def test_unreadable_input_is_refused() -> None:
    with pytest.raises(ValueError, match="current has no column value"):
        explain(pd.DataFrame({"member": []}), members())
    with pytest.raises(ValueError, match="baseline: column value has a missing"):
        explain(members(a=1), members(a=float("nan")))


def ratios(**parts: tuple[float, float]) -> pd.DataFrame:
    rows = [(member, *part) for member, part in parts.items()]
    return pd.DataFrame(rows, columns=["member", "numerator", "denominator"])


def test_a_ratio_falls_by_mix_alone() -> None:
    table = explain(ratios(dear=(100, 1), cheap=(90, 9)), ratios(dear=(500, 5), cheap=(50, 5))).set_index("member")
    assert list(table.reset_index().columns) == RATIO_COLUMNS
    assert table["rate"].abs().max() == 0
    assert table["mix"].sum() == pytest.approx(19 - 55)
    assert table["impact"].sum() == pytest.approx((19 - 55) * 10)


def test_a_ratio_rises_by_its_own_rate() -> None:
    table = explain(ratios(a=(120, 10), b=(50, 10)), ratios(a=(100, 10), b=(50, 10)))
    assert list(table["member"]) == ["a", "b"]
    assert list(table["rate"]) == [1, 0]
    assert list(table["mix"]) == [0, 0]


PARTS = st.dictionaries(st.sampled_from("abcd"), st.tuples(st.integers(-1000, 1000), st.integers(1, 1000)), min_size=1)


@settings(deadline=None, max_examples=50)
@given(PARTS, PARTS)
def test_mix_and_rate_add_up_to_the_change_of_a_ratio(
    current: dict[str, tuple[float, float]], baseline: dict[str, tuple[float, float]]
) -> None:
    table = explain(ratios(**current), ratios(**baseline))
    exchanged = explain(ratios(**baseline), ratios(**current))
    total, baseline_total = (
        sum(part[0] for part in side.values()) / sum(part[1] for part in side.values()) for side in (current, baseline)
    )
    assert table["contribution"].sum() == pytest.approx(total - baseline_total, abs=1e-9)
    assert (table["mix"] + table["rate"]).to_numpy() == pytest.approx(table["contribution"].to_numpy())
    opposite = -exchanged.set_index("member")["contribution"].reindex(table["member"])
    assert opposite.to_numpy() == pytest.approx(table["contribution"].to_numpy(), abs=1e-9)


def test_members_are_ranked_by_money_where_units_differ_in_worth() -> None:
    table = explain(members(a=10, b=3), members(a=5, b=1), unit_value={"b": 100.0})
    assert list(table["member"]) == ["b", "a"]
    assert list(table["impact"]) == [200, 5]


@pytest.mark.parametrize("broken", [{"a": (1, 0)}, {"a": (1, -1)}, {}])
def test_a_ratio_without_a_denominator_is_refused(broken: dict[str, tuple[float, float]]) -> None:
    with pytest.raises(ValueError, match="current: column denominator"):
        explain(ratios(**broken), ratios(a=(1, 2)))
