"""Any frame, however odd, gives a complete result or a ValueError that names the frame and the column, nothing else."""

import re
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ml.anomalies import detect
from ml.backtest import backtest
from ml.bookings_on_hand import book_array
from ml.forecasting import forecast
from ml.panel import to_book, to_panel
from tests.ml.series import AS_OF, frame, seasonal

START = AS_OF - pd.Timedelta(days=20)
SENTENCE = re.compile(
    r"(history|holidays|on_hand|incidents|hierarchy|events)"
    r"( has no column \w+|: column \w+ \w+| has more than one (row|column) |: columns )"
)
ODD = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
)

JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.floats(),
    st.integers(-(2**70), 2**70),
    st.decimals(),
    st.fractions(),
    st.complex_numbers(),
    st.text(max_size=4),
    st.binary(max_size=2),
    st.dates(),
    st.datetimes(),
    st.timedeltas(),
    st.tuples(st.integers(0, 2)),
    st.lists(st.integers(0, 2), max_size=2),
    st.sampled_from([pd.NaT, pd.NA, "nan", "inf", "1e400", "0x1", pd.Period("2025-06", "M"), pd.Interval(0, 1), {}]),
)
SIZES = st.one_of(
    st.integers(-3, 9).map(float),
    st.sampled_from([0.0, 1e300, -1e300, 1.7e308, -1.7e308, 5e-324, 1e-300, np.nan, np.inf, -np.inf]),
    st.floats(),
    st.floats(0, 1e6),
)
VALUES = st.one_of(SIZES, SIZES, st.integers(-(2**70), 2**70), st.decimals(), st.booleans(), JUNK)
DAYS = st.integers(-40, 45).map(lambda ahead: AS_OF.date() + timedelta(days=ahead))
STAMPS: st.SearchStrategy[Any] = st.one_of(
    DAYS.map(pd.Timestamp),
    DAYS,
    DAYS.map(str),
    DAYS.map(lambda day: pd.Timestamp(day, tz="Asia/Tokyo") + pd.Timedelta(hours=23)),
    DAYS.map(lambda day: pd.Period(day, "D")),
    st.dates(),
    JUNK,
)
NAMES = st.one_of(st.sampled_from(["a", "b", "total", 1, "1", 1.0, None, "", "nan", ("a", 1)]), JUNK)
LEADS = st.one_of(st.integers(0, 40), st.integers(0, 40).map(str), st.sampled_from([0.5, -1, 10**9, 2**70]), JUNK)
VALUE_TYPES = [
    "float32", "Int64", "UInt8", "Float64", "boolean", "bool", "string", "category", "complex128", "Sparse[float]",
    "datetime64[ns]", "timedelta64[s]", "double[pyarrow]", "int64[pyarrow]", "string[pyarrow]",
]  # fmt: skip
DAY_TYPES = [
    "datetime64[ns]", "datetime64[s]", "datetime64[ns, Asia/Tokyo]", "period[D]", "period[M]", "string", "category",
    "int64", "date32[pyarrow]", "timestamp[us][pyarrow]",
]  # fmt: skip
NAME_TYPES = ["string", "category", "Int64", "float64", "string[pyarrow]"]

# Column name -> odd cells, plain cells, types that the column may be cast to.
COLUMNS: dict[str, tuple[st.SearchStrategy[Any], st.SearchStrategy[Any], list[str]]] = {
    "series_id": (NAMES, st.sampled_from(["a", "b", "total"]), NAME_TYPES),
    "total_id": (NAMES, st.just("total"), NAME_TYPES),
    "dimension": (NAMES, st.sampled_from(["one", "two"]), NAME_TYPES),
    "name": (NAMES, st.just("holiday"), NAME_TYPES),
    "kind": (NAMES, st.sampled_from(["closure", "campaign", "event", "price_change"]), NAME_TYPES),
    "day": (STAMPS, DAYS.map(pd.Timestamp), DAY_TYPES),
    "service_day": (STAMPS, DAYS.map(pd.Timestamp), DAY_TYPES),
    "lead_days": (LEADS, st.integers(0, 40), VALUE_TYPES),
    "value": (VALUES, SIZES, VALUE_TYPES),
}


