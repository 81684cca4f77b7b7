"""Judgement of what an organisation was told, and of a plain z-score, against the truth."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

import numpy as np
import pandas as pd

from bench.insights.incidents import SORTS
from bench.insights.truth import EPOCH, Truth, as_day

Event = dict[str, Any]

EARLY_DAYS: Final = 3  # the beginning that an insight states may be this much too early
EXPLAINED: Final = 0.3  # least share of a claimed difference that an incident explains
AFTERMATH_DAYS: Final = 14
MONEY_WITHIN: Final = 0.2
USUAL_WEEKS: Final = 8  # whose same weekdays give the peer of the money
FORECAST_DAYS: Final = 28
FORECAST_SHARE: Final = 0.5  # of a forecast change that has to come true
SEVERITIES: Final = ("critical", "high", "medium", "low")
# Kinds that claim a deviation, which the truth confirms or not. The others say what is the case, as of open invoices.
CLAIMING: Final = ("anomaly", "forecast", "pace", "revenue")
DIMENSIONS: Final = ("total", "service", "provider", "client_group", "channel", "service_weekday", "lead_bucket")
STOCKS: Final = ("revenue_on_hand",)
Z_DAYS: Final = 14
Z_LIMIT: Final = 3.0


@dataclass(frozen=True)
class Course:
    """What one organisation was told. open: day -> events that stood open; is_measured: day -> False for a day of
    warming up, after a gap without runs; messages: day -> number."""

    number: int
    truths: list[Truth]
    figures: pd.DataFrame  # of the world, by KEYS and day
    effects: pd.DataFrame  # of all incidents together
    open: dict[int, list[Event]] = field(default_factory=dict)
    is_measured: dict[int, bool] = field(default_factory=dict)
    messages: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Claim:
    """A deviation that somebody claims: of a series on a day, and since when."""

    metric: str
    dimension: str
    member: str
    first: int
    day: int
    difference: float  # of the day
    value: float | None = None
    expected: float | None = None


def judge(course: Course, ratios: dict[str, tuple[str, str]], flags: list[Claim]) -> tuple[list[Event], list[Event]]:
    """Return one row for each incident of the days that were run, and one for each false or standing insight.

    flags: the claims of the z-score.
    """
    incidents = [row for truth in course.truths if (row := _judge_incident(course, truth, ratios, flags))]
    return incidents, _others(course, ratios, flags)


def _judge_incident(
    course: Course, truth: Truth, ratios: dict[str, tuple[str, str]], flags: list[Claim]
) -> Event | None:
    incident, sort = truth.incident, SORTS[truth.incident.sort]
    measured = [
        day for day, is_measured in sorted(course.is_measured.items())
        if is_measured and incident.first <= day <= incident.last + AFTERMATH_DAYS
    ]  # fmt: skip
    if not measured:
        return None
    # A slow incident may be large before the first run: its days are counted from there. One that is large on none of
    # the days that were run is a small one.
    onset = None if truth.onset is None else max(truth.onset, measured[0])
    is_eligible = onset in measured
    counted_from = onset if onset is not None and is_eligible else measured[0]
    days = [day for day in measured if day >= counted_from]
    before = {event["id"] for day in course.open if day < incident.first - EARLY_DAYS for event in course.open[day]}
    row: Event = {
        "business": truth.business.slug, "kind": truth.business.kind.name, "sort": incident.sort,
        "first": str(incident.first_day), "last": str(incident.last_day), "member": incident.member,
        "is_eligible": is_eligible, "counted_from": str(as_day(counted_from)),
        "deviations": round(truth.deviations, 1), "days": _unbroken(days), "told_on": None,
    }  # fmt: skip
    for day in days:
        told = [
            event for event in course.open[day]
            if event["id"] not in before and event["kind"] in CLAIMING and _is_about(course, truth, event, ratios)
        ]  # fmt: skip
        if told:
            row |= {"told_on": day - counted_from + 1, **_quality(course, truth, _leading(told), ratios)}
            row["others"] = [event["title"] for event in told if event is not _leading(told)]
            break
    own = [claim for claim in flags if claim.day >= incident.first and _explains(course, truth, claim, ratios)]
    own = [claim for claim in own if claim.day <= days[-1]]
    row["z_told_on"] = max(1, min(claim.day for claim in own) - counted_from + 1) if own else None
    row["z_root"] = own[0].metric in sort.roots if own else None
    row["z_driver"] = any(claim.member == incident.member for claim in own) if own and incident.member else None
    return row


def _unbroken(days: list[int]) -> int:
    """Return the number of measured days in a row from the first one."""
    return next((count for count, day in enumerate(days) if day != days[0] + count), len(days))


def _is_about(course: Course, truth: Truth, event: Event, ratios: dict[str, tuple[str, str]]) -> bool:
    claim = claim_of(event, ratios)
    if claim.first < truth.incident.first - EARLY_DAYS and event["kind"] == "anomaly":
        return False
    return _explains(course, truth, claim, ratios)


def _explains(course: Course, truth: Truth, claim: Claim, ratios: dict[str, tuple[str, str]]) -> bool:
    """Return True if the effect of the incident is a fair part of what is claimed."""
    incident = truth.incident
    if not incident.first <= claim.day <= incident.last + AFTERMATH_DAYS:
        return False
    return _is_explained(course.figures, truth.effects, claim, ratios) is True


def _is_explained(
    figures: pd.DataFrame, effects: pd.DataFrame, claim: Claim, ratios: dict[str, tuple[str, str]]
) -> bool | None:
    """Return whether these effects are a fair part of the claim; None where the truth does not know the series."""
    for first in (claim.day, claim.first):
        if claim.metric in ratios:
            effect = _ratio_effect(figures, effects, claim, ratios[claim.metric], first)
        else:
            effect = _sum(effects, claim, claim.metric, first)
            known = (claim.metric, "total", "all") in figures.index and claim.dimension in DIMENSIONS
            effect = effect / (claim.day - first + 1) if known else None
        if effect is None:
            return None
        if effect * claim.difference > 0 and abs(effect) >= EXPLAINED * abs(claim.difference):
            return True
    return False


def _sum(table: pd.DataFrame, claim: Claim, metric: str, first: int) -> float:
    key = (metric, claim.dimension, claim.member)
    return float(table.loc[key, first : claim.day].sum()) if key in table.index else 0.0


def _ratio_effect(
    figures: pd.DataFrame, effects: pd.DataFrame, claim: Claim, parts: tuple[str, str], first: int
) -> float | None:
    if any((part, "total", "all") not in figures.index for part in parts):
        return None
    above, below = (_sum(figures, claim, part, first) for part in parts)
    above_without, below_without = (
        total - _sum(effects, claim, part, first) for part, total in zip(parts, (above, below), strict=True)
    )
    return above / below - above_without / below_without if below > 0 and below_without > 0 else 0.0


def claim_of(event: Event, ratios: dict[str, tuple[str, str]]) -> Claim:
    """Return the deviation that an insight claims; of an anomaly's sum over several days the mean of a day."""
    parts = event["dedupe_key"].split("|")
    day = _number(event["day"])
    started = event.get("started_on") or parts[-1]
    first = min(day, _number(started)) if len(started) == len("2026-01-01") else day
    value, expected = event["value"], event["expected"]
    difference = value - expected if value is not None and expected is not None else 0.0
    if event.get("started_on") and event["kind"] == "anomaly" and event["metric"] not in (*ratios, *STOCKS):
        difference /= day - first + 1
    direction = event.get("direction") or (parts[4] if len(parts) > 5 else "")
    if not difference:
        difference = {"up": 1e-9, "down": -1e-9}.get(direction, 0.0)
    return Claim(event["metric"], event["dimension"], event["named"], first, day, difference, value, expected)


