"""Words that are planted in every text that the Hub may keep of two people of NORTH, a client and a provider."""

import json
from typing import Any, Final

import psycopg
from psycopg import sql

from tests.sources.business import NORTH, seed
from tests.sources.everything import write_everything

NAMES: Final = {"client": "Zephyrine Quillfeather", "provider": "Octavian Brambleworth"}
ADDRESSES: Final = {"client": "zephyrine@planted.example", "provider": "octavian@planted.example"}
PHRASE: Final = "marmalade zeppelin forty-two"
WORDS: Final = (*NAMES.values(), *ADDRESSES.values(), PHRASE)
ABOUT: Final = f"{', '.join((*NAMES.values(), *ADDRESSES.values()))}"
ALL: Final = f"{ABOUT}: {PHRASE}"

# Where a person's row is told from others by its columns, not by app.free_texts().
SPECIAL: Final = {
    ("profiles", "full_name"), ("profiles", "email"), ("saved_views", "name"), ("saved_views", "tiles"),
    ("idempotency_keys", "response_body"), ("processor_events", "payload"), ("import_rejections", "value"),
    ("import_rejections", "message"), ("audit_log", "before"), ("audit_log", "after"), ("live_changes", "data"),
    ("booking_search", "document"), ("notification_channels", "target"),
}  # fmt: skip
# Texts of the Hub or of the organisation, in which people are named: names and addresses are replaced.
NAMING: Final = {
    ("insight_events", column)
    for column in ("title", "summary", "recommendation", "drivers", "effects", "facts", "actions", "pattern")
} | {
    ("import_jobs", "mapping"), ("import_jobs", "findings"), ("import_jobs", "report"), ("import_jobs", "error"),
    ("import_files", "name"), ("invoice_lines", "description"), ("insight_run_logs", "error"),
    ("notification_attempts", "detail"),
    ("notification_deliveries", "recipient"), ("notification_deliveries", "last_error"),
    ("notification_channels", "name"), ("profiles", "external_ref"), ("profiles", "client_group"),
    ("import_records", "external_ref"), ("sample_incidents", "description"),
    ("import_rejections", "file_name"), ("bookings", "external_ref"), ("bookings", "channel"),
}  # fmt: skip
# Codes, keys, and what the organisation sells: no text about a person.
CODES: Final = {
    (table, column)
    for table, columns in {
        "api_keys": "prefix",
        "approvals": "approver_role status",
        "audit_log": "action actor_role table_name",
        "bi_access": "login",
        "booking_extras": "status",
        "booking_lines": "external_ref",
        "booking_status_history": "from_status to_status",
        "bookings": "booking_number currency priority status",
        "calendar_events": "kind",
        "idempotency_keys": "key",
        "import_jobs": "state step",
        "import_records": "kind mapping",
        "import_rejections": "external_ref field kind mapping row_key",
        "insight_events": "closed_by dedupe_key dimension direction feedback_reason kind member metric severity status "
        "told_severity",
        "insight_feedback": "dimension direction given_by kind member metric reason",
        "insight_run_logs": "counts requested_by status",
        "invoices": "currency external_ref invoice_number kind status",
        "live_changes": "kind",
        "metric_targets": "dimension grain member metric",
        "milestones": "status",
        "notification_attempts": "outcome",
        "notification_channels": "kind min_severity",
        "notification_deliveries": "event receipt_ref state",
        "notifications": "event",
        "number_series": "series",
        "organizations": "country currency locale name region sensitivity settings slug timezone",
        "payments": "currency external_ref kind method processor processor_ref status",
        "price_rules": "name",
        "processor_events": "event_id event_type object_ref processor status",
        "profiles": "role",
        "reviews": "external_ref",
        "sample_incidents": "dimension direction kind member",
        "service_add_ons": "currency name",
        "service_packages": "currency name",
        "saved_views": "sent_every",
        "services": "category currency external_ref name",
        "tasks": "status",
        "time_entries": "external_ref",
        "tombstones": "table_name",
    }.items()
    for column in columns.split()
}

TEXT_COLUMNS: Final = """
select relations.relname, columns.attname
from pg_class as relations join pg_attribute as columns on columns.attrelid = relations.oid
where relations.relnamespace = 'app'::regnamespace and relations.relkind = 'r' and columns.attnum > 0
    and not columns.attisdropped and columns.attgenerated = '' and columns.atttypid::regtype::text in ('text', 'jsonb')
"""
# Schemas of the Hub, with all that dbt makes.
SELECT_RELATIONS: Final = """
select nspname, relname from pg_class join pg_namespace on pg_namespace.oid = relnamespace
where relkind in ('r', 'v', 'm') and nspname in (
    'app', 'raw', 'snapshots', 'staging', 'intermediate', 'marts', 'analytics', 'ml'
) order by 1, 2
"""