@st.composite
def frames(draw: st.DrawFn, *names: str) -> pd.DataFrame:
    """Draw rows of the columns `names`, at most one odd, in any type that accepts it; half are tampered with."""
    count = draw(st.integers(0, 12))
    table = pd.DataFrame(index=range(count))
    odd_one = draw(st.sampled_from([None, None, *names]))
    for name in names:
        odd, plain, types = COLUMNS[name]
        cells = st.lists(odd if name == odd_one else plain, min_size=count, max_size=count)
        column = pd.Series([None] * count, dtype=object)
        column[:] = pd.Series(draw(cells), dtype=object)
        dtype = draw(st.sampled_from([None, None, *types]))
        try:
            table[name] = column.infer_objects() if dtype is None else column.astype(dtype)  # type: ignore[call-overload]
        except Exception:  # the type does not accept these cells: pandas has many exceptions for that
            table[name] = column
    keys = [name for name in names if name not in ("value", "total_id", "name")]
    if odd_one is None and draw(st.integers(0, 3)):
        table = table.drop_duplicates(keys)
    return draw(st.sampled_from(TAMPERING))(table) if draw(st.booleans()) else table


def _with_column_levels(table: pd.DataFrame) -> pd.DataFrame:
    return table.set_axis(pd.MultiIndex.from_product([["x"], table.columns]), axis=1)


TAMPERING: list[Callable[[pd.DataFrame], pd.DataFrame]] = [
    lambda table: table.sample(frac=1, random_state=0),
    lambda table: table.head(0),
    lambda table: pd.DataFrame(),
    lambda table: table.iloc[:, 1:],
    lambda table: table.iloc[:, :-1],
    lambda table: pd.concat([table, table.iloc[:, -1:]], axis=1),
    lambda table: pd.concat([table, table.iloc[:, :1]], axis=1),
    lambda table: pd.concat([table, table]),
    lambda table: table.iloc[::-1].set_axis([0] * len(table), axis=0),
    lambda table: table.set_axis(pd.MultiIndex.from_arrays([range(len(table)), [1] * len(table)]), axis=0),
    lambda table: table.set_index(table.columns[0], drop=False),
    lambda table: table.assign(day_of_week=1).set_axis([*table.columns, 7], axis=1),
    _with_column_levels,
]
HISTORY = frames("series_id", "day", "value")
HOLIDAYS = frames("day", "name")
ON_HAND = frames("series_id", "service_day", "lead_days", "value")
INCIDENTS = frames("series_id", "day")
HIERARCHY = st.one_of(
    st.just(pd.DataFrame({"series_id": ["a", "b"], "total_id": "total"})),
    frames("series_id", "total_id"),
    frames("series_id", "total_id", "dimension"),
)
EVENTS = frames("series_id", "day", "kind")
PLAIN = frame(a=seasonal(40), b=seasonal(25, level=60), total=seasonal(40, seed=4))


def maybe(frames: st.SearchStrategy[pd.DataFrame]) -> st.SearchStrategy[pd.DataFrame | None]:
    return st.one_of(st.none(), frames)


def assert_complete_or_refused(run: Callable[[], pd.DataFrame]) -> None:
    """Check that the result has no NaN where none may be, or that a ValueError names the frame and the column."""
    try:
        table = run()
    except ValueError as error:
        assert SENTENCE.match(str(error)), error  # noqa: PT017
    else:
        assert_complete(table)


def assert_complete(table: pd.DataFrame) -> None:
    names = ["forecast", "lower_80", "upper_80", "lower_95", "upper_95", "value", "expected", "lower", "upper", "score"]
    numbers = table[[column for column in names if column in table]].to_numpy(dtype=float)
    assert np.isfinite(numbers).all()
    assert not table[["series_id", "day"]].isna().any(axis=None)
    if "model" in table:
        assert table["model"].str.len().gt(0).all()
        bounds = table[["lower_95", "lower_80", "forecast", "upper_80", "upper_95"]].to_numpy(dtype=float)
        assert (bounds[:, :-1] <= bounds[:, 1:]).all()


@pytest.mark.filterwarnings("ignore")
@settings(ODD, max_examples=40)
@given(
    st.one_of(st.just(PLAIN), HISTORY),
    maybe(HOLIDAYS), maybe(ON_HAND), maybe(EVENTS), maybe(HIERARCHY), st.integers(1, 30),
)  # fmt: skip
def test_forecast_of_any_frames(
    history: pd.DataFrame,
    holidays: pd.DataFrame | None,
    on_hand: pd.DataFrame | None,
    events: pd.DataFrame | None,
    hierarchy: pd.DataFrame | None,
    horizon: int,
) -> None:
    known: dict[str, Any] = {"holidays": holidays, "on_hand": on_hand, "events": events, "hierarchy": hierarchy}
    assert_complete_or_refused(lambda: forecast(history, as_of=AS_OF, horizon=horizon, **known))


