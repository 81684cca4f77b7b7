"""Messages of changed insights: deliveries and in-app notifications, written with the insights themselves."""

from datetime import datetime
from uuid import UUID

import psycopg

from insights.events import Changes
from insights.organizations import Organization
from notifications.delivery_ledger import enqueue_insights
from sources.insight_values import InsightOccasion


def enqueue_changes(
    connection: psycopg.Connection, organization: Organization, *changes: Changes, now: datetime
) -> None:
    """Enqueue the messages of all opened, worsened and resolved insights, due at `now`, in the caller's transaction.

    In the app, the organisation's admins and analysts are notified.
    """
    recipients = {organization.id: _owners(connection, organization)}
    by_occasion: dict[InsightOccasion, list[UUID]] = {
        "opened": [insight_id for each in changes for insight_id in each.opened],
        "worsened": [insight_id for each in changes for insight_id in each.worsened],
        "resolved": [insight_id for each in changes for insight_id in each.resolved],
    }
    enqueue_insights(connection, by_occasion, now=now, recipients=recipients, at=organization.as_of_at)


def _owners(connection: psycopg.Connection, organization: Organization) -> list[UUID]:
    """Return the ids of the active admins and analysts of the organisation."""
    rows = connection.execute(
        "select profile_id from staging.stg_app__profiles "
        "where org_id = %s and role in ('admin', 'analyst') and is_active",
        [organization.id],
    )
    return [row[0] for row in rows]
