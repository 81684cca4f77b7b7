"""Anomaly detection: known anomalies are found, quiet series give none, each day is judged from the past alone."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.anomalies import detect
from ml.severity import SEVERITY, severity_of
from tests.ml.series import AS_OF, book, days, frame, odd_series, seasonal

COLUMNS = [
    "series_id", "day", "value", "expected", "lower", "upper", "score", "is_anomaly", "direction", "severity",
    "pattern", "began", "since_value", "since_expected",
]  # fmt: skip
MONTH_AGO = AS_OF - pd.Timedelta(days=27)


def assert_complete(table: pd.DataFrame) -> None:
    assert list(table.columns) == COLUMNS
    numbers = table[["value", "expected", "lower", "upper", "score"]].to_numpy(dtype=float)
    assert np.isfinite(numbers).all()
    assert (table["lower"] <= table["expected"]).all()
    assert (table["expected"] <= table["upper"]).all()
    outside = (table["value"] < table["lower"]) | (table["value"] > table["upper"])
    assert table["is_anomaly"].eq(outside | table["pattern"].eq("missing")).all()
    for label in ("direction", "severity", "pattern"):
        assert table[label].notna().eq(table["is_anomaly"]).all()


def judged(values: npt.NDArray[np.float64], **arguments: Any) -> pd.DataFrame:
    return detect(frame(s=values), start=MONTH_AGO, as_of=AS_OF, **arguments)


@pytest.mark.parametrize(("factor", "direction"), [(2.0, "up"), (0.3, "down"), (0.0, "down")])
def test_a_spike_and_a_drop_are_found(factor: float, direction: str) -> None:
    values = seasonal()
    before = judged(values).query("is_anomaly")
    values[-5] = round(values[-5] * factor)
    found = judged(values).query("is_anomaly")
    found = found[~found["day"].isin(before["day"])]
    assert list(found["day"]) == [AS_OF - pd.Timedelta(days=4)]
    assert found["direction"].iloc[0] == direction
    assert found["score"].iloc[0] > 3


def test_quiet_series_have_no_anomaly() -> None:
    many = {f"s{i}": seasonal(noise=12.0, seed=i) for i in range(60)}
    table = detect(frame(**many), start=MONTH_AGO, as_of=AS_OF)
    assert len(table) == 60 * 28
    assert table["is_anomaly"].mean() < 0.002


def test_small_counts_are_judged_as_counts() -> None:
    rng = np.random.default_rng(5)
    rare = rng.poisson(0.3, 300).astype(float)
    assert not judged(rare)["is_anomaly"].any()
    rare[-1] = 12
    assert judged(rare)["severity"].iloc[-1] is not None
    zero = np.zeros(300)
    zero[-1] = 1
    assert not judged(zero)["is_anomaly"].any()
    zero[-1] = 15
    assert judged(zero)["is_anomaly"].iloc[-1]


@pytest.mark.parametrize("active", [1, 5, 40, 100])
def test_a_series_that_was_idle_for_long_has_plausible_bounds(active: int) -> None:
    """Residuals of zero for a year must not make the score of the next nonzero day infinite."""
    rng = np.random.default_rng(active)
    values = np.zeros(800)
    values[rng.choice(np.arange(400, 800), active, replace=False)] = rng.uniform(20, 5000, active).round(2)
    table = judged(values)
    limit = 3 * values.max()
    assert (table[["expected", "lower", "upper"]].abs() <= limit).all(axis=None)
    assert table["score"].max() < 1000


def test_a_lasting_shift_is_one_condition_that_names_its_first_day() -> None:
    values = seasonal(800, noise=10.0)
    values[-20:] = (values[-20:] * 1.6).round()
    found = judged(values).query("is_anomaly")
    begin = days(800)[-20]
    assert found["day"].min() <= begin + pd.Timedelta(days=1)
    lasting = found[found["day"] >= begin + pd.Timedelta(days=3)]
    assert set(lasting["pattern"]) <= {"level_shift", "trend_break"}
    assert (abs(lasting["began"] - begin) <= pd.Timedelta(days=2)).all()
    assert (lasting["since_value"] / lasting["since_expected"]).between(1.4, 1.8).all()


def test_a_shift_becomes_the_level_after_four_weeks() -> None:
    values = seasonal(800, noise=10.0)
    values[-60:] = (values[-60:] * 1.6).round()
    assert judged(values)["is_anomaly"].sum() <= 1


@pytest.mark.parametrize("level", [60.0, 200.0, 3000.0])
def test_a_fall_of_a_total_to_two_fifths_is_told_by_its_second_day(level: float) -> None:
    """A short history that was wild just before may hide two of eight."""
    told = 0
    for seed in range(34, 42):
        rng = np.random.default_rng(seed)
        count = int(rng.integers(150, 700))
        values = rng.poisson(seasonal(count, level=level, noise=0.05 * level, seed=seed)).astype(float)
        values[-30:-20] *= rng.uniform(0.5, 2.5)  # whatever was before
        values[-2:] = (values[-2:] * 0.4).round()
        told += bool(judged(values)["is_anomaly"].iloc[-2:].any())
    assert told >= 6


def test_a_fall_of_poisson_counts_by_half_is_told_by_its_second_day() -> None:
    """One history of six has noise that hides it."""
    told = 0
    for seed in range(6):
        values = np.random.default_rng(seed).poisson(50, 300 + 50 * seed).astype(float)
        values[-2:] = (values[-2:] * 0.5).round()
        told += bool(judged(values)["is_anomaly"].iloc[-2:].any())
    assert told >= 5


def test_a_single_outlier_of_a_member_makes_no_anomaly_of_its_next_days() -> None:
    """Of thirty members one may have large days after it that are evidence together with it."""
    members: dict[str, npt.NDArray[np.float64]] = {}
    outlier = {f"s{seed}": -6 - seed % 20 for seed in range(30)}
    for seed, (name, position) in enumerate(outlier.items()):
        rng = np.random.default_rng(seed)
        members[name] = np.where(rng.random(400) < 0.7, rng.gamma(4, 100, 400), 0.0).round(2)
        members[name][position] = 400 * rng.uniform(8, 60)

    def told_after(histories: dict[str, npt.NDArray[np.float64]]) -> pd.Series:
        table = detect(frame(**histories), start=MONTH_AGO, as_of=AS_OF, protected=list(histories))
        age = (AS_OF - table["day"]).dt.days + 1 + table["series_id"].map(outlier)  # days since, negative
        told: pd.Series = table[age.between(-5, -1)].groupby("series_id")["is_anomaly"].sum()
        return told

    without = {name: np.delete(values, outlier[name]) for name, values in members.items()}
    assert (told_after(members) - told_after(without)).clip(lower=0).sum() <= 1


def test_a_rare_sale_is_no_anomaly() -> None:
    rng = np.random.default_rng(4)
    values = np.where(rng.random(500) < 0.12, rng.uniform(100, 900, 500), 0.0).round(2)
    values[-3] = 4000.0
    assert not judged(values)["is_anomaly"].any()


def test_counts_are_judged_as_counts() -> None:
    values = np.random.default_rng(8).poisson(17.6, 500).astype(float)
    values[-4] = 43
    found = judged(values).query("is_anomaly")
    assert AS_OF - pd.Timedelta(days=3) in set(found["day"])
    assert judged(values)["upper"].max() < 43


def test_an_incident_does_not_widen_the_range_of_its_next_days() -> None:
    values = np.random.default_rng(9).poisson(30, 500).astype(float)
    calm = judged(values).set_index("day")
    values[-8:] = values[-8:] * 3
    table = judged(values).set_index("day")
    assert table["is_anomaly"].iloc[-8:].all()
    assert (table["upper"].iloc[-8:] < 1.5 * calm["upper"].iloc[-8:]).all()


def test_known_events_are_expected_and_do_not_teach() -> None:
    values = seasonal(noise=8.0)
    closed, early, campaign = slice(-25, -22), slice(-60, -54), slice(-12, -7)
    values[closed] = 0
    values[early], values[campaign] = (values[early] * 1.8).round(), (values[campaign] * 1.8).round()
    kinds = {"closure": closed, "campaign": campaign}
    events = pd.concat(
        [pd.DataFrame({"series_id": "s", "day": days(730)[span], "kind": kind}) for kind, span in kinds.items()]
    )
    assert judged(values)["is_anomaly"].sum() >= 6
    unlearnt = judged(values, events=events)
    assert not unlearnt["is_anomaly"].any()
    assert unlearnt.set_index("day").loc[days(730)[closed], "expected"].eq(0).all()
    learnt = pd.concat([events, pd.DataFrame({"series_id": "s", "day": days(730)[early], "kind": "campaign"})])
    during = judged(values, events=learnt).set_index("day").loc[days(730)[campaign]]
    assert (during["expected"] / during["value"]).between(0.85, 1.15).all()


def test_sensitivities_differ_in_how_much_they_tell() -> None:
    rng = np.random.default_rng(12)
    many = frame(**{f"s{i}": 100 + 10 * rng.standard_t(4, 400) for i in range(40)})
    told = {
        name: detect(many, start=days(180)[0], as_of=AS_OF, sensitivity=name)["is_anomaly"].mean()
        for name in ("quiet", "normal", "keen")
    }
    assert told["quiet"] < told["normal"] < told["keen"]
    assert 0.001 < told["normal"] < 0.01
    with pytest.raises(ValueError, match="sensitivity must be one of"):
        detect(many, start=AS_OF, as_of=AS_OF, sensitivity="loud")


def test_totals_are_not_held_back_by_many_members() -> None:
    rng = np.random.default_rng(13)
    many = {f"s{i:03d}": 100 + 5 * rng.standard_normal(200) for i in range(200)}
    for values in many.values():
        values[-1] = 100.0

    def last_day(*protected: str) -> dict[str, Any]:
        table = detect(frame(**many), start=AS_OF, as_of=AS_OF, protected=protected)
        return dict(table[table["series_id"] == "s000"].iloc[0])

    held_back, by_itself = last_day(), last_day("s000")
    assert by_itself["upper"] < held_back["upper"]
    many["s000"][-1] = (by_itself["upper"] + held_back["upper"]) / 2
    assert last_day("s000")["is_anomaly"]
    assert not last_day()["is_anomaly"]


def test_a_past_anomaly_does_not_change_the_expected_values() -> None:
    values = seasonal(noise=5.0)
    values[-10] *= 10
    table = judged(values).set_index("day")
    assert table["is_anomaly"].sum() == 1
    same_weekday = table.loc[AS_OF - pd.Timedelta(days=2)]
    assert abs(same_weekday["expected"] - same_weekday["value"]) < 30


def test_a_known_incident_is_not_learnt_from() -> None:
    values = seasonal(noise=10.0)
    values[-20:-2] *= 0.5
    incidents = pd.DataFrame({"series_id": "s", "day": days(730)[-20:-2]})
    last = judged(values, incidents=incidents).iloc[-1]
    assert not last["is_anomaly"]
    assert abs(last["expected"] - last["value"]) < 40
    assert judged(values, incidents=incidents)["is_anomaly"].sum() == 18


def test_closed_weekdays_and_holidays_are_expected() -> None:
    values = seasonal(noise=5.0)
    closed = np.asarray(days(730).day_of_week == 6)
    holiday = np.asarray(days(730).day == 15)
    values[closed | holiday] = 0
    holidays = pd.DataFrame({"day": days(730)[holiday], "name": "middle"})
    known = judged(values, holidays=holidays).set_index("day")
    assert not known["is_anomaly"].any()
    workday = AS_OF - pd.Timedelta(days=12)  # a Wednesday
    values[-13] = 0
    assert judged(values, holidays=holidays).set_index("day").loc[workday, "is_anomaly"]


def test_with_the_book_of_the_evening_before_smaller_anomalies_are_found() -> None:
    values = seasonal(noise=60.0)
    on_hand = book(values, "s")
    values[-3] *= 0.6
    day = AS_OF - pd.Timedelta(days=2)
    assert not judged(values).set_index("day").loc[day, "is_anomaly"]
    with_book = judged(values, on_hand=on_hand)
    assert_complete(with_book)
    assert list(with_book.query("is_anomaly")["day"]) == [day]


@pytest.mark.parametrize(("count", "with_book"), [(400, False), (400, True), (750, False)])
def test_later_days_change_no_result_of_earlier_ones(count: int, with_book: bool) -> None:
    # With 750 days boosting is fitted again on the last but one day of the earliest end.
    values = seasonal(count, noise=40.0)
    values[-12] *= 3
    history, on_hand = frame(s=values, t=seasonal(90, seed=4)), book(values, "s") if with_book else None
    whole = detect(history, start=MONTH_AGO, as_of=AS_OF, on_hand=on_hand)
    for back in (1, 20):
        end = AS_OF - pd.Timedelta(days=back)
        wild = history.assign(value=history["value"].where(history["day"] <= end, -1e9))
        for variant in (history, wild, history[history["day"] <= end]):
            part = detect(variant, start=MONTH_AGO, as_of=end, on_hand=on_hand)
            expected = whole[whole["day"] <= end].reset_index(drop=True)
            pd.testing.assert_frame_equal(part, expected, check_exact=True)


def test_a_fortnightly_season_that_only_boosting_can_learn_is_expected() -> None:
    rng = np.random.default_rng(2)
    fortnight = np.where((np.arange(800) // 7) % 2 == 0, 1.5, 1.0)
    many = {f"s{i}": (100 * fortnight * rng.normal(1, 0.03, 800)).round() for i in range(4)}
    table = detect(frame(**many), start=MONTH_AGO, as_of=AS_OF)
    relative_error = (table["expected"] - table["value"]).abs() / table["value"]
    assert relative_error.median() < 0.05
    assert not table["is_anomaly"].any()


def test_every_odd_series_has_a_complete_table() -> None:
    history = frame(**odd_series())
    table = detect(history, start=AS_OF - pd.Timedelta(days=399), as_of=AS_OF)
    assert_complete(table)
    assert not table["series_id"].eq("missing").any()
    present = history[np.isfinite(history["value"]) & (history["day"] > AS_OF - pd.Timedelta(days=400))]
    assert table["pattern"].ne("missing").sum() == len(present)
    quiet = table[table["series_id"].isin(["one", "three", "ten", "fortnight", "constant", "zero"])]
    assert not quiet["is_anomaly"].any()


def test_missing_days_are_reported_for_a_week_and_closed_ones_are_not() -> None:
    values = seasonal(noise=5.0)
    values[-20:-9] = np.nan
    values[np.asarray(days(730).day_of_week == 6)] = np.nan
    table = judged(values)
    assert_complete(table)
    missing = table[table["pattern"] == "missing"]
    week = pd.date_range(days(730)[-20], periods=7)
    assert list(missing["day"]) == [day for day in week if day.day_of_week != 6]
    assert set(missing["value"]) == {0.0}
    assert set(missing["direction"]) == {"down"}


@pytest.mark.parametrize(
    ("change", "pattern"),
    [({-5: 2.0}, "spike"), ({-5: 0.2}, "dropout"), ({-7: 0.6, -6: 0.6, -5: 0.6}, "level_shift")],
)
def test_patterns_are_distinguished(change: dict[int, float], pattern: str) -> None:
    values = seasonal(noise=5.0)
    for position, factor in change.items():
        values[position] = round(values[position] * factor)
    assert judged(values).query("is_anomaly").set_index("day").loc[days(730)[-5], "pattern"] == pattern


def test_a_slow_trend_is_a_pattern() -> None:
    values = seasonal(noise=3.0)
    values[-20:] = (values[-20:] * 1.03 ** np.arange(1, 21)).round()
    assert "trend_break" in set(judged(values)["pattern"])


def test_severity_depends_on_money_where_it_is_known() -> None:
    small, large = seasonal(noise=5.0), seasonal(noise=50.0, level=1000.0)
    small[-5] *= 3
    history = frame(small=small, large=large)
    day = AS_OF - pd.Timedelta(days=4)

    def severity(money: float | dict[str, float] | None) -> str:
        table = detect(history, start=MONTH_AGO, as_of=AS_OF, money=money)
        return str(table[table["day"].eq(day) & table["series_id"].eq("small")]["severity"].iloc[0])

    assert severity(None) == "critical"
    assert severity({"small": 1.0, "large": 1.0}) == "critical"
    assert severity({"small": 1.0, "large": 10.0}) == "medium"
    assert severity({"large": 1.0}) == "critical"


def test_many_series_on_one_day_give_few_false_alarms() -> None:
    rng = np.random.default_rng(11)
    heavy = {f"s{i:03d}": 1000 + 20 * rng.standard_t(3, 250) for i in range(300)}
    heavy["s007"][-1] += 900
    table = detect(frame(**heavy), start=AS_OF, as_of=AS_OF).query("is_anomaly")
    assert "s007" in set(table["series_id"])
    assert len(table) <= 2


@settings(max_examples=8, deadline=None)
@given(
    back=st.integers(0, 27),
    later=st.lists(st.floats(-1e12, 1e12) | st.none(), min_size=27, max_size=27),
    rising=st.booleans(),
)
def test_no_result_depends_on_later_days(back: int, later: list[float | None], rising: bool) -> None:
    history = frame(s=seasonal(200, noise=40.0), t=seasonal(120, seed=4) * (np.arange(120) if rising else 1))
    end = AS_OF - pd.Timedelta(days=back)
    changed = history.copy()
    after = (changed["day"] > end).to_numpy()
    changed.loc[after, "value"] = pd.array([*later, *later][: int(after.sum())], dtype="Float64").to_numpy(
        dtype=float, na_value=np.nan
    )
    one, other = (detect(each, start=MONTH_AGO, as_of=AS_OF) for each in (history, changed))
    one, other = (each[each["day"] <= end].reset_index(drop=True) for each in (one, other))
    pd.testing.assert_frame_equal(one, other, check_exact=True)


def test_nothing_to_judge_gives_an_empty_table() -> None:
    assert list(detect(frame(s=[1.0]).head(0), start=AS_OF, as_of=AS_OF).columns) == COLUMNS
    assert detect(frame(s=seasonal(50)), start=AS_OF + pd.Timedelta(days=1), as_of=AS_OF).empty


def test_severity_follows_the_table() -> None:
    assert list(severity_of(np.full(3, 99.0), np.array([0.01, 0.2, 9.0]))) == ["low", "high", "critical"]
    scores = np.array([least + nudge for least in SEVERITY.values() for nudge in (0.0, 0.1)])
    assert list(severity_of(scores)) == [name for name in SEVERITY for _ in range(2)]


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True), st.integers(-5, 5).map(float)),
        min_size=1,
        max_size=120,
    )
)
def test_any_numbers_give_a_complete_table(values: list[float | None]) -> None:
    history = pd.DataFrame({"series_id": 1, "day": days(len(values)), "value": values})
    assert_complete(detect(history, start=days(60)[0], as_of=AS_OF))
