"""Known events, regions and sensitivity of organisations, channels of bookings; forecasts by metric, and no-show risks."""

from alembic import op

from sources.migrations import helpers

revision = "0014"
down_revision = "0013"

# What is known ahead, for the whole organisation, or for one service or one provider.
EVENTS = """
create table app.calendar_events (
    id uuid not null default uuidv7(),
    org_id uuid not null,
    kind text not null,
    title text not null,
    starts_on date not null,
    ends_on date not null,
    service_id uuid,
    provider_id uuid,
    expected_effect numeric(8, 4),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    row_version xid8 not null default pg_current_xact_id(),
    constraint pk_calendar_events primary key (id),
    constraint uq_calendar_events_org_id_id unique (org_id, id),
    constraint fk_calendar_events_org_id foreign key (org_id) references app.organizations (id) on delete cascade,
    constraint fk_calendar_events_org_id_service_id foreign key (org_id, service_id)
        references app.services (org_id, id) on delete cascade,
    constraint fk_calendar_events_org_id_provider_id foreign key (org_id, provider_id)
        references app.profiles (org_id, id) on delete cascade,
    constraint ck_calendar_events_kind check (kind in ('closure', 'campaign', 'price_change', 'event')),
    constraint ck_calendar_events_days check (ends_on >= starts_on),
    constraint ck_calendar_events_expected_effect check (expected_effect >= 0),
    constraint ck_calendar_events_concerns check (service_id is null or provider_id is null)
);
create index ix_calendar_events_row_version on app.calendar_events (row_version);
create index ix_calendar_events_org_id_starts_on on app.calendar_events (org_id, starts_on);
"""

COLUMNS = """
alter table app.organizations
    add column region text,
    add column sensitivity text not null default 'normal',
    add constraint ck_organizations_sensitivity check (sensitivity in ('quiet', 'normal', 'keen'));
alter table app.bookings add column channel text;
"""

# The holidays of a country as a whole have the region ''.
REGIONAL_HOLIDAYS = """
alter table raw.public_holidays
    add column region text not null default '',
    drop constraint public_holidays_pkey,
    add primary key (country, region, day);
"""

# began: the first day of the condition; since_*: the sums over began..day, of a ratio the ratio over these days.
ANOMALIES = """
alter table ml.anomalies
    add column began date,
    add column since_value numeric(18, 4),
    add column since_expected numeric(18, 4);
update ml.anomalies set began = day, since_value = value, since_expected = expected;
alter table ml.anomalies
    alter column began set not null,
    alter column since_value set not null,
    alter column since_expected set not null,
    add constraint anomalies_began_check check (began <= day);
"""

FORECASTS = """
create table ml.forecasts (
    org_id uuid not null,
    as_of date not null,
    metric text not null,
    dimension text not null,
    member text not null,
    day date not null,
    forecast numeric(18, 4) not null,
    lower_80 numeric(18, 4) not null,
    upper_80 numeric(18, 4) not null,
    lower_95 numeric(18, 4) not null,
    upper_95 numeric(18, 4) not null,
    on_hand numeric(18, 4),
    model text not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (org_id, as_of, metric, dimension, member, day),
    check (lower_95 <= lower_80 and lower_80 <= forecast and forecast <= upper_80 and upper_80 <= upper_95)
);
"""

NO_SHOWS = """
create table ml.no_shows (
    org_id uuid not null,
    as_of date not null,
    booking_id uuid not null,
    probability double precision not null check (probability between 0 and 1),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (org_id, as_of, booking_id)
);
"""


def upgrade() -> None:
    op.execute(EVENTS)
    helpers.make_operational("calendar_events", visible=helpers.own_rows("provider_id"))
    op.execute(COLUMNS)
    op.execute(REGIONAL_HOLIDAYS)
    op.execute(ANOMALIES)
    op.execute(FORECASTS)
    op.execute(NO_SHOWS)


def downgrade() -> None:
    op.execute("drop table ml.no_shows")
    op.execute("drop table ml.forecasts")
    op.execute("alter table ml.anomalies drop column began, drop column since_value, drop column since_expected")
    op.execute("delete from raw.public_holidays where region <> ''")
    op.execute("alter table raw.public_holidays drop column region, add primary key (country, day)")
    op.execute("alter table app.bookings drop column channel")
    op.execute("alter table app.organizations drop column region, drop column sensitivity")
    op.execute("drop table app.calendar_events")
