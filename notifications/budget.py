"""The budget of alerts: at most some messages a person and week; what does not fit waits for the digest.

The week is a rolling one, in the time of the runs (`told_at`), so that runs of past days have the same budget. Failures
of the Hub itself are always sent and not counted: figures that are out of date make every other message worthless.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import psycopg

from notifications.routing import Route
from sources.database import records
from sources.insight_values import BOOKING_QUESTION, SEVERITIES, InsightOccasion

ALERTS_PER_WEEK: Final = 5  # of a channel that sets no number of its own
WEEK: Final = timedelta(days=7)
# A critical alert with more money at stake than any that was sent in the week goes beyond the budget, this often.
BEYOND_BUDGET: Final = 2
# A notice that something is over asks for nothing: it leaves room for this many alerts.
ROOM_FOR_ALERTS: Final = 2
SEVERITIES_OF_NOTICES: Final = ("critical", "high")  # the digest alone says that lesser ones are over


@dataclass
class _Week:
    """What a recipient got in the week: the number of messages, and the largest amount among them."""

    sent: int = 0
    largest: float = 0.0


def within_budget(
    connection: psycopg.Connection, routes: Sequence[Route], occasion: InsightOccasion, *, at: datetime
) -> list[Route]:
    """Return the routes that the recipients' budgets of the week up to `at` have room for.

    Critical insights come first, then those with the most money, then the more severe ones.
    """
    if not routes:
        return []
    insights = _insights(connection, {route.insight_id for route in routes})
    limits = _limits(connection, {route.channel_id for route in routes})
    weeks = _weeks(connection, routes, at)
    chosen = []
    for route in sorted(routes, key=lambda route: _rank(insights[route.insight_id])):
        insight, week = insights[route.insight_id], weeks[route.org_id, route.recipient]
        if not _is_failure(insight):
            if not _has_room(insight, week, limits[route.channel_id], occasion):
                continue
            week.sent += 1
            week.largest = max(week.largest, _money(insight))
        chosen.append(route)
    return chosen


def _has_room(insight: Mapping[str, Any], week: _Week, limit: int, occasion: InsightOccasion) -> bool:
    if occasion == "resolved":
        return insight["severity"] in SEVERITIES_OF_NOTICES and week.sent + ROOM_FOR_ALERTS < limit
    if week.sent < limit:
        return True
    is_exceptional = insight["severity"] == "critical" and _money(insight) > week.largest
    return limit > 0 and is_exceptional and week.sent < limit + BEYOND_BUDGET


def _rank(insight: Mapping[str, Any]) -> tuple[bool, float, int]:
    return insight["severity"] != "critical", -_money(insight), SEVERITIES.index(insight["severity"])


def _money(insight: Mapping[str, Any]) -> float:
    return abs(float(insight["impact"] or 0))


def _is_failure(insight: Mapping[str, Any]) -> bool:
    return bool(insight["kind"] == "pipeline" and insight["dimension"] != BOOKING_QUESTION)


def _insights(connection: psycopg.Connection, ids: Iterable[UUID | None]) -> dict[UUID | None, dict[str, Any]]:
    """Return the insights by id, with the severity that people were told."""
    rows = records(
        connection,
        """
        select id, kind, dimension, coalesce(told_severity, severity) as severity, impact
        from app.insight_events where id = any(%(ids)s)
        """,
        {"ids": list(ids)},
    )
    return {row["id"]: row for row in rows}


def _limits(connection: psycopg.Connection, channel_ids: Iterable[UUID]) -> dict[UUID, int]:
    rows = records(
        connection,
        """
        select id, coalesce(alerts_per_week, %(default)s) as alerts
        from app.notification_channels where id = any(%(ids)s)
        """,
        {"ids": list(channel_ids), "default": ALERTS_PER_WEEK},
    )
    return {row["id"]: row["alerts"] for row in rows}


def _weeks(connection: psycopg.Connection, routes: Sequence[Route], at: datetime) -> dict[tuple[UUID, str], _Week]:
    """Return the week of each recipient, over all channels of the organisation."""
    weeks = {(route.org_id, route.recipient): _Week() for route in routes}
    rows = records(
        connection,
        """
        select deliveries.org_id, deliveries.recipient, count(*) as sent,
            coalesce(max(abs(insights.impact)), 0)::float8 as largest
        from app.notification_deliveries as deliveries
        inner join app.insight_events as insights
            on insights.org_id = deliveries.org_id and insights.id = deliveries.insight_id
        where deliveries.org_id = any(%(orgs)s) and deliveries.recipient = any(%(recipients)s)
            and deliveries.told_at > %(since)s and deliveries.told_at <= %(at)s and deliveries.state <> 'dead'
            and (insights.kind <> 'pipeline' or insights.dimension = %(question)s)
        group by deliveries.org_id, deliveries.recipient
        """,
        {
            "orgs": list({route.org_id for route in routes}),
            "recipients": list({route.recipient for route in routes}),
            "since": at - WEEK,
            "at": at,
            "question": BOOKING_QUESTION,
        },
    )
    return weeks | {(row["org_id"], row["recipient"]): _Week(row["sent"], row["largest"]) for row in rows}
