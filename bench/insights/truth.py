"""The daily figures of a world, and the effect of each incident on them: the figures with it less those without it."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np
import pandas as pd

from bench.insights.incidents import DAY, SORTS, Incident
from bench.insights.simulation import NEVER, Business, World, build

KEYS: Final = ["metric", "dimension", "member"]
USUAL_DAYS: Final = 56  # before the incident: the usual day
SCALE_DAYS: Final = 84  # before it: the robust deviation from the median of the same weekday
LEAST_SHARE: Final = 0.3  # of a usual day
LEAST_DEVIATIONS: Final = 3.0
EPOCH: Final = date(1970, 1, 1)
ON_HAND_DAYS: Final = 28  # of the metric revenue_on_hand
LEAD_EDGES: Final = (1, 4, 8, 31)
LEAD_BUCKETS: Final = ("same day", "1-3 days", "4-7 days", "8-30 days", "over 30 days")


@dataclass(frozen=True)
class Truth:
    """An incident with its effects. effects: day -> effect by (metric, dimension, member)."""

    business: Business
    incident: Incident
    effects: pd.DataFrame  # index KEYS, columns days since 1970-01-01
    onset: int | None  # the first day on which the effect is large enough to be told; None: on no day
    root: tuple[str, str, str] | None  # metric, dimension and member on which it is
    deviations: float  # largest effect of a root on a day, in robust deviations

    def effect(self, metric: str, dimension: str, member: str, first: int, last: int) -> float:
        """Return the sum of the effects on a series over days; 0 for a series without one."""
        key = (metric, dimension, member)
        if key not in self.effects.index:
            return 0.0
        return float(self.effects.loc[key, first:last].sum())


def daily(business: Business, world: World) -> pd.DataFrame:
    """Return the figures of a world: index KEYS, one column per day; members are named, ratios are left out."""
    kind, bookings = business.kind, world.bookings
    labels = {
        "service": np.array([service.name for service in kind.services])[bookings["service"]],
        "client_group": np.array(list(kind.groups))[bookings["group"]],
        "channel": np.array(list(kind.channels))[bookings["channel"]],
    }
    if kind.providers:
        labels["provider"] = np.array([f"Provider {n + 1}" for n in range(kind.providers)])[bookings["provider"]]
    leads = bookings["start"] // DAY - bookings["created"] // DAY
    labels["lead_bucket"] = np.array(LEAD_BUCKETS)[np.searchsorted(LEAD_EDGES, leads, side="right")]
    labels["service_weekday"] = ((bookings["start"] // DAY + 3) % 7 + 1).astype(str).to_numpy()
    members = pd.DataFrame({"total": "all", **labels}, index=bookings.index)
    ended = bookings[bookings["cancelled"] < NEVER]
    firm = bookings[bookings["cancelled"] == NEVER]
    done = bookings[bookings["completed"] < NEVER]
    invoices, payments, hours = world.invoices, world.payments, world.hours
    fails = payments[payments["retried"] < NEVER]
    collected = np.minimum(payments["attempted"].where(payments["retried"] == NEVER, NEVER), payments["retried"])
    one = 1.0
    rows = [
        ("bookings_created", bookings.index, bookings["created"], one),
        ("booked_revenue", bookings.index, bookings["created"], bookings["amount"]),
        ("bookings_completed", done.index, done["completed"], one),
        ("bookings_cancelled", ended.index, ended["cancelled"], one),
        ("cancelled_amount", ended.index, ended["cancelled"], ended["amount"]),
        ("no_shows", *_of(ended[ended["is_missed"]], "cancelled"), one),
        ("realized_revenue", firm.index, firm["start"], firm["amount"]),
        ("booked_hours", firm.index, firm["start"], firm["hours"]),
        ("services_booked", bookings.index, bookings["start"], one),
        ("services_cancelled", *_of(ended[~ended["is_missed"]], "start"), one),
        ("services_due", *_of(bookings[(bookings["cancelled"] == NEVER) | bookings["is_missed"]], "start"), one),
        ("services_missed", *_of(ended[ended["is_missed"]], "start"), one),
        ("invoiced_revenue", invoices["booking"], invoices["issued"], invoices["amount"]),
        ("collected_revenue", payments["booking"], collected, payments["amount"]),
        ("failed_payments", fails["booking"], fails["attempted"], one),
        ("tracked_hours", hours["booking"], hours["started"], hours["hours"]),
    ]
    frames = []
    for metric, booking, moment, value in rows:
        frame = members.loc[booking].assign(
            metric=metric, day=np.asarray(moment, dtype=np.int64) // DAY, value=np.asarray(value, dtype=float)
        )
        frames.append(frame)
    figures = pd.concat(frames, ignore_index=True)
    figures = figures[figures["day"].between(business.first, business.last)]
    summed = [
        figures.groupby(["metric", dimension, "day"], as_index=False)["value"].sum()
        .rename(columns={dimension: "member"}).assign(dimension=dimension)
        for dimension in members
    ]  # fmt: skip
    wide = pd.concat(summed).pivot_table(index=KEYS, columns="day", values="value", aggfunc="sum", fill_value=0.0)
    wide = wide.reindex(columns=range(business.first, business.last + 1), fill_value=0.0)
    return pd.concat([wide, *(_on_hand(business, bookings, members[dimension]) for dimension in members)])


def _on_hand(business: Business, bookings: pd.DataFrame, member: pd.Series) -> pd.DataFrame:
    """Return the value on hand at the end of each day for the next ON_HAND_DAYS, by member; index KEYS."""
    last = business.last + 1
    names, place = np.unique(member.to_numpy(dtype=str), return_inverse=True)
    changes = np.zeros((len(names), last - business.first + 1))
    created, gone = bookings["created"] // DAY, bookings["cancelled"].clip(upper=last * DAY) // DAY
    moved = bookings["moved_at"].clip(upper=last * DAY) // DAY
    spans = (
        (bookings["start_before"] // DAY, created, np.minimum(moved, gone)),
        (bookings["start"] // DAY, moved, gone.where(moved < last, 0)),
    )
    for start, since, until in spans:
        begins, ends = np.maximum(since, start - ON_HAND_DAYS), np.minimum(until, start)
        amount = bookings["amount"].where(begins < ends, 0.0)
        for days, sign in ((begins, 1), (ends, -1)):
            np.add.at(changes, (place, (days - business.first).clip(0, changes.shape[1] - 1)), sign * amount)
    index = pd.MultiIndex.from_tuples([("revenue_on_hand", member.name, name) for name in names], names=KEYS)
    return pd.DataFrame(changes.cumsum(axis=1)[:, :-1], index=index, columns=range(business.first, last))


def _of(frame: pd.DataFrame, moment: str) -> tuple[pd.Index, pd.Series]:
    return frame.index, frame[moment]


def truths(business: Business) -> tuple[World, pd.DataFrame, list[Truth]]:
    """Return what happens, the effects of all incidents together, and the truth of each incident."""
    world = build(business, business.incidents)
    figures = daily(business, world)
    everything = _difference(figures, daily(business, build(business, [])))
    found = []
    for incident in business.incidents:
        others = [other for other in business.incidents if other is not incident]
        without = daily(business, build(business, others))
        found.append(_truth(business, incident, _difference(figures, without), without))
    return world, everything, found


def _difference(figures: pd.DataFrame, without: pd.DataFrame) -> pd.DataFrame:
    difference = figures.sub(without, fill_value=0.0)
    return difference[(difference.abs() > 1e-9).any(axis=1)]


def _truth(business: Business, incident: Incident, effects: pd.DataFrame, without: pd.DataFrame) -> Truth:
    """Return the truth with the first day whose effect on a root, in total or of the member, is large enough."""
    sort = SORTS[incident.sort]
    levels = [("total", "all")]
    if sort.driver in ("service", "provider") and incident.member:
        levels.append((sort.driver, incident.member))
    best: tuple[int, tuple[str, str, str]] | None = None
    largest = 0.0
    for metric in (*sort.roots, *([sort.ratio] if sort.ratio else [])):
        for level in levels:
            key, usually, effect = _series(effects, without, metric, level)
            usual, scale = _usual(usually, incident.first)
            window = effect.loc[incident.first : incident.last].abs()
            share, deviations = window / max(usual, 1e-9), window / scale
            largest = max(largest, float(deviations.max()))
            is_large = (share >= LEAST_SHARE) & (deviations >= LEAST_DEVIATIONS)
            if is_large.any() and (best is None or int(is_large.idxmax()) < best[0]):
                best = int(is_large.idxmax()), key
    return Truth(business, incident, effects, best and best[0], best and best[1], largest)


def _series(
    effects: pd.DataFrame, without: pd.DataFrame, metric: str | tuple[str, str], level: tuple[str, str]
) -> tuple[tuple[str, str, str], pd.Series, pd.Series]:
    """Return the key of a metric or a ratio, its figures without the incident, and the effect."""
    if isinstance(metric, str):
        key = (metric, *level)
        zeros = pd.Series(0.0, index=without.columns)
        return (
            key,
            without.loc[key] if key in without.index else zeros,
            effects.loc[key] if key in effects.index else zeros,
        )
    (_, above, above_effect), (_, below, below_effect) = (_series(effects, without, part, level) for part in metric)
    usually = above / below.where(below > 0)
    with_it = (above + above_effect) / (below + below_effect).where(below + below_effect > 0)
    return (metric[0], *level), usually, with_it - usually


def _usual(figures: pd.Series, first: int) -> tuple[float, float]:
    """Return the mean of a day before `first`, and the robust deviation from the median of the same weekday.

    Of a count that is mostly zero the deviation is at least that of a Poisson count.
    """
    past = figures.loc[first - SCALE_DAYS : first - 1].dropna()
    weekdays = (past.index.to_numpy(dtype=int) + 3) % 7
    residuals = past - past.groupby(weekdays).transform("median")
    usual = float(past.iloc[-USUAL_DAYS:].mean())
    spread = 1.4826 * float(residuals.abs().median())
    is_count = bool((past == past.round()).all())
    least = max(1.0, np.sqrt(usual)) if is_count else 0.3 * float(residuals.std())
    return usual, max(spread, least, 1e-9)


def as_day(number: int) -> date:
    """Return the day of a number of days since 1970-01-01."""
    return EPOCH + timedelta(number)
