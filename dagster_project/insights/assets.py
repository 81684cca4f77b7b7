"""Insights: findings of every organisation become events, and the messages of what changed are enqueued."""

from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import dagster as dg
import psycopg

from dagster_project.insights.messages import enqueue_changes
from dagster_project.insights.requests import answer_requests, total_counts
from dagster_project.organization_failures import forget_failures, isolated
from dagster_project.ownership import OWNERS
from dagster_project.resources import HubDatabase
from insights.events import expire_events, update_events, update_questions
from insights.feedback import after_feedback
from insights.organizations import Organization, organizations_of_warehouse
from insights.questions import booking_questions
from insights.rules import RULES, current_findings
from sources.formatting import in_locale

GROUP: Final = "insights"


@dg.asset(
    key=["app", "insight_events"],
    # A test compares them with the relations that the SQL of the insights reads.
    deps=[
        ["analytics", "v_receivables"],
        ["intermediate", "int_booking_hours"],
        ["intermediate", "int_booking_pace"],
        ["intermediate", "int_bookings_as_of"],
        ["intermediate", "int_called_off_bookings"],
        ["intermediate", "int_client_rhythm"],
        ["intermediate", "int_forecast_changes"],
        ["intermediate", "int_metric_rows"],
        ["intermediate", "int_metric_worth"],
        ["intermediate", "int_milestone_delays"],
        ["intermediate", "int_client_weeks"],
        ["intermediate", "int_no_show_bookings"],
        ["intermediate", "int_overdue_weeks"],
        ["intermediate", "int_provider_capacity"],
        ["intermediate", "int_provider_days"],
        ["intermediate", "int_provider_services"],
        ["intermediate", "int_repeated_invoices"],
        ["intermediate", "int_unbilled_bookings"],
        ["intermediate", "int_unusual_bookings"],
        ["marts", "dim_client"],
        ["marts", "dim_member"],
        ["marts", "dim_metric"],
        ["marts", "dim_organization"],
        ["marts", "dim_provider"],
        ["marts", "dim_service"],
        ["marts", "fct_bookings"],
        ["marts", "fct_invoices"],
        ["marts", "fct_payments"],
        ["marts", "fct_time_entries"],
        ["marts", "kpi_daily"],
        ["ml", "anomalies"],
        ["ml", "no_shows"],
        ["ml", "provider_workload"],
        ["raw", "run_clock"],
        ["staging", "stg_app__calendar_events"],
        ["staging", "stg_app__organizations"],
        ["staging", "stg_app__profiles"],
        ["staging", "stg_app__provider_absences"],
        ["staging", "stg_app__public_holidays"],
    ],
    group_name=GROUP,
    kinds={"python", "postgres"},
    owners=OWNERS,
    description="Insights: title, summary, drivers, recommendation. Opened, refreshed and resolved by each run.",
)
def events(database: HubDatabase) -> dg.MaterializeResult[None]:
    # The clock is read here, at the edge: it sets when messages are due, and nothing in the events.
    now = datetime.now(UTC)
    counts: dict[UUID, dict[str, int]] = {}
    with database.connect() as connection:
        forget_failures(connection, "insights")
        organizations = organizations_of_warehouse(connection)
        for organization in organizations:
            counts[organization.id] = {}
            with (
                isolated(connection, organization.id, organization.as_of, "insights"),
                in_locale(organization.locale),
            ):
                counts[organization.id] = _update(connection, organization, now)
        answer_requests(connection, counts, {each.id: each.name for each in organizations})
        rows = connection.execute("select count(*) from app.insight_events").fetchone()
    return dg.MaterializeResult(metadata={"dagster/row_count": rows[0] if rows else 0, **total_counts(counts.values())})


def _update(connection: psycopg.Connection, organization: Organization, now: datetime) -> dict[str, int]:
    """Apply the rules to one organisation, update its events and enqueue their messages; return counts of each."""
    findings, judged = current_findings(connection, organization)
    findings = after_feedback(connection, organization, findings)
    expire_events(connection, organization, [kind for kind in RULES if kind not in judged])
    changes = update_events(connection, organization, findings, kinds=judged)
    questions = update_questions(connection, organization, booking_questions(connection, organization))
    enqueue_changes(connection, organization, changes, questions, now=now)
    return {
        "findings": len(findings),
        "opened": len(changes.opened),
        "worsened": len(changes.worsened),
        "resolved": len(changes.resolved),
        "questions": len(questions.opened),
    }
