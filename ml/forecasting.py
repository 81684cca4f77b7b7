"""Daily forecasts with prediction intervals, for many series at once: seasonal models, and the book where given."""

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special

from ml import bookings_on_hand, seasonal
from ml.panel import Day, Flags, Floats, Panel, fill_gaps, holiday_days, midnight, observed_days, to_panel

Positions = npt.NDArray[np.int64]

# Chosen by rolling origins on public daily series and a hotel's revenue: docs/methods.md has the measurement.
MINIMUM_DAYS = 14  # with fewer days: their mean
REGRESSION_FROM = 180  # days of history from which the regression joins the smoothing
REGRESSION_SHARE = 0.35  # its share before the yearly season is known
YEARLY_SHARE = 0.65  # its share from seasonal.YEARLY_FROM days on
RECENT_DAYS = 182  # what `intermittent` looks at
INTERMITTENT_ZEROS = 0.5  # share of zeros from which the regression stays out
DORMANT_DAYS = 56  # only zeros for so long, and none of it seasonal: forecast zero
PAST_ORIGINS = 52  # weekly origins whose errors make the intervals
ENOUGH_ORIGINS = 10  # with fewer: intervals from the spread of the values
NEIGHBOURS = 3  # steps on each side that share their errors
SIZE_POWER = 0.35  # errors grow with this power of the forecast: 0 undercovered growing seasons, 1 was too wide
SIZE_FLOOR = 0.1  # of the usual value: what errors do not fall below
CHUNK = 64  # series worked on at once: bounds the memory


def forecast(
    history: pd.DataFrame,
    *,
    as_of: Day,
    horizon: int = 28,
    holidays: pd.DataFrame | None = None,
    on_hand: pd.DataFrame | None = None,
    levels: tuple[int, ...] = (80, 95),
) -> pd.DataFrame:
    """Forecast each series for the `horizon` days after `as_of`, from what was known at the end of `as_of`.

    history: series_id, day, value (an absent day is missing, not zero); holidays: day, name;
    on_hand: series_id, service_day, lead_days, value (what stood on the books for service_day, lead_days before
    it; what a snapshot does not list is zero). Values keep their unit.

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
    chunks = [
        _forecast_chunk(
            Panel(panel.series[begin : begin + CHUNK], panel.days, panel.values[begin : begin + CHUNK]),
            closed,
            book,
            horizon,
            tuple(sorted(levels)),
        )
        for begin in range(0, max(len(panel.series), 1), CHUNK)
    ]
    return pd.concat(chunks, ignore_index=True)


def _forecast_chunk(
    panel: Panel, holidays: pd.DatetimeIndex, book: pd.DataFrame | None, horizon: int, levels: tuple[int, ...]
) -> pd.DataFrame:
    largest = np.nanmax(np.abs(panel.values), axis=1, initial=0.0, where=~np.isnan(panel.values))
    # Work in units of each series' largest value, so that sums of squares of huge numbers stay finite.
    scale = np.where(largest > 0, largest, 1.0)[:, None]
    values = panel.values / scale
    origins = _origins(values.shape[1])
    age = _age(values, origins)
    share = _regression_share(values, age)
    plain = _plain(values, share, days=panel.days, holidays=holidays, origins=origins, horizon=horizon)
    plain[:, -1], names = _named(plain[:, -1], values, share[:, -1])
    actual = np.where(_comparable(age, share)[:, :, None], _actual(values, origins, horizon), np.nan)
    model = np.repeat(names[:, None], horizon, axis=1)
    standing = np.full((len(values), horizon), np.nan)
    best = plain
    if book is not None and panel.series.isin(book["series_id"]).any():
        array = bookings_on_hand.book_array(book, panel, horizon) / scale[:, :, None]
        picked, stood = bookings_on_hand.pick_up(values, array, origins, horizon)
        best, model = _choose(plain, picked, actual, model)
        standing = stood[:, -1]
    nonnegative = ~(np.nanmin(values, axis=1, initial=0.0, where=~np.isnan(values)) < 0)
    best = np.where(nonnegative[:, None, None], np.maximum(best, 0.0), best)
    size = _size(best, values)
    errors = ((actual - best) / size)[:, :-1]
    bounds = _bounds(best[:, -1], size[:, -1], errors, values, names=names, nonnegative=nonnegative, levels=levels)
    return _table(panel, horizon, scale=scale, centre=best[:, -1], bounds=bounds, standing=standing, model=model)


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
    same = grown & (share == share[:, -1:])
    enough = same[:, :-1].sum(axis=1) >= 2 * ENOUGH_ORIGINS
    return np.where(enough[:, None], same, grown)


def _actual(values: Floats, origins: Positions, horizon: int) -> Floats:
    """What came, (series, origin, step); NaN where missing or not yet known."""
    padded = np.concatenate([values, np.full((len(values), horizon), np.nan)], axis=1)
    return np.asarray(padded[:, origins[:, None] + np.arange(1, horizon + 1)[None, :]])


def _regression_share(values: Floats, age: Positions) -> Floats:
    """The regression's share in the forecast of each (series, origin)."""
    share = np.where(age >= seasonal.YEARLY_FROM, YEARLY_SHARE, REGRESSION_SHARE)
    share[(age < REGRESSION_FROM) | _intermittent(values)[:, None]] = 0.0
    return np.asarray(share)


