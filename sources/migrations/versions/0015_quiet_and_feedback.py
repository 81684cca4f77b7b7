"""Incidents with effects, facts and actions; told once, and again when worse; budgets of alerts; feedback that teaches."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0014"

KINDS_BEFORE = ("anomaly", "forecast", "workload", "milestone", "revenue", "pipeline")
KINDS = (*KINDS_BEFORE, "pace", "receivable", "retention", "no_show")
REASONS = ("expected", "wrong", "not_interesting", "known_event")
FEEDBACK = (*REASONS, "useful", "not_useful")


def upgrade() -> None:
    for column in (
        sa.Column("started_on", sa.Date()),
        sa.Column("direction", sa.Text()),
        sa.Column("pattern", sa.Text()),
        *(
            sa.Column(name, postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False)
            for name in ("effects", "facts", "actions")
        ),
        sa.Column("size", sa.Numeric(18, 4)),
        sa.Column("share", sa.Numeric(18, 4)),
        sa.Column("is_size_money", sa.Boolean()),
        sa.Column("told_at", sa.DateTime(timezone=True)),
        sa.Column("told_size", sa.Numeric(18, 4)),
        sa.Column("told_share", sa.Numeric(18, 4)),
        sa.Column("is_told_size_money", sa.Boolean()),
        sa.Column("told_severity", sa.Text()),
        sa.Column("worsened_at", sa.DateTime(timezone=True)),
        sa.Column("worsened_times", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("feedback_reason", sa.Text()),
        sa.Column("useful", sa.Boolean()),
        sa.Column("closed_by", sa.Text()),
    ):
        op.add_column("insight_events", column, schema="app")
    # Events of earlier versions were told when they were opened. The key ends with the direction and the start, which is
    # a day, or of a failure and of a question something else.
    op.execute(
        """
        update app.insight_events set direction = split_part(dedupe_key, '|', -2), told_at = first_seen,
            size = abs(coalesce(impact, value - expected)), told_size = abs(coalesce(impact, value - expected)),
            share = abs(value - expected) / nullif(abs(expected), 0),
            told_share = abs(value - expected) / nullif(abs(expected), 0),
            is_size_money = impact is not null, is_told_size_money = impact is not null, told_severity = severity,
            started_on = case when split_part(dedupe_key, '|', -1) ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}$'
                then split_part(dedupe_key, '|', -1)::date else day end
        """
    )
    _replace_check("insight_events", "kind", f"kind in {_listed(KINDS)}")
    op.execute(
        "alter table app.insight_events add constraint ck_insight_events_feedback_reason "
        f"check (feedback_reason in {_listed(REASONS)})"
    )
    op.execute(
        """
        alter table app.notification_deliveries
            add column repeat integer not null default 0,
            add column told_at timestamptz not null default now(),
            drop constraint uq_notification_deliveries_once,
            add constraint uq_notification_deliveries_once unique nulls not distinct
                (org_id, insight_id, digest_day, channel_id, recipient, event, repeat)
        """
    )
    op.execute("update app.notification_deliveries set told_at = created_at")
    _replace_check("notification_deliveries", "event", "event in ('opened', 'worsened', 'resolved', 'digest')")
    op.execute(
        """
        alter table app.notifications
            add column repeat integer not null default 0,
            drop constraint uq_notifications_org_id_profile_id_insight_id_event,
            add constraint uq_notifications_once unique
                (org_id, profile_id, insight_id, event, repeat)
        """
    )
    op.execute(
        """
        alter table app.notification_channels add column alerts_per_week integer,
            add constraint ck_notification_channels_alerts_per_week check (alerts_per_week >= 0)
        """
    )
    op.execute(
        f"""
        create table app.insight_feedback (
            id uuid not null default uuidv7() constraint pk_insight_feedback primary key,
            org_id uuid not null,
            insight_id uuid not null,
            reason text not null,
            given_by text not null,
            given_at timestamptz not null,
            kind text not null,
            metric text not null,
            dimension text not null,
            member text not null,
            direction text not null,
            size numeric(18, 4),
            share numeric(18, 4),
            is_size_money boolean,
            as_of timestamptz not null,
            comment text,
            calendar_event_id uuid,
            undone_at timestamptz,
            created_at timestamptz not null default now(),
            updated_at timestamptz not null default now(),
            constraint uq_insight_feedback_org_id_id unique (org_id, id),
            constraint ck_insight_feedback_reason check (reason in {_listed(FEEDBACK)}),
            constraint fk_insight_feedback_org_id_insight_id foreign key (org_id, insight_id)
                references app.insight_events (org_id, id) on delete cascade
        );
        create index ix_insight_feedback_org_id_given_at on app.insight_feedback (org_id, given_at);
        create trigger touch before update on app.insight_feedback for each row execute function app.touch_row();
        alter table app.insight_feedback enable row level security;
        grant select, insert, update on app.insight_feedback to hub_api;
        create policy caller on app.insight_feedback to hub_api
            using (org_id = (select app.org_id()) and (select app.sees_all()));
        -- A dismissal as a known event adds it to the calendar, and undoing it removes it.
        grant insert, delete on app.calendar_events to hub_api;
        """
    )


def downgrade() -> None:
    op.execute("revoke insert, delete on app.calendar_events from hub_api")
    op.execute("drop table app.insight_feedback")
    op.execute("alter table app.notification_channels drop column alerts_per_week")
    op.execute("delete from app.notifications where event = 'worsened'")
    op.execute(
        """
        alter table app.notifications
            drop constraint uq_notifications_once,
            drop column repeat,
            add constraint uq_notifications_org_id_profile_id_insight_id_event unique
                (org_id, profile_id, insight_id, event)
        """
    )
    op.execute("delete from app.notification_deliveries where event = 'worsened'")
    op.execute(
        """
        alter table app.notification_deliveries
            drop constraint uq_notification_deliveries_once,
            drop column repeat,
            drop column told_at,
            add constraint uq_notification_deliveries_once unique nulls not distinct
                (org_id, insight_id, digest_day, channel_id, recipient, event)
        """
    )
    _replace_check("notification_deliveries", "event", "event in ('opened', 'resolved', 'digest')")
    op.execute(f"delete from app.insight_events where kind not in {_listed(KINDS_BEFORE)}")
    _replace_check("insight_events", "kind", f"kind in {_listed(KINDS_BEFORE)}")
    for name in (
        "closed_by useful feedback_reason worsened_times worsened_at told_severity is_told_size_money told_share told_size told_at "
        "is_size_money share size actions facts effects "
        "pattern direction started_on"
    ).split():
        op.drop_column("insight_events", name, schema="app")


def _replace_check(table: str, name: str, condition: str) -> None:
    constraint = f"ck_{table}_{name}"
    op.execute(f"alter table app.{table} drop constraint {constraint}, add constraint {constraint} check ({condition})")


def _listed(values: tuple[str, ...]) -> str:
    return "(" + ", ".join(f"'{value}'" for value in values) + ")"
