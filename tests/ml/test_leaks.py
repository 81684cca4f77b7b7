"""Leaks from the future: no row after as_of, whatever it holds, changes a bit of the results at as_of."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.anomalies import detect
from ml.forecasting import forecast
from tests.ml.series import AS_OF, book, days, frame, seasonal

Frames = dict[str, pd.DataFrame]

VALUES = st.one_of(
    st.floats(),
    st.none(),
    st.integers(-(10**30), 10**30),
    st.sampled_from(["unreadable", "", pd.NA, pd.NaT, True, b"x", 1e300]),
)
SERIES = st.sampled_from(["a", "b", "c", "new", "", "0"])
AHEAD = st.one_of(st.just(1), st.integers(1, 9), st.integers(1, 400))
# Changes of the rows after as_of.
CHANGES: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "none": lambda later: later,
    "all removed": lambda later: later.head(0),
    "some removed": lambda later: later.iloc[::3],
    "tenfold": lambda later: later.assign(value=later["value"] * 10),
    "missing": lambda later: later.assign(value=np.nan),
    "reversed": lambda later: later.assign(value=later["value"].to_numpy()[::-1]),
    "other series": lambda later: later.assign(series_id="z" + later["series_id"].astype(str)),
}


def known_and_later(count: int) -> tuple[Frames, Frames]:
    """Return history, book and incidents as known at AS_OF, and their rows of the 35 days after it."""
    levels = {"a": 200.0, "b": 60.0, "c": 9.0}
    values = {name: seasonal(count + 35, level=level, seed=int(level)) for name, level in levels.items()}
    values["c"][: count // 2] = np.nan
    shift = pd.Timedelta(days=35)
    history = frame(**values).assign(day=lambda table: table["day"] + shift)
    on_hand = book(values["a"], "a").assign(service_day=lambda table: table["service_day"] + shift)
    incidents = history.loc[history.index % 29 == 3, ["series_id", "day"]]
    snapshot = on_hand["service_day"] - pd.to_timedelta(on_hand["lead_days"], unit="D")
    early = {"history": history["day"] <= AS_OF, "on_hand": snapshot <= AS_OF, "incidents": incidents["day"] <= AS_OF}
    whole = {"history": history, "on_hand": on_hand, "incidents": incidents}
    return (
        {name: table[early[name]] for name, table in whole.items()},
        {name: table[~early[name]] for name, table in whole.items()},
    )


@st.composite
def futures(draw: st.DrawFn, later: Frames) -> Frames:
    """Draw another future of each frame: its later rows, changed, and additional ones."""
    change = CHANGES[draw(st.sampled_from(list(CHANGES)))]
    added = draw(st.lists(st.tuples(SERIES, AHEAD, st.integers(0, 60), VALUES), max_size=8))
    day = [AS_OF + pd.Timedelta(days=ahead) for _, ahead, _, _ in added]
    names = [name for name, _, _, _ in added]
    rows = {
        "history": pd.DataFrame({"series_id": names, "day": day}),
        "incidents": pd.DataFrame({"series_id": names, "day": day}),
        # A snapshot taken after as_of, of a service day further on.
        "on_hand": pd.DataFrame(
            {
                "series_id": names,
                "service_day": [
                    when + pd.Timedelta(days=lead) for when, (_, _, lead, _) in zip(day, added, strict=True)
                ],
                "lead_days": [lead for _, _, lead, _ in added],
            }
        ),
    }
    values = pd.Series([value for _, _, _, value in added], dtype=object)
    result = {}
    for name, table in later.items():
        more = rows[name] if name == "incidents" else rows[name].assign(value=values)
        changed = table if name == "incidents" else change(table)
        result[name] = pd.concat([changed.astype(object), more.astype(object)])
    return result


def joined(known: Frames, future: Frames, order: int) -> Frames:
    return {
        name: pd.concat([table.astype(object), future[name]]).sample(frac=1, random_state=order)
        for name, table in known.items()
    }


HOLIDAYS = pd.DataFrame(
    {"day": days(400)[::23].append(pd.DatetimeIndex([AS_OF + pd.Timedelta(days=9)])), "name": "holiday"}
)
# Long enough for the boosting to learn from.
KNOWN, LATER = known_and_later(230)
EVENTS = pd.DataFrame(
    {"series_id": "b", "day": days(60)[::9].append(days(60)[::9] + pd.Timedelta(days=62)), "kind": "campaign"}
)
TREE = pd.DataFrame({"series_id": ["b", "c"], "total_id": "a"})


def forecast_of(frames: Frames, *, with_book: bool, holidays: pd.DataFrame | None) -> pd.DataFrame:
    on_hand = frames["on_hand"] if with_book else None
    known: dict[str, Any] = {"holidays": holidays, "events": EVENTS, "on_hand": on_hand, "hierarchy": TREE}
    return forecast(frames["history"], as_of=AS_OF, **known)


def detection_of(frames: Frames, *, with_book: bool, holidays: pd.DataFrame | None) -> pd.DataFrame:
    known: dict[str, Any] = {"holidays": holidays, "incidents": frames["incidents"]}
    on_hand = frames["on_hand"] if with_book else None
    return detect(frames["history"], start=AS_OF - pd.Timedelta(days=20), as_of=AS_OF, on_hand=on_hand, **known)


@pytest.mark.parametrize(("with_book", "holidays"), [(False, None), (True, HOLIDAYS)], ids=["plain", "book, holidays"])
@pytest.mark.parametrize("method", [forecast_of, detection_of])
def test_no_bit_depends_on_later_rows(
    method: Callable[..., pd.DataFrame], with_book: bool, holidays: pd.DataFrame | None
) -> None:
    table = method(KNOWN, with_book=with_book, holidays=holidays)
    assert len(table)
    assert "model" not in table or table["model"].str.contains("boosting").any()

    @settings(max_examples=5, deadline=None)
    @given(futures(LATER), st.integers(0, 99))
    def unchanged(future: Frames, order: int) -> None:
        again = method(joined(KNOWN, future, order), with_book=with_book, holidays=holidays)
        pd.testing.assert_frame_equal(table, again, check_exact=True)

    unchanged()
