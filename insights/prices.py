"""Prices: services whose bookings cost more or less since a day, by the amounts of the single bookings.

The detector judges an average of each day, and four bookings of a day say little by their average. All bookings of a
service together tell a changed price on its second day.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, LiteralString

import numpy as np
import pandas as pd
import psycopg
from scipy.stats import t

from insights.organizations import Organization
from ml.panel import Floats
from sources.database import records

METRIC: Final = "average_booking_value"
WINDOW_DAYS: Final = 28  # the change began at most this many days ago
BEFORE_DAYS: Final = 56  # with which the days since then are compared
LATELY_DAYS: Final = 14  # the last of them: a drift of the prices shows in them already
LEAST_CLIENTS: Final = 4  # since the change
LEAST_BEFORE: Final = 20
LEAST_CHANGE: Final = 0.2  # of the geometric mean: smaller ones are options and discounts
LARGEST_SPREAD: Final = 0.5  # of the logarithms: beyond it the length or size of a booking makes its amount
LATELY_SHARE: Final = 0.6  # of the change, that must be one against the last days before as well
LEAST_VARIANCE: Final = 1e-4  # of the logarithms: fixed prices
CHANCE: Final = 1e-5  # of ten to twenty services and as many first days: once in some years

AMOUNTS: Final[LiteralString] = """
    select services.service_id::text as member, services.service_name as member_name, max(bookings.created_day) as day,
        sum(bookings.total_amount)::float8 as sum, count(*)::int as bookings,
        avg(ln(bookings.total_amount))::float8 as log
    from marts.fct_bookings as bookings
    inner join marts.dim_service as services on services.service_id = bookings.service_id
    where bookings.org_id = %(org_id)s and bookings.is_in_own_currency and bookings.total_amount > 0
        and bookings.created_day <= %(as_of)s and bookings.created_day > %(as_of)s::date - %(days)s
    group by services.service_id, services.service_name, bookings.client_id,
        (%(as_of)s::date - bookings.created_day) / 7
"""

Row = Mapping[str, Any]
Sums = Mapping[str, Floats]


def with_changed_prices(
    connection: psycopg.Connection,
    organization: Organization,
    metrics: Mapping[str, Row],
    rows: Sequence[dict[str, Any]],
) -> list[dict[str, Any]]:
    """Return `rows` with an anomaly of the average booking value for each service with a changed price.

    It is marked by `is_by_rows`, and replaces that of the detector, whose money says little of such a price.
    """
    if METRIC not in metrics:
        return list(rows)
    days = WINDOW_DAYS + BEFORE_DAYS
    amounts = pd.DataFrame(
        records(connection, AMOUNTS, {"org_id": organization.id, "as_of": organization.as_of, "days": days})
    )
    if amounts.empty:
        return list(rows)
    amounts["ago"] = [(organization.as_of - day).days for day in amounts["day"]]
    changed = []
    for (member, name), own in amounts.groupby(["member", "member_name"]):
        change = _change(own, days)
        if change:
            started_on = organization.as_of - timedelta(days=change["length"] - 1)
            changed.append(
                {
                    **metrics[METRIC], **change, "is_by_rows": True, "metric": METRIC, "dimension": "service",
                    "member": member, "member_name": name, "day": organization.as_of, "started_on": started_on,
                    "severity": "medium", "pattern": "level_shift", "lower": None, "upper": None,
                    "flagged_days": change["length"],
                }
            )  # fmt: skip
    told = {(each["metric"], each["member"], each["direction"]) for each in changed}
    return [row for row in rows if (row["metric"], row["member"], row["direction"]) not in told] + changed


def _change(amounts: pd.DataFrame, days: int) -> dict[str, Any] | None:
    """Return the likeliest change of the amounts of a service; None if there is none.

    The logarithms since the first day are compared with those before it by Student's t, where the bookings of a client
    in a week count once; their variance is enlarged by as much as the days before differ more than their bookings do.
    """
    ago = amounts["ago"].to_numpy()
    sums = {
        name: np.append(0.0, np.bincount(ago, weights=weights, minlength=days).cumsum())
        for name, weights in (
            ("clients", np.ones(len(ago))), ("log", amounts["log"]), ("square", amounts["log"] ** 2),
            ("bookings", amounts["bookings"]), ("sum", amounts["sum"]),
        )
    }  # fmt: skip
    clients, logs = np.diff(sums["clients"]), np.diff(sums["log"])
    daily = np.divide(logs**2, clients, out=np.zeros(days), where=clients > 0)
    sums |= {"daily": np.append(0.0, daily.cumsum()), "days": np.append(0.0, (clients > 0).cumsum())}
    lengths = np.arange(1, WINDOW_DAYS + 1)
    now = {name: total[lengths] for name, total in sums.items()}
    before = {name: total[lengths + BEFORE_DAYS] - total[lengths] for name, total in sums.items()}
    lately = {name: total[lengths + LATELY_DAYS] - total[lengths] for name, total in sums.items()}
    chances = _chances(now, before, lately)
    best = int(chances.argmin())
    if chances[best] > CHANCE:
        return None
    value, expected = (float(side["sum"][best] / side["bookings"][best]) for side in (now, before))
    return {
        "length": best + 1, "value": value, "expected": expected,
        "direction": "up" if value > expected else "down",
    }  # fmt: skip


def _chances(now: Sums, before: Sums, lately: Sums) -> Floats:
    """Return the chance of so large a difference of the mean logarithms; 1 where it is too small or too few."""
    few = np.maximum(before["clients"], 2)
    mean = before["log"] / few
    change = now["log"] / np.maximum(now["clients"], 1) - mean
    of_lately = np.where(lately["clients"] > 0, lately["log"] / np.maximum(lately["clients"], 1), mean)
    variance = (before["square"] - few * mean**2) / (few - 1)
    between = (before["daily"] - few * mean**2) / np.maximum(before["days"] - 1, 1)
    spread = np.maximum(np.maximum(variance, between), LEAST_VARIANCE) * (1 / np.maximum(now["clients"], 1) + 1 / few)
    chance = 2 * t.sf(np.abs(change) / np.sqrt(spread), few - 1)
    is_judged = (
        (now["clients"] >= LEAST_CLIENTS)
        & (before["clients"] >= LEAST_BEFORE)
        & (variance <= LARGEST_SPREAD**2)
        & (np.abs(change) >= np.log1p(LEAST_CHANGE))
        & ((mean + change - of_lately) * np.sign(change) >= LATELY_SHARE * np.abs(change))
    )
    return np.asarray(np.where(is_judged, chance, 1.0))
