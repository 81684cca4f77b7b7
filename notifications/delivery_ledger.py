"""The delivery ledger (app.notification_deliveries): each message is stored as a row before it is sent.

The row of an insight is written in the transaction of the insight.

Guarantees: a committed row is sent at least once, or ends in state dead and is reported; a receiver that gets it twice
(a worker died between sending and recording it) gets the same id twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import LiteralString
from uuid import UUID

import psycopg
from psycopg import sql

from notifications import routing
from notifications.alerts import BACK_TO_NORMAL, PREFIXES
from notifications.budget import within_budget
from notifications.routing import Route
from sources.insight_values import InsightOccasion


@dataclass(frozen=True)
class Enqueued:
    """Numbers of new rows."""

    deliveries: int
    in_app: int


def enqueue_insights(
    connection: psycopg.Connection,
    insight_ids: Mapping[InsightOccasion, Sequence[UUID]],
    *,
    now: datetime,
    recipients: Mapping[UUID, Sequence[UUID]],
    at: datetime | None = None,
) -> Enqueued:
    """Write the deliveries and the in-app notifications of insights; repeatable. The caller commits.

    Call it once in the transaction that writes the insights, with all that changed: they share the recipients' budgets.
    recipients: profile ids by org_id, for in-app notifications;
    not needed for resolved insights, whose recipients are those of the opened ones. at: the moment that counts as now
    for the run, by default `now`; the recipients' budgets (notifications/budget.py) are those of the week before it.
    """
    routes = [
        route
        for occasion, ids in insight_ids.items()
        for route in routing.routes_of_insights(connection, ids, occasion)
    ]
    deliveries = _enqueue(connection, within_budget(connection, routes, at=at or now), now, told_at=at or now)
    in_app = sum(
        _notify_in_app(connection, ids, occasion, now, recipients) for occasion, ids in insight_ids.items() if ids
    )
    return Enqueued(deliveries, in_app)


def enqueue_digests(connection: psycopg.Connection, org_id: UUID, day: date, *, now: datetime) -> int:
    """Write the deliveries of an organisation's digest of `day`, and of the dashboards that are sent with it.

    Return the number of new ones. Repeatable.
    """
    digests, dashboards = (
        find(connection, org_id, day) for find in (routing.routes_of_digest, routing.routes_of_dashboards)
    )
    return _enqueue(connection, [*digests, *dashboards], now, told_at=now)


def _enqueue(connection: psycopg.Connection, routes: Sequence[Route], now: datetime, *, told_at: datetime) -> int:
    with connection.cursor() as cursor:
        cursor.executemany(
            """
            insert into app.notification_deliveries
                (org_id, channel_id, insight_id, view_id, digest_day, recipient, event, repeat, told_at,
                next_attempt_at, created_at)
            values (%(org_id)s, %(channel_id)s, %(insight_id)s, %(view_id)s, %(digest_day)s, %(recipient)s,
                %(occasion)s, %(repeat)s, %(told_at)s, %(now)s, %(now)s)
            on conflict do nothing
            """,
            [{**asdict(route), "told_at": told_at, "now": now} for route in routes],
        )
        return max(cursor.rowcount, 0)


def _notify_in_app(
    connection: psycopg.Connection,
    insight_ids: Sequence[UUID],
    occasion: InsightOccasion,
    now: datetime,
    recipients: Mapping[UUID, Sequence[UUID]],
) -> int:
    pairs = [(org_id, profile_id) for org_id, profiles in recipients.items() for profile_id in profiles]
    select: LiteralString = """
        select insights.org_id, recipients.profile_id, insights.id as insight_id, %(prefix)s || insights.title as title,
            insights.summary as body,
            case %(occasion)s when 'worsened' then insights.worsened_times else 0 end as repeat
        from app.insight_events as insights
        join unnest(%(orgs)s::uuid[], %(profiles)s::uuid[]) as recipients (org_id, profile_id) using (org_id)
        where insights.id = any(%(ids)s)
    """
    if occasion == "resolved":
        select = """
            select org_id, profile_id, insight_id, %(prefix)s || title as title, %(body)s as body, 0 as repeat
            from app.notifications
            where insight_id = any(%(ids)s) and event = 'opened'
        """
    insert = sql.SQL(
        """
        insert into app.notifications (org_id, profile_id, insight_id, event, repeat, title, body, created_at)
        select org_id, profile_id, insight_id, %(occasion)s, repeat, title, body, %(now)s
        from ({messages}) as messages
        on conflict do nothing
        """
    ).format(messages=sql.SQL(select))
    params = {
        "ids": list(insight_ids),
        "orgs": [org_id for org_id, _ in pairs],
        "profiles": [profile_id for _, profile_id in pairs],
        "occasion": occasion,
        "now": now,
        "prefix": PREFIXES[occasion],
        "body": BACK_TO_NORMAL,
    }
    return connection.execute(insert, params).rowcount
