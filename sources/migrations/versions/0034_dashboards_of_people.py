"""Dashboards that people make for themselves, and share within the organisation."""

from alembic import op

revision = "0034"
down_revision = "0033"

SAVED_VIEWS = """
create table app.saved_views (
    id uuid not null default uuidv7(),
    org_id uuid not null,
    profile_id uuid not null,
    name text not null,
    is_shared boolean not null default false,
    tiles jsonb not null default '[]',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint pk_saved_views primary key (id),
    constraint uq_saved_views_org_id_id unique (org_id, id),
    constraint ck_saved_views_tiles check (jsonb_typeof(tiles) = 'array'),
    constraint fk_saved_views_org_id_profile_id foreign key (org_id, profile_id)
        references app.profiles (org_id, id) on delete cascade
);
create index ix_saved_views_org_id_profile_id on app.saved_views (org_id, profile_id);
create trigger touch before update on app.saved_views for each row execute function app.touch_row();
alter table app.saved_views enable row level security;
grant select, insert, update, delete on app.saved_views to hub_api;
-- Those who see the figures of the organisation read what is theirs or shared, and change what is theirs.
create policy readers on app.saved_views for select to hub_api using (
    org_id = (select app.org_id()) and (select app.sees_all()) and (is_shared or profile_id = (select app.person()))
);
create policy maker on app.saved_views to hub_api using (
    org_id = (select app.org_id()) and (select app.sees_all()) and profile_id = (select app.person())
);
"""


def upgrade() -> None:
    op.execute(SAVED_VIEWS)


def downgrade() -> None:
    op.execute("drop table app.saved_views")
