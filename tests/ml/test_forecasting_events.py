"""Forecasts with known events: closures, campaigns and events in town."""

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from ml.forecasting import forecast
from ml.forecasting_events import lifts, read, usual_values
from ml.panel import to_panel
from tests.ml.series import AS_OF, book, days, frame, seasonal

LENGTH = 500
CAMPAIGNS = (-320, -200, -90)  # days before the end on which one of ten days begins
AHEAD = pd.date_range(AS_OF + pd.Timedelta(days=8), periods=7)


def rows(kind: str, when: pd.Index, *series: str) -> pd.DataFrame:
    return pd.concat(pd.DataFrame({"series_id": name, "day": when, "kind": kind}) for name in series)


def campaign_days(*begins: int) -> npt.NDArray[np.int64]:
    return np.concatenate([LENGTH + begin + np.arange(10) for begin in begins])


def lifted(factor: float, *begins: int, seed: int = 1) -> npt.NDArray[np.float64]:
    values = seasonal(LENGTH, seed=seed)
    values[campaign_days(*begins)] *= factor
    return values


def on(table: pd.DataFrame, when: pd.DatetimeIndex, series: str = "a") -> pd.DataFrame:
    return table[table["day"].isin(when) & (table["series_id"] == series)]


def test_a_closed_day_is_forecast_zero_and_its_members_too() -> None:
    one, two = seasonal(LENGTH), seasonal(LENGTH, seed=2)
    history = frame(a=one, b=two, total=one + two)
    tree = pd.DataFrame({"series_id": ["a", "b"], "total_id": "total"})
    closures = rows("closure", AHEAD, "a", "b", "total")
    table = forecast(history, as_of=AS_OF, events=closures, hierarchy=tree, on_hand=book(one, "a"))
    figures = ["forecast", "lower_80", "upper_80", "lower_95", "upper_95"]
    is_closed = table["day"].isin(AHEAD)
    assert (table.loc[is_closed, figures] == 0).all(axis=None)
    assert (table.loc[is_closed, "model"] == "closure").all()
    assert (table.loc[~is_closed, "forecast"] > 0).all()
    sums = table.pivot(index="day", columns="series_id", values="forecast")
    np.testing.assert_allclose(sums["a"] + sums["b"], sums["total"], rtol=1e-9)


def test_a_past_closure_does_not_teach() -> None:
    values = seasonal(LENGTH)
    closed = days(LENGTH)[-16:-2]
    shut = np.where(days(LENGTH).isin(closed), 0.0, values)
    usual = forecast(frame(a=values), as_of=AS_OF)["forecast"]
    told = forecast(frame(a=shut), as_of=AS_OF, events=rows("closure", closed, "a"))["forecast"]
    untold = forecast(frame(a=shut), as_of=AS_OF)["forecast"]
    assert (told / usual - 1).abs().mean() < 0.05
    assert (told / usual - 1).abs().mean() < (untold / usual - 1).abs().mean() / 3


def test_a_campaign_is_forecast_as_the_earlier_ones_and_other_days_as_without() -> None:
    dates = days(LENGTH)[campaign_days(*CAMPAIGNS)]
    events = rows("campaign", dates.append(AHEAD), "a")
    usual = forecast(frame(a=seasonal(LENGTH)), as_of=AS_OF)
    table = forecast(frame(a=lifted(2.0, *CAMPAIGNS)), as_of=AS_OF, events=events)
    ratio = (table["forecast"] / usual["forecast"]).to_numpy()
    is_ahead = table["day"].isin(AHEAD).to_numpy()
    assert ratio[is_ahead].mean() == pytest.approx(1.95, abs=0.05)  # two, twice shrunk by 7 to 30 days
    assert ratio[~is_ahead] == pytest.approx(1, abs=0.05)
    assert (on(table, AHEAD)["upper_80"] > 1.5 * on(usual, AHEAD)["upper_80"]).all()


def test_a_campaign_that_just_ended_is_no_trend() -> None:
    values, last = seasonal(LENGTH), -11
    dates = days(LENGTH)[campaign_days(last)]
    usual = forecast(frame(a=values), as_of=AS_OF)["forecast"]
    told = forecast(frame(a=lifted(2.0, last)), as_of=AS_OF, events=rows("campaign", dates, "a"))["forecast"]
    untold = forecast(frame(a=lifted(2.0, last)), as_of=AS_OF)["forecast"]
    assert told.sum() == pytest.approx(usual.sum(), rel=0.08)
    assert untold.sum() > 1.2 * usual.sum()


def test_the_first_campaign_of_a_series_has_the_effect_that_others_had() -> None:
    dates = days(LENGTH)[campaign_days(*CAMPAIGNS)]
    others = {f"o{seed}": lifted(2.0, *CAMPAIGNS, seed=seed) for seed in (2, 3, 4)}
    events = pd.concat([rows("campaign", dates, *others), rows("campaign", AHEAD, "a")])
    history = frame(a=seasonal(LENGTH), **others)
    with_events, without = (forecast(history, as_of=AS_OF, events=each) for each in (events, None))
    ratio = on(with_events, AHEAD)["forecast"].to_numpy() / on(without, AHEAD)["forecast"].to_numpy()
    assert ratio.mean() == pytest.approx(1.85, abs=0.2)


def test_the_stated_effect_counts_until_earlier_campaigns_are_known() -> None:
    first = rows("campaign", AHEAD, "a")
    later = pd.concat([rows("campaign", days(LENGTH)[campaign_days(*CAMPAIGNS)], "a"), first])
    # Seven days of the stated effect, then 30 days of a doubling beside them.
    for values, events, factor in ((seasonal(LENGTH), first, 1.5), (lifted(2.0, *CAMPAIGNS), later, 1.89)):
        panel = to_panel(frame(a=values), as_of=AS_OF)
        known = read(events.assign(expected_effect=1.5), panel, len(AHEAD) + 7)
        lift = lifts(panel.values, usual_values(panel.values, known), known)
        assert lift[0, 7:] == pytest.approx(factor, rel=0.02)
        assert (lift[0, :7] == 1).all()


def test_a_campaign_lifts_what_is_still_to_be_booked() -> None:
    dates = days(LENGTH)[campaign_days(*CAMPAIGNS)]
    values = lifted(2.0, *CAMPAIGNS)
    events = rows("campaign", dates.append(AHEAD), "a")
    plain, table = (
        forecast(frame(a=values), as_of=AS_OF, on_hand=book(values, "a"), events=each)
        for each in (rows("campaign", dates, "a"), events)
    )
    to_come = on(plain, AHEAD)["forecast"] - on(plain, AHEAD)["on_hand"]
    gained = on(table, AHEAD)["forecast"] - on(plain, AHEAD)["forecast"]
    assert (gained / to_come).mean() == pytest.approx(0.75, abs=0.2)


def test_an_event_of_another_kind_or_series_changes_nothing() -> None:
    history = frame(a=seasonal(LENGTH))
    events = pd.concat([rows("price_change", AHEAD, "a"), rows("closure", AHEAD, "unknown")])
    pd.testing.assert_frame_equal(forecast(history, as_of=AS_OF, events=events), forecast(history, as_of=AS_OF))


def test_a_series_of_campaign_days_alone_teaches_with_them() -> None:
    events = rows("campaign", days(60), "a")
    table = forecast(frame(a=seasonal(60)), as_of=AS_OF, events=events)
    assert (table["forecast"] > 100).all()


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="events: column kind is 'sale' in a row; it must be one of closure, campaign"):
        forecast(frame(a=seasonal(60)), as_of=AS_OF, events=rows("sale", AHEAD, "a"))
