"""Volumes: the number of bookings as the cause of an amount that differs, where the detector found the amount alone.

A count has less spread than its amounts, but the detector judges each series by itself.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, LiteralString

import psycopg

from insights.organizations import Organization
from insights.severity_thresholds import ORDINARY_BOOKINGS
from sources.database import records

# The least part of an amount's relative change that its count shows as well, for the count to be the cause.
VOLUME_SHARE: Final = 0.7

SCORES: Final[LiteralString] = """
    select metric, dimension, member, day, value::float8, expected::float8 from ml.anomalies
    where org_id = %(org_id)s and day >= %(first)s and day <= %(as_of)s
        and metric = any(%(metrics)s) and member = any(%(members)s)
"""

Row = Mapping[str, Any]


def counts_behind_amounts(
    connection: psycopg.Connection, organization: Organization, metrics: Mapping[str, Row], rows: Sequence[Row]
) -> list[dict[str, Any]]:
    """Return an anomaly of the count for each amount in `rows` whose change is one of the number of bookings.

    The amount is the numerator and the count the denominator of a ratio in money. Amounts whose count is an anomaly
    in the same direction have none, nor have those that one or two bookings explain.
    """
    counts = {
        ratio["numerator"]: ratio["denominator"]
        for ratio in metrics.values()
        if ratio["unit"] == "money" and ratio["denominator"] in metrics
    }
    found = {(row["metric"], row["dimension"], row["member"], row["direction"]) for row in rows}
    amounts = [
        row
        for row in rows
        if row["metric"] in counts and row["pattern"] != "missing" and row["expected"] > 0
        and (counts[row["metric"]], row["dimension"], row["member"], row["direction"]) not in found
    ]  # fmt: skip
    if not amounts:
        return []
    parameters = {
        "org_id": organization.id,
        "as_of": organization.as_of,
        "first": min(row["started_on"] for row in amounts),
        "metrics": [counts[row["metric"]] for row in amounts],
        "members": [row["member"] for row in amounts],
    }
    scores = records(connection, SCORES, parameters)
    behind = []
    for row in amounts:
        own = (counts[row["metric"]], row["dimension"], row["member"])
        days = [
            each
            for each in scores
            if (each["metric"], each["dimension"], each["member"]) == own
            and row["started_on"] <= each["day"] <= row["day"]
        ]
        value, expected = (sum(each[side] for each in days) for side in ("value", "expected"))
        change = row["value"] / row["expected"] - 1
        is_ordinary = abs(value - expected) <= ORDINARY_BOOKINGS
        if change and expected > 0 and not is_ordinary and (value / expected - 1) / change >= VOLUME_SHARE:
            sides = {"value": value, "expected": expected, "lower": None, "upper": None}
            behind.append({**row, **metrics[own[0]], **sides})
    return behind
