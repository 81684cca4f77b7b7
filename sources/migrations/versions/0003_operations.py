"""Tables and constraints of the write API: prices, deposits, gap-free numbers, payment events, no double bookings."""

from alembic import op

revision = "0003"
down_revision = "0002"

# From sources/lifecycle.py at this revision.
HOLDS_TIME = (
    "requested under_review quoted approved awaiting_payment confirmed scheduled in_progress on_hold awaiting_client "
    "revision_requested delivered disputed completed"
).split()
HUB_OWNED = "service_add_ons price_rules booking_add_ons number_series payment_provider_events".split()

COLUMNS = """
create extension if not exists btree_gist;
create extension if not exists btree_gin;
create extension if not exists pg_trgm;

-- What stands there was recorded, not reserved: it may overlap.
alter table app.bookings
    add column notes text,
    add column deposit_amount numeric(14, 2) not null default 0,
    add column cancellation_fee numeric(14, 2),
    add column is_exclusive boolean not null default false,
    -- Comparisons of bigint are leakproof, those of numeric are not: only this one can use an index under row security.
    add column amount_minor bigint not null generated always as ((total_amount * 100)::bigint) stored,
    -- What has no start sorts after all that have one; under row security an expression could use no index.
    add column start_key timestamptz not null generated always as (coalesce(scheduled_start, '9999-12-31Z')) stored,
    add constraint ck_bookings_deposit_amount check (deposit_amount >= 0),
    add constraint ck_bookings_cancellation_fee check (cancellation_fee >= 0);
alter table app.bookings alter column is_exclusive set default true;

alter table app.time_entries
    add column note text,
    add column is_exclusive boolean not null default false;
alter table app.time_entries alter column is_exclusive set default true;

alter table app.approvals
    add column approver_role text,
    add column round smallint not null default 1,
    add column decided_by uuid,
    add constraint ck_approvals_approver_role check (approver_role in ('client', 'provider', 'admin')),
    add constraint ck_approvals_round check (round > 0),
    add constraint fk_approvals_org_id_decided_by foreign key (org_id, decided_by) references app.profiles (org_id, id),
    drop constraint ck_approvals_status,
    add constraint ck_approvals_status check (status in ('pending', 'approved', 'rejected', 'closed'));
-- Until now the rounds stood one after another without a number.
update app.approvals as a set round = numbered.round
from (
    select id, row_number() over (partition by booking_id, milestone_id, level order by created_at, id) as round
    from app.approvals
) as numbered
where a.id = numbered.id and numbered.round > 1;
alter table app.approvals add constraint uq_approvals_org_id_booking_id_milestone_id_round_level
    unique nulls not distinct (org_id, booking_id, milestone_id, round, level);

alter table app.invoices
    alter column invoice_number drop not null,
    drop constraint ck_invoices_issued_at,
    add constraint ck_invoices_issued_at check (status in ('draft', 'void') or issued_at is not null),
    add constraint ck_invoices_invoice_number check (issued_at is null or invoice_number is not null),
    add column kind text not null default 'custom',
    add column void_reason text,
    add constraint ck_invoices_kind check (kind in ('deposit', 'final', 'fee', 'custom'));

alter table app.payments
    add column provider text not null default 'manual',
    add column note text,
    add column refund_of uuid,
    add constraint fk_payments_org_id_refund_of foreign key (org_id, refund_of) references app.payments (org_id, id),
    add constraint ck_payments_refund_of check (refund_of is null or kind = 'refund'),
    drop constraint uq_payments_org_id_provider_ref,
    add constraint uq_payments_provider_provider_ref_org_id unique (provider, provider_ref, org_id);
create index ix_payments_refund_of on app.payments (org_id, refund_of) where refund_of is not null;

alter table app.time_entries add constraint ex_time_entries_person_time exclude using gist (
    org_id with =, provider_id with =, tstzrange(started_at, ended_at) with &&
) where (is_exclusive);

-- Each way to read a list in order, by key: within the organisation, and within what it is most often filtered by.
drop index app.ix_bookings_org_id_created_at, app.ix_bookings_org_id_status_created_at,
    app.ix_bookings_org_id_client_id_created_at, app.ix_bookings_org_id_service_id_created_at,
    app.ix_bookings_org_id_scheduled_start, app.ix_bookings_org_id_provider_id_scheduled_start;
create index ix_bookings_created on app.bookings (org_id, created_at, id);
create index ix_bookings_created_of_status on app.bookings (org_id, status, created_at, id);
create index ix_bookings_created_of_client on app.bookings (org_id, client_id, created_at, id);
create index ix_bookings_created_of_provider on app.bookings (org_id, provider_id, created_at, id);
create index ix_bookings_created_of_service on app.bookings (org_id, service_id, created_at, id);
create index ix_bookings_start on app.bookings (org_id, start_key, id);
create index ix_bookings_start_of_status on app.bookings (org_id, status, start_key, id);
create index ix_bookings_start_of_provider on app.bookings (
    org_id, provider_id, start_key, id
);
create index ix_bookings_amount on app.bookings (org_id, amount_minor, id);
create index ix_bookings_amount_of_service on app.bookings (org_id, service_id, amount_minor, id);
create sequence app.booking_numbers;
"""

