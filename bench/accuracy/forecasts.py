"""Accuracy of the Hub's forecasts and those of its peers, on the same origins of the same series in the same run.

MASE is the mean absolute error over that of repeating the week before, in the days before the origin; scaled CRPS is
the pinball loss over the quantiles of LEVELS, in the same unit. Data sets weigh the same, and so do series in one.
"""

import time
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from bench.accuracy import peers
from bench.accuracy.data import DataSet
from ml.backtest import Method, backtest
from ml.bookings_on_hand import book_array, pace, pick_up
from ml.forecasting import HORIZON_DAYS, forecast
from ml.panel import Day, to_book, to_panel

APART = 28  # days between two origins
COMBINED = ("AutoETS", "Theta", "AutoARIMA")
PEER = "ETS+Theta+ARIMA"
OURS = "forecast"
RIVALS = (PEER, "LightGBM", "Prophet", "AutoETS", "seasonal naive")
WITH_BOOK = "forecast with the book"
PICK_UP = "additive pick-up"
SPEED_SERIES, SPEED_DAYS = 1000, 730
SPEED_SAMPLE = 50  # series that AutoETS is timed on: its time grows by the series


def run(sets: list[DataSet], *, count: int = 8, cache: Path | None = None) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """Return every table by its title, and notes on the bars. count: origins per data set."""
    plain = pd.concat(_plain(data, count=count, horizon=HORIZON_DAYS, days=None, cache=cache) for data in sets)
    far = pd.concat(_plain(data, count=count, horizon=90, days=None, cache=cache) for data in sets)
    short = pd.concat(_plain(data, count=count, horizon=HORIZON_DAYS, days=112, cache=cache) for data in sets)
    tables = {
        f"{HORIZON_DAYS} days ahead": summary(plain),
        "90 days ahead": summary(far),
        f"{HORIZON_DAYS} days ahead from 112 days of history": summary(short),
    }
    notes = [_bar(f"{HORIZON_DAYS} days", plain), _bar("90 days", far), _bar("112 days of history", short)]
    for data in sets:
        if data.on_hand is not None:
            tables[f"With the book: {data.name}"] = book_summary(with_book(data, count=count, cache=cache))
    tables[f"CPU seconds for {SPEED_SERIES} series of {SPEED_DAYS} days"] = speed()
    notes.append(f"AutoETS was timed on {SPEED_SAMPLE} of the {SPEED_SERIES} series, and scaled")
    return tables, notes


def origins(data: DataSet, horizon: int, count: int) -> list[pd.Timestamp]:
    """Return the origins: the newest with actuals for the whole horizon, each APART from the next."""
    last = data.history["day"].max() - pd.Timedelta(days=horizon)
    return [last - pd.Timedelta(days=APART * back) for back in range(count)]


def replay(
    method: Method,
    data: DataSet,
    *,
    name: str,
    horizon: int,
    origins: list[pd.Timestamp],
    days: int | None = None,
    book: bool = False,
    cache: Path | None = None,
) -> pd.DataFrame:
    """Return the backtest at each origin: one row per method, series, origin and day; kept in `cache` if given.

    days: length of the history before each origin. The column `seconds` is the CPU time per series and origin.
    """
    parts = []
    for origin in origins:
        path = None if cache is None else cache / f"{data.name}-{name}-{horizon}-{days}-{book}-{origin.date()}.pkl"
        if path is not None and path.exists():
            parts.append(pd.read_pickle(path))
            continue
        history = data.history
        if days is not None:
            history = history[history["day"] > origin - pd.Timedelta(days=days)]
        on_hand = data.on_hand if book else None
        start = time.process_time()
        table = backtest(history, method=method, origins=[origin], horizon=horizon, on_hand=on_hand)
        table["seconds"] = (time.process_time() - start) / history["series_id"].nunique()
        parts.append(table if "method" in table else table.assign(method=name))
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            parts[-1].to_pickle(path)
    return pd.concat(parts, ignore_index=True)


def _plain(data: DataSet, *, count: int, horizon: int, days: int | None, cache: Path | None) -> pd.DataFrame:
    """Return the scores per method and series, without a book."""
    run_method = partial(replay, data=data, horizon=horizon, origins=origins(data, horizon, count), days=days)
    ours = partial(forecast, holidays=data.holidays, levels=peers.LEVELS)
    statistical = run_method(peers.statistical, name="stat", cache=cache)
    tables = [run_method(ours, name=OURS), statistical, combine(statistical)]
    if days is None:
        tables.append(run_method(partial(peers.boosting, holidays=data.holidays), name="LightGBM", cache=cache))
        tables.append(run_method(partial(peers.prophet, holidays=data.holidays), name="Prophet", cache=cache))
    return score(pd.concat(tables, ignore_index=True), data, days)


