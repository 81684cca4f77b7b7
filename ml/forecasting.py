"""Daily forecasts with prediction intervals, for many series at once: seasonal models, and the book where given."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml import bookings_on_hand, seasonal
from ml import forecasting_boosting as boosting
from ml import forecasting_intervals as intervals
from ml.forecasting_reconciliation import checked_hierarchy, reconcile
from ml.panel import (
    Day,
    Flags,
    Floats,
    Panel,
    beyond_largest,
    fill_gaps,
    holiday_days,
    midnight,
    observed_days,
    to_panel,
)

Positions = npt.NDArray[np.int64]

# Chosen by rolling origins on public daily series and a hotel's revenue: docs/methods.md has the measurement.
MINIMUM_DAYS = 14  # with fewer days: their mean
REGRESSION_FROM = 180  # days of history from which the regression joins the smoothing
# The smoothing steadies the regression until that knows the yearly season. From then on MASE is 2 % lower without it
# (28 days; 1.5 % at 90), and on made series 1 %; with 200 to 300 days one series was 10 % worse without.
SMOOTHING_UNTIL = seasonal.YEARLY_FROM
COMPONENTS = ("smoothing", "regression", "boosting")
SHARES = (1.0, 2.0, 3.0)  # of those that speak
BOOKED = ("pickup+boosting", "pickup regression", "pickup")  # what speaks where the book reaches
BOOKED_SHARES = np.array([3.0, 1.0, 1.0, 1.0])  # of those and the plain one, before their errors; alike is 0.5 % worse
PROVEN = 4  # past origins from which one must have spoken to count
TRUST_POWER = 16  # WAPE with a hotel's book and a made clinic's: 4 is 2 % worse, the best alone 0.5 %
SETTLED = ("constant", "dormant", "empty")  # nothing moved, and nothing is expected to
RECENT_DAYS = 182  # what `intermittent` looks at
INTERMITTENT_ZEROS = 0.5  # share of zeros from which the regression stays out
CLOSED_WEEKS = 8  # a weekday that was zero for so long is closed, unless something is booked for it
DORMANT_DAYS = 56  # only zeros for so long, and none of it seasonal: forecast zero
PAST_ORIGINS = 52  # weekly origins whose errors make the intervals
CHUNK = 64  # series worked on at once: bounds the memory


def forecast(
    history: pd.DataFrame,
    *,
    as_of: Day,
    horizon: int = 28,
    holidays: pd.DataFrame | None = None,
    on_hand: pd.DataFrame | None = None,
    levels: tuple[int, ...] = (80, 95),
    hierarchy: pd.DataFrame | None = None,
    book_until: Day | None = None,
) -> pd.DataFrame:
    """Forecast each series for the `horizon` days after `as_of`, from what was known at the end of `as_of`.

    history: series_id, day, value (an absent day is missing, not zero); holidays: day, name;
    on_hand: series_id, service_day, lead_days, value (what stood on the books for service_day, lead_days before
    it; what a snapshot does not list is zero); hierarchy: series_id, total_id and, where a total is split in several
    ways, dimension: the members of each total and dimension add up to it, and so will their forecasts;
    book_until: the last service day that the book knows, where it ends at the edge of an export: what stands on later
    days is not known, and they are forecast without it.
    Values keep their unit.

    Returns series_id, day, forecast, lower_L and upper_L for each level, on_hand (NA where no book reaches),
    model; sorted by series and day. Bounds enclose the forecast and each other, and are not negative where the
    history never is. Raises ValueError for input that cannot be read.
    """
    end = midnight(as_of)
    if horizon < 1:
        raise ValueError(f"horizon is {horizon}; it must be at least 1 day")
    if not levels or not all(0 < level < 100 for level in levels):
        raise ValueError(f"levels {levels} must lie between 0 and 100")
    book = bookings_on_hand.book_series(on_hand, as_of=end)
    named = None if book is None else pd.Index(book["series_id"].unique(), dtype=object)
    panel = to_panel(history, as_of=end, also=named)
    closed = holiday_days(holidays)
    tree = None if hierarchy is None else checked_hierarchy(hierarchy, panel.series)
    edge = None if book_until is None else midnight(book_until)
    return _forecast_panel(panel, closed, book, tree, edge, horizon=horizon, levels=tuple(sorted(levels)))


def _forecast_panel(
    panel: Panel,
    holidays: pd.DatetimeIndex,
    book: pd.DataFrame | None,
    tree: pd.DataFrame | None,
    edge: pd.Timestamp | None,
    *,
    horizon: int,
    levels: tuple[int, ...],
) -> pd.DataFrame:
    largest = np.nanmax(np.abs(panel.values), axis=1, initial=0.0, where=~np.isnan(panel.values))
    # Work in units of each series' largest value, so that sums of squares of huge numbers stay finite.
    scale = np.where(largest > 0, largest, 1.0)[:, None]
    values = panel.values / scale
    origins = _origins(values.shape[1])
    on_books = None
    if book is not None:
        on_books = bookings_on_hand.book_array(book, panel, horizon, edge) / scale[:, :, None]
    standing = _standing(on_books, len(values), origins[-1], horizon)
    best, model = _best(values, panel.days, holidays, on_books, ~np.isnan(standing), origins=origins)
    nonnegative = ~(np.nanmin(values, axis=1, initial=0.0, where=~np.isnan(values)) < 0)
    best = np.where(nonnegative[:, None, None], np.maximum(best, 0.0), best)
    best[:, -1][_closed(values, standing)] = 0.0
    # In the scaled unit the largest value is one; what stands on the books was seen as well.
    limit = beyond_largest(np.maximum(1.0, np.abs(np.nan_to_num(standing)).max(axis=1)))[:, None]
    best[:, -1] = np.clip(best[:, -1], -limit, limit)
    unit = intervals.error_unit(best, values)
    errors = (_actual(values, origins, horizon) - best)[:, :-1]
    settled = np.isin(model[:, 0], SETTLED)
    bounds = intervals.bounds(
        best[:, -1], unit[:, -1], errors / unit[:, :-1], values,
        is_short=model[:, 0] == "mean", is_degenerate=settled, nonnegative=nonnegative, levels=levels,
    )  # fmt: skip
    bounds = {level: (np.maximum(lower, -limit), np.minimum(upper, limit)) for level, (lower, upper) in bounds.items()}
    centre, standing = _in_unit(best[:, -1], scale), _in_unit(standing, scale)
    bounds = {level: (_in_unit(lower, scale), _in_unit(upper, scale)) for level, (lower, upper) in bounds.items()}
    if tree is not None:
        error = _in_unit(intervals.root_mean_square(errors, values), scale)
        added = reconcile(centre, error, tree, panel.series, nonnegative=nonnegative)
        bounds = intervals.shift_bounds(bounds, centre, added, nonnegative)
        centre = added
    return _table(panel, horizon, centre=centre, bounds=bounds, standing=standing, model=model)


def _in_unit(array: Floats, scale: Floats) -> Floats:
    """Scaled numbers (series, step) in their series' own unit, and finite."""
    limit = np.finfo(float).max
    with np.errstate(over="ignore"):
        return np.asarray(np.clip(array * scale, -limit, limit))