TABLES = """
create table app.service_add_ons (
    id uuid constraint pk_service_add_ons primary key default uuidv7(),
    org_id uuid not null,
    service_id uuid not null,
    name text not null,
    price numeric(14, 2) not null,
    currency text not null,
    is_active boolean not null default true,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint uq_service_add_ons_org_id_id unique (org_id, id),
    constraint uq_service_add_ons_org_id_service_id_name unique (org_id, service_id, name),
    constraint fk_service_add_ons_org_id_service_id foreign key (org_id, service_id) references app.services (org_id, id) on delete cascade,
    constraint ck_service_add_ons_price check (price >= 0),
    constraint ck_service_add_ons_currency check (currency ~ '^[A-Z]{3}$')
);

create table app.price_rules (
    id uuid constraint pk_price_rules primary key default uuidv7(),
    org_id uuid not null,
    service_id uuid,
    package_id uuid,
    name text not null,
    weekdays smallint[],
    starts_on date,
    ends_on date,
    min_lead_days integer,
    max_lead_days integer,
    adjust_pct numeric(6, 2) not null,
    position smallint not null default 1,
    is_active boolean not null default true,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint uq_price_rules_org_id_id unique (org_id, id),
    constraint uq_price_rules_org_id_name unique (org_id, name),
    constraint fk_price_rules_org_id_service_id foreign key (org_id, service_id) references app.services (org_id, id) on delete cascade,
    constraint fk_price_rules_org_id_package_id foreign key (org_id, package_id) references app.service_packages (org_id, id) on delete cascade,
    constraint ck_price_rules_adjust_pct check (adjust_pct > -100)
);

create table app.booking_add_ons (
    id uuid constraint pk_booking_add_ons primary key default uuidv7(),
    org_id uuid not null,
    booking_id uuid not null,
    add_on_id uuid not null,
    quantity integer not null,
    unit_price numeric(14, 2) not null,
    amount numeric(14, 2) not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint uq_booking_add_ons_org_id_id unique (org_id, id),
    constraint uq_booking_add_ons_org_id_booking_id_add_on_id unique (org_id, booking_id, add_on_id),
    constraint fk_booking_add_ons_org_id_booking_id foreign key (org_id, booking_id) references app.bookings (org_id, id) on delete cascade,
    constraint fk_booking_add_ons_org_id_add_on_id foreign key (org_id, add_on_id) references app.service_add_ons (org_id, id),
    constraint ck_booking_add_ons_quantity check (quantity > 0),
    constraint ck_booking_add_ons_amount check (amount = quantity * unit_price)
);

create table app.number_series (
    id uuid constraint pk_number_series primary key default uuidv7(),
    org_id uuid not null,
    series text not null,
    last_number bigint not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint uq_number_series_org_id_id unique (org_id, id),
    constraint uq_number_series_org_id_series unique (org_id, series),
    constraint fk_number_series_org_id foreign key (org_id) references app.organizations (id) on delete cascade
);

create table app.payment_provider_events (
    id uuid constraint pk_payment_provider_events primary key default uuidv7(),
    org_id uuid not null,
    provider text not null,
    event_id text not null,
    event_type text not null,
    object_ref text,
    status text not null,
    payload jsonb not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint uq_payment_provider_events_org_id_id unique (org_id, id),
    constraint uq_payment_provider_events_provider_event_id unique (provider, event_id),
    constraint ck_payment_provider_events_status check (status in ('applied', 'waiting', 'ignored'))
);
create index ix_payment_provider_events_provider_object_ref_status
    on app.payment_provider_events (provider, object_ref, status);
"""

