"""Changes of rates and averages: found over pooled days, few units are no evidence, later days change nothing."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from ml.ratios import COLUMNS, detect_ratios
from tests.ml.series import AS_OF, days

COUNT = 500
START = AS_OF - pd.Timedelta(days=27)
Numbers = npt.NDArray[Any]


def ratio(numerator: Numbers, denominator: Numbers, name: str = "s") -> pd.DataFrame:
    parts = {"numerator": numerator.astype(float), "denominator": denominator.astype(float)}
    return pd.DataFrame({"series_id": name, "day": days(len(numerator)), **parts})


def rates(units: float, before: float, after: float, last: int, seed: int) -> pd.DataFrame:
    """Return a share that was `before` and is `after` on the last days."""
    rng = np.random.default_rng(seed)
    denominator = rng.poisson(units, COUNT)
    chance = np.where(np.arange(COUNT) >= COUNT - last, after, before)
    return ratio(rng.binomial(denominator, chance), denominator, f"s{seed}")


def prices(units: float, factor: float, last: int, seed: int) -> pd.DataFrame:
    """Return revenue over sales at prices of about 60, `factor` times that on the last days."""
    rng = np.random.default_rng(seed)
    denominator = rng.poisson(units, COUNT)
    sums = np.array([rng.gamma(6.25, 9.6, sold).sum() for sold in denominator])
    return ratio(np.where(np.arange(COUNT) >= COUNT - last, factor, 1.0) * sums, denominator, f"s{seed}")


def judged(history: pd.DataFrame, **arguments: Any) -> pd.DataFrame:
    return detect_ratios(history, start=START, as_of=AS_OF, **arguments)


def assert_complete(table: pd.DataFrame) -> None:
    assert list(table.columns) == COLUMNS
    numbers = table[["value", "expected", "lower", "upper", "score", "since_value", "since_expected"]]
    assert np.isfinite(numbers.to_numpy(dtype=float)).all()
    outside = (table["value"] < table["lower"]) | (table["value"] > table["upper"])
    assert table["is_anomaly"].eq(outside).all()
    for label in ("direction", "severity", "pattern"):
        assert table[label].notna().eq(table["is_anomaly"]).all()


@pytest.mark.parametrize("seed", range(5))
def test_a_rate_that_triples_is_found_within_days(seed: int) -> None:
    table = judged(rates(20, 0.12, 0.40, 6, seed))
    assert_complete(table)
    found = table[table["is_anomaly"] & (table["day"] > AS_OF - pd.Timedelta(days=6))]
    assert (found["direction"] == "up").all()
    assert found["day"].iloc[0] <= AS_OF - pd.Timedelta(days=2)
    last = found.iloc[-1]
    assert last["since_value"] == pytest.approx(0.40, abs=0.15)
    assert last["since_expected"] == pytest.approx(0.12, abs=0.05)


@pytest.mark.parametrize("seed", range(5))
def test_a_price_that_rises_by_sixty_percent_is_found_within_four_days_of_sales(seed: int) -> None:
    table = judged(prices(5, 1.6, 4, seed))
    assert_complete(table)
    found = table[table["is_anomaly"] & (table["day"] > AS_OF - pd.Timedelta(days=4))]
    assert len(found)
    assert found["since_value"].iloc[-1] / found["since_expected"].iloc[-1] == pytest.approx(1.6, rel=0.3)
    assert (found["began"] >= AS_OF - pd.Timedelta(days=6)).all()


def test_a_single_dear_sale_is_no_change_of_the_price() -> None:
    history = prices(0.2, 1.0, 1, 3)
    history.loc[history.index[-3:], ["numerator", "denominator"]] = [[0.0, 0.0], [900.0, 1.0], [0.0, 0.0]]
    assert not judged(history)["is_anomaly"].any()


def test_alarms_of_ordinary_rates_and_prices_keep_to_the_budget() -> None:
    many = [rates(units, 0.1, 0.1, 1, seed) for seed, units in enumerate([3, 8, 20, 60] * 8)]
    many += [prices(units, 1.0, 1, 100 + seed) for seed, units in enumerate([2, 5, 20] * 4)]
    history = pd.concat(many)
    start = AS_OF - pd.Timedelta(days=250)
    alone = detect_ratios(history, start=start, as_of=AS_OF, protected=history["series_id"].unique().tolist())
    assert 0.001 < alone["is_anomaly"].mean() < 0.01
    family = detect_ratios(history, start=start, as_of=AS_OF)
    assert family["is_anomaly"].mean() < alone["is_anomaly"].mean() / 2


def test_a_quiet_organisation_hears_less_than_a_keen_one() -> None:
    history = pd.concat([rates(20, 0.1, 0.1, 1, seed) for seed in range(12)])
    start = AS_OF - pd.Timedelta(days=250)
    told = [
        detect_ratios(history, start=start, as_of=AS_OF, sensitivity=word)["is_anomaly"].sum()
        for word in ("quiet", "normal", "keen")
    ]
    assert told[0] < told[1] < told[2]


def test_a_day_depends_on_it_and_earlier_days_alone() -> None:
    history = pd.concat([rates(12, 0.1, 0.3, 15, 1), prices(5, 1.6, 15, 2)])
    end = AS_OF - pd.Timedelta(days=8)
    early = detect_ratios(history, start=START, as_of=end)
    later = judged(history)
    pd.testing.assert_frame_equal(early, later[later["day"] <= end].reset_index(drop=True), check_exact=True)


def test_incidents_are_judged_but_not_learnt_from() -> None:
    history = rates(20, 0.1, 0.5, 40, 1)
    known = pd.DataFrame({"series_id": "s1", "day": days(40)})
    assert judged(history, incidents=known)["expected"].max() < 0.2
    assert judged(history)["expected"].iloc[-1] > 0.2


def test_odd_parts_give_a_complete_result() -> None:
    denominator = np.array([5.0, 0.0, np.nan, -1.0, 1e300, 5.0] * 30)
    numerator = np.array([2.0, 3.0, 1.0, 1.0, 1e300, np.nan] * 30)
    table = judged(ratio(numerator, denominator), money={"s": 1.0})
    assert_complete(table)
    assert_complete(judged(ratio(np.zeros(200), np.full(200, 7.0))))
    assert_complete(judged(ratio(np.full(200, 7.0), np.full(200, 7.0), "t"), money=1.0))
    assert judged(ratio(numerator, denominator).head(0)).empty