def combine(table: pd.DataFrame) -> pd.DataFrame:
    """Return the mean of the forecasts and bounds of ETS, Theta and ARIMA."""
    rows = table[table["method"].isin(COMBINED)]
    numbers = [name for name in rows if str(name).startswith(("forecast", "lower", "upper"))]
    mean = rows.groupby(["series_id", "origin", "day"])[[*numbers, "actual", "step", "seconds"]].mean().reset_index()
    return mean.assign(method=PEER, seconds=mean["seconds"] * len(COMBINED))


def score(table: pd.DataFrame, data: DataSet, days: int | None = None) -> pd.DataFrame:
    """Return one row per method and series: mase, crps, covers_80, covers_95, seconds."""
    known = table.dropna(subset="actual").reset_index(drop=True)
    unit = pd.concat(_seasonal_error(data, origin, days) for origin in known["origin"].unique())
    scale = unit.reindex(pd.MultiIndex.from_frame(known[["origin", "series_id"]])).to_numpy()
    actual = known["actual"].to_numpy(dtype=float)
    quantiles = [(0.5, known["forecast"])]
    for level in peers.LEVELS:
        tail = (1 - level / 100) / 2
        quantiles += [(tail, known[f"lower_{level}"]), (1 - tail, known[f"upper_{level}"])]
    losses = [(0.0, 0 * actual), (1.0, 0 * actual)]
    for share, quantile in quantiles:
        error = actual - quantile.to_numpy(dtype=float)
        losses.append((share, 2 * np.maximum(share * error, (share - 1) * error)))
    losses.sort(key=lambda pair: pair[0])
    crps = np.trapezoid(np.stack([loss for _, loss in losses]), [share for share, _ in losses], axis=0)
    rows = known[["method", "series_id", "seconds"]].assign(
        mase=np.abs(actual - known["forecast"]) / scale,
        crps=crps / scale,
        **{
            f"covers_{level}": known["actual"].between(known[f"lower_{level}"], known[f"upper_{level}"])
            for level in (80, 95)
        },
    )
    return rows.groupby(["method", "series_id"]).mean().reset_index().assign(data=data.name)


def _seasonal_error(data: DataSet, origin: Day, days: int | None) -> pd.Series:
    """Return the mean absolute error (origin, series) of repeating the week before, in the days before the origin."""
    panel = to_panel(data.history, as_of=origin)
    values = panel.values if days is None else panel.values[:, -days:]
    error = np.nanmean(np.abs(values[:, 7:] - values[:, :-7]), axis=1)
    return pd.Series(error, index=pd.MultiIndex.from_product([[origin], panel.series]))


def summary(scores: pd.DataFrame) -> pd.DataFrame:
    """Return one row per method: MASE by data set and over all, CRPS, coverage, CPU seconds per series."""
    by_set = scores.groupby(["method", "data"])[["mase", "crps", "covers_80", "covers_95", "seconds"]].mean()
    table = by_set["mase"].unstack()
    table["all"] = table.mean(axis=1)
    means = by_set.groupby("method").mean()
    table["crps"] = means["crps"]
    for level in (80, 95):
        covers = by_set[f"covers_{level}"].groupby("method")
        table[f"covers {level}"] = means[f"covers_{level}"]
        table[f"lowest {level}"], table[f"highest {level}"] = covers.min(), covers.max()
    table["seconds"] = means["seconds"]
    return table.sort_values("all")


def _bar(name: str, scores: pd.DataFrame) -> str:
    """Return a sentence that compares the Hub's MASE with that of its peers."""
    mase = scores.pivot_table(index=["data", "series_id"], columns="method", values="mase")
    by_set = mase.groupby("data").mean().mean()
    shares = ", ".join(f"{by_set[OURS] / by_set[peer]:.3f} of {peer}'s" for peer in RIVALS if peer in by_set)
    ratio, naive = mase[OURS] / mase[PEER], mase[OURS] / mase["seasonal naive"]
    return (
        f"{name}: MASE {by_set[OURS]:.3f}, {shares}; better than {PEER} on {(ratio < 1).mean():.0%} of {len(ratio)} "
        f"series, at worst {ratio.max():.2f} times; worse than seasonal naive on {(naive > 1).sum()}, at worst "
        f"{naive.max():.2f} times"
    )


