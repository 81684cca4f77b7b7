"""Peers: other methods that find anomalies in daily series, each as a score of every judged day.

Each takes one series (values, days, holidays, position of the first judged day) and returns the scores of the judged
days, each from that day and the days before it alone. Models that are slow to fit are fitted again every REFIT
days and given each new day in between.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.ensemble import IsolationForest
from statsmodels.tsa.seasonal import STL

Floats = npt.NDArray[np.float64]
Peer = Callable[[Floats, pd.DatetimeIndex, pd.DatetimeIndex, int], Floats]

REFIT = 28
REFIT_ETS = 91  # its state is updated every day; only its form and rates are kept this long
ETS_DAYS, STL_DAYS = 365, 112
ANOMSTACK_LAGS, ANOMSTACK_SMOOTH = 5, 3  # its defaults: differences, smoothed over 3, five lags, PCA
TINY = 1e-9


def z_score(values: Floats, days: pd.DatetimeIndex, holidays: pd.DatetimeIndex, first: int) -> Floats:
    """Score by the distance from the mean of 14 days, with the day itself as in elementary, in standard deviations."""
    del days, holidays
    window = pd.Series(values).rolling(14)
    deviation = (pd.Series(values) - window.mean()) / window.std().clip(lower=TINY)
    return np.asarray(deviation.abs().fillna(0.0), dtype=float)[first:]


def z_score_excluded(values: Floats, days: pd.DatetimeIndex, holidays: pd.DatetimeIndex, first: int) -> Floats:
    """Score by the distance from the mean of the 14 days before, in standard deviations."""
    del days, holidays
    window = pd.Series(values).shift(1).rolling(14)
    deviation = (pd.Series(values) - window.mean()) / window.std().clip(lower=TINY)
    return np.asarray(deviation.abs().fillna(0.0), dtype=float)[first:]


def stl_residual(values: Floats, days: pd.DatetimeIndex, holidays: pd.DatetimeIndex, first: int) -> Floats:
    """Score by the residual of the newest day in a robust STL of 16 weeks, over the residuals' MAD."""
    del days, holidays
    scores = np.zeros(len(values) - first)
    for day in range(first, len(values)):
        residual = STL(values[max(day - STL_DAYS + 1, 0) : day + 1], period=7, robust=True).fit(2, 3).resid
        scores[day - first] = abs(residual[-1]) / max(1.4826 * np.median(np.abs(residual[:-1])), TINY)
    return scores


def auto_ets(values: Floats, days: pd.DatetimeIndex, holidays: pd.DatetimeIndex, first: int) -> Floats:
    """Score by the distance from AutoETS's one-day forecast (statsforecast), in its interval's standard deviations."""
    from statsforecast.models import AutoETS

    del days, holidays
    scores = np.zeros(len(values) - first)
    for day in range(first, len(values)):
        if (day - first) % REFIT_ETS == 0:
            begin = max(day - ETS_DAYS, 0)
            model = AutoETS(season_length=7).fit(values[begin:day])
        forecast = model.forward(values[begin:day], h=1, level=[80])
        spread = (forecast["hi-80"][0] - forecast["lo-80"][0]) / (2 * 1.2816)
        scores[day - first] = abs(values[day] - forecast["mean"][0]) / max(spread, TINY)
    return np.nan_to_num(scores)


def isolation_forest(values: Floats, days: pd.DatetimeIndex, holidays: pd.DatetimeIndex, first: int) -> Floats:
    """Score by an isolation forest on differences from the weekday's median, last week's mean, a day, a week ago."""
    series = pd.Series(values)
    weekday = pd.concat([series.shift(7 * k) for k in range(1, 9)], axis=1).median(axis=1)
    features = pd.DataFrame(
        {
            "weekday": series - weekday,
            "ratio": series / weekday.clip(lower=TINY + 0.01 * series.abs().mean()),
            "week": series - series.shift(1).rolling(7).mean(),
            "day": series.diff(),
            "seven": series.diff(7),
            "holiday": days.isin(holidays).astype(float),
        }
    ).fillna(0.0)
    scores = np.zeros(len(values) - first)
    for day in range(first, len(values), REFIT):
        past, ahead = features.iloc[max(day - 364, 56) : day], features.iloc[day : day + REFIT]
        forest = IsolationForest(n_estimators=50, random_state=0).fit(past)
        past_scores = -forest.score_samples(past)
        scores[day - first : day - first + REFIT] = (
            -forest.score_samples(ahead) - past_scores.mean()
        ) / past_scores.std()
    return scores


def anomstack(values: Floats, days: pd.DatetimeIndex, holidays: pd.DatetimeIndex, first: int) -> Floats:
    """Score by PyOD's PCA on lag windows of smoothed differences: the smoothed probability that anomstack uses."""
    from pyod.models.pca import PCA

    del days, holidays
    change = pd.Series(values).diff().rolling(ANOMSTACK_SMOOTH).mean()
    windows = pd.concat([change.shift(lag) for lag in range(ANOMSTACK_LAGS + 1)], axis=1).fillna(0.0).to_numpy()
    probability = np.zeros(len(values))
    for day in range(first - ANOMSTACK_SMOOTH, len(values), REFIT):
        model = PCA().fit(windows[max(day - 1000, 10) : day])
        probability[day : day + REFIT] = model.predict_proba(windows[day : day + REFIT])[:, 1]
    smoothed = pd.Series(probability).rolling(ANOMSTACK_SMOOTH, min_periods=1).mean()
    return smoothed.to_numpy(dtype=float)[first:]


def prophet(values: Floats, days: pd.DatetimeIndex, holidays: pd.DatetimeIndex, first: int) -> Floats:
    """Score by the distance from Prophet's forecast with holidays, in its interval's standard deviations."""
    import logging

    from prophet import Prophet

    logging.getLogger("cmdstanpy").disabled = True
    frame = pd.DataFrame({"ds": days, "y": values})
    holiday_frame = pd.DataFrame({"ds": holidays, "holiday": "holiday"}) if len(holidays) else None
    scores = np.zeros(len(values) - first)
    for day in range(first, len(values), REFIT):
        model = Prophet(holidays=holiday_frame, interval_width=0.8, uncertainty_samples=200)
        model.fit(frame.iloc[:day], seed=0)
        forecast = model.predict(frame.iloc[day : day + REFIT][["ds"]])
        spread = (forecast["yhat_upper"] - forecast["yhat_lower"]) / (2 * 1.2816)
        error = (values[day : day + REFIT] - forecast["yhat"]).abs() / spread.clip(lower=TINY)
        scores[day - first : day - first + REFIT] = error.to_numpy(dtype=float)
    return scores


# Each peer with the thresholds at which it is measured; the best one is reported.
PEERS: dict[str, tuple[Peer, tuple[float, ...]]] = {
    "14-day z-score (elementary)": (z_score, (2.5, 2.75, 3.0, 3.25)),
    "14-day z-score, day excluded": (z_score_excluded, (3.0, 4.0, 5.0, 6.0, 8.0)),
    "STL residual, MAD": (stl_residual, (3.0, 4.0, 5.0, 6.0, 8.0, 10.0)),
    "AutoETS interval": (auto_ets, (2.5, 3.0, 3.5, 4.0, 5.0, 6.0)),
    "isolation forest on residuals": (isolation_forest, (2.5, 3.0, 3.5, 4.0, 5.0)),
    "PyOD on lag windows (anomstack)": (anomstack, (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)),
    "Prophet interval": (prophet, (2.5, 3.0, 3.5, 4.0, 5.0, 6.0)),
}
