"""Detection of anomalies injected into daily series: share found, delay and false alarms of each method.

Each series is copied, four events are injected into the last year of each copy, and every method judges that year day
by day. An event is found by an alarm on one of its days (a shift: its first 7, a trend: its first 28). Alarms in the
rest of a shift or a trend's six weeks, and in the week after, are neither found nor false; every other alarm day is
false, with or without the natural outliers of the clean series.
"""

import hashlib
import time
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from bench.accuracy.anomaly_peers import PEERS, Floats, Peer
from bench.accuracy.data import DataSet
from ml.anomalies import detect

Flags = npt.NDArray[np.bool_]

SPAN = 364  # judged days
LASTING = 42  # days that a shift or a trend lasts
WINDOWS = {"spike": 1, "drop": 3, "shift": 7, "trend": 28}  # days within which an alarm finds it
KINDS = tuple(WINDOWS)
COPIES = 4
NATURAL = 0.02  # share of the judged days that count as natural outliers
SEED = 7
MOST_DAYS = 1100


class Case(NamedTuple):
    """A series, clean or with injected events (kind, first, last), and its natural outliers."""

    group: str
    series: str
    copy: int
    days: pd.DatetimeIndex
    values: Floats
    events: list[tuple[str, int, int]]
    natural: Flags
    holidays: pd.DatetimeIndex

    @property
    def first(self) -> int:
        """Position of the first judged day."""
        return len(self.values) - SPAN


def cases(sets: Iterable[DataSet]) -> list[Case]:
    """Return each series clean (copy -1), and in COPIES copies with four events each."""
    result = []
    for data in sets:
        table = data.history.pivot(index="day", columns="series_id", values="value").asfreq("D").iloc[-MOST_DAYS:]
        days, holidays = pd.DatetimeIndex(table.index), pd.DatetimeIndex(data.holidays["day"].unique())
        for series in table:
            clean = table[series].to_numpy(dtype=float)
            natural = _natural(clean)
            rng = np.random.default_rng(zlib.crc32(f"{SEED} {data.name} {series}".encode()))
            for copy in range(-1, COPIES):
                values, events = (clean, []) if copy < 0 else _injected(clean, copy, rng)
                result.append(Case(data.name, str(series), copy, days, values, events, natural, holidays))
    return result


def _natural(clean: Floats) -> Flags:
    """Return the days of the judged year that differ most from the same weekday and the days on both sides."""
    series = pd.Series(np.sign(clean) * np.sqrt(np.abs(clean)))
    same_weekday = pd.concat([series.shift(7 * week) for week in (-4, -3, -2, -1, 1, 2, 3, 4)], axis=1).median(axis=1)
    difference = series - same_weekday
    residual = (difference - difference.rolling(7, center=True, min_periods=3).median()).abs().fillna(0.0)
    return np.asarray(residual > residual.iloc[-SPAN:].quantile(1 - NATURAL))


def _injected(clean: Floats, copy: int, rng: np.random.Generator) -> tuple[Floats, list[tuple[str, int, int]]]:
    """Return the values with four events, and the events (kind, first, last)."""
    values, events = clean.copy(), []
    for number in range(4):
        first = len(values) - SPAN + 20 + number * 85 + int(rng.integers(0, 30))
        first += int(np.argmax(values[first : first + 14] > 0))  # a change of a zero or a gap would have no effect
        kind = KINDS[(number + copy) % 4]
        size, sign, length = rng.uniform(0, 1), rng.choice([-1, 1]), int(rng.integers(1, 4))
        if kind == "spike":
            values[first] *= 1.5 + 1.5 * size
        elif kind == "drop":
            values[first : first + length] *= 0.5 * size
        elif kind == "shift":
            values[first : first + LASTING] *= 1 + sign * (0.25 + 0.35 * size)
        else:
            slope = sign * (0.01 + 0.02 * size)
            values[first : first + LASTING] *= np.maximum(1 + slope * np.arange(1, LASTING + 1), 0.1)
        events.append((kind, first, first + (length if kind == "drop" else WINDOWS[kind]) - 1))
    is_whole = bool(np.all(np.isnan(clean) | (clean == np.round(clean))))
    return np.asarray(np.round(values) if is_whole else values), events


def measured(all_cases: Sequence[Case], flags: Sequence[Flags]) -> dict[str, float]:
    """Return the figures of one method, data sets weighing the same; flags: its alarms on the days of each case."""
    rows = []
    for case, alarms in zip(all_cases, flags, strict=True):
        false = alarms & ~_excused(case)
        hits = [np.flatnonzero(alarms[begin - case.first : end - case.first + 1]) for _, begin, end in case.events]
        row = {"group": case.group, "clean": not case.events, "events": len(hits)}
        row |= {"false": int(false.sum()), "unnatural": int((false & ~case.natural[case.first :]).sum())}
        row |= {"found": sum(len(hit) > 0 for hit in hits), "delay": sum(int(hit[0]) for hit in hits if len(hit))}
        for kind in KINDS:
            found = [len(hit) > 0 for (of, *_), hit in zip(case.events, hits, strict=True) if of == kind]
            row |= {kind: sum(found), f"of {kind}": len(found)}
        rows.append(row)
    table = pd.DataFrame(rows)
    clean = table[table["clean"]].groupby("group")["false"].mean() / SPAN
    mean = table[~table["clean"]].groupby("group").mean(numeric_only=True).mean()
    return {
        "F1": 2 * mean["found"] / (mean["found"] + mean["false"] + mean["events"]),
        "F1_outliers_left_out": 2 * mean["found"] / (mean["found"] + mean["unnatural"] + mean["events"]),
        **{kind: mean[kind] / mean[f"of {kind}"] for kind in KINDS},
        "false_alarm_days": 100 * float(clean.mean()),
        "delay": mean["delay"] / mean["found"] if mean["found"] else float("nan"),
    }