def _number(day: str) -> int:
    return (date.fromisoformat(day) - EPOCH).days


def _leading(events: Iterable[Event]) -> Event:
    """Return the insight that a reader meets first: the most severe one, then the one with the most money."""
    return min(events, key=lambda event: (SEVERITIES.index(event["severity"]), -abs(event["impact"] or 0)))


def _quality(course: Course, truth: Truth, event: Event, ratios: dict[str, tuple[str, str]]) -> Event:
    sort, member = SORTS[truth.incident.sort], truth.incident.member
    base = ratios.get(event["metric"], (event["metric"], ""))[0]
    day = _number(event["day"])
    money = abs(truth.effect(sort.money, "total", "all", truth.incident.first, day)) if sort.money else None
    peer = _beyond_weekdays(course, sort.money, truth.incident.first, day) if money else None
    claimed = abs(event["impact"]) if event["impact"] is not None else None
    text = " ".join(str(event.get(part) or "") for part in ("title", "summary", "named", "drivers", "facts", "effects"))
    return {
        "title": event["title"], "severity": event["severity"], "metric": event["metric"],
        "root": base in sort.roots, "driver": member in text if member else None,
        "money": money and round(money, 2), "claimed": claimed,
        "money_right": _is_near(claimed, money), "peer_money_right": _is_near(peer, money),
    }  # fmt: skip


def _is_near(claimed: float | None, money: float | None) -> bool | None:
    if not money:
        return None
    return claimed is not None and abs(claimed - money) <= MONEY_WITHIN * money