def _best(
    values: Floats,
    days: pd.DatetimeIndex,
    holidays: pd.DatetimeIndex,
    on_books: Floats | None,
    covered: Flags,
    *,
    origins: Positions,
) -> tuple[Floats, npt.NDArray[np.object_]]:
    """Forecasts (series, origin, step), NaN where their errors say nothing of the last; models (series, step)."""
    horizon = covered.shape[1]
    # Where the book covers every step, the boosting with the book stands in for the one without.
    parts = _components(values, days, holidays, np.asarray(~covered.all(axis=1)), origins=origins, horizon=horizon)
    share = _shares(parts)
    plain = np.nansum(parts * share[:, :, :, None], axis=0)
    plain[:, -1], names = _named(plain[:, -1], values, share[:, :, -1])
    plain[:, :-1][~_comparable(_age(values, origins), share)[:, :-1]] = np.nan
    model = np.repeat(names[:, None], horizon, axis=1)
    if on_books is None or not covered.any():
        return plain, model
    booked = ~np.isnan(on_books).all(axis=(1, 2))
    tables = boosting.tables(values[booked], days, holidays, horizon, on_books[booked])
    said = boosting.backcast_with_book(tables, origins, horizon)
    names = model[booked]
    best, label = _combine(
        np.concatenate([said, plain[None, booked]]),
        _actual(values[booked], origins, horizon),
        (*(np.full_like(names, name) for name in BOOKED), names),
    )
    result = plain.copy()
    result[booked], model[booked] = best, label
    return result, model


