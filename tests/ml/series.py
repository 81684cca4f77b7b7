"""Generated series for the tests of ml."""

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

AS_OF = pd.Timestamp("2025-06-30")
SHARED = Path(os.environ.get("HUB_SHARED_DATA") or Path(__file__).parents[3] / "shared" / "data")


def days(count: int) -> pd.DatetimeIndex:
    """Return the `count` days up to and with AS_OF."""
    return pd.date_range(end=AS_OF, periods=count, freq="D")


def frame(**series: npt.ArrayLike) -> pd.DataFrame:
    """Return a history in which each series ends at AS_OF."""
    parts = []
    for name, array in series.items():
        values = np.asarray(array, dtype=float)
        parts.append(pd.DataFrame({"series_id": name, "day": days(len(values)), "value": values}))
    return pd.concat(parts, ignore_index=True)


def seasonal(count: int = 730, *, level: float = 200.0, noise: float = 10.0, seed: int = 1) -> npt.NDArray[np.float64]:
    """Return a series with a weekday season, a yearly season and normal noise."""
    rng = np.random.default_rng(seed)
    t = np.arange(count)
    weekday = np.array([0.1, 0.05, 0.0, 0.0, 0.15, -0.1, -0.2])[t % 7]
    yearly = 0.2 * np.sin(2 * np.pi * t / 365.25)
    return np.asarray(np.maximum(level * (1 + weekday + yearly) + rng.normal(0, noise, count), 0).round())


def odd_series() -> dict[str, npt.NDArray[np.float64]]:
    """Return one series of each kind that is difficult for methods."""
    rng = np.random.default_rng(7)
    gaps = seasonal(400)
    gaps[rng.random(400) < 0.3] = np.nan
    ended = seasonal(500)
    ended[-200:] = np.nan
    dormant = seasonal(300)
    dormant[-90:] = 0
    weekdays_only = seasonal(600)
    weekdays_only[np.asarray(days(600).day_of_week >= 5)] = 0
    return {
        "one": np.array([5.0]),
        "three": np.array([5.0, 0.0, 7.0]),
        "ten": seasonal(10),
        "fortnight": seasonal(14),
        "month": seasonal(31),
        "half_year": seasonal(185),
        "year": seasonal(366),
        "constant": np.full(500, 42.0),
        "zero": np.zeros(500),
        "missing": np.full(30, np.nan),
        "intermittent": np.where(rng.random(700) < 0.1, rng.integers(1, 9, 700), 0).astype(float),
        "negative": seasonal(500) - 200,
        "huge": seasonal(500) * 1e300,
        "tiny": seasonal(500) * 1e-300,
        "infinite": np.append(seasonal(100), [np.inf, -np.inf]),
        "gaps": gaps,
        "ended": ended,
        "dormant": dormant,
        "weekdays_only": weekdays_only,
        "ramp": np.arange(300.0),
        "growing": seasonal(730) * np.linspace(1, 6, 730),
    }


def book(values: npt.NDArray[np.float64], name: str, *, horizon: int = 28, seed: int = 3) -> pd.DataFrame:
    """Return a book in which each day fills evenly over its last 28 leads, for the history and the days ahead."""
    rng = np.random.default_rng(seed)
    ahead = np.append(values, seasonal(horizon, seed=seed))
    through = pd.date_range(days(len(values))[0], periods=len(ahead), freq="D")
    parts = []
    for lead in range(29):
        amounts = ahead * (1 - lead / 40) + rng.normal(0, 1, len(ahead))
        parts.append(pd.DataFrame({"service_day": through, "lead_days": lead, "value": np.maximum(amounts, 0)}))
    whole = pd.concat(parts, ignore_index=True).assign(series_id=name)
    return whole[whole["service_day"] - pd.to_timedelta(whole["lead_days"], unit="D") <= AS_OF]