def _plain(
    values: Floats,
    share: Floats,
    *,
    days: pd.DatetimeIndex,
    holidays: pd.DatetimeIndex,
    origins: Positions,
    horizon: int,
) -> Floats:
    """Forecasts (series, origin, step) of smoothing and regression, without a book."""
    through = pd.date_range(days[0], periods=len(days) + horizon, freq="D")
    calendar = seasonal.calendar(through, holidays)
    smoothed = seasonal.smooth(values, calendar.holiday, origins, horizon)
    chosen, late = share.any(axis=1), share.any(axis=0)
    if not chosen.any():
        return smoothed
    regressed = np.zeros_like(smoothed)
    regressed[np.ix_(chosen, late)] = seasonal.regress(
        values[chosen], fill_gaps(values[chosen]), calendar, origins[late], horizon
    )
    return np.asarray((1 - share)[:, :, None] * smoothed + share[:, :, None] * regressed)


def _named(plain: Floats, values: Floats, share: Floats) -> tuple[Floats, npt.NDArray[np.object_]]:
    """The forecast (series, step) with a simpler one where the series asks for it, and each series' model."""
    _, count = observed_days(values)
    seen = ~np.isnan(values)
    spread = np.max(values, axis=1, initial=-1.0, where=seen) - np.min(values, axis=1, initial=1.0, where=seen)
    mean = np.nansum(values, axis=1) / np.maximum(count, 1)
    names = np.where(share > 0, "smoothing+regression", "smoothing").astype(object)
    names[_intermittent(values)] = "intermittent smoothing"
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


def _choose(
    plain: Floats, picked: Floats, actual: Floats, names: npt.NDArray[np.object_]
) -> tuple[Floats, npt.NDArray[np.object_]]:
    """At each series and step the pick-up, the plain forecast or their mean: what erred least from past origins."""
    known = ~np.isnan(picked)
    mixed = (plain + picked) / 2
    losses = []
    for candidate in (picked, mixed, plain):
        loss = np.abs(candidate - actual)
        pooled = _pool(np.where(known, loss, np.nan)[:, :-1])
        seen = ~np.isnan(pooled)
        losses.append(np.nansum(pooled, axis=2) / np.maximum(seen.sum(axis=2), 1))
    # argmin takes the first of equals: the pick-up where nothing is known of the past.
    winner = np.argmin(np.stack(losses), axis=0)
    result = np.where(known, np.choose(winner[:, None, :], [np.nan_to_num(picked), mixed, plain]), plain)
    labels = np.choose(winner, [np.full(names.shape, "pickup", dtype=object), "pickup+" + names, names])
    return result, np.where(known[:, -1], labels, names)


def _pool(errors: Floats) -> Floats:
    """Errors (series, origin, step) as (series, step, errors of that and the neighbouring steps)."""
    steps = errors.shape[2]
    near = np.arange(steps)[:, None] + np.arange(-NEIGHBOURS, NEIGHBOURS + 1)[None, :]
    inside = (near >= 0) & (near < steps)
    pooled = np.where(inside, errors[:, :, np.clip(near, 0, steps - 1)], np.nan)
    return pooled.transpose(0, 2, 1, 3).reshape(len(errors), steps, errors.shape[1] * near.shape[1])


