"""Tables of the work on a booking: milestones, tasks, time entries and approvals."""

from sqlalchemy import Boolean, Column, Index, Numeric, SmallInteger, UniqueConstraint, text

from sources.row_values import ACTING_ROLES, APPROVAL_STATUSES, MILESTONE_STATUSES, TASK_STATUSES
from sources.tables.columns import (
    belongs_to,
    check,
    one_of,
    operational_table,
    text_column,
    timestamp_column,
    uuid_column,
)

milestones = operational_table(
    "milestones",
    uuid_column("booking_id"),
    text_column("title"),
    Column("position", SmallInteger, nullable=False),
    Column("weight", Numeric(6, 2), nullable=False, server_default=text("1")),
    text_column("status", default="pending"),
    Column("progress_pct", Numeric(5, 2), nullable=False, server_default=text("0")),
    timestamp_column("due_at"),
    timestamp_column("completed_at"),
    one_of("status", MILESTONE_STATUSES),
    check("weight > 0", "weight"),
    check("progress_pct between 0 and 100", "progress_pct"),
    belongs_to("bookings", "booking_id"),
    UniqueConstraint("org_id", "booking_id", "position"),
)

tasks = operational_table(
    "tasks",
    uuid_column("booking_id"),
    uuid_column("milestone_id"),
    uuid_column("assignee_id", required=False),
    text_column("title"),
    text_column("status", default="todo"),
    Column("weight", Numeric(6, 2), nullable=False, server_default=text("1")),
    Column("progress_pct", Numeric(5, 2), nullable=False, server_default=text("0")),
    Column("estimated_hours", Numeric(8, 2)),
    timestamp_column("due_at"),
    timestamp_column("completed_at"),
    one_of("status", TASK_STATUSES),
    check("weight > 0", "weight"),
    check("progress_pct between 0 and 100", "progress_pct"),
    belongs_to("bookings", "booking_id"),
    belongs_to("milestones", "milestone_id"),
    belongs_to("profiles", "assignee_id", cascade=False),
    Index(None, "org_id", "milestone_id"),
    Index(None, "org_id", "booking_id"),
    Index(None, "org_id", "assignee_id", "due_at"),
)

time_entries = operational_table(
    "time_entries",
    uuid_column("booking_id"),
    uuid_column("task_id", required=False),
    uuid_column("provider_id"),
    timestamp_column("started_at", required=True),
    timestamp_column("ended_at"),  # null: the timer is running
    Column("billable", Boolean, nullable=False, server_default=text("true")),
    text_column("note", required=False),
    Column("is_exclusive", Boolean, nullable=False, server_default=text("true")),  # imported entries may overlap
    text_column("external_ref", required=False),
    check("ended_at > started_at", "started_at", "ended_at", name="ends_after_start"),
    UniqueConstraint("org_id", "external_ref"),
    belongs_to("bookings", "booking_id"),
    belongs_to("tasks", "task_id"),
    belongs_to("profiles", "provider_id", cascade=False),
    Index(None, "org_id", "booking_id"),
    Index(None, "org_id", "task_id"),
    Index(None, "org_id", "provider_id", "started_at"),
)

approvals = operational_table(
    "approvals",
    uuid_column("booking_id"),
    uuid_column("milestone_id", required=False),
    Column("round", SmallInteger, nullable=False, server_default=text("1")),  # of several rounds the last one counts
    Column("level", SmallInteger, nullable=False, server_default=text("1")),
    uuid_column("approver_id", required=False),
    text_column("approver_role", required=False),  # without approver_id: anyone with this role may decide
    text_column("status", default="pending"),
    text_column("reason", required=False),
    uuid_column("decided_by", required=False),  # null: unknown
    timestamp_column("decided_at"),
    one_of("approver_role", ACTING_ROLES),
    one_of("status", APPROVAL_STATUSES),
    check("level > 0", "level"),
    check("round > 0", "round"),
    check("(status = 'pending') = (decided_at is null)", "decided_at", "status"),
    belongs_to("bookings", "booking_id"),
    belongs_to("milestones", "milestone_id"),
    belongs_to("profiles", "approver_id", cascade=False),
    belongs_to("profiles", "decided_by", cascade=False),
    UniqueConstraint("org_id", "booking_id", "milestone_id", "round", "level", postgresql_nulls_not_distinct=True),
    Index(None, "org_id", "booking_id"),
    Index(None, "org_id", "milestone_id"),
)
