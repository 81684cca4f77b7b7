"""Who was told of an insight, and when: for the page of the insight."""

from alembic import op

revision = "0031"
down_revision = "0030"

UPGRADE = """
create function app.deliveries_of_insight(p_insight_id uuid)
returns table (
    channel text, kind text, recipient text, event text, state text, attempts integer, sent_at timestamptz,
    next_attempt_at timestamptz, last_error text
)
stable language sql security definer set search_path = app, pg_temp as $$
    select channels.name, channels.kind, deliveries.recipient, deliveries.event, deliveries.state,
        deliveries.attempts, deliveries.sent_at, deliveries.next_attempt_at, deliveries.last_error
    from app.notification_deliveries as deliveries
    join app.notification_channels as channels
        on channels.org_id = deliveries.org_id and channels.id = deliveries.channel_id
    where app.sees_all() and deliveries.org_id = app.org_id() and deliveries.insight_id = p_insight_id
    order by deliveries.created_at, channels.name, deliveries.recipient
$$;
comment on function app.deliveries_of_insight is 'Return the messages about an insight of the caller''s organisation. For those who see everything.';
revoke execute on function app.deliveries_of_insight from public;
grant execute on function app.deliveries_of_insight to hub_api;
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute("drop function app.deliveries_of_insight")
