"""Anomalies injected into real daily series: who finds them, how soon, and how often they cry wolf.

Each series is copied, four events are put into the last year of each copy, and every method judges that year day by
day. An event is found by an alarm on one of its days (a shift: its first 7, a trend: its first 28). Alarms in the
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
WINDOWS = {"spike": 1, "drop": 3, "shift": 7, "trend": 28}  # an alarm within so many days finds it
KINDS = tuple(WINDOWS)
COPIES = 4
NATURAL = 0.02  # share of the judged days that count as natural outliers
SEED = 7
MOST_DAYS = 1100


class Case(NamedTuple):
    """A copy of a series with events (kind, first, last) put in, none in a clean one; `natural`: its own outliers."""

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
    """Each series clean (copy -1), and in `COPIES` copies with four events each."""
    made = []
    for each in sets:
        table = each.history.pivot(index="day", columns="series_id", values="value").asfreq("D").iloc[-MOST_DAYS:]
        days, holidays = pd.DatetimeIndex(table.index), pd.DatetimeIndex(each.holidays["day"].unique())
        for series in table:
            clean = table[series].to_numpy(dtype=float)
            natural = _natural(clean)
            rng = np.random.default_rng(zlib.crc32(f"{SEED} {each.name} {series}".encode()))
            for copy in range(-1, COPIES):
                values, events = (clean, []) if copy < 0 else _injected(clean, copy, rng)
                made.append(Case(each.name, str(series), copy, days, values, events, natural, holidays))
    return made


def _natural(clean: Floats) -> Flags:
    """The days of the judged year that lie furthest from the same weekday and the days on both sides."""
    series = pd.Series(np.sign(clean) * np.sqrt(np.abs(clean)))
    same = pd.concat([series.shift(7 * week) for week in (-4, -3, -2, -1, 1, 2, 3, 4)], axis=1).median(axis=1)
    apart = series - same
    residual = (apart - apart.rolling(7, center=True, min_periods=3).median()).abs().fillna(0.0)
    return np.asarray(residual > residual.iloc[-SPAN:].quantile(1 - NATURAL))


def _injected(clean: Floats, copy: int, rng: np.random.Generator) -> tuple[Floats, list[tuple[str, int, int]]]:
    values, events = clean.copy(), []
    for place in range(4):
        at = len(values) - SPAN + 20 + place * 85 + int(rng.integers(0, 30))
        at += int(np.argmax(values[at : at + 14] > 0))  # a change to a zero cannot be seen, to a gap neither
        kind = KINDS[(place + copy) % 4]
        size, sign, length = rng.uniform(0, 1), rng.choice([-1, 1]), int(rng.integers(1, 4))
        if kind == "spike":
            values[at] *= 1.5 + 1.5 * size
        elif kind == "drop":
            values[at : at + length] *= 0.5 * size
        elif kind == "shift":
            values[at : at + LASTING] *= 1 + sign * (0.25 + 0.35 * size)
        else:
            slope = sign * (0.01 + 0.02 * size)
            values[at : at + LASTING] *= np.maximum(1 + slope * np.arange(1, LASTING + 1), 0.1)
        events.append((kind, at, at + (length if kind == "drop" else WINDOWS[kind]) - 1))
    whole = bool(np.all(np.isnan(clean) | (clean == np.round(clean))))
    return np.asarray(np.round(values) if whole else values), events


def measured(made: Sequence[Case], flags: Sequence[Flags]) -> dict[str, float]:
    """The bench's figures of one method, data sets weighing the same; `flags[i]`: its alarms on `made[i]`'s days."""
    rows = []
    for case, alarms in zip(made, flags, strict=True):
        wrong = alarms & ~_excused(case)
        hits = [np.flatnonzero(alarms[begin - case.first : end - case.first + 1]) for _, begin, end in case.events]
        row = {"group": case.group, "clean": not case.events, "events": len(hits)}
        row |= {"false": int(wrong.sum()), "unnatural": int((wrong & ~case.natural[case.first :]).sum())}
        row |= {"found": sum(len(hit) > 0 for hit in hits), "delay": sum(int(hit[0]) for hit in hits if len(hit))}
        for kind in KINDS:
            seen = [len(hit) > 0 for (of, *_), hit in zip(case.events, hits, strict=True) if of == kind]
            row |= {kind: sum(seen), f"of {kind}": len(seen)}
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
    """Judged days whose alarms are not false: events, the rest of what lasts, and the week after it."""
    excused = np.zeros(SPAN, dtype=bool)
    for kind, begin, end in case.events:
        lasting = LASTING + 7 if kind in ("shift", "trend") else end - begin + 1
        excused[begin - case.first : begin - case.first + lasting] = True
    return excused


def peer_scores(name: str, peer: Peer, made: Sequence[Case], cache: Path | None) -> tuple[list[Floats], float]:
    """A peer's scores of the judged days and its seconds; kept in `cache` where one is given, as they do not change."""
    scores, seconds = [], 0.0
    for case in made:
        content = name.encode() + case.values.tobytes() + str(case.days[0]).encode()
        kept = None if cache is None else cache / "anomalies" / f"{hashlib.sha1(content).hexdigest()}.npy"
        if kept is not None and kept.exists():
            *result, spent = np.load(kept)
        else:
            begun = time.process_time()
            result = peer(_filled(case), case.days, case.holidays, case.first)
            result = np.where(np.isnan(case.values[case.first :]), 0.0, result)
            spent = time.process_time() - begun
            if kept is not None:
                kept.parent.mkdir(parents=True, exist_ok=True)
                np.save(kept, np.append(result, spent))
        scores.append(np.asarray(result))
        seconds += spent
    return scores, seconds


