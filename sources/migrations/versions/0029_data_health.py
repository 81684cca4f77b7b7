"""What the page of data health reads: when data was landed and built, failed steps, and rejected rows of imports."""

from alembic import op

revision = "0029"
down_revision = "0028"

UPGRADE = """
create function app.data_freshness() returns table (table_name text, loaded_at timestamptz)
stable language sql security definer set search_path = '' as $$
    select watermarks.table_name, watermarks.loaded_at from raw.watermarks where app.sees_all()
    union all
    select 'figures', max(states.built_at) from raw.model_states as states where app.sees_all() having count(*) > 0
$$;
comment on function app.data_freshness is 'Return when each operational table was landed, and when the figures were built. For those who see everything.';

create function app.failed_steps() returns table (step text, as_of date, message text)
stable language sql security definer set search_path = '' as $$
    select failures.step, failures.as_of, failures.message from raw.run_failures as failures
    where app.sees_all() and failures.org_id = app.org_id()
    order by failures.step
$$;
comment on function app.failed_steps is 'Return the steps of the last run that failed for the organisation of the caller.';

revoke execute on function app.data_freshness, app.failed_steps from public;
grant execute on function app.data_freshness, app.failed_steps to hub_api;

alter table app.import_rejections enable row level security;
create policy caller on app.import_rejections to hub_api
    using (org_id = (select app.org_id()) and (select app.sees_all()));
grant select on app.import_rejections to hub_api;
"""
DOWNGRADE = """
revoke select on app.import_rejections from hub_api;
drop policy caller on app.import_rejections;
alter table app.import_rejections disable row level security;
drop function app.data_freshness, app.failed_steps;
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute(DOWNGRADE)
