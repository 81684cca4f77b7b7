"""Daily forecasts with prediction intervals, for many series at once: seasonal models, and the book where given.

The book of a series is its amount on hand for each service day at each lead time, as `ml.bookings_on_hand` reads it.
"""

from typing import Final

import numpy as np
import pandas as pd

from ml import bookings_on_hand, forecasting_events
from ml import forecasting_boosting as boosting
from ml import forecasting_intervals as intervals
from ml.forecasting_components import MINIMUM_DAYS, Models, actual_values, is_intermittent, without_book
from ml.forecasting_events import Events
from ml.forecasting_reconciliation import checked_hierarchy, reconcile
from ml.panel import Day, Flags, Floats, Panel, Positions, beyond_largest, holiday_days, midnight, to_panel

HORIZON_DAYS: Final = 28  # four whole weeks: each weekday equally often; accuracy and coverage are measured on it

# Chosen by rolling origins on public daily series and a hotel's revenue: docs/forecasts.md has the measurement.
BOOKED = ("pickup+boosting", "pickup regression", "pickup")  # models for days with amounts on hand
IN_RUSH = "pickup+pickup regression"  # the mean of both
REGRESSION, PICK_UP = BOOKED.index("pickup regression"), BOOKED.index("pickup")
# Prior weights of the models of BOOKED and of the model without a book; multiplied by error ** -TRUST_POWER. With equal
# prior weights WAPE is 0.5 % worse.
BOOKED_WEIGHTS = np.array([3.0, 1.0, 1.0, 1.0])
PROVEN = 4  # a model is used only if it has forecasts from at least this many past origins
# WAPE on the books of a hotel and a synthetic clinic: a power of 4 is 2 % worse, the model with the least error alone
# 0.5 % worse.
TRUST_POWER = 16
DEGENERATE = ("constant", "dormant", "empty")  # models of series that do not vary: their interval is a point
CLOSED_WEEKS = 8  # a weekday that was zero for this many weeks is closed, unless something is on hand for it
PAST_ORIGINS = 52  # weekly origins whose errors make the intervals


def forecast(
    history: pd.DataFrame,
    *,
    as_of: Day,
    horizon: int = HORIZON_DAYS,
    holidays: pd.DataFrame | None = None,
    on_hand: pd.DataFrame | None = None,
    events: pd.DataFrame | None = None,
    levels: tuple[int, ...] = (80, 95),
    hierarchy: pd.DataFrame | None = None,
    book_until: Day | None = None,
) -> pd.DataFrame:
    """Forecast each series for the `horizon` days after `as_of`, from what was known at the end of `as_of`.

    history: series_id, day, value (an absent day is missing, not zero); holidays: day, name;
    on_hand: series_id, service_day, lead_days, value (the amount on hand for service_day, lead_days before it; what a
    snapshot does not list is zero); events: series_id, day, kind (closure, campaign, event or price_change; past and
    known ahead: a closed day is forecast zero, a campaign or an event as the earlier ones of its kind were, and, where
    a column expected_effect states a factor on a usual day, as that until enough earlier ones are known);
    hierarchy: series_id, total_id and, where a total is split in several ways,
    dimension: the members of each total and dimension add up to it, and so do their forecasts;
    book_until: the last service day that the book covers, where it ends at the edge of an export: the amount on hand
    for later days is unknown, and they are forecast without it.
    Values keep their unit.

    Returns series_id, day, forecast, lower_L and upper_L for each level, on_hand (NA where the book has no value),
    model; sorted by series and day. Bounds enclose the forecast and each other, and are not negative where the
    history never is. Raises ValueError for input that cannot be read.
    """
    end = midnight(as_of)
    if horizon < 1:
        raise ValueError(f"horizon is {horizon}; it must be at least 1 day")
    if not levels or not all(0 < level < 100 for level in levels):
        raise ValueError(f"levels {levels} must lie between 0 and 100")
    book = bookings_on_hand.book_series(on_hand, as_of=end)
    booked_series = None if book is None else pd.Index(book["series_id"].unique(), dtype=object)
    panel = to_panel(history, as_of=end, also=booked_series)
    tree = None if hierarchy is None else checked_hierarchy(hierarchy, panel.series)
    edge = None if book_until is None else midnight(book_until)
    days = holiday_days(holidays)
    known = forecasting_events.read(events, panel, horizon)
    return _forecast_panel(panel, days, known, book, tree, edge, horizon=horizon, levels=tuple(sorted(levels)))