def plant(connection: psycopg.Connection) -> None:
    """Insert NORTH with a row in each table, which are of the two people, and the words in every text of them."""
    seed(connection)
    write_everything(connection)
    booking = str(NORTH.id_of("booking"))
    by = f"profile {NORTH.client}"
    execute = connection.execute
    execute("update app.bookings set external_ref = 'planted' where id = %s", [booking])
    execute("update app.payments set processor_ref = 'pi_planted' where org_id = %s", [NORTH.id])
    execute("update app.import_rejections set external_ref = 'planted' where org_id = %s", [NORTH.id])
    execute("update app.insight_events set closed_by = %s where org_id = %s", [by, NORTH.id])
    execute("update app.insight_feedback set given_by = %s where org_id = %s", [by, NORTH.id])
    execute("update app.saved_views set profile_id = %s where org_id = %s", [NORTH.client, NORTH.id])
    execute("insert into app.import_records values (%s, 'simple_bookings', 'client', '-', %s, 0, '1')",
            [NORTH.id, NORTH.client])  # fmt: skip
    execute("insert into app.sample_incidents (org_id, kind, description, metrics, direction, starts_on, ends_on) "
            "values (%s, 'x', '-', '{}', 'up', '2030-01-01', '2030-01-01')", [NORTH.id])  # fmt: skip
    execute("insert into app.notification_attempts (org_id, delivery_id, attempt, attempted_at, outcome) "
            "values (%s, %s, 1, now(), 'sent')", [NORTH.id, NORTH.id_of("delivery")])  # fmt: skip
    execute("insert into app.live_changes (org_id, kind, client_id, data) values (%s, 'booking.changed', %s, '{}')",
            [NORTH.id, NORTH.client])  # fmt: skip
    execute("insert into app.booking_lines (org_id, booking_id, quantity, amount) values (%s, %s, 1, 1)",
            [NORTH.id, booking])  # fmt: skip
    execute("alter table app.audit_log disable trigger keep")
    execute("update app.audit_log set table_name = 'bookings', row_id = %s where org_id = %s", [booking, NORTH.id])
    for table, column in sorted(texts_of(connection) - CODES - {("booking_search", "document")}):
        if table != "profiles":
            value = _planted(connection, table, column, booking)
            statement = sql.SQL("update app.{} set {} = %s where org_id = %s")
            filled = connection.execute(
                statement.format(sql.Identifier(table), sql.Identifier(column)), [value, NORTH.id]
            )
            assert filled.rowcount, f"no row of {table} holds the words: add one"
    execute("alter table app.audit_log enable trigger keep")
    for who, name in NAMES.items():
        execute(
            "update app.profiles set full_name = %s, email = %s, external_ref = %s, client_group = %s where id = %s",
            [name, ADDRESSES[who], f"{name} 1", f"friends of {name}", NORTH.id_of(who)],
        )


def texts_of(connection: psycopg.Connection) -> set[tuple[str, str]]:
    """Return the columns of schema app that hold text. Each is free, special, naming, or a code."""
    found = {(table, column) for table, column in connection.execute(TEXT_COLUMNS).fetchall()}
    free = {(table, column) for table, column in connection.execute("select * from app.free_texts()").fetchall()}
    assert found - CODES - SPECIAL - NAMING == free, "say in app.free_texts() or here what a column of text holds"
    return found


def _planted(connection: psycopg.Connection, table: str, column: str, booking: str) -> str:
    """Return the words in the form that the column takes."""
    values: dict[str, Any] = {
        "response_body": {"headers": {}, "text": json.dumps({"id": booking, "title": ALL})},
        "payload": {"id": "pi_planted", "name": ABOUT, "note": ALL},
        "before": {"title": ALL, "full_name": ABOUT, "total_amount": "1"},
        "after": {"notes": ALL, "email": ABOUT},
        "data": {"title": ALL},
        "tiles": [{"title": ALL}],
        **{name: [{"sentence": ABOUT}] for name in ("drivers", "effects", "facts", "actions", "findings", "report")},
    }
    if column in values:
        return json.dumps(values[column])
    if (table, column) == ("notification_channels", "target"):
        return ", ".join((*ADDRESSES.values(), "owner@planted.example"))
    return ABOUT if (table, column) in NAMING else ALL


def found(connection: psycopg.Connection) -> dict[str, set[str]]:
    """Return the planted words in each relation of the Hub that has some, in any column."""
    places: dict[str, set[str]] = {}
    for schema, name in connection.execute(SELECT_RELATIONS).fetchall():
        # booking_search keeps texts without capitals.
        query = sql.SQL("select word from unnest(%s::text[]) as word where exists ("
                        "select from {} as kept where position(lower(word) in lower(kept::text)) > 0)")  # fmt: skip
        rows = connection.execute(query.format(sql.Identifier(schema, name)), [list(WORDS)]).fetchall()
        if rows:
            places[f"{schema}.{name}"] = {word for (word,) in rows}
    return places
