"""One row of each table in each organisation, which other organisations and people must neither see nor change.

Operational tables that are not listed in ROWS get a row made from their required columns.
"""

from typing import Final

import psycopg
from psycopg.types.json import Jsonb
from sqlalchemy import Boolean, Date, DateTime, Numeric, Table, Text

from sources.tables import OPERATIONAL
from tests.sources.business import NORTH, SOUTH, Organization

# Table -> the name of its row (its id is `org.id_of(name)`) and the columns beside id and org_id.
# A string that is the name of a row, or of a row of the seed, is replaced by its id.
ROWS: Final[dict[str, tuple[str, dict[str, object]]]] = {
    "service_add_ons": ("add_on", {"service_id": "service", "name": "Extra hour", "price": 40, "currency": "EUR"}),
    "price_rules": ("price_rule", {"name": "Weekend", "adjust_pct": 10}),
    "bookings": (
        "booking",
        {
            "booking_number": "BK-SECRET", "client_id": "client", "provider_id": "provider", "service_id": "service",
            "status": "in_progress", "title": "Secret plans", "notes": "Secret notes", "total_amount": 120,
            "currency": "EUR", "scheduled_start": "2030-03-04T09:00Z", "scheduled_end": "2030-03-04T11:00Z",
        },
    ),
    "booking_add_ons": (
        "booking_add_on",
        {"booking_id": "booking", "add_on_id": "add_on", "quantity": 1, "unit_price": 40, "amount": 40},
    ),
    "booking_extras": (
        "extra",
        {"booking_id": "booking", "description": "Secret extra", "amount": 40, "proposer_id": "provider"},
    ),
    "booking_status_history": (
        "history",
        {"booking_id": "booking", "to_status": "requested", "actor_id": "client", "changed_at": "2030-01-01T00:00Z"},
    ),
    "milestones": ("milestone", {"booking_id": "booking", "title": "Secret milestone", "position": 1}),
    "tasks": ("task", {"booking_id": "booking", "milestone_id": "milestone", "title": "Secret task"}),
    "time_entries": (
        "time_entry",
        {
            "booking_id": "booking", "task_id": "task", "provider_id": "provider", "started_at": "2030-03-04T09:00Z",
            "ended_at": "2030-03-04T10:00Z",
        },
    ),
    "provider_absences": (
        "absence",
        {
            "provider_id": "provider", "starts_on": "2030-08-01", "ends_on": "2030-08-14", "reason": "Secret illness",
        },
    ),
    "calendar_events": (
        "calendar_event",
        {
            "kind": "campaign", "title": "Secret campaign", "starts_on": "2030-08-01", "ends_on": "2030-08-14",
            "provider_id": "provider",
        },
    ),
    "metric_targets": (
        "metric_target",
        {"metric": "booked_revenue", "grain": "month", "starts_on": "2030-08-01", "target": 1000},
    ),
    "approvals": ("approval", {"booking_id": "booking", "approver_role": "client"}),
    "invoices": (
        "invoice",
        {
            "booking_id": "booking", "client_id": "client", "invoice_number": "SECRET-1", "status": "issued",
            "total_amount": 120, "currency": "EUR", "issued_at": "2030-01-01T00:00Z",
        },
    ),
    "invoice_lines": (
        "invoice_line",
        {
            "invoice_id": "invoice", "position": 1, "description": "Secret line", "quantity": 1, "unit_price": 120,
            "amount": 120,
        },
    ),
    "payments": (
        "payment", {"invoice_id": "invoice", "booking_id": "booking", "amount": 20, "currency": "EUR"},
    ),
    "messages": (
        "message",
        {"booking_id": "booking", "sender_id": "client", "body": "Secret words", "sent_at": "2030-01-01T00:00Z"},
    ),
    "reviews": (
        "review",
        {
            "booking_id": "booking", "client_id": "client", "provider_id": "provider", "rating": 5,
            "comment": "Secret praise", "reviewed_at": "2030-01-01T00:00Z",
        },
    ),
    "number_series": ("series", {"series": "invoice", "last_number": 1}),
    "processor_events": (
        "processor_event",
        {"processor": "stripe", "event_id": "evt", "event_type": "secret", "status": "ignored", "payload": Jsonb({})},
    ),
    "insight_events": (
        "insight",
        {
            "kind": "anomaly", "severity": "high", "metric": "bookings", "day": "2030-01-01", "title": "Secret insight",
            "summary": "Secret summary", "dedupe_key": "secret", "first_seen": "2030-01-01T00:00Z",
            "last_seen": "2030-01-01T00:00Z",
        },
    ),
    "notification_channels": (
        "channel", {"name": "Secret channel", "kind": "email", "target": "secret@channel.example"},
    ),
    "notification_deliveries": (
        "delivery",
        {
            "channel_id": "channel", "insight_id": "insight", "recipient": "secret@channel.example", "event": "opened",
        },
    ),
    "insight_feedback": (
        "lesson",
        {
            "insight_id": "insight", "reason": "wrong", "given_by": "admin", "given_at": "2030-01-02T00:00Z",
            "as_of": "2030-01-02T00:00Z",
            "kind": "anomaly", "metric": "bookings", "dimension": "total", "member": "all", "direction": "down",
        },
    ),
    "insight_run_logs": ("run", {"requested_by": "admin"}),
    "audit_log": ("entry", {"actor_id": "admin", "actor_role": "admin", "action": "insert", "table_name": "services"}),
    "import_rejections": (
        "rejection",
        {
            "mapping": "simple_bookings", "file_name": "Secret.csv", "row_number": 2, "row_key": "BK-SECRET",
            "field": "start", "message": "Secret value.",
        },
    ),
    "import_jobs": (
        "import_job",
        {
            "requested_by": NORTH.id_of("admin"), "file_names": ["Secret.csv"], "mapping": "Secret: mapping",
            "findings": Jsonb({}),
        },
    ),
    "import_files": ("import_file", {"job_id": "import_job", "name": "Secret.csv", "content": b"secret"}),
    "notifications": (
        "notification",
        {
            "profile_id": "client", "insight_id": "insight", "event": "opened", "title": "Secret news",
            "body": "Secret news",
        },
    ),
    "api_keys": (
        "key",
        {"profile_id": "client", "name": "Secret key", "prefix": "hub_secret", "key_hash": b"secret"},
    ),
    "saved_views": ("saved_view", {"profile_id": "admin", "name": "Secret dashboard"}),
    "idempotency_keys": ("idempotency_key", {"profile_id": "client", "key": "secret", "request_hash": b""}),
}  # fmt: skip
_NAMES: Final = {name for name, _ in ROWS.values()} | {"client", "provider", "service", "admin"}
_EXAMPLES: Final[tuple[tuple[type, object], ...]] = (
    (Text, "Secret text"), (DateTime, "2030-01-01T00:00Z"), (Date, "2030-01-01"), (Boolean, True), (Numeric, 1),
)  # fmt: skip
_UNIQUE_COLUMNS: Final = ("event_id", "key_hash")  # unique across organisations