def _components(
    values: Floats,
    days: pd.DatetimeIndex,
    holidays: pd.DatetimeIndex,
    boosted: Flags,
    *,
    origins: Positions,
    horizon: int,
) -> Floats:
    """Forecasts (component, series, origin, step) of COMPONENTS; NaN where one cannot speak, or is not asked."""
    through = pd.date_range(days[0], periods=len(days) + horizon, freq="D")
    calendar = seasonal.calendar(through, holidays)
    result = np.full((len(COMPONENTS), len(values), len(origins), horizon), np.nan)
    old = _age(values, origins) >= REGRESSION_FROM
    late = old.any(axis=0)
    for begin in range(0, len(values), CHUNK):
        part = slice(begin, begin + CHUNK)
        result[0, part] = seasonal.smooth(values[part], calendar.holiday, origins, horizon)
        if old[part].any():
            filled = fill_gaps(values[part])
            said = seasonal.regress(values[part], filled, calendar, origins[late], horizon)
            result[1, part, late] = said.swapaxes(0, 1)
    result[1][~old | _intermittent(values)[:, None]] = np.nan
    mature = (_age(values, origins) >= SMOOTHING_UNTIL) & ~np.isnan(result[1, :, :, 0])
    result[0][mature] = np.nan
    if boosted.any():
        tables = boosting.tables(values[boosted], days, holidays, horizon)
        result[2, boosted] = boosting.backcast(tables, origins, horizon)
    return result


def _shares(parts: Floats) -> Floats:
    """Share (component, series, origin) of each component that speaks."""
    speaks = ~np.isnan(parts[:, :, :, 0])
    share = np.where(speaks, np.array(SHARES)[:, None, None], 0.0)
    total = share.sum(axis=0)
    share[0] = np.where(total > 0, share[0], 1.0)
    return np.asarray(share / share.sum(axis=0))


def _standing(on_books: Floats | None, count: int, origin: int, horizon: int) -> Floats:
    """What stands on the books at the origin for each step ahead, (series, step); NaN beyond the book."""
    result = np.full((count, horizon), np.nan)
    if on_books is not None:
        steps = np.arange(1, min(horizon, on_books.shape[2] - 1) + 1)
        result[:, steps - 1] = on_books[:, origin + steps, steps]
    return result


def _origins(length: int) -> Positions:
    """Positions of weekly past origins and, last, of as_of itself; none before a fortnight or the warm-up."""
    back = length - 1 - 7 * np.arange(PAST_ORIGINS, -1, -1)
    return np.asarray(back[(back >= MINIMUM_DAYS - 1) | (back == length - 1)])


def _age(values: Floats, origins: Positions) -> Positions:
    """Days of history that each series has at each origin."""
    first, _ = observed_days(values)
    return np.asarray(origins[None, :] - first[:, None] + 1)


def _comparable(age: Positions, share: Floats) -> Flags:
    """Origins whose errors speak for the last one: not too young, and of the same models where enough are."""
    grown = age >= MINIMUM_DAYS
    same = grown & ((share > 0) == (share[:, :, -1:] > 0)).all(axis=0)
    enough = same[:, :-1].sum(axis=1) >= 2 * intervals.ENOUGH_ORIGINS
    return np.where(enough[:, None], same, grown)


def _actual(values: Floats, origins: Positions, horizon: int) -> Floats:
    """What came, (series, origin, step); NaN where missing or not yet known."""
    padded = np.concatenate([values, np.full((len(values), horizon), np.nan)], axis=1)
    return np.asarray(padded[:, origins[:, None] + np.arange(1, horizon + 1)[None, :]])


def _named(plain: Floats, values: Floats, share: Floats) -> tuple[Floats, npt.NDArray[np.object_]]:
    """The forecast (series, step) with a simpler one where the series asks for it, and each series' model."""
    _, count = observed_days(values)
    seen = ~np.isnan(values)
    spread = np.max(values, axis=1, initial=-1.0, where=seen) - np.min(values, axis=1, initial=1.0, where=seen)
    mean = np.nansum(values, axis=1) / np.maximum(count, 1)
    labels = np.where(share > 0, np.array(COMPONENTS)[:, None], "")
    names = np.array(["+".join(filter(None, label)) for label in labels.T], dtype=object)
    names[_intermittent(values)] = "intermittent " + names[_intermittent(values)]
    simpler = (
        ("mean", count < MINIMUM_DAYS, mean),
        ("dormant", _dormant(values, plain.shape[1]), np.zeros_like(mean)),
        ("constant", (spread == 0) & (count > 1), mean),
        ("empty", count == 0, np.zeros_like(mean)),
    )
    for name, where, level in simpler:
        names[where] = name
        plain = np.where(where[:, None], level[:, None], plain)
    return plain, names


