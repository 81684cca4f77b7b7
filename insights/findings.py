"""Findings: what a rule returns for an organisation, and the columns that an insight event keeps of it."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import pandas as pd
import psycopg

from insights.organizations import Organization

# The metrics of the work that is done, of a provider or of all.
WORK: Final = ("tracked_hours", "booked_hours", "realized_revenue", "bookings_completed")
BY_TIME: Final = (
    "service_weekday",
    "lead_bucket",
)  # dimensions by time; their members share bookings with those of the others
CLOSED_DAYS: Final = 3  # unusual days at most this far apart are one incident: a weekend lies between them
NAMED_DRIVERS: Final = 3  # in an event and its texts: the largest ones

# kind, severity, metric, dimension, member, direction, started_on, day, title, summary, value, expected, lower, upper,
# impact, drivers, recommendation, pattern, effects, facts, actions: the columns of app.insight_events. opens: False if
# it opens no event and only keeps an open one from being resolved.
# effects: what the same cause moved, mappings with metric, label, dimension, member_name, value, expected, impact and
# sentence. facts: sentences known beside it. actions: what to do and for whom, mappings with text and, where they
# apply, link and impact (money).
Finding = Mapping[str, Any]
# Returns all current findings of its kind; None if the data do not allow a judgement.
Rule = Callable[[psycopg.Connection, Organization], list[Finding] | None]


def named_drivers(members: pd.DataFrame, dimension: str) -> list[dict[str, Any]]:
    """Return the first NAMED_DRIVERS members (member_name, value, expected, contribution) as the column `drivers`."""
    return [
        {
            "dimension": dimension,
            "member_name": str(row["member_name"]),
            **{name: round(float(row[name]), 2) for name in ("value", "expected", "contribution")},
        }
        for row in members.head(NAMED_DRIVERS).to_dict("records")
    ]