def write_everything(connection: psycopg.Connection) -> None:
    """Insert the rows of both organisations."""
    for org in (NORTH, SOUTH):
        for table, (name, columns) in (ROWS | _generated_rows()).items():
            values = {"id": org.id_of(name), "org_id": org.id} | {
                column: _value(org, column, value) for column, value in columns.items()
            }
            connection.execute(
                f"insert into app.{table} ({', '.join(values)}) values ({', '.join(['%s'] * len(values))})",
                list(values.values()),
            )


def _generated_rows() -> dict[str, tuple[str, dict[str, object]]]:
    """Return a row of each operational table that neither ROWS nor the seed has, from its required columns."""
    seeded = {"organizations", "profiles", "services", "service_packages"}
    return {
        table.name: (table.name, _required_values(table))
        for table in OPERATIONAL
        if table.name not in ROWS.keys() | seeded
    }


def _required_values(table: Table) -> dict[str, object]:
    parents = {key.parent.name: key.column.table.name for key in table.foreign_keys}
    names = {table_name: name for table_name, (name, _) in ROWS.items()} | {"services": "service"}
    values: dict[str, object] = {}
    for column in table.columns:
        if column.nullable or column.server_default is not None or column.name in ("id", "org_id"):
            continue
        parent = parents.get(column.name)
        if parent == "profiles":
            values[column.name] = "provider" if column.name == "provider_id" else "client"
        elif parent:
            values[column.name] = names[parent]
        else:
            values[column.name] = next(
                value for kind, value in _EXAMPLES if isinstance(column.type, kind)
            )  # StopIteration: add a row of this table to ROWS
    return values


def _value(org: Organization, column: str, value: object) -> object:
    if column in _UNIQUE_COLUMNS:
        return f"{org.slug} {value!r}".encode() if isinstance(value, bytes) else f"{org.slug} {value}"
    if column.endswith("_id") and isinstance(value, str) and value in _NAMES:
        return org.id_of(value)
    return f"{org.slug.title()} {value}" if isinstance(value, str) and "ecret" in value else value