@pytest.mark.filterwarnings("ignore")
@settings(ODD, max_examples=40)
@given(st.one_of(st.just(PLAIN), HISTORY), maybe(HOLIDAYS), maybe(ON_HAND), maybe(INCIDENTS))
def test_detection_in_any_frames(
    history: pd.DataFrame,
    holidays: pd.DataFrame | None,
    on_hand: pd.DataFrame | None,
    incidents: pd.DataFrame | None,
) -> None:
    assert_complete_or_refused(
        lambda: detect(history, start=START, as_of=AS_OF, holidays=holidays, on_hand=on_hand, incidents=incidents)
    )


@pytest.mark.filterwarnings("ignore")
@settings(ODD, max_examples=20)
@given(st.one_of(st.just(PLAIN), HISTORY), maybe(ON_HAND))
def test_backtest_of_any_frames(history: pd.DataFrame, on_hand: pd.DataFrame | None) -> None:
    origins = [START, AS_OF, date(2025, 6, 29)]
    assert_complete_or_refused(lambda: backtest(history, method=forecast, origins=origins, horizon=5, on_hand=on_hand))


PIECES: dict[str, Callable[[npt.NDArray[np.float64], np.random.Generator], npt.NDArray[np.float64]]] = {
    "zero": lambda t, rng: 0 * t,
    "constant": lambda t, rng: 0 * t + 7.0,
    "missing": lambda t, rng: t + np.nan,
    "week": lambda t, rng: 5.0 + t % 7,
    "noise": lambda t, rng: rng.normal(100, 20, len(t)),
    "counts": lambda t, rng: rng.poisson(0.2, len(t)).astype(float),
    "ramp": lambda t, rng: t,
    "either way": lambda t, rng: (-1.0) ** t,
    "heavy": lambda t, rng: rng.standard_cauchy(len(t)),
    "growth": lambda t, rng: np.exp(t / 10),
    "gaps": lambda t, rng: np.where(rng.random(len(t)) < 0.4, np.nan, rng.random(len(t))),
    "infinite": lambda t, rng: np.where(t % 5 == 0, np.inf, 1.0),
}


@st.composite
def long_histories(draw: st.DrawFn) -> pd.DataFrame:
    """Draw up to four series of up to 500 days, composed of unlike pieces, of any size."""
    series = {}
    for name in draw(st.lists(st.sampled_from(["a", "b", "c", "total"]), min_size=1, max_size=4, unique=True)):
        rng = np.random.default_rng(draw(st.integers(0, 9)))
        pieces = draw(st.lists(st.tuples(st.sampled_from(list(PIECES)), st.integers(1, 250)), min_size=1, max_size=3))
        values = np.concatenate([PIECES[kind](np.arange(float(length)), rng) for kind, length in pieces])[-500:]
        with np.errstate(over="ignore"):
            series[name] = values * draw(st.sampled_from([1.0, 1.0, -1.0, 1e-300, 1e290, 1e306]))
    return frame(**series)


@pytest.mark.filterwarnings("ignore")
@settings(ODD, max_examples=4)
@given(long_histories(), st.sampled_from([1, 28, 100]), st.booleans())
def test_methods_on_any_long_history(history: pd.DataFrame, horizon: int, with_book: bool) -> None:
    names = list(history["series_id"].unique())
    book = history.rename(columns={"day": "service_day"}).assign(lead_days=3) if with_book else None
    hierarchy = pd.DataFrame({"series_id": names[1:], "total_id": names[0]})
    holidays = pd.DataFrame({"day": history["day"].unique()[::40]})
    arguments: dict[str, Any] = {"as_of": AS_OF, "holidays": holidays, "on_hand": book}
    events = history[["series_id"]].assign(day=history["day"] + pd.Timedelta(days=30), kind="campaign")[::7]
    assert_complete(forecast(history, horizon=horizon, hierarchy=hierarchy, events=events, **arguments))
    assert_complete(detect(history, start=START, **arguments))


def test_the_book_of_a_series_that_is_not_in_the_history_is_ignored() -> None:
    panel = to_panel(PLAIN, as_of=AS_OF)
    book = pd.DataFrame({"series_id": ["b", "unknown"], "service_day": AS_OF, "lead_days": [0, 0], "value": [7, 99]})
    alone, both = (book_array(to_book(rows, as_of=AS_OF), panel, 5) for rows in (book.head(1), book))
    np.testing.assert_array_equal(alone, both)