def _excused(case: Case) -> Flags:
    """Return the judged days whose alarms are not false: events, the rest of shifts and trends, and the week after."""
    excused = np.zeros(SPAN, dtype=bool)
    for kind, begin, end in case.events:
        lasting = LASTING + 7 if kind in ("shift", "trend") else end - begin + 1
        excused[begin - case.first : begin - case.first + lasting] = True
    return excused


def peer_scores(name: str, peer: Peer, all_cases: Sequence[Case], cache: Path | None) -> tuple[list[Floats], float]:
    """Return a peer's scores of the judged days and its CPU seconds, kept in `cache`, if given: they never change."""
    scores, seconds = [], 0.0
    for case in all_cases:
        content = name.encode() + case.values.tobytes() + str(case.days[0]).encode()
        path = None if cache is None else cache / "anomalies" / f"{hashlib.sha1(content).hexdigest()}.npy"
        if path is not None and path.exists():
            *result, spent = np.load(path)
        else:
            start = time.process_time()
            result = peer(_filled(case), case.days, case.holidays, case.first)
            result = np.where(np.isnan(case.values[case.first :]), 0.0, result)
            spent = time.process_time() - start
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                np.save(path, np.append(result, spent))
        scores.append(np.asarray(result))
        seconds += spent
    return scores, seconds


def _filled(case: Case) -> Floats:
    """Return values without gaps, as the peers need them: a missing day as its weekday before, else 0."""
    values = pd.Series(case.values)
    filled = values.groupby(np.arange(len(values)) % 7).ffill().fillna(0.0)
    return np.asarray(filled, dtype=np.float64)


def detected(all_cases: Sequence[Case], books: Mapping[str, pd.DataFrame] | None = None) -> list[Flags]:
    """Return the alarms of `ml.anomalies.detect` at its defaults, called per data set and copy, as in daily use."""
    flags: dict[int, Flags] = {}
    calls: dict[tuple[str, int], list[int]] = {}
    for index, case in enumerate(all_cases):
        calls.setdefault((case.group, case.copy), []).append(index)
    for (group, _), indexes in calls.items():
        called = [all_cases[index] for index in indexes]
        days, first = called[0].days, called[0].first
        parts = [pd.DataFrame({"series_id": case.series, "day": days, "value": case.values}) for case in called]
        table = detect(
            pd.concat(parts).dropna(),
            start=days[first],
            as_of=days[-1],
            holidays=pd.DataFrame({"day": called[0].holidays, "name": ""}),
            on_hand=None if books is None else books[group],
        )
        anomalies = table[table["is_anomaly"] & (table["pattern"] != "missing")]
        for index, case in zip(indexes, called, strict=True):
            flags[index] = np.asarray(days[first:].isin(anomalies.loc[anomalies["series_id"] == case.series, "day"]))
    return [flags[index] for index in range(len(all_cases))]


def run(sets: Sequence[DataSet], *, cache: Path | None = None) -> tuple[pd.DataFrame, str]:
    """Return one row of figures per method, peers at their best threshold, and notes on the events and the book."""
    all_cases = cases(sets)
    start = time.process_time()
    rows = {"**detect**": measured(all_cases, detected(all_cases)) | {"seconds": time.process_time() - start}}
    for name, (peer, thresholds) in PEERS.items():
        try:
            scores, seconds = peer_scores(name, peer, all_cases, cache)
        except ImportError as error:
            rows[f"{name}: not installed ({error.name})"] = {}
            continue
        figures = {least: measured(all_cases, [score > least for score in scores]) for least in thresholds}
        best = max(figures, key=lambda least: figures[least]["F1"] + figures[least]["F1_outliers_left_out"])
        rows[f"{name}, {best:g}"] = figures[best] | {"seconds": seconds}
    rng = np.random.default_rng(SEED)
    rows["alarm on every day"] = measured(all_cases, [np.ones(SPAN, dtype=bool) for _ in all_cases])
    rows["at random, 1 day in 100"] = measured(all_cases, [rng.random(SPAN) < 0.01 for _ in all_cases])
    rows["oracle that sees the clean series"] = measured(all_cases, _oracle(all_cases))
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("method").round(2)
    counted = f"{sum(len(case.events) for case in all_cases)} events in {len(sets)} data sets"
    return table, "\n".join([counted, *_with_book(sets)])


def _oracle(all_cases: Sequence[Case]) -> list[Flags]:
    """Return alarms where a copy differs from its clean series by over three robust deviations of weekly changes."""
    clean = {(case.group, case.series): case.values for case in all_cases if not case.events}
    alarms = []
    for case in all_cases:
        clean_values = clean[case.group, case.series]
        weekly = clean_values[7:] - clean_values[:-7]
        spread = 1.4826 * np.nanmedian(np.abs(weekly)) / np.sqrt(2)
        alarms.append(np.nan_to_num(np.abs(case.values - clean_values))[case.first :] > 3 * spread)
    return alarms


def _with_book(sets: Sequence[DataSet]) -> list[str]:
    """Return notes on the figures with and without the book, of the data sets that have one."""
    notes = []
    for data in sets:
        if data.on_hand is None:
            continue
        own_cases = cases([data])
        without = measured(own_cases, detected(own_cases))
        with_book = measured(own_cases, detected(own_cases, {data.name: data.on_hand}))
        for figure in ("F1", "F1_outliers_left_out", "false_alarm_days", "delay"):
            notes.append(
                f"{data.name}, {figure}: {without[figure]:.2f} without the book, {with_book[figure]:.2f} with it"
            )
    return notes