def _bounds(
    centre: Floats,
    size: Floats,
    errors: Floats,
    values: Floats,
    *,
    names: npt.NDArray[np.object_],
    nonnegative: Flags,
    levels: tuple[int, ...],
) -> dict[int, tuple[Floats, Floats]]:
    """Lower and upper bound (series, step) of each level: quantiles of past errors, or a t interval without any."""
    pooled = np.sort(_pool(errors), axis=2)
    enough = (~np.isnan(errors)).sum(axis=1) >= ENOUGH_ORIGINS
    settled = np.isin(names, ("constant", "dormant", "empty"))
    lower, upper = centre, centre
    result = {}
    for level in levels:
        tail = (1 - level / 100) / 2
        below, above = (size * _quantile(pooled, share, errors.shape[1]) for share in (tail, 1 - tail))
        width = _spread(values)[:, None] * np.sqrt(1 + np.arange(1, centre.shape[1] + 1) / 28)
        count = (~np.isnan(values)).sum(axis=1)
        width = width * special.stdtrit(np.clip(count - 1, 2, None), 1 - tail)[:, None]
        use = enough & ~np.isin(names, ("mean",))[:, None]
        below, above = np.where(use, below, -width), np.where(use, above, width)
        below, above = (np.where(settled[:, None], 0.0, side) for side in (below, above))
        lower, upper = np.minimum(lower, centre + below), np.maximum(upper, centre + above)
        lower = np.where(nonnegative[:, None], np.maximum(lower, 0.0), lower)
        result[level] = (lower, upper)
    return result


def _size(forecasts: Floats, values: Floats) -> Floats:
    """What errors (series, origin, step) are measured in: they grow with the forecast, though less than it does."""
    usual = np.nansum(np.abs(values), axis=1) / np.maximum((~np.isnan(values)).sum(axis=1), 1)
    usual = np.where(usual > 0, usual, 1.0)[:, None, None]
    return np.asarray((np.abs(forecasts) / usual + SIZE_FLOOR) ** SIZE_POWER)


def _quantile(ordered: Floats, share: float, origins: int) -> Floats:
    """Quantile over the last axis (sorted, NaN last), a little outward: few origins know little of the tails."""
    if ordered.shape[2] == 0:
        return np.zeros(ordered.shape[:2])
    count = (~np.isnan(ordered)).sum(axis=2)
    outward = 0.5 + (share - 0.5) * (1 + 1 / max(origins, 1))
    place = np.clip(outward, 0, 1) * np.maximum(count - 1, 0)
    low = np.floor(place).astype(int)
    high = np.minimum(low + 1, np.maximum(count - 1, 0))
    below = np.take_along_axis(ordered, low[:, :, None], axis=2)[:, :, 0]
    above = np.take_along_axis(ordered, high[:, :, None], axis=2)[:, :, 0]
    return np.asarray(np.nan_to_num(below + (above - below) * (place - low)))


def _spread(values: Floats) -> Floats:
    """Standard deviation of the last eight weeks; of a single value, its size."""
    recent = values[:, -DORMANT_DAYS:]
    count = (~np.isnan(recent)).sum(axis=1)
    mean = np.nansum(recent, axis=1) / np.maximum(count, 1)
    squares = np.nansum((recent - mean[:, None]) ** 2, axis=1)
    return np.asarray(np.where(count > 1, np.sqrt(squares / np.maximum(count - 1, 1)), np.abs(mean)))


def _table(
    panel: Panel,
    horizon: int,
    *,
    scale: Floats,
    centre: Floats,
    bounds: dict[int, tuple[Floats, Floats]],
    standing: Floats,
    model: npt.NDArray[np.object_],
) -> pd.DataFrame:
    days = pd.date_range(panel.days[-1] + pd.Timedelta(days=1), periods=horizon, freq="D")

    def column(array: Floats) -> Floats:
        limit = np.finfo(float).max
        with np.errstate(over="ignore"):
            return np.clip(array * scale, -limit, limit).ravel()

    table = pd.DataFrame(
        {
            "series_id": np.repeat(panel.series.to_numpy(dtype=object), horizon),
            "day": np.tile(days.to_numpy(), len(panel.series)),
            "forecast": column(centre),
        }
    )
    for level, (lower, upper) in bounds.items():
        table[f"lower_{level}"] = column(lower)
        table[f"upper_{level}"] = column(upper)
    stood = column(standing)
    table["on_hand"] = pd.array(np.where(np.isnan(stood), 0.0, stood), dtype="Float64")
    table.loc[np.isnan(stood), "on_hand"] = pd.NA
    table["model"] = model.ravel()
    return table
