"""Peers: other forecasting methods, each as a method for `ml.backtest`; their packages are only needed by the bench."""

import logging
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.panel import Day, fill_gaps, observed_days, same_phase, to_panel

LEVELS = (50, 80, 95)
QUANTILES = (0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975)  # the bounds of LEVELS, and the median

Floats = npt.NDArray[np.float64]


def statistical(history: pd.DataFrame, *, as_of: Day, horizon: int, **_: object) -> pd.DataFrame:
    """Forecast by seasonal naive, AutoETS, AutoARIMA and dynamic Theta (statsforecast), named in column `method`."""
    from statsforecast import StatsForecast
    from statsforecast.models import AutoARIMA, AutoETS, DynamicOptimizedTheta, SeasonalNaive

    panel = to_panel(history, as_of=as_of)
    long = pd.concat(
        pd.DataFrame({"unique_id": name, "ds": panel.days[first:], "y": row[first:]})
        for name, row, first in zip(panel.series, fill_gaps(panel.values), observed_days(panel.values)[0], strict=True)
    )
    models = [
        SeasonalNaive(7),
        AutoETS(season_length=7),
        AutoARIMA(season_length=7, approximation=True),
        DynamicOptimizedTheta(season_length=7),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wide = StatsForecast(models=models, freq="D", n_jobs=1, fallback_model=SeasonalNaive(7)).forecast(
            df=long, h=horizon, level=list(LEVELS)
        )
    names = {
        "SeasonalNaive": "seasonal naive",
        "AutoETS": "AutoETS",
        "AutoARIMA": "AutoARIMA",
        "DynamicOptimizedTheta": "Theta",
    }
    base = wide[["unique_id", "ds"]].rename(columns={"unique_id": "series_id", "ds": "day"})
    parts = []
    for column, name in names.items():
        columns = {"forecast": wide[column]}
        columns |= {f"lower_{level}": wide[f"{column}-lo-{level}"] for level in LEVELS}
        columns |= {f"upper_{level}": wide[f"{column}-hi-{level}"] for level in LEVELS}
        parts.append(base.assign(method=name, **{key: values.to_numpy() for key, values in columns.items()}))
    return pd.concat(parts, ignore_index=True)


def ets_alone(history: pd.DataFrame, *, horizon: int) -> pd.DataFrame:
    """Forecast by AutoETS alone with its intervals, for timing."""
    from statsforecast import StatsForecast
    from statsforecast.models import AutoETS

    long = history.rename(columns={"series_id": "unique_id", "day": "ds", "value": "y"})
    fitted = StatsForecast(models=[AutoETS(season_length=7)], freq="D", n_jobs=1)
    return fitted.forecast(df=long, h=horizon, level=[80, 95])


def prophet(
    history: pd.DataFrame,
    *,
    as_of: Day,
    horizon: int,
    holidays: pd.DataFrame | None = None,
    **_: object,
) -> pd.DataFrame:
    """Forecast by Prophet at its defaults with the country's holidays, one fit per series."""
    from prophet import Prophet

    for logger in ("cmdstanpy", "prophet"):
        logging.getLogger(logger).setLevel(logging.ERROR)
    holiday_frame = None if holidays is None else holidays.rename(columns={"day": "ds", "name": "holiday"})
    ahead = pd.DataFrame({"ds": pd.date_range(pd.Timestamp(as_of) + pd.Timedelta(days=1), periods=horizon)})
    shares = [share for level in LEVELS for share in ((1 - level / 100) / 2, (1 + level / 100) / 2)]
    parts = []
    for name, rows in history.groupby("series_id"):
        model = Prophet(holidays=holiday_frame)
        model.fit(rows.rename(columns={"day": "ds", "value": "y"})[["ds", "y"]], seed=1)
        draws = model.predictive_samples(ahead)["yhat"]
        columns: dict[str, Any] = {"forecast": model.predict(ahead)["yhat"].to_numpy()}
        for level, (low, high) in zip(LEVELS, zip(shares[::2], shares[1::2], strict=True), strict=True):
            columns[f"lower_{level}"], columns[f"upper_{level}"] = np.quantile(draws, [low, high], axis=1)
        parts.append(pd.DataFrame({"series_id": name, "day": ahead["ds"], **columns}))
    return pd.concat(parts, ignore_index=True)


def boosting(
    history: pd.DataFrame,
    *,
    as_of: Day,
    horizon: int,
    holidays: pd.DataFrame | None = None,
    **_: object,
) -> pd.DataFrame:
    """Forecast by one LightGBM quantile model over all series: lags, rolling means, calendar, step ahead."""
    from lightgbm import LGBMRegressor

    panel = to_panel(history, as_of=as_of)
    days = pd.date_range(panel.days[0], periods=len(panel.days) + horizon)
    is_holiday = np.asarray(days.isin(pd.DatetimeIndex([] if holidays is None else holidays["day"])))
    filled = fill_gaps(panel.values)
    length = len(panel.days)
    origins = np.arange(min(56, length // 2), length, 5)
    features, target = _boosting_rows(panel.values, filled, days, is_holiday, origins, horizon)
    usable = np.isfinite(target)
    last, _ = _boosting_rows(panel.values, filled, days, is_holiday, np.array([length - 1]), horizon)
    scale = np.repeat(_scale(filled, np.array([length - 1]))[:, 0], horizon)
    quantiles = {}
    for share in QUANTILES:
        model = LGBMRegressor(
            objective="quantile", alpha=share, n_estimators=150, learning_rate=0.06, min_child_samples=30,
            subsample=0.8, subsample_freq=1, colsample_bytree=0.8, n_jobs=1, verbose=-1, random_state=1,
        )  # fmt: skip
        model.fit(features[usable], target[usable])
        quantiles[share] = np.asarray(model.predict(last)) * scale
    ordered = np.sort(np.stack(list(quantiles.values())), axis=0)
    middle = len(QUANTILES) // 2
    columns = {"forecast": ordered[middle]}
    for level in LEVELS:
        columns[f"lower_{level}"], columns[f"upper_{level}"] = _bounds(ordered, level)
    return pd.DataFrame(
        {
            "series_id": np.repeat(panel.series.to_numpy(), horizon),
            "day": np.tile(days[length:], len(panel.series)),
            **columns,
        }
    )


def _bounds(ordered: Floats, level: int) -> tuple[Floats, Floats]:
    """Return the lower and upper bound of a level from the ordered quantiles."""
    tail = (1 - level / 100) / 2
    lower = min(range(len(QUANTILES)), key=lambda position: abs(QUANTILES[position] - tail))
    return ordered[lower], ordered[-1 - lower]


def _scale(filled: Floats, origins: npt.NDArray[np.int64]) -> Floats:
    """Return the mean size (series, origin) of the last 56 days at each origin."""
    sums = np.concatenate([np.zeros((len(filled), 1)), np.abs(filled).cumsum(axis=1)], axis=1)
    begin = np.maximum(origins - 55, 0)
    return np.asarray((sums[:, origins + 1] - sums[:, begin]) / (origins + 1 - begin) + 1e-9)


def _boosting_rows(
    values: Floats,
    filled: Floats,
    days: pd.DatetimeIndex,
    is_holiday: npt.NDArray[np.bool_],
    origins: npt.NDArray[np.int64],
    horizon: int,
) -> tuple[Floats, Floats]:
    """Return features (row, feature) and target (row,), scaled, with a row per series, origin and step."""
    count, length = values.shape
    scale = _scale(filled, origins)[:, :, None]
    step = np.arange(1, horizon + 1)
    day = origins[:, None] + step[None, :]
    shape = (count, len(origins), horizon)
    sums = np.concatenate([np.zeros((count, 1)), filled.cumsum(axis=1)], axis=1)
    same_weekday = same_phase(origins[:, None], step[None, :], 7)
    columns = [filled[:, np.maximum(same_weekday - 7 * weeks, 0)] / scale for weeks in range(4)]
    columns += [
        np.broadcast_to((filled[:, np.maximum(origins - lag, 0)])[:, :, None] / scale, shape) for lag in range(3)
    ]
    for window in (7, 28):
        begin = np.maximum(origins + 1 - window, 0)
        mean = (sums[:, origins + 1] - sums[:, begin]) / (origins + 1 - begin)
        columns.append(np.broadcast_to(mean[:, :, None] / scale, shape))
    year_ago = np.where(day >= 364, filled[:, np.clip(day - 364, 0, length - 1)], np.nan)
    columns.append(year_ago / scale)
    calendar = (days.day_of_week, days.day, days.day_of_year, is_holiday, np.append(is_holiday[1:], False))
    columns += [np.broadcast_to(np.asarray(part, dtype=float)[day], shape) for part in calendar]
    columns += [np.broadcast_to(step[None, None, :], shape), np.broadcast_to(np.arange(count)[:, None, None], shape)]
    features = np.stack([np.asarray(column, dtype=float).ravel() for column in columns], axis=1)
    target = np.where(day < length, values[:, np.minimum(day, length - 1)], np.nan) / scale
    return features, target.ravel()
