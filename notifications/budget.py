"""The budget of alerts: at most some messages a person and week; what does not fit waits for the digest.

The week is a rolling one, in the time of the runs (`told_at`), so that runs of past days have the same budget. Failures
of the Hub itself are always sent and not counted: figures that are out of date make every other message worthless.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import psycopg

from notifications.routing import Route
from sources.database import records
from sources.insight_values import BOOKING_QUESTION, SEVERITIES, Occasion

ALERTS_PER_WEEK: Final = 5  # of a channel that sets no number of its own
WEEK: Final = timedelta(days=7)
# Of these alerts so many, at most half, are for critical insights alone: three lesser ones on Monday leave room for an
# outage on Friday.
KEPT_FOR_CRITICAL: Final = 2
# A notice that something is over asks for nothing: it leaves room for this many alerts.
ROOM_FOR_ALERTS: Final = 2
SEVERITIES_OF_NOTICES: Final = ("critical", "high")  # the digest alone says that lesser ones are over


def within_budget(connection: psycopg.Connection, routes: Sequence[Route], *, at: datetime) -> list[Route]:
    """Return the routes that the recipients' budgets of the week up to `at` have room for.

    Opened and worsened insights compete with one another: critical ones come first, then those with the most money,
    then the more severe ones. Notices that something is over come last.
    """
    if not routes:
        return []
    insights = _insights(connection, {route.insight_id for route in routes})
    limits = _limits(connection, {route.channel_id for route in routes})
    sent = _sent_in_week(connection, routes, at)
    chosen = []
    for route in sorted(routes, key=lambda route: (route.occasion == "resolved", _rank(insights[route.insight_id]))):
        insight, recipient = insights[route.insight_id], (route.org_id, route.recipient)
        if not _is_failure(insight):
            if sent[recipient] >= _limit(insight, limits[route.channel_id], route.occasion):
                continue
            sent[recipient] += 1
        chosen.append(route)
    return chosen


def _limit(insight: Mapping[str, Any], alerts: int, occasion: Occasion) -> int:
    """Return the number of messages of the week from which on this one waits for the digest."""
    if occasion == "resolved":
        return alerts - ROOM_FOR_ALERTS if insight["severity"] in SEVERITIES_OF_NOTICES else 0
    return alerts if insight["severity"] == "critical" else alerts - min(KEPT_FOR_CRITICAL, alerts // 2)


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


def _sent_in_week(connection: psycopg.Connection, routes: Sequence[Route], at: datetime) -> Counter[tuple[UUID, str]]:
    """Return the number of messages of each recipient in the week up to `at`, over all channels of the organisation."""
    rows = records(
        connection,
        """
        select deliveries.org_id, deliveries.recipient, count(*) as sent
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
    return Counter({(row["org_id"], row["recipient"]): row["sent"] for row in rows})
