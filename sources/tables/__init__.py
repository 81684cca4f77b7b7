"""The tables of schema `app`: the operational business, and the Hub's own insights, notifications and access.

Foreign keys contain the organisation (`org_id` first), so that no row can refer to a row of another organisation.
The Hub's own tables have no foreign keys to operational tables, which may be on another server (HUB_SOURCE_URL).
"""

from typing import Final

from sources.tables.api import api_keys, idempotency_keys, sessions
from sources.tables.audit import audit_log
from sources.tables.bi import bi_access
from sources.tables.booking import (
    booking_add_ons,
    booking_extras,
    booking_lines,
    booking_search,
    booking_status_history,
    bookings,
)
from sources.tables.calendar import calendar_events
from sources.tables.catalogue import price_rules, service_add_ons, service_packages, services
from sources.tables.changes import live_changes, tombstones
from sources.tables.channels import (
    notification_attempts,
    notification_channels,
    notification_deliveries,
    notifications,
)
from sources.tables.columns import OPERATIONAL_NAMES, SCHEMA, XID8, Timestamp, metadata
from sources.tables.communication import messages, reviews
from sources.tables.imports import import_files, import_jobs, import_records, import_rejections, sample_incidents
from sources.tables.insights import insight_events, insight_feedback, insight_run_logs
from sources.tables.money import invoice_lines, invoices, number_series, payments, processor_events
from sources.tables.people import organizations, profiles, provider_absences
from sources.tables.targets import metric_targets
from sources.tables.views import saved_views
from sources.tables.work import approvals, milestones, tasks, time_entries

__all__ = [
    "OPERATIONAL",
    "SCHEMA",
    "XID8",
    "Timestamp",
    "api_keys",
    "approvals",
    "audit_log",
    "bi_access",
    "booking_add_ons",
    "booking_extras",
    "booking_lines",
    "booking_search",
    "booking_status_history",
    "bookings",
    "calendar_events",
    "idempotency_keys",
    "import_files",
    "import_jobs",
    "import_records",
    "import_rejections",
    "insight_events",
    "insight_feedback",
    "insight_run_logs",
    "invoice_lines",
    "invoices",
    "live_changes",
    "messages",
    "metadata",
    "metric_targets",
    "milestones",
    "notification_attempts",
    "notification_channels",
    "notification_deliveries",
    "notifications",
    "number_series",
    "organizations",
    "payments",
    "price_rules",
    "processor_events",
    "profiles",
    "provider_absences",
    "reviews",
    "sample_incidents",
    "saved_views",
    "service_add_ons",
    "service_packages",
    "services",
    "sessions",
    "tasks",
    "time_entries",
    "tombstones",
]

# The tables that ingestion reads, in its order: each table after those that it references.
OPERATIONAL: Final = tuple(table for table in metadata.sorted_tables if table.name in OPERATIONAL_NAMES)