MONEY = """
-- What an invoice is, by its payments and its due date; drafts and void ones stay what they are.
create function app.invoice_status(
    p_status text, p_total numeric, p_paid numeric, p_due_at timestamptz, p_at timestamptz
) returns text immutable parallel safe language sql
    return case
        when p_status in ('draft', 'void') then p_status
        when p_paid >= p_total then 'paid'
        when p_due_at < p_at then 'overdue'
        when p_paid > 0 then 'part_paid'
        else 'issued'
    end;

-- The next invoice number of the caller's organisation. Its series stays locked until the transaction ends: one that
-- fails takes its number back. The first one continues after the highest number that the organisation has.
create function app.next_invoice_number() returns text language plpgsql
    security definer set search_path = app, pg_temp as $$
declare
    next_number bigint;
    written text;
begin
    loop
        update app.number_series set last_number = last_number + 1
        where org_id = app.org_id() and series = 'invoice' returning last_number into next_number;
        if not found then
            insert into app.number_series (org_id, series, last_number)
            select app.org_id(), 'invoice', coalesce(max(substr(invoice_number, 5)::bigint), 0) + 1
            from app.invoices where org_id = app.org_id() and invoice_number ~ '^INV-[0-9]{1,17}$'
            on conflict (org_id, series) do update set last_number = number_series.last_number + 1
            returning last_number into next_number;
        end if;
        written := 'INV-' || lpad(next_number::text, greatest(6, length(next_number::text)), '0');
        exit when not exists (
            select from app.invoices where org_id = app.org_id() and invoice_number = written
        );
        -- Invoices came by another way, such as a load of old ones: continue after them.
        delete from app.number_series where org_id = app.org_id() and series = 'invoice';
    end loop;
    return written;
end $$;

-- Whose a payment is that a payment provider speaks of: its events come without a caller.
create function app.organization_of_payment(p_provider text, p_ref text) returns uuid stable language sql
    security definer set search_path = app, pg_temp as $$
    select org_id from app.payments where provider = p_provider and provider_ref = p_ref limit 1
$$;

-- Events that came before anybody could tell whose they are become the caller's organisation's.
create function app.adopt_provider_events(p_provider text, p_ref text) returns void language sql
    security definer set search_path = app, pg_temp as $$
    update app.payment_provider_events set org_id = app.org_id()
    where org_id = '00000000-0000-0000-0000-000000000000' and provider = p_provider and object_ref = p_ref
        and status = 'waiting'
$$;
"""


def upgrade() -> None:
    op.execute(COLUMNS)
    statuses = ", ".join(f"'{status}'" for status in HOLDS_TIME)
    op.execute(
        f"""
        alter table app.bookings add constraint ex_bookings_provider_time exclude using gist (
            org_id with =, provider_id with =, tstzrange(scheduled_start, scheduled_end) with &&
        ) where (
            is_exclusive and provider_id is not null and scheduled_start is not null and scheduled_end is not null
            and status in ({statuses})
        )
        """
    )
    op.execute(TABLES)
    # The functions call app.org_id(), which the next revision creates.
    op.execute("set local check_function_bodies = off")
    op.execute(MONEY)
    for table in HUB_OWNED:
        op.execute(f"create trigger touch before update on app.{table} for each row execute function app.touch_row()")


def downgrade() -> None:
    op.execute(
        """
        drop function app.invoice_status, app.next_invoice_number, app.organization_of_payment,
            app.adopt_provider_events;
        alter table app.payments drop column refund_of, drop column note,
            drop constraint uq_payments_provider_provider_ref_org_id, drop column provider,
            add constraint uq_payments_org_id_provider_ref unique (org_id, provider_ref);
        alter table app.invoices drop column kind, drop column void_reason;
        """
    )
    op.execute(f"drop table {', '.join(f'app.{table}' for table in reversed(HUB_OWNED))}")
    op.execute(
        """
        drop sequence app.booking_numbers;
        alter table app.bookings drop constraint ex_bookings_provider_time, drop column notes, drop column deposit_amount,
            drop column cancellation_fee, drop column is_exclusive, drop column amount_minor, drop column start_key;
        alter table app.time_entries drop constraint ex_time_entries_person_time, drop column note,
            drop column is_exclusive;
        update app.approvals set status = 'rejected' where status = 'closed';
        alter table app.approvals drop column approver_role, drop column round, drop column decided_by,
            drop constraint ck_approvals_status,
            add constraint ck_approvals_status check (status in ('pending', 'approved', 'rejected'));
        alter table app.invoices drop constraint ck_invoices_invoice_number, alter column invoice_number set not null;
        """
    )