def _beyond_weekdays(course: Course, metric: str | None, first: int, day: int) -> float:
    """Return the difference of a total on the days since `first` from the means of the same weekdays before it.

    No expectation knows the chance that the figures without the incident hold: this shows how near one gets.
    """
    figures = course.figures.loc[(metric, "total", "all")]
    usual = sum(
        figures.reindex([each - 7 * ((each - first) // 7 + week) for week in range(1, USUAL_WEEKS + 1)]).mean()
        for each in range(first, day + 1)
    )
    return abs(float(figures.loc[first:day].sum()) - float(usual))


def _others(course: Course, ratios: dict[str, tuple[str, str]], flags: list[Claim]) -> list[Event]:
    """Return the insights that opened on a measured day and that no incident explains, and the standing ones."""
    seen: set[str] = set()
    rows = []
    for day in sorted(course.open):
        for event in course.open[day]:
            if event["id"] in seen or event["kind"] == "pipeline":
                continue
            seen.add(event["id"])
            if course.is_measured[day] and not (event["kind"] in CLAIMING and _is_true(course, event, day, ratios)):
                rows.append(_row(course, event, "false" if event["kind"] in CLAIMING else "standing", day))
    rows += [
        {"business": course.truths[0].business.slug, "kind": course.truths[0].business.kind.name, "verdict": "z-score",
         "day": str(as_day(claim.day)), "metric": claim.metric, "member": claim.member}
        for claim in flags
        if course.is_measured.get(claim.day) and not _is_known(course, claim, ratios)
        and not any(  # one of the day before is the same event
            (other.metric, other.member, other.day, other.difference > 0)
            == (claim.metric, claim.member, claim.day - 1, claim.difference > 0)
            for other in flags
        )
    ]  # fmt: skip
    return rows


def _row(course: Course, event: Event, verdict: str, day: int) -> Event:
    business = course.truths[0].business
    return {
        "business": business.slug, "kind": business.kind.name, "verdict": verdict, "day": str(as_day(day)),
        "insight": event["kind"], "severity": event["severity"], "metric": event["metric"], "member": event["named"],
        "title": event["title"], "summary": event["summary"],
    }  # fmt: skip


def _is_true(course: Course, event: Event, day: int, ratios: dict[str, tuple[str, str]]) -> bool:
    claim = claim_of(event, ratios)
    if (
        event["kind"] == "forecast"
        and claim.expected is not None
        and (claim.metric, claim.dimension, claim.member) in course.figures.index
    ):
        coming = course.figures.loc[(claim.metric, claim.dimension, claim.member)]
        change = float(coming.loc[day + 1 : day + FORECAST_DAYS].sum()) - claim.expected
        if change * claim.difference > 0 and abs(change) >= FORECAST_SHARE * abs(claim.difference):
            return True
    return _is_known(course, claim, ratios)


def _is_known(course: Course, claim: Claim, ratios: dict[str, tuple[str, str]]) -> bool:
    """Return True if the incidents explain the claim, or it concerns one's effects in its time or soon after."""
    explained = _is_explained(course.figures, course.effects, claim, ratios)
    if explained:
        return True
    for truth in course.truths:
        if truth.incident.first <= claim.day <= truth.incident.last + AFTERMATH_DAYS:
            metric = ratios.get(claim.metric, (claim.metric, ""))[0]
            first, last = truth.incident.first, claim.day
            is_touched = truth.effect(metric, claim.dimension, claim.member, first, last) != 0
            if explained is None or is_touched:
                return True
    return False


def z_score(figures: list[dict[str, Any]], first: int, last: int) -> list[Claim]:
    """Return the days of the watched totals and services beyond Z_LIMIT deviations of the Z_DAYS before."""
    if not figures:
        return []
    table = pd.DataFrame(figures)
    table["day"] = [(day - EPOCH).days for day in table["day"]]
    wide = table.pivot_table(index="day", columns=["metric", "dimension", "member"], values="value", aggfunc="sum")
    wide = wide.reindex(range(first, last + 1)).fillna(0.0)
    past = wide.shift(1).rolling(Z_DAYS)
    mean, deviation = past.mean(), past.std()
    z = (wide - mean) / deviation.where(deviation > 0, np.nan)
    claims = []
    for key in wide:
        for day in z.index[z[key].abs() > Z_LIMIT]:
            difference = float(wide.loc[day, key] - mean.loc[day, key])
            claims.append((abs(float(z.loc[day, key])), Claim(*key, int(day), int(day), difference)))
    return [claim for _, claim in sorted(claims, key=lambda pair: -pair[0])]
