"""What people use today to find anomalies in daily series, each as a score of every judged day.

Each takes one series (values, days, holidays, position of the first judged day) and returns the scores of the judged
days, each from that day and the days before it alone. Models that are slow to fit are fitted anew every `REFIT`
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
REFIT_ETS = 91  # its state is carried on every day; only its form and rates wait
ETS_DAYS, STL_DAYS = 365, 112
ANOMSTACK_LAGS, ANOMSTACK_SMOOTH = 5, 3  # its defaults: differences, smoothed over 3, five lags, PCA
TINY = 1e-9


def z_score(values: Floats, days: pd.DatetimeIndex, holidays: pd.DatetimeIndex, first: int) -> Floats:
    """Distance from the mean of 14 days, the day itself among them as in elementary, in standard deviations."""
    del days, holidays
    window = pd.Series(values).rolling(14)
    deviation = (pd.Series(values) - window.mean()) / window.std().clip(lower=TINY)
    return np.asarray(deviation.abs().fillna(0.0), dtype=float)[first:]


def z_score_apart(values: Floats, days: pd.DatetimeIndex, holidays: pd.DatetimeIndex, first: int) -> Floats:
    """The same against the 14 days before."""
    del days, holidays
    window = pd.Series(values).shift(1).rolling(14)
    deviation = (pd.Series(values) - window.mean()) / window.std().clip(lower=TINY)
    return np.asarray(deviation.abs().fillna(0.0), dtype=float)[first:]


def stl_residual(values: Floats, days: pd.DatetimeIndex, holidays: pd.DatetimeIndex, first: int) -> Floats:
    """Residual of the newest day in a robust STL of 16 weeks, over the residuals' MAD."""
    del days, holidays
    scores = np.zeros(len(values) - first)
    for t in range(first, len(values)):
        residual = STL(values[max(t - STL_DAYS + 1, 0) : t + 1], period=7, robust=True).fit(2, 3).resid
        scores[t - first] = abs(residual[-1]) / max(1.4826 * np.median(np.abs(residual[:-1])), TINY)
    return scores


def auto_ets(values: Floats, days: pd.DatetimeIndex, holidays: pd.DatetimeIndex, first: int) -> Floats:
    """Distance from AutoETS's one-day forecast (statsforecast), in units of its interval's standard deviation."""
    from statsforecast.models import AutoETS

    del days, holidays
    scores = np.zeros(len(values) - first)
    for t in range(first, len(values)):
        if (t - first) % REFIT_ETS == 0:
            begin = max(t - ETS_DAYS, 0)
            model = AutoETS(season_length=7).fit(values[begin:t])
        ahead = model.forward(values[begin:t], h=1, level=[80])
        spread = (ahead["hi-80"][0] - ahead["lo-80"][0]) / (2 * 1.2816)
        scores[t - first] = abs(values[t] - ahead["mean"][0]) / max(spread, TINY)
    return np.nan_to_num(scores)


def isolation_forest(values: Floats, days: pd.DatetimeIndex, holidays: pd.DatetimeIndex, first: int) -> Floats:
    """Isolation forest on residual features: against the weekday's median, the last week's mean, a day, a week ago."""
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
    for t in range(first, len(values), REFIT):
        past, ahead = features.iloc[max(t - 364, 56) : t], features.iloc[t : t + REFIT]
        forest = IsolationForest(n_estimators=50, random_state=0).fit(past)
        usual = -forest.score_samples(past)
        own = -forest.score_samples(ahead)
        scores[t - first : t - first + REFIT] = (own - usual.mean()) / usual.std()
    return scores


def anomstack(values: Floats, days: pd.DatetimeIndex, holidays: pd.DatetimeIndex, first: int) -> Floats:
    """PyOD's PCA on lag windows of smoothed differences; its probability, smoothed, as anomstack alerts on."""
    from pyod.models.pca import PCA

    del days, holidays
    change = pd.Series(values).diff().rolling(ANOMSTACK_SMOOTH).mean()
    windows = pd.concat([change.shift(lag) for lag in range(ANOMSTACK_LAGS + 1)], axis=1).fillna(0.0).to_numpy()
    probability = np.zeros(len(values))
    for t in range(first - ANOMSTACK_SMOOTH, len(values), REFIT):
        model = PCA().fit(windows[max(t - 1000, 10) : t])
        probability[t : t + REFIT] = model.predict_proba(windows[t : t + REFIT])[:, 1]
    smoothed = pd.Series(probability).rolling(ANOMSTACK_SMOOTH, min_periods=1).mean()
    return smoothed.to_numpy(dtype=float)[first:]


def prophet(values: Floats, days: pd.DatetimeIndex, holidays: pd.DatetimeIndex, first: int) -> Floats:
    """Distance from Prophet's forecast with holidays, in units of its interval's standard deviation."""
    import logging

    from prophet import Prophet

    logging.getLogger("cmdstanpy").disabled = True
    frame = pd.DataFrame({"ds": days, "y": values})
    special = pd.DataFrame({"ds": holidays, "holiday": "holiday"}) if len(holidays) else None
    scores = np.zeros(len(values) - first)
    for t in range(first, len(values), REFIT):
        model = Prophet(holidays=special, interval_width=0.8, uncertainty_samples=200)
        model.fit(frame.iloc[:t], seed=0)
        ahead = model.predict(frame.iloc[t : t + REFIT][["ds"]])
        spread = (ahead["yhat_upper"] - ahead["yhat_lower"]) / (2 * 1.2816)
        error = (values[t : t + REFIT] - ahead["yhat"]).abs() / spread.clip(lower=TINY)
        scores[t - first : t - first + REFIT] = error.to_numpy(dtype=float)
    return scores


# Each peer with the thresholds that it is tried at: the one that serves it best is reported.
PEERS: dict[str, tuple[Peer, tuple[float, ...]]] = {
    "14-day z-score (elementary)": (z_score, (2.5, 2.75, 3.0, 3.25)),
    "14-day z-score, day apart": (z_score_apart, (3.0, 4.0, 5.0, 6.0, 8.0)),
    "STL residual, MAD": (stl_residual, (3.0, 4.0, 5.0, 6.0, 8.0, 10.0)),
    "AutoETS interval": (auto_ets, (2.5, 3.0, 3.5, 4.0, 5.0, 6.0)),
    "isolation forest on residuals": (isolation_forest, (2.5, 3.0, 3.5, 4.0, 5.0)),
    "PyOD on lag windows (anomstack)": (anomstack, (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)),
    "Prophet interval": (prophet, (2.5, 3.0, 3.5, 4.0, 5.0, 6.0)),
}
