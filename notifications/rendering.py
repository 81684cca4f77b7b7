"""From a row of the ledger to the message that it stands for, read from the database when it is sent."""

from typing import Any, Final

import psycopg

from notifications.channels.base import Delivery
from notifications.digest import build_digest, digest_message
from notifications.messages import Message, Plot, insight_message
from notifications.queries import Metric, metrics, organization
from sources.database import records
from sources.errors import HubError
from sources.settings import Settings

PLOT_DAYS: Final = 28
PLOT_MIN_DAYS: Final = 7  # fewer points make no picture


def message_for(connection: psycopg.Connection, settings: Settings, delivery: Delivery) -> Message:
    """The message of `delivery`. Raises HubError where what it speaks of is not there."""
    if delivery.digest_day:
        digest = build_digest(connection, delivery.org_id, delivery.digest_day)
        return digest_message(digest, link_base=settings.link_base)
    found = records(connection, "select * from app.insight_events where id = %(id)s", {"id": delivery.insight_id})
    if not found:
        raise HubError(f"The insight {delivery.insight_id} of the delivery {delivery.id} does not exist any more.")
    known = organization(connection, delivery.org_id)
    metric = metrics(connection).get(found[0]["metric"])
    is_anomaly = found[0]["kind"] == "anomaly"
    return insight_message(
        found[0],
        event="resolved" if delivery.event == "resolved" else "opened",
        link_base=settings.link_base,
        currency=known.currency if known else None,
        metric=metric,
        plot=_recent_days(connection, found[0], metric) if metric and is_anomaly else None,
    )


def _recent_days(connection: psycopg.Connection, insight: dict[str, Any], metric: Metric) -> Plot | None:
    """The metric's days before the insight's, with what was expected of each; None where too few are known."""
    found = records(
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
    if len(found) < PLOT_MIN_DAYS:
        return None
    return Plot(
        title=f"{metric.label} a day, expected range shaded",
        days=tuple(row["day"] for row in found),
        actual=tuple(float(row["value"]) for row in found),
        expected=tuple(float(row["expected"]) for row in found),
        lower=tuple(float(row["lower"]) for row in found),
        upper=tuple(float(row["upper"]) for row in found),
        marked=insight["day"],
    )
