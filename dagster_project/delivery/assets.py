"""Delivery: what waits in the ledger is sent; the daily digest is put into it."""

from datetime import UTC, date, datetime
from typing import Final
from uuid import UUID

import dagster as dg
from pydantic import Field

from dagster_project.ownership import OWNERS
from notifications.ledger import deliver_due, enqueue_digests
from sources import database
from sources.settings import get_settings

GROUP: Final = "delivery"


class DigestRequest(dg.Config):
    """Whose digest of which day; by default everybody's, of the last complete day."""

    org_id: str | None = Field(None, description="An organisation's id; empty: every organisation.")
    day: str | None = Field(None, description="The day that the digest is about (YYYY-MM-DD).")


@dg.asset(
    key=["app", "daily_digest"],
    deps=[["app", "insight_events"], ["analytics", "v_booking_trends"], ["analytics", "v_booking_status_metrics"]],
    group_name=GROUP,
    kinds={"python", "postgres"},
    owners=OWNERS,
    description="One message an organisation and day: what happened, why, what to do, what is forecast.",
)
def daily_digest(config: DigestRequest) -> dg.MaterializeResult[None]:
    day = date.fromisoformat(config.day) if config.day else None
    with database.connect(database.database_url(get_settings())) as connection:
        clocks = connection.execute(
            "select org_id, as_of from raw.run_clock where %(org_id)s::uuid is null or org_id = %(org_id)s::uuid",
            {"org_id": UUID(config.org_id) if config.org_id else None},
        ).fetchall()
        enqueued = sum(
            enqueue_digests(connection, org_id, day or as_of, now=datetime.now(UTC)) for org_id, as_of in clocks
        )
    return dg.MaterializeResult(metadata={"organizations": len(clocks), "enqueued": enqueued})


@dg.asset(
    key=["app", "notification_deliveries"],
    deps=[["app", "insight_events"], ["app", "daily_digest"]],
    group_name=GROUP,
    kinds={"python", "slack", "email", "webhook"},
    owners=OWNERS,
    description="The ledger of messages: each is claimed, sent and written down by itself; none is lost.",
)
def notification_deliveries() -> dg.MaterializeResult[None]:
    report = deliver_due(get_settings(), now=lambda: datetime.now(UTC))
    if report.broken:  # a channel's worker itself failed; its rows stay due
        raise dg.Failure(description=" ".join(report.broken))
    with database.connect(database.database_url(get_settings())) as connection:
        states = dict(
            connection.execute("select state, count(*) from app.notification_deliveries group by state").fetchall()
        )
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": sum(states.values()),
            "sent_now": len(report.of("sent")),
            "failed_now": len(report.of("failed")),
            **{f"ledger_{state}": number for state, number in states.items()},
        }
    )
