"""Delivery: enqueue the daily digests, and send what is due in the delivery ledger."""

from datetime import UTC, date, datetime
from typing import Final
from uuid import UUID

import dagster as dg
from pydantic import Field

from dagster_project.ownership import OWNERS
from notifications.channels import CHANNELS
from notifications.delivery_ledger import enqueue_digests
from notifications.sending import deliver_due
from sources import database
from sources.errors import HubError
from sources.settings import get_settings

GROUP: Final = "delivery"


class DigestRequest(dg.Config):
    """The organisation and day of the messages to enqueue; by default all organisations and their last complete day."""

    org_id: str | None = Field(None, description="The id of an organisation; empty: every organisation.")
    day: str | None = Field(None, description="The day of the digest (YYYY-MM-DD); empty: the last complete day.")


@dg.asset(
    key=["app", "digest_deliveries"],
    deps=[["app", "insight_events"], ["raw", "run_clock"]],
    group_name=GROUP,
    kinds={"python", "postgres"},
    owners=OWNERS,
    description="Rows of the delivery ledger for daily digests and for dashboards: one per day, channel and recipient.",
)
def digest_deliveries(config: DigestRequest) -> dg.MaterializeResult[None]:
    day = date.fromisoformat(config.day) if config.day else None
    with database.connect(database.database_url(get_settings())) as connection:
        clocks = connection.execute(
            "select org_id, as_of from raw.run_clock where %(org_id)s::uuid is null or org_id = %(org_id)s::uuid",
            {"org_id": UUID(config.org_id) if config.org_id else None},
        ).fetchall()
        ahead = [as_of for _, as_of in clocks if day and day > as_of]
        if ahead:
            raise HubError(f"There is no digest of {day} yet: the figures end on {min(ahead)}.")
        enqueued = sum(
            enqueue_digests(connection, org_id, day or as_of, now=datetime.now(UTC)) for org_id, as_of in clocks
        )
    return dg.MaterializeResult(metadata={"organizations": len(clocks), "enqueued": enqueued})


@dg.asset(
    key=["app", "notification_deliveries"],
    # The messages are made when they are sent, from all of these. A test compares them with the SQL.
    deps=[
        ["analytics", "v_booking_status_metrics"],
        ["analytics", "v_booking_trends"],
        ["analytics", "v_forecast_accuracy"],
        ["analytics", "v_provider_workload_analytics"],
        ["app", "digest_deliveries"],
        ["app", "insight_events"],
        ["marts", "dim_member"],
        ["marts", "dim_metric"],
        ["marts", "dim_organization"],
        ["marts", "fct_bookings"],
        ["marts", "fct_bookings_on_hand"],
        ["marts", "kpi_daily"],
        ["marts", "metrics_period"],
        ["ml", "anomalies"],
        ["ml", "revenue_forecasts"],
        ["raw", "organizations"],
    ],
    group_name=GROUP,
    kinds={"python", *CHANNELS},
    owners=OWNERS,
    description="The delivery ledger: each message is claimed, sent and recorded by itself, so that none is lost.",
)
def notification_deliveries() -> dg.MaterializeResult[None]:
    report = deliver_due(get_settings(), now=lambda: datetime.now(UTC))
    if report.broken:  # the worker of a channel itself failed; its deliveries stay due
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