def _closed(values: Floats, standing: Floats) -> Flags:
    """Days ahead (series, step) whose weekday was zero without exception of late, and for which nothing stands."""
    length, horizon = values.shape[1], standing.shape[1]
    if length < 7 * CLOSED_WEEKS:
        return np.zeros(standing.shape, dtype=bool)
    same = values[:, length - 7 * CLOSED_WEEKS :].reshape(len(values), CLOSED_WEEKS, 7)
    shut = (same == 0).all(axis=1)[:, np.arange(horizon) % 7] & ~_intermittent(values)[:, None]
    return np.asarray(shut & (np.nan_to_num(standing) == 0))


def _intermittent(values: Floats) -> Flags:
    recent = values[:, -RECENT_DAYS:]
    return np.asarray((recent == 0).sum(axis=1) > INTERMITTENT_ZEROS * (~np.isnan(recent)).sum(axis=1))


def _dormant(values: Floats, horizon: int) -> Flags:
    """Only zeros of late, and nothing at this season a year ago either."""
    recent = values[:, -DORMANT_DAYS:]
    silent = (np.nan_to_num(recent) == 0).all(axis=1) & ~np.isnan(recent).all(axis=1)
    length = values.shape[1]
    year_ago = values[:, max(length - 365, 0) : max(length - 365 + horizon, 0)]
    return np.asarray(silent & (np.nan_to_num(year_ago) == 0).all(axis=1))


def _combine(
    candidates: Floats, actual: Floats, labels: tuple[npt.NDArray[np.object_], ...]
) -> tuple[Floats, npt.NDArray[np.object_]]:
    """Mean of (candidate, series, origin, step), by BOOKED_SHARES and by how little each erred from past origins.

    At each series and step those count that speak at the last origin and spoke from PROVEN past ones (all that speak,
    where none did), compared where all of them spoke. Returns the forecast (series, origin, step), NaN where one that
    counts was silent, and the label (series, step) of the one that weighs most.
    """
    speaks = ~np.isnan(candidates[:, :, -1])
    error = np.abs(candidates - actual)[:, :, :-1]
    proven = speaks & ((~np.isnan(error)).sum(axis=2) >= PROVEN)
    counts = np.where(proven.any(axis=0), proven, speaks)
    common = (~np.isnan(error) | ~counts[:, :, None]).all(axis=0)
    losses = []
    for missed in error:
        pooled = intervals.pool_neighbours(np.where(common, missed, np.nan))
        losses.append(np.nansum(pooled, axis=2) / np.maximum((~np.isnan(pooled)).sum(axis=2), 1))
    loss = np.where(counts, np.maximum(losses, 1e-12), np.inf)
    share = BOOKED_SHARES[:, None, None] * (loss / loss.min(axis=0)) ** -TRUST_POWER
    share /= share.sum(axis=0)
    said = np.where(counts[:, :, None], candidates * share[:, :, None], 0.0).sum(axis=0)
    winner = np.argmax(share, axis=0)
    return said, np.take_along_axis(np.stack(labels), winner[None], axis=0)[0]


def _table(
    panel: Panel,
    horizon: int,
    *,
    centre: Floats,
    bounds: dict[int, tuple[Floats, Floats]],
    standing: Floats,
    model: npt.NDArray[np.object_],
) -> pd.DataFrame:
    days = pd.date_range(panel.days[-1] + pd.Timedelta(days=1), periods=horizon, freq="D")

    table = pd.DataFrame(
        {
            "series_id": np.repeat(panel.series.to_numpy(dtype=object), horizon),
            "day": np.tile(days.to_numpy(), len(panel.series)),
            "forecast": centre.ravel(),
        }
    )
    for level, (lower, upper) in bounds.items():
        table[f"lower_{level}"] = lower.ravel()
        table[f"upper_{level}"] = upper.ravel()
    stood = standing.ravel()
    table["on_hand"] = pd.array(np.where(np.isnan(stood), 0.0, stood), dtype="Float64")
    table.loc[np.isnan(stood), "on_hand"] = pd.NA
    table["model"] = model.ravel()
    return table