def _filled(case: Case) -> Floats:
    """Values without gaps, as the peers need them: a missing day as its weekday before, else 0."""
    values = pd.Series(case.values)
    filled = values.groupby(np.arange(len(values)) % 7).ffill().fillna(0.0)
    return np.asarray(filled, dtype=np.float64)


def detected(made: Sequence[Case], books: Mapping[str, pd.DataFrame] | None = None) -> list[Flags]:
    """The alarms of `ml.anomalies.detect` at its defaults, one call for each data set and copy, as in daily use."""
    flags: dict[int, Flags] = {}
    calls: dict[tuple[str, int], list[int]] = {}
    for place, case in enumerate(made):
        calls.setdefault((case.group, case.copy), []).append(place)
    for (group, _), places in calls.items():
        days, first = made[places[0]].days, made[places[0]].first
        parts = [pd.DataFrame({"series_id": made[k].series, "day": days, "value": made[k].values}) for k in places]
        table = detect(
            pd.concat(parts).dropna(),
            start=days[first],
            as_of=days[-1],
            holidays=pd.DataFrame({"day": made[places[0]].holidays, "name": ""}),
            on_hand=None if books is None else books[group],
        )
        told = table[table["is_anomaly"] & (table["pattern"] != "missing")]
        for k in places:
            flags[k] = np.asarray(days[first:].isin(told.loc[told["series_id"] == made[k].series, "day"]))
    return [flags[k] for k in range(len(made))]


def run(data: Sequence[DataSet], *, cache: Path | None = None) -> tuple[pd.DataFrame, str]:
    """One row a method (peers at the threshold that serves each best), and what else was measured."""
    made = cases(data)
    begun = time.process_time()
    rows = {"**detect**": measured(made, detected(made)) | {"seconds": time.process_time() - begun}}
    for name, (peer, thresholds) in PEERS.items():
        try:
            scores, seconds = peer_scores(name, peer, made, cache)
        except ImportError as error:
            rows[f"{name}: not installed ({error.name})"] = {}
            continue
        tried = {least: measured(made, [score > least for score in scores]) for least in thresholds}
        best = max(tried, key=lambda least: tried[least]["F1"] + tried[least]["F1_outliers_left_out"])
        rows[f"{name}, {best:g}"] = tried[best] | {"seconds": seconds}
    rng = np.random.default_rng(SEED)
    rows["always shouting"] = measured(made, [np.ones(SPAN, dtype=bool) for _ in made])
    rows["at random, 1 day in 100"] = measured(made, [rng.random(SPAN) < 0.01 for _ in made])
    rows["oracle that sees the clean series"] = measured(made, _seen(made))
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("method").round(2)
    counted = f"{sum(len(case.events) for case in made)} events in {len(data)} data sets"
    return table, "\n".join([counted, *_with_book(data)])


def _seen(made: Sequence[Case]) -> list[Flags]:
    """Alarms where a copy differs from its clean series by more than three robust deviations of weekly changes."""
    clean = {(case.group, case.series): case.values for case in made if not case.events}
    alarms = []
    for case in made:
        own = clean[case.group, case.series]
        weekly = own[7:] - own[:-7]
        spread = 1.4826 * np.nanmedian(np.abs(weekly)) / np.sqrt(2)
        alarms.append(np.nan_to_num(np.abs(case.values - own))[case.first :] > 3 * spread)
    return alarms


def _with_book(data: Sequence[DataSet]) -> list[str]:
    """F1 with and without the book, of the data sets that have one."""
    notes = []
    for each in data:
        if each.on_hand is None:
            continue
        made = cases([each])
        without, with_book = measured(made, detected(made)), measured(made, detected(made, {each.name: each.on_hand}))
        for figure in ("F1", "F1_outliers_left_out", "false_alarm_days", "delay"):
            notes.append(
                f"{each.name}, {figure}: {without[figure]:.2f} without the book, {with_book[figure]:.2f} with it"
            )
    return notes
