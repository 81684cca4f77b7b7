"""Rows of the delivery ledger: enqueue and read them."""

from collections import Counter
from typing import Any
from uuid import UUID

import psycopg

from notifications.delivery_ledger import Enqueued, enqueue_insights
from sources.database import records
from tests.notifications.examples import NOW, ORG

ADMIN = UUID("01890000-0000-7000-8000-0000000000ad")


def enqueue(connection: psycopg.Connection, *insights: UUID, occasion: Any = "opened") -> Enqueued:
    """Enqueue the messages of insights, with one administrator to notify."""
    return enqueue_insights(connection, {occasion: insights}, now=NOW, recipients={ORG: [ADMIN]})


def deliveries(connection: psycopg.Connection) -> list[dict[str, Any]]:
    """Return the deliveries in the order of their creation."""
    return records(connection, "select * from app.notification_deliveries order by created_at, id", {})


def states(connection: psycopg.Connection) -> Counter[str]:
    """Return the number of deliveries by state."""
    return Counter(row["state"] for row in deliveries(connection))
