"""Routing: the recipients of each insight, digest and dashboard, by the table app.notification_channels."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, LiteralString
from uuid import UUID

import psycopg

from notifications.channels import recipients_of
from sources.database import records
from sources.insight_values import SEVERITIES, InsightOccasion, Occasion

_CHANNELS_OF_INSIGHTS: Final[LiteralString] = """
select channels.org_id, channels.id as channel_id, channels.kind, channels.target, insights.id as insight_id,
    insights.worsened_times
from app.insight_events as insights
join app.notification_channels as channels on channels.org_id = insights.org_id
where insights.id = any(%(ids)s)
    and channels.is_active
    and channels.sends_insights
    and (channels.insight_kinds = '{}' or insights.kind = any(channels.insight_kinds))
    and array_position(%(severities)s::text[], insights.severity)
        <= array_position(%(severities)s::text[], channels.min_severity)
"""

_RECIPIENTS_OF_OPENED: Final[LiteralString] = """
select opened.org_id, opened.channel_id, opened.insight_id, opened.recipient
from app.notification_deliveries as opened
join app.notification_channels as channels on channels.org_id = opened.org_id and channels.id = opened.channel_id
where opened.insight_id = any(%(ids)s)
    and opened.event = 'opened'
    and opened.state <> 'dead'
    and channels.is_active
"""

_CHANNELS_OF_DIGEST: Final[LiteralString] = """
select org_id, id as channel_id, kind, target
from app.notification_channels
where org_id = %(org)s and is_active and sends_digest
"""

_CHANNELS_OF_DASHBOARDS: Final[LiteralString] = """
select channels.org_id, channels.id as channel_id, channels.kind, channels.target, dashboards.view_id
from app.dashboards_to_send(%(org)s, %(day)s) as dashboards
join app.notification_channels as channels on channels.id = dashboards.channel_id
"""


@dataclass(frozen=True)
class Route:
    """One recipient of one insight, digest or dashboard."""

    org_id: UUID
    channel_id: UUID
    recipient: str
    occasion: Occasion
    insight_id: UUID | None = None
    view_id: UUID | None = None
    digest_day: date | None = None
    repeat: int = 0  # of a worsened insight: how many times it had worsened


def routes_of_insights(
    connection: psycopg.Connection, insight_ids: Sequence[UUID], occasion: InsightOccasion
) -> list[Route]:
    """Return the routes of insights: of opened or worsened ones by organisation, kind and severity.

    Of resolved ones they are those of the recipients of the opened ones, also if the routing has changed.
    """
    if occasion == "resolved":
        rows = records(connection, _RECIPIENTS_OF_OPENED, {"ids": list(insight_ids)})
        return [Route(**row, occasion=occasion) for row in rows]
    parameters = {"ids": list(insight_ids), "severities": list(SEVERITIES)}
    channels = records(connection, _CHANNELS_OF_INSIGHTS, parameters)
    return [
        Route(
            row["org_id"],
            row["channel_id"],
            recipient,
            occasion,
            row["insight_id"],
            repeat=row["worsened_times"] if occasion == "worsened" else 0,
        )
        for row in channels
        for recipient in _recipients(row)
    ]


def routes_of_digest(connection: psycopg.Connection, org_id: UUID, day: date) -> list[Route]:
    """Return the routes of an organisation's digest of `day`."""
    channels = records(connection, _CHANNELS_OF_DIGEST, {"org": org_id})
    return [
        Route(row["org_id"], row["channel_id"], recipient, "digest", digest_day=day)
        for row in channels
        for recipient in _recipients(row)
    ]


def routes_of_dashboards(connection: psycopg.Connection, org_id: UUID, day: date) -> list[Route]:
    """Return the routes of the organisation's dashboards that are sent with the digest of `day`."""
    channels = records(connection, _CHANNELS_OF_DASHBOARDS, {"org": org_id, "day": day})
    return [
        Route(row["org_id"], row["channel_id"], recipient, "dashboard", view_id=row["view_id"], digest_day=day)
        for row in channels
        for recipient in _recipients(row)
    ]


def _recipients(channel: dict[str, Any]) -> list[str]:
    return recipients_of(channel["kind"], channel["target"])
