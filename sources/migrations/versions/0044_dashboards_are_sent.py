"""Dashboards are sent to a channel, each day or each week."""

from alembic import op

revision = "0044"
down_revision = "0043"

COLUMNS = """
alter table app.saved_views
    add column sent_to uuid,
    add column sent_every text not null default 'week',
    add constraint ck_saved_views_sent_every check (sent_every in ('day', 'week')),
    add constraint ck_saved_views_sent_to check (sent_to is null or is_shared),
    add constraint fk_saved_views_org_id_sent_to foreign key (org_id, sent_to)
        references app.notification_channels (org_id, id);
-- Channels are those of admins.
create policy sent_by_admins on app.saved_views as restrictive to hub_api
    using (true) with check (sent_to is null or (select app.administers()));

-- No foreign key: what was sent stays in the ledger when the dashboard is deleted.
alter table app.notification_deliveries
    add column view_id uuid,
    drop constraint ck_notification_deliveries_event,
    add constraint ck_notification_deliveries_event
        check (event in ('opened', 'worsened', 'resolved', 'digest', 'dashboard', 'test')),
    drop constraint ck_notification_deliveries_insight_id,
    add constraint ck_notification_deliveries_insight_id
        check ((event not in ('digest', 'dashboard', 'test')) = (insight_id is not null)),
    drop constraint ck_notification_deliveries_digest_day,
    add constraint ck_notification_deliveries_digest_day
        check ((event in ('digest', 'dashboard')) = (digest_day is not null)),
    add constraint ck_notification_deliveries_view_id check ((event = 'dashboard') = (view_id is not null)),
    drop constraint uq_notification_deliveries_once,
    add constraint uq_notification_deliveries_once unique nulls not distinct
        (org_id, insight_id, view_id, digest_day, channel_id, recipient, event, repeat);
"""
FUNCTIONS = """
-- The dashboards that are sent with the digest of a day, each with its channel. Those of a week go with the digest of
-- its last day.
create function app.dashboards_to_send(p_org_id uuid, p_day date) returns table (view_id uuid, channel_id uuid)
language sql stable set search_path = app, pg_temp as $$
    select views.id, channels.id
    from app.saved_views as views
    inner join app.notification_channels as channels
        on channels.org_id = views.org_id and channels.id = views.sent_to
    where views.org_id = p_org_id
        and views.is_shared
        and views.tiles <> '[]'
        and (views.sent_every = 'day' or extract(isodow from p_day) = 7)
        and channels.is_active
$$;
-- What waits of a dashboard that is deleted, or that its maker does not send to this channel any more, is not sent.
create function app.withdraw_dashboards() returns trigger language plpgsql
    security definer set search_path = app, pg_temp as $$
begin
    delete from app.notification_deliveries
    where org_id = old.org_id and view_id = old.id and state in ('pending', 'failed');
    return null;
end $$;
-- Whoever is no active admin any more sends nothing.
create function app.end_sending() returns trigger language plpgsql
    security definer set search_path = app, pg_temp as $$
begin
    update app.saved_views set sent_to = null
    where org_id = new.org_id and profile_id = new.id and sent_to is not null;
    return null;
end $$;
revoke execute on function app.dashboards_to_send, app.withdraw_dashboards, app.end_sending from public;
create trigger end_sending after update of role, is_active on app.profiles
    for each row when (old.is_active and old.role = 'admin' and not (new.is_active and new.role = 'admin'))
    execute function app.end_sending();
create trigger withdraw_when_changed after update of sent_to on app.saved_views
    for each row when (old.sent_to is not null and old.sent_to is distinct from new.sent_to)
    execute function app.withdraw_dashboards();
create trigger withdraw_when_deleted after delete on app.saved_views
    for each row when (old.sent_to is not null) execute function app.withdraw_dashboards();
"""
FORMER = """
drop trigger withdraw_when_deleted on app.saved_views;
drop trigger withdraw_when_changed on app.saved_views;
drop trigger end_sending on app.profiles;
drop function app.end_sending, app.withdraw_dashboards, app.dashboards_to_send;
drop policy sent_by_admins on app.saved_views;
alter table app.saved_views drop column sent_to, drop column sent_every;

delete from app.notification_deliveries where event = 'dashboard';
alter table app.notification_deliveries
    drop constraint uq_notification_deliveries_once,
    drop constraint ck_notification_deliveries_event,
    add constraint ck_notification_deliveries_event
        check (event in ('opened', 'worsened', 'resolved', 'digest', 'test')),
    drop constraint ck_notification_deliveries_insight_id,
    add constraint ck_notification_deliveries_insight_id
        check ((event not in ('digest', 'test')) = (insight_id is not null)),
    drop constraint ck_notification_deliveries_digest_day,
    add constraint ck_notification_deliveries_digest_day check ((event = 'digest') = (digest_day is not null)),
    drop column view_id,
    add constraint uq_notification_deliveries_once unique nulls not distinct
        (org_id, insight_id, digest_day, channel_id, recipient, event, repeat);
"""


def upgrade() -> None:
    op.execute(COLUMNS)
    op.execute(FUNCTIONS)


def downgrade() -> None:
    op.execute(FORMER)
