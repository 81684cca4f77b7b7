"""Feedback: what people said about insights decides whether the same alarm is raised again.

A dismissal as wrong or not interesting raises the bar of that metric, member and direction: the alarm is raised again
only if it is 1.5 times as large as the largest one that was dismissed, after a second dismissal 2.25 times, and so on.
What a dismissal adds to the bar fades with a half-life of 90 days. A dismissal as expected asks for 1.5 times, however
often it is repeated. `Useful` lowers a bar that dismissals raised, and never goes below the detector's own: without a
dismissal there is no bar. A known event raises none: its days are in app.calendar_events.

Time is that of the runs, so that feedback on past days fades in their time. Undone feedback has no effect.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import psycopg

from insights.continuity import identity
from insights.findings import Finding
from insights.organizations import Organization
from insights.sizes import Size, size_of
from sources.database import records

RAISED: Final = 1.5  # times the dismissed size, for each dismissal
# An anomaly's size differs by weekday: its share of the expected figure has to be larger too (as in events.py).
RAISED_SHARE: Final = 1.25
HALF_LIFE: Final = timedelta(days=90)
FORGOTTEN_AFTER: Final = 3 * HALF_LIFE  # what is left of a dismissal then is an eighth
LOWERED: Final = 0.5  # of a dismissal, for each time that the alarm was useful

REPEATABLE: Final = ("wrong", "not_interesting", "not_useful")  # a repeated dismissal raises the bar again


@dataclass(frozen=True)
class Bar:
    """What an alarm has to reach to be raised again: `times` the size `of` the largest dismissed one."""

    of: Size
    times: float
    share_times: float


def after_feedback(
    connection: psycopg.Connection, organization: Organization, findings: Sequence[Finding]
) -> list[Finding]:
    """Return the findings; those below the bar that people's feedback raised open no event."""
    bars = bars_of(connection, organization)
    return [
        {**finding, "opens": False} if _is_below(finding, bars.get(identity(finding))) else finding
        for finding in findings
    ]


def bars_of(connection: psycopg.Connection, organization: Organization) -> dict[str, Bar]:
    """Return the bars that hold at the organisation's as_of, by the identity of findings."""
    rows = records(
        connection,
        """
        select kind, metric, dimension, member, direction, reason, size, share, is_size_money, as_of
        from app.insight_feedback
        where org_id = %(org_id)s and undone_at is null and as_of > %(since)s and reason <> 'known_event'
        order by as_of, id
        """,
        {"org_id": organization.id, "since": organization.as_of_at - FORGOTTEN_AFTER},
    )
    by_identity: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_identity.setdefault(identity(row), []).append(row)
    bars = {key: _bar(of_one, organization.as_of_at) for key, of_one in by_identity.items()}
    return {key: bar for key, bar in bars.items() if bar}


def _bar(feedback: Sequence[Mapping[str, Any]], at: datetime) -> Bar | None:
    """Return the bar that the feedback on one kind of alarm raised; None where nothing of it was dismissed."""
    dismissed = [row for row in feedback if row["reason"] != "useful" and row["size"] is not None]
    if not dismissed:
        return None
    largest = max(dismissed, key=lambda row: (bool(row["is_size_money"]), row["size"]))
    repeated = sum(_weight(row, at) for row in dismissed if row["reason"] in REPEATABLE)
    expected = max((_weight(row, at) for row in dismissed if row["reason"] == "expected"), default=0.0)
    useful = sum(_weight(row, at) for row in feedback if row["reason"] == "useful")
    exponent = max(max(repeated, expected) - LOWERED * useful, 0.0)
    size = Size(float(largest["size"]), largest["share"], bool(largest["is_size_money"]))
    return Bar(size, RAISED**exponent, RAISED_SHARE**exponent)


def _weight(row: Mapping[str, Any], at: datetime) -> float:
    """Return what is left of the feedback: 1 at first, halved after each half-life."""
    age: timedelta = max(at - row["as_of"], timedelta())
    return float(0.5 ** (age / HALF_LIFE))


def _is_below(finding: Finding, bar: Bar | None) -> bool:
    size = size_of(finding)
    if bar is None or not size.is_comparable(bar.of):
        return False
    return not size.exceeds(bar.of, bar.times, bar.share_times if finding["kind"] == "anomaly" else None)