def additive_pick_up(
    history: pd.DataFrame, *, as_of: Day, horizon: int, on_hand: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Forecast by the amount on hand plus the mean pick-up by lead time and weekday, older weeks weighing less."""
    if on_hand is None:
        raise ValueError("the additive pick-up needs a book")
    panel = to_panel(history, as_of=as_of)
    book = book_array(to_book(on_hand, as_of=panel.days[-1]), panel, horizon)
    grid = np.meshgrid(np.arange(len(panel.series)), [len(panel.days) - 1], np.arange(1, horizon + 1), indexing="ij")
    forecasts = pick_up(pace(panel.values, book), *(part.ravel() for part in grid))
    ahead = pd.date_range(panel.days[-1] + pd.Timedelta(days=1), periods=horizon)
    return pd.DataFrame(
        {
            "series_id": np.repeat(panel.series.to_numpy(), horizon),
            "day": np.tile(ahead.to_numpy(), len(panel.series)),
            "forecast": forecasts,
        }
    )


def with_book(data: DataSet, *, count: int, cache: Path | None) -> pd.DataFrame:
    """Return the forecasts of each method for the horizon, with the book where the method uses one."""
    run_method = partial(replay, data=data, horizon=HORIZON_DAYS, origins=origins(data, HORIZON_DAYS, count))
    statistical = run_method(peers.statistical, name="stat", cache=cache)
    ours = partial(forecast, holidays=data.holidays, levels=peers.LEVELS)
    tables = [
        run_method(ours, name=WITH_BOOK, book=True),
        run_method(additive_pick_up, name=PICK_UP, book=True),
        statistical[statistical["method"] == "AutoETS"],
    ]
    return pd.concat(tables, ignore_index=True)


def book_summary(table: pd.DataFrame) -> pd.DataFrame:
    """Return one row per method: daily WAPE over all series together, of the total, mean of the series', coverage."""
    rows = table.dropna(subset="actual").assign(error=lambda frame: (frame["actual"] - frame["forecast"]).abs())
    by_series = rows.groupby(["method", "series_id"])[["error", "actual"]].sum()
    together = by_series.groupby("method").sum()
    share = by_series["error"] / by_series["actual"]
    result = pd.DataFrame(
        {"WAPE": together["error"] / together["actual"], "mean of the series": share.groupby("method").mean()}
    )
    result["total"] = share.xs("total", level="series_id")
    for level in (80, 95):
        inside = rows["actual"].between(rows[f"lower_{level}"], rows[f"upper_{level}"])
        result[f"covers {level}"] = inside.where(rows[f"lower_{level}"].notna()).groupby(rows["method"]).mean()
    return result.sort_values("WAPE")


def speed() -> pd.DataFrame:
    """Return the CPU seconds of a forecast with intervals and of AutoETS, which is timed on a sample of the series."""
    rng = np.random.default_rng(1)
    days = pd.date_range("2023-01-01", periods=SPEED_DAYS)
    weekday = 1 + 0.3 * np.sin(2 * np.pi * np.arange(SPEED_DAYS) / 7)
    level = rng.lognormal(4, 1, (SPEED_SERIES, 1)) * np.exp(
        rng.normal(0, 0.01, (SPEED_SERIES, SPEED_DAYS)).cumsum(axis=1)
    )
    values = rng.poisson(level * weekday).astype(float)
    history = pd.DataFrame(
        {
            "series_id": np.repeat([f"s{number:04d}" for number in range(SPEED_SERIES)], SPEED_DAYS),
            "day": np.tile(days.to_numpy(), SPEED_SERIES),
            "value": values.ravel(),
        }
    )
    start = time.process_time()
    forecast(history, as_of=days[-1])
    ours = time.process_time() - start
    sample = history.head(SPEED_SAMPLE * SPEED_DAYS)
    peers.ets_alone(sample.head(SPEED_DAYS), horizon=HORIZON_DAYS)  # loads the library
    start = time.process_time()
    peers.ets_alone(sample, horizon=HORIZON_DAYS)
    ets = (time.process_time() - start) * SPEED_SERIES / SPEED_SAMPLE
    return pd.DataFrame({"CPU seconds": {OURS: ours, "AutoETS": ets}})
