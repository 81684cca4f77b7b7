"""Shortfalls: members that hardly get bookings while the others go on as usual, by their share of all bookings.

The detector compares each member with its own past days, whose spread holds the good and the bad weeks of the whole
business. Beside the bookings of the others, those of a member are a share that hardly varies.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, LiteralString

import numpy as np
import psycopg
from scipy.special import gammaincc

from insights.organizations import Organization
from ml.panel import Floats
from sources.database import records

METRIC: Final = "bookings_created"
DIMENSIONS: Final = ("service", "channel", "client_group")
WINDOWS: Final = np.arange(2, 29)  # days; those of a single day are left to the detector
BEFORE_DAYS: Final = 84  # in which the share is usual
LATELY_DAYS: Final = 28  # the last of them: what was given up before is no shortfall
LEAST_BEFORE: Final = 20  # bookings in them
LEAST_OTHERS: Final = 0.1  # of all bookings, for a member to be compared with the others
LARGEST_LEFT: Final = 0.2  # of the bookings that the share makes expected
# Of all members of a day together, each with its part of it: by chance something is told twice a year (0.04 a week in
# 409 weeks of eight made businesses without incidents, which have ten members each; with 0.05 it is 0.10).
CHANCE: Final = 0.02

COUNTS: Final[LiteralString] = """
    select kpis.dimension, kpis.member, max(members.member_name) as member_name,
        array_agg(%(as_of)s::date - kpis.day) as ago, array_agg(kpis.value::float8) as bookings
    from marts.kpi_daily as kpis
    left join marts.dim_member as members
        on members.org_id = kpis.org_id and members.dimension = kpis.dimension and members.member = kpis.member
    where kpis.org_id = %(org_id)s and kpis.metric = %(metric)s and kpis.dimension = any(%(dimensions)s)
        and kpis.day <= %(as_of)s and kpis.day > %(as_of)s::date - %(days)s
    group by kpis.dimension, kpis.member
    order by kpis.dimension, kpis.member
"""

Row = Mapping[str, Any]


def with_shortfalls(
    connection: psycopg.Connection,
    organization: Organization,
    metrics: Mapping[str, Row],
    rows: Sequence[dict[str, Any]],
) -> list[dict[str, Any]]:
    """Return `rows` with an anomaly of the bookings of each member that gets far fewer than its share.

    It is marked by `is_by_rows`, and replaces that of the detector, which follows a fall of some days.
    """
    if METRIC not in metrics:
        return list(rows)
    days = int(WINDOWS.max()) + BEFORE_DAYS
    parameters = {
        "org_id": organization.id,
        "as_of": organization.as_of,
        "metric": METRIC,
        "dimensions": ["total", *DIMENSIONS],
        "days": days,
    }
    counts: dict[str, list[tuple[Row, Floats]]] = defaultdict(list)
    for row in records(connection, COUNTS, parameters):
        by_day = np.zeros(days)
        by_day[row["ago"]] = row["bookings"]
        counts[row["dimension"]].append((row, by_day))
    if "total" not in counts:
        return list(rows)
    ((_, whole),) = counts.pop("total")
    judged = sum(len(members) for members in counts.values())
    found = []
    for member, own in (each for members in counts.values() for each in members):
        shortfall = _shortfall(own, whole, CHANCE / judged)
        if shortfall:
            found.append(
                {
                    **metrics[METRIC], **shortfall, "is_by_rows": True, "metric": METRIC,
                    "dimension": member["dimension"], "member": member["member"],
                    "member_name": member["member_name"] or member["member"], "day": organization.as_of,
                    "started_on": organization.as_of - timedelta(days=shortfall["length"] - 1), "direction": "down",
                    "severity": "medium", "pattern": "level_shift", "lower": None, "upper": None,
                    "flagged_days": shortfall["length"],
                }
            )  # fmt: skip
    told = {(each["dimension"], each["member"]) for each in found}
    return [
        row for row in rows
        if (row["metric"], row["direction"]) != (METRIC, "down") or (row["dimension"], row["member"]) not in told
    ] + found  # fmt: skip


def _shortfall(own: Floats, whole: Floats, chance: float) -> dict[str, Any] | None:
    """Return length, value and expected of the least likely window up to today, if it is unlikely enough.

    own, whole: bookings of the member and of all, by days ago. What is expected follows from the bookings of the others
    and the member's share of them, or is what the member usually gets if that is less: a rush of the others is no
    shortfall. The number is a Poisson one; where those of the days before vary by more, bookings count in groups.
    """
    own_sum, whole_sum = (np.append(0.0, counts.cumsum()) for counts in (own, whole))
    value = own_sum[WINDOWS]
    before, before_total, lately, lately_total = (
        sums[WINDOWS + span] - sums[WINDOWS] for span in (BEFORE_DAYS, LATELY_DAYS) for sums in (own_sum, whole_sum)
    )
    share = np.minimum(before / np.maximum(before_total, 1), lately / np.maximum(lately_total, 1))
    beside = (whole_sum[WINDOWS] - value) * share / np.maximum(1 - share, LEAST_OTHERS)
    expected = np.minimum(beside, [_usual(own, int(window)) for window in WINDOWS])
    is_judged = (before >= LEAST_BEFORE) & (share <= 1 - LEAST_OTHERS) & (value <= LARGEST_LEFT * expected)
    if not is_judged.any():
        return None
    group = np.array([_group(own[w : w + BEFORE_DAYS], whole[w : w + BEFORE_DAYS]) for w in WINDOWS])
    chances = np.where(is_judged, gammaincc(value / group + 1, np.maximum(expected, 1e-9) / group), 1.0)
    best = int(chances.argmin())
    if chances[best] > chance:
        return None
    return {"length": int(WINDOWS[best]), "value": float(value[best]), "expected": float(expected[best])}


def _usual(counts: Floats, window: int) -> float:
    """Return the sum of the window's days as they usually are: the means of the same weekdays before it."""
    weekdays = counts[window : window + BEFORE_DAYS].reshape(-1, 7).mean(axis=0)
    return float(weekdays[(np.arange(window) - window) % 7].sum())


def _group(own: Floats, whole: Floats) -> float:
    """Return how much more a member's numbers of single days vary than binomial ones; at least 1."""
    share = own.sum() / max(whole.sum(), 1.0)
    variance = float(whole.sum() * share * (1 - share))
    return max(1.0, float(((own - share * whole) ** 2).sum()) / variance) if variance > 0 else 1.0
