"""Admins change channels by the API; test messages in the ledger; secrets of webhooks are rotated."""

from alembic import op

revision = "0033"
down_revision = "0032"

CHANNELS = """
alter table app.notification_channels
    add column secret_number integer not null default 0,
    add column secret_changed_at timestamptz,
    add column removed_at timestamptz,
    add constraint ck_notification_channels_removed check (removed_at is null or not is_active),
    drop constraint uq_notification_channels_org_id_name;
create unique index uq_notification_channels_org_id_name on app.notification_channels (org_id, name)
    where removed_at is null;

alter table app.notification_deliveries
    drop constraint ck_notification_deliveries_event,
    add constraint ck_notification_deliveries_event
        check (event in ('opened', 'worsened', 'resolved', 'digest', 'test')),
    drop constraint ck_notification_deliveries_insight_id,
    add constraint ck_notification_deliveries_insight_id
        check ((event not in ('digest', 'test')) = (insight_id is not null));
"""
# What waits for a channel that is removed is given up; what is being sent is settled by its worker.
REMOVAL = """
create function app.give_up_deliveries() returns trigger language plpgsql
    security definer set search_path = app, pg_temp as $$
begin
    update app.notification_deliveries
    set state = 'dead', last_error = 'The channel was removed.'
    where org_id = new.org_id and channel_id = new.id and state in ('pending', 'failed');
    return null;
end $$;
revoke execute on function app.give_up_deliveries from public;
create trigger give_up_deliveries after update of removed_at on app.notification_channels
    for each row when (old.removed_at is null and new.removed_at is not null)
    execute function app.give_up_deliveries();
"""
RIGHTS = """
alter table app.notification_channels enable row level security;
grant select, insert, update on app.notification_channels to hub_api;
create policy caller on app.notification_channels to hub_api
    using (org_id = (select app.org_id()) and (select app.sees_all()));
alter table app.notification_deliveries enable row level security;
grant select, insert on app.notification_deliveries to hub_api;
create policy caller on app.notification_deliveries to hub_api
    using (org_id = (select app.org_id()) and (select app.sees_all()));
create policy tests on app.notification_deliveries as restrictive for insert to hub_api
    with check (event = 'test' and state = 'pending');
"""
FORMER = """
drop policy tests on app.notification_deliveries;
drop policy caller on app.notification_deliveries;
drop policy caller on app.notification_channels;
revoke all on app.notification_deliveries, app.notification_channels from hub_api;
alter table app.notification_deliveries disable row level security;
alter table app.notification_channels disable row level security;
drop trigger give_up_deliveries on app.notification_channels;
drop function app.give_up_deliveries;

delete from app.notification_deliveries where event = 'test';
alter table app.notification_deliveries
    drop constraint ck_notification_deliveries_event,
    add constraint ck_notification_deliveries_event check (event in ('opened', 'worsened', 'resolved', 'digest')),
    drop constraint ck_notification_deliveries_insight_id,
    add constraint ck_notification_deliveries_insight_id check ((event <> 'digest') = (insight_id is not null));
update app.notification_channels set name = name || ' (removed ' || id || ')' where removed_at is not null;
drop index app.uq_notification_channels_org_id_name;
alter table app.notification_channels
    drop constraint ck_notification_channels_removed,
    drop column removed_at, drop column secret_changed_at, drop column secret_number,
    add constraint uq_notification_channels_org_id_name unique (org_id, name);
"""


def upgrade() -> None:
    op.execute(CHANNELS)
    op.execute(REMOVAL)
    op.execute(RIGHTS)


def downgrade() -> None:
    op.execute(FORMER)
