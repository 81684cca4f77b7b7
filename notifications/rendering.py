"""Rendering of deliveries: the message of a row of the ledger, read from the database when it is sent."""

from collections.abc import Mapping
from datetime import date
from typing import Any, Final, cast
from uuid import UUID

import psycopg

from notifications.alerts import insight_message
from notifications.channels.base import Delivery, Undeliverable
from notifications.dashboard_message import dashboard_message, read_dashboard
from notifications.digest import build_digest, digest_message
from notifications.messages import Message, Plot, trial_message
from notifications.queries import Metric, find_organization, metrics_by_name
from sources import database, formatting
from sources.database import records
from sources.errors import HubError
from sources.insight_values import InsightOccasion
from sources.operations.of_the_hub import run_as_hub
from sources.row_values import DEFAULT_LOCALE
from sources.settings import Settings

PLOT_DAYS: Final = 28
PLOT_MIN_DAYS: Final = 7  # fewer points are not worth a picture


def message_for(connection: psycopg.Connection, settings: Settings, delivery: Delivery) -> Message:
    """Return the message of `delivery`.

    Raises HubError where its insight or its organisation does not exist, Undeliverable where its dashboard does not.
    """
    if delivery.view_id and delivery.digest_day:
        return _dashboard(connection, settings, delivery, delivery.view_id, delivery.digest_day)
    if delivery.digest_day:
        digest = build_digest(connection, delivery.org_id, delivery.digest_day)
        return digest_message(digest, link_base=settings.link_base)
    if delivery.occasion == "test":
        (channel,) = records(
            connection, "select name from app.notification_channels where id = %(id)s", {"id": delivery.channel_id}
        )
        return trial_message(channel["name"], at=delivery.attempted_at, link_base=settings.link_base)
    insights = records(connection, "select * from app.insight_events where id = %(id)s", {"id": delivery.insight_id})
    if not insights:
        raise HubError(f"The insight {delivery.insight_id} of the delivery {delivery.id} does not exist any more.")
    insight = insights[0]
    organization = find_organization(connection, delivery.org_id)
    metric = metrics_by_name(connection).get(insight["metric"])
    with formatting.in_locale(organization.locale if organization else DEFAULT_LOCALE):
        plot = recent_days(connection, insight, metric) if metric and insight["kind"] == "anomaly" else None
        return insight_message(
            insight,
            occasion=cast(InsightOccasion, delivery.occasion),
            link_base=settings.link_base,
            currency=organization.currency if organization else None,
            metric=metric,
            plot=plot,
        )


def _dashboard(
    connection: psycopg.Connection, settings: Settings, delivery: Delivery, view_id: UUID, day: date
) -> Message:
    found = run_as_hub(
        settings,
        database.database_url(settings),
        delivery.org_id,
        lambda tx: read_dashboard(tx, view_id, day),
        at=delivery.attempted_at,
    )
    if found is None:
        raise Undeliverable("The dashboard was deleted, or is not sent any more.")
    organization = find_organization(connection, delivery.org_id)
    if organization is None:
        raise HubError(f"The organisation {delivery.org_id} is not in the warehouse: run `hub run`.")
    with formatting.in_locale(organization.locale):
        return dashboard_message(found, organization_name=organization.name, link_base=settings.link_base)


def recent_days(connection: psycopg.Connection, insight: Mapping[str, Any], metric: Metric) -> Plot | None:
    """Return a plot of the metric's PLOT_DAYS up to the insight's day with their expected values; None for too few.

    `insight` has org_id, metric, dimension, member and day. The texts are in the locale in use.
    """
    rows = records(
        connection,
        """
        select day, value, expected, lower, upper
        from ml.anomalies
        where org_id = %(org_id)s and metric = %(metric)s and dimension = %(dimension)s and member = %(member)s
            and day > %(day)s - %(days)s::integer and day <= %(day)s
        order by day
        """,
        {**insight, "days": PLOT_DAYS},
    )
    if len(rows) < PLOT_MIN_DAYS:
        return None
    return Plot(
        title=f"{metric.label} per day, expected range shaded",
        days=tuple(row["day"] for row in rows),
        actual=tuple(float(row["value"]) for row in rows),
        expected=tuple(float(row["expected"]) for row in rows),
        lower=tuple(float(row["lower"]) for row in rows),
        upper=tuple(float(row["upper"]) for row in rows),
        marked=insight["day"],
    )