def _forecast_panel(
    panel: Panel,
    holidays: pd.DatetimeIndex,
    events: Events,
    book: pd.DataFrame | None,
    tree: pd.DataFrame | None,
    edge: pd.Timestamp | None,
    *,
    horizon: int,
    levels: tuple[int, ...],
) -> pd.DataFrame:
    """Return the table of `forecast`. The intervals come from the errors of backcasts from past origins."""
    largest = np.nanmax(np.abs(panel.values), axis=1, initial=0.0, where=~np.isnan(panel.values))
    # Work in units of each series' largest value, so that sums of squares of huge numbers stay finite.
    scale = np.where(largest > 0, largest, 1.0)[:, None]
    all_values = panel.values / scale
    values = forecasting_events.usual_values(all_values, events)
    closed = events.closed[:, values.shape[1] :]  # (series, step)
    origins = _origins(values.shape[1])
    book_values = None
    if book is not None:
        book_values = bookings_on_hand.book_array(book, panel, horizon, edge) / scale[:, :, None]
    on_hand = _on_hand(book_values, len(values), origins[-1], horizon)

    nonnegative = ~(np.nanmin(values, axis=1, initial=0.0, where=~np.isnan(values)) < 0)
    forecasts, model = _forecasts(values, panel.days, holidays, book_values, ~np.isnan(on_hand), origins=origins)
    forecasts = np.where(nonnegative[:, None, None], np.maximum(forecasts, 0.0), forecasts)
    forecasts[:, -1][_closed(all_values, on_hand)] = 0.0
    # In the scaled unit the largest value is one; the amount on hand was observed as well.
    limit = beyond_largest(np.maximum(1.0, np.abs(np.nan_to_num(on_hand)).max(axis=1)))[:, None]
    forecasts[:, -1] = np.clip(forecasts[:, -1], -limit, limit)

    unit = intervals.error_unit(forecasts, values)
    errors = (actual_values(values, origins, horizon) - forecasts)[:, :-1]
    bounds = intervals.bounds(
        forecasts[:, -1], unit[:, -1], errors / unit[:, :-1], values,
        is_short=model[:, 0] == "mean", is_degenerate=np.isin(model[:, 0], DEGENERATE),
        nonnegative=nonnegative, levels=levels,
    )  # fmt: skip
    lift = forecasting_events.lifts(all_values, values, events)
    booked = np.nan_to_num(on_hand)

    def with_events(usual: Floats) -> Floats:
        """Return forecasts or bounds (series, step): a lift raises what is still to come to the amount on hand."""
        lifted = np.clip(booked + (usual - booked) * lift, np.where(nonnegative[:, None], 0.0, -limit), limit)
        return np.where(closed, 0.0, np.where(lift == 1, usual, lifted))

    bounds = {level: (np.maximum(lower, -limit), np.minimum(upper, limit)) for level, (lower, upper) in bounds.items()}
    bounds = {level: (with_events(lower), with_events(upper)) for level, (lower, upper) in bounds.items()}
    model[closed] = forecasting_events.CLOSURE

    centre, on_hand = _in_unit(with_events(forecasts[:, -1]), scale), _in_unit(on_hand, scale)
    bounds = {level: (_in_unit(lower, scale), _in_unit(upper, scale)) for level, (lower, upper) in bounds.items()}
    if tree is not None:
        error = np.where(closed, 0.0, _in_unit(intervals.root_mean_square(errors, values), scale))
        reconciled = reconcile(centre, error, tree, panel.series, nonnegative=nonnegative)
        reconciled[closed] = 0.0  # without the projection's rounding error
        bounds = intervals.shift_bounds(bounds, centre, reconciled, nonnegative)
        centre = reconciled
    return _table(panel, horizon, centre=centre, bounds=bounds, on_hand=on_hand, model=model)


def _in_unit(array: Floats, scale: Floats) -> Floats:
    """Return scaled numbers (series, step) in the unit of their series, finite."""
    limit = np.finfo(float).max
    with np.errstate(over="ignore"):
        return np.asarray(np.clip(array * scale, -limit, limit))


