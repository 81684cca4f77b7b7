"""Working days of organisations and providers, absences of providers, and public holidays."""

from alembic import op

revision = "0010"
down_revision = "0009"

WORKING_DAYS = """
alter table app.{table} add column working_days smallint[]
    constraint ck_{table}_working_days check (working_days <@ '{{1,2,3,4,5,6,7}}');
"""

ABSENCES = """
create table app.provider_absences (
    id uuid not null default uuidv7(),
    org_id uuid not null,
    provider_id uuid not null,
    starts_on date not null,
    ends_on date not null,
    reason text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    row_version xid8 not null default pg_current_xact_id(),
    constraint pk_provider_absences primary key (id),
    constraint uq_provider_absences_org_id_id unique (org_id, id),
    constraint fk_provider_absences_org_id foreign key (org_id) references app.organizations (id) on delete cascade,
    constraint fk_provider_absences_org_id_provider_id foreign key (org_id, provider_id)
        references app.profiles (org_id, id) on delete cascade,
    constraint ck_provider_absences_days check (ends_on >= starts_on)
);
create index ix_provider_absences_row_version on app.provider_absences (row_version);
create index ix_provider_absences_org_id_provider_id_starts_on
    on app.provider_absences (org_id, provider_id, starts_on);

create trigger stamp before insert or update on app.provider_absences
    for each row execute function app.stamp_row();
create trigger leave_tombstones after delete on app.provider_absences referencing old table as gone
    for each statement execute function app.leave_tombstones();

alter table app.provider_absences enable row level security;
grant select on app.provider_absences to hub_api, hub_source;
create policy caller on app.provider_absences to hub_api using (
    org_id = (select app.org_id()) and ((select app.sees_all()) or provider_id = (select app.person()))
);
create policy source on app.provider_absences for select to hub_source using (true);
"""

# Public holidays in the countries of the organisations, in the years around as_of.
HOLIDAYS = """
create table raw.public_holidays (
    country text not null,
    day date not null,
    name text not null,
    primary key (country, day)
);
"""


def upgrade() -> None:
    op.execute(WORKING_DAYS.format(table="organizations"))
    op.execute(WORKING_DAYS.format(table="profiles"))
    op.execute(ABSENCES)
    op.execute(HOLIDAYS)


def downgrade() -> None:
    op.execute("drop table raw.public_holidays")
    op.execute("drop table app.provider_absences")
    op.execute("alter table app.profiles drop column working_days")
    op.execute("alter table app.organizations drop column working_days")
