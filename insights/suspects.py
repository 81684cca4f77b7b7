"""Suspects: days of totals that the detector finds unlikely without flagging them, and that chance would not make.

The tails of the detector follow all of a series' past, and after some incidents they are wide. A day that is beyond all
but one in a hundred of them, and far beyond the ordinary spread of the last weeks, is an anomaly all the same.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final, LiteralString

import psycopg

from insights.members import BEFORE_DAYS, chance_of, unit_of
from insights.organizations import Organization
from sources.database import records

SCORE: Final = 2.0  # of ml.anomalies: a chance of one in a hundred
# Of some ten totals a day once in years, if the spread of the days is that of units; on 96 days of four made businesses
# it marked one day, of a campaign.
CHANCE: Final = 1e-4

TOTALS: Final[LiteralString] = """
    select metric, day, value::float8 from marts.kpi_daily
    where org_id = %(org_id)s and day >= %(first)s and day <= %(as_of)s
        and metric = any(%(metrics)s) and dimension = 'total'
"""

Row = Mapping[str, Any]


def with_suspects(
    connection: psycopg.Connection, organization: Organization, metrics: Mapping[str, Row], scored: Sequence[Row]
) -> list[Row]:
    """Return the scored days of series, where those of totals that chance would not make are anomalies too."""
    suspects = [row for row in scored if _is_suspect(row, metrics)]
    if not suspects:
        return list(scored)
    parameters = {
        "org_id": organization.id,
        "as_of": organization.as_of,
        "first": min(row["day"] for row in suspects) - timedelta(days=BEFORE_DAYS),
        "metrics": [row["metric"] for row in suspects],
    }
    figures: dict[str, dict[date, float]] = defaultdict(dict)
    for each in records(connection, TOTALS, parameters):
        figures[each["metric"]][each["day"]] = each["value"]
    return [
        _judged(organization, row, metrics, figures[row["metric"]]) if _is_suspect(row, metrics) else row
        for row in scored
    ]


def _is_suspect(row: Row, metrics: Mapping[str, Row]) -> bool:
    is_sum = row["metric"] in metrics and metrics[row["metric"]]["kind_of_metric"] == "sum"
    return bool(is_sum and row["dimension"] == "total" and not row["is_anomaly"] and row["score"] >= SCORE)


def _judged(organization: Organization, row: Row, metrics: Mapping[str, Row], figures: Mapping[date, float]) -> Row:
    """Return a suspect day as an anomaly if chance would not make it, else as it is."""
    direction = "up" if row["value"] > row["expected"] else "down"
    day = {**metrics[row["metric"]], **row, "direction": direction, "started_on": row["day"]}
    if chance_of(day, unit_of(organization, day, figures)) > CHANCE:
        return row
    pattern = "spike" if direction == "up" else "dropout"
    return {**row, "is_anomaly": True, "direction": direction, "severity": "medium", "pattern": pattern}