def _forecasts(
    values: Floats,
    days: pd.DatetimeIndex,
    holidays: pd.DatetimeIndex,
    book_values: Floats | None,
    covered: Flags,
    *,
    origins: Positions,
) -> tuple[Floats, Models]:
    """Return the forecasts (series, origin, step) and the models (series, step) of the last origin.

    values: (series, day); book_values: (series, day, lead); covered: (series, step) with an amount on hand at the last
    origin. A past forecast is NaN where its error would not be comparable to that of the last.
    """
    horizon = covered.shape[1]
    # Where the book covers every step, the boosting with the book replaces the one without.
    boosted = np.asarray(~covered.all(axis=1))
    plain, names = without_book(values, days, holidays, boosted, origins=origins, horizon=horizon)
    model = np.repeat(names[:, None], horizon, axis=1)
    if book_values is None or not covered.any():
        return plain, model
    booked = ~np.isnan(book_values).all(axis=(1, 2))
    tables = boosting.tables(values[booked], days, holidays, horizon, book_values[booked])
    with_book = boosting.backcast_with_book(tables, origins, horizon)
    names_without = model[booked]
    candidates = np.concatenate([with_book, plain[None, booked]])
    combined, label = _combine(
        candidates,
        actual_values(values[booked], origins, horizon),
        (*(np.full_like(names_without, name) for name in BOOKED), names_without),
    )
    regression, pick_up = with_book[REGRESSION, :, -1], with_book[PICK_UP, :, -1]  # (series, step)
    rush = bookings_on_hand.has_rush(book_values[booked], values.shape[1])[:, None] & ~np.isnan(pick_up)
    combined[:, -1][rush] = ((np.where(np.isnan(regression), pick_up, regression) + pick_up) / 2)[rush]
    label[rush] = IN_RUSH
    result = plain.copy()
    result[booked], model[booked] = combined, label
    return result, model


def _on_hand(book_values: Floats | None, count: int, origin: int, horizon: int) -> Floats:
    """Return the amount on hand at the origin for each step ahead (series, step); NaN beyond the book."""
    result = np.full((count, horizon), np.nan)
    if book_values is not None:
        steps = np.arange(1, min(horizon, book_values.shape[2] - 1) + 1)
        result[:, steps - 1] = book_values[:, origin + steps, steps]
    return result


def _origins(length: int) -> Positions:
    """Return the positions of weekly past origins, none within the first MINIMUM_DAYS, and, last, of as_of itself."""
    back = length - 1 - 7 * np.arange(PAST_ORIGINS, -1, -1)
    return np.asarray(back[(back >= MINIMUM_DAYS - 1) | (back == length - 1)])


def _closed(values: Floats, on_hand: Floats) -> Flags:
    """Return the steps (series, step) whose weekday was zero in all of CLOSED_WEEKS, and with nothing on hand."""
    length, horizon = values.shape[1], on_hand.shape[1]
    if length < 7 * CLOSED_WEEKS:
        return np.zeros(on_hand.shape, dtype=bool)
    weeks = values[:, length - 7 * CLOSED_WEEKS :].reshape(len(values), CLOSED_WEEKS, 7)
    always_zero = (weeks == 0).all(axis=1)[:, np.arange(horizon) % 7]
    return np.asarray(always_zero & ~is_intermittent(values)[:, None] & (np.nan_to_num(on_hand) == 0))


def _combine(candidates: Floats, actual: Floats, labels: tuple[Models, ...]) -> tuple[Floats, Models]:
    """Return the mean of candidates (candidate, series, origin, step), weighted by BOOKED_WEIGHTS and past errors.

    For each series and step those candidates count that have a forecast at the last origin and at PROVEN past ones
    (where none has: all that have one at the last), compared at the origins that all of them have. The mean
    (series, origin, step) is NaN where a candidate that counts is; the label (series, step) is that of the one that
    weighs most.
    """
    available = ~np.isnan(candidates[:, :, -1])  # (candidate, series, step), as are the following
    errors = np.abs(candidates - actual)[:, :, :-1]
    proven = available & ((~np.isnan(errors)).sum(axis=2) >= PROVEN)
    counts = np.where(proven.any(axis=0), proven, available)
    common = (~np.isnan(errors) | ~counts[:, :, None]).all(axis=0)  # (series, origin, step)
    losses = []
    for error in errors:
        pooled = intervals.pool_neighbours(np.where(common, error, np.nan))
        losses.append(np.nansum(pooled, axis=2) / np.maximum((~np.isnan(pooled)).sum(axis=2), 1))
    loss = np.where(counts, np.maximum(losses, 1e-12), np.inf)
    shares = BOOKED_WEIGHTS[:, None, None] * (loss / loss.min(axis=0)) ** -TRUST_POWER
    shares /= shares.sum(axis=0)
    mean = np.where(counts[:, :, None], candidates * shares[:, :, None], 0.0).sum(axis=0)
    heaviest = np.argmax(shares, axis=0)
    return mean, np.take_along_axis(np.stack(labels), heaviest[None], axis=0)[0]


def _table(
    panel: Panel,
    horizon: int,
    *,
    centre: Floats,
    bounds: dict[int, tuple[Floats, Floats]],
    on_hand: Floats,
    model: Models,
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
    amounts = on_hand.ravel()
    table["on_hand"] = pd.array(np.where(np.isnan(amounts), 0.0, amounts), dtype="Float64")
    table.loc[np.isnan(amounts), "on_hand"] = pd.NA
    table["model"] = model.ravel()
    return table
