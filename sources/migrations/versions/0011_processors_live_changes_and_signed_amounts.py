"""Payment processors and live changes under their names; signed amounts of payments, and which invoices are receivable."""

from alembic import op

revision = "0011"
down_revision = "0010"

# More changed rows than this in one statement are one live change, `reload` (as in revision 0006).
MANY = 200

MONEY = """
alter table app.payments add column signed_amount numeric(14, 2) not null
    generated always as (case kind when 'refund' then -amount else amount end) stored;
alter table app.invoices add column is_receivable boolean not null
    generated always as (status not in ('draft', 'void')) stored;

-- The outstanding amount of an invoice, of which `p_paid` was paid less refunds; 0 in status paid, also where an import
-- has no payments.
create function app.outstanding_amount(p_status text, p_total numeric, p_paid numeric) returns numeric
    immutable parallel safe language sql
    return case when p_status in ('draft', 'void', 'paid') then 0 else greatest(p_total - p_paid, 0) end;

-- Outstanding by currency, of the invoices that the caller sees. Those in status paid have nothing outstanding, and
-- are left out: there are many of them.
create or replace function app.outstanding() returns table (currency text, outstanding numeric)
language plpgsql stable security definer
    set search_path = app, pg_temp set plan_cache_mode = force_custom_plan as $$
#variable_conflict use_column
declare
    org uuid := app.org_id();
    person uuid := app.person();
    sees_all boolean := app.sees_all();
begin
    return query
    select invoices.currency,
        sum(app.outstanding_amount(invoices.status, invoices.total_amount, payments.paid))
    from app.invoices as invoices
    join app.bookings as bookings on bookings.org_id = invoices.org_id and bookings.id = invoices.booking_id,
    lateral (
        select coalesce(sum(signed_amount), 0) as paid from app.payments
        where org_id = invoices.org_id and invoice_id = invoices.id and status = 'succeeded'
    ) as payments
    where invoices.org_id = org and invoices.status in ('issued', 'part_paid', 'overdue')
        and (sees_all or bookings.client_id = person or bookings.provider_id = person)
    group by invoices.currency;
end $$;
"""

# Index and constraint names follow the naming convention of the tables.
PROCESSORS = """
alter table app.payments rename column {old} to {new};
alter table app.payments rename column {old}_ref to {new}_ref;
alter table app.payments rename constraint uq_payments_{old}_{old}_ref_org_id to uq_payments_{new}_{new}_ref_org_id;
alter table app.{old_table} rename to {new_table};
alter table app.{new_table} rename column {old} to {new};
alter table app.{new_table} rename constraint pk_{old_table} to pk_{new_table};
alter table app.{new_table} rename constraint uq_{old_table}_org_id_id to uq_{new_table}_org_id_id;
alter table app.{new_table}
    rename constraint uq_{old_table}_{old}_event_id to uq_{new_table}_{new}_event_id;
alter table app.{new_table} rename constraint ck_{old_table}_status to ck_{new_table}_status;
alter index app.ix_{old_table}_{old}_object_ref_status rename to ix_{new_table}_{new}_object_ref_status;
drop function app.organization_of_payment, app.adopt_{old}_events;

-- The organisation of a payment that a payment processor reports: the events of a processor come without a caller.
create function app.organization_of_payment(p_{new} text, p_ref text) returns uuid stable language sql
    security definer set search_path = app, pg_temp as $$
    select org_id from app.payments where {new} = p_{new} and {new}_ref = p_ref limit 1
$$;

-- Assign to the caller's organisation the waiting events of a payment that came before its organisation was known.
create function app.adopt_{new}_events(p_{new} text, p_ref text) returns void language sql
    security definer set search_path = app, pg_temp as $$
    update app.{new_table} set org_id = app.org_id()
    where org_id = '00000000-0000-0000-0000-000000000000' and {new} = p_{new} and object_ref = p_ref
        and status = 'waiting'
$$;
"""

# Function -> its earlier name.
RENAMED_FUNCTIONS = {
    "notify_live_changes": "ring",
    "live_changes_since": "events_since",
    "record_booking_inserts": "tell_new_bookings",
    "record_booking_updates": "tell_changed_bookings",
    "record_booking_deletes": "tell_gone_bookings",
    "record_message_inserts": "tell_new_messages",
    "record_insight": "tell_insights",
}
# (table, trigger, its earlier name); app.live_changes was app.events.
RENAMED_TRIGGERS = (
    ("live_changes", "notify", "ring"),
    ("bookings", "record_inserts", "tell_new"),
    ("bookings", "record_updates", "tell_changed"),
    ("bookings", "record_deletes", "tell_gone"),
    ("messages", "record_inserts", "tell_new"),
    ("insight_events", "record_insert", "tell_opened"),
    ("insight_events", "record_update", "tell_changed"),
)
RENAMED_TABLE = """
alter table app.{old} rename to {new};
alter table app.{new} rename constraint pk_{old} to pk_{new};
alter table app.{new} rename constraint ck_{old}_kind to ck_{new}_kind;
alter index app.ix_{old}_org_id_transaction_id rename to ix_{new}_org_id_transaction_id;
alter index app.ix_{old}_created_at rename to ix_{new}_created_at;
alter sequence app.{old_bell} rename to {new_bell};
"""

# NOTIFY at most five times a second: see revision 0006.
FUNCTIONS = """
create or replace function app.{notify}() returns trigger language plpgsql
    security definer set search_path = app, pg_temp as $$
declare
    slot bigint := extract(epoch from clock_timestamp()) * 5;
begin
    if slot > (select last_value from app.{bell}) then
        perform setval('app.{bell}', slot), pg_notify('{channel}', '');
    end if;
    return null;
end $$;

-- The rows committed since `p_snapshot` was taken, in every organisation, each exactly once; and the snapshot to
-- ask with the next time. Always at least one row.
create or replace function app.{since}(p_snapshot text, p_limit integer) returns table (
    snapshot text, id uuid, org_id uuid, kind text, booking_id uuid, client_id uuid, provider_id uuid, data text
) language plpgsql stable security definer
    set search_path = app, pg_temp set plan_cache_mode = force_custom_plan set enable_seqscan = off
    set max_parallel_workers_per_gather = 0 as $$
#variable_conflict use_column
begin
    return query
    select pg_current_snapshot()::text, changes.id, changes.org_id, changes.kind, changes.booking_id,
        changes.client_id, changes.provider_id, changes.data::text
    from (values (1)) as one_row left join lateral (
        select * from (
            select * from app.{table} where transaction_id >= pg_snapshot_xmax(p_snapshot::pg_snapshot)
            union all
            select * from app.{table}
            where transaction_id = any (array(select pg_snapshot_xip(p_snapshot::pg_snapshot)))
        ) as committed order by id limit p_limit
    ) as changes on true;
end $$;

-- The point from which a reader resumes: the horizon of the row that they received last (null if the row was deleted),
-- and the id of the organisation's newest row, also if the reader may not see that row.
create or replace function app.resume_point(p_event_id uuid, out horizon text, out latest uuid) language sql stable
    security definer set search_path = app, pg_temp as $$
    select (select horizon::text from app.{table} where id = p_event_id and org_id = app.org_id()),
        (select id from app.{table} where org_id = app.org_id() order by transaction_id desc limit 1)
$$;

create or replace function app.{booking_inserts}() returns trigger language plpgsql
    security definer set search_path = app, pg_temp as $$
begin
    if (select count(*) from (select from new_rows limit {many} + 1) as first_rows) > {many} then
        insert into app.{table} (org_id, kind, data) select distinct org_id, 'reload', '{{}}'::jsonb from new_rows;
    else
        insert into app.{table} (org_id, kind, booking_id, client_id, provider_id, data)
        select org_id, 'booking.created', id, client_id, provider_id, jsonb_build_object(
            'booking_id', id, 'booking_number', booking_number, 'status', status, 'version', row_version::text
        ) from new_rows;
    end if;
    return null;
end $$;

-- A person who loses a booking gets a change as well, and then finds that the booking does not exist for them any more.
create or replace function app.{booking_updates}() returns trigger language plpgsql
    security definer set search_path = app, pg_temp as $$
begin
    if (select count(*) from (select from new_rows limit {many} + 1) as first_rows) > {many} then
        insert into app.{table} (org_id, kind, data) select distinct org_id, 'reload', '{{}}'::jsonb from new_rows;
    else
        insert into app.{table} (org_id, kind, booking_id, client_id, provider_id, data)
        select new_rows.org_id,
            case when (
                new_rows.status, new_rows.scheduled_start, new_rows.total_amount, new_rows.title, new_rows.provider_id
            ) is not distinct from (
                old_rows.status, old_rows.scheduled_start, old_rows.total_amount, old_rows.title, old_rows.provider_id
            ) and new_rows.progress_pct <> old_rows.progress_pct then 'booking.progress' else 'booking.changed' end,
            new_rows.id, new_rows.client_id, new_rows.provider_id,
            jsonb_build_object(
                'booking_id', new_rows.id, 'booking_number', new_rows.booking_number, 'status', new_rows.status,
                'progress_pct', new_rows.progress_pct::text, 'version', new_rows.row_version::text
            )
        from new_rows join old_rows on old_rows.id = new_rows.id;
        insert into app.{table} (org_id, kind, booking_id, client_id, provider_id, data)
        select new_rows.org_id, 'booking.changed', new_rows.id, nullif(old_rows.client_id, new_rows.client_id),
            nullif(old_rows.provider_id, new_rows.provider_id),
            jsonb_build_object('booking_id', new_rows.id, 'booking_number', old_rows.booking_number, 'reassigned', true)
        from new_rows join old_rows on old_rows.id = new_rows.id
        where old_rows.client_id <> new_rows.client_id or (
            old_rows.provider_id is not null and old_rows.provider_id is distinct from new_rows.provider_id
        );
    end if;
    return null;
end $$;

create or replace function app.{booking_deletes}() returns trigger language plpgsql
    security definer set search_path = app, pg_temp as $$
begin
    insert into app.{table} (org_id, kind, data) select distinct org_id, 'reload', '{{}}'::jsonb from old_rows;
    return null;
end $$;

create or replace function app.{message_inserts}() returns trigger language plpgsql
    security definer set search_path = app, pg_temp as $$
begin
    if (select count(*) from (select from new_rows limit {many} + 1) as first_rows) > {many} then
        insert into app.{table} (org_id, kind, data) select distinct org_id, 'reload', '{{}}'::jsonb from new_rows;
    else
        insert into app.{table} (org_id, kind, booking_id, client_id, provider_id, data)
        select messages.org_id, 'message.created', bookings.id, bookings.client_id, bookings.provider_id,
            jsonb_build_object(
                'booking_id', bookings.id, 'message_id', messages.id, 'sender_id', messages.sender_id
            )
        from new_rows as messages join app.bookings as bookings on bookings.id = messages.booking_id;
    end if;
    return null;
end $$;

create or replace function app.{insight}() returns trigger language plpgsql
    security definer set search_path = app, pg_temp as $$
begin
    insert into app.{table} (org_id, kind, data)
    values (new.org_id, 'insight.changed', jsonb_build_object(
        'insight_id', new.id, 'status', new.status, 'severity', new.severity, 'kind', new.kind
    ));
    return null;
end $$;
"""


def functions(table: str, bell: str, channel: str, names: list[str]) -> str:
    """FUNCTIONS for the table, sequence, NOTIFY channel and function names of one revision."""
    notify, since, booking_inserts, booking_updates, booking_deletes, message_inserts, insight = names
    return FUNCTIONS.format(
        table=table, bell=bell, channel=channel, many=MANY, notify=notify, since=since,
        booking_inserts=booking_inserts, booking_updates=booking_updates, booking_deletes=booking_deletes,
        message_inserts=message_inserts, insight=insight,
    )  # fmt: skip


def upgrade() -> None:
    op.execute(MONEY)
    op.execute(
        PROCESSORS.format(
            old="provider", new="processor", old_table="payment_provider_events", new_table="processor_events"
        )
    )
    op.execute(
        RENAMED_TABLE.format(old="events", new="live_changes", old_bell="event_bell", new_bell="live_change_bell")
    )
    for new, old in RENAMED_FUNCTIONS.items():
        op.execute(f"alter function app.{old} rename to {new}")
    for table, new, old in RENAMED_TRIGGERS:
        op.execute(f"alter trigger {old} on app.{table} rename to {new}")
    op.execute(functions("live_changes", "live_change_bell", "hub_live_changes", list(RENAMED_FUNCTIONS)))


def downgrade() -> None:
    for table, new, old in RENAMED_TRIGGERS:
        op.execute(f"alter trigger {new} on app.{table} rename to {old}")
    for new, old in RENAMED_FUNCTIONS.items():
        op.execute(f"alter function app.{new} rename to {old}")
    op.execute(
        RENAMED_TABLE.format(old="live_changes", new="events", old_bell="live_change_bell", new_bell="event_bell")
    )
    op.execute(functions("events", "event_bell", "hub_events", list(RENAMED_FUNCTIONS.values())))
    op.execute(
        PROCESSORS.format(
            old="processor", new="provider", old_table="processor_events", new_table="payment_provider_events"
        )
    )
    op.execute(
        """
        create or replace function app.outstanding() returns table (currency text, outstanding numeric)
        language plpgsql stable security definer
            set search_path = app, pg_temp set plan_cache_mode = force_custom_plan as $$
        #variable_conflict use_column
        declare
            org uuid := app.org_id();
            me uuid := app.person();
            all_of_it boolean := app.sees_all();
        begin
            return query
            select i.currency, sum(greatest(i.total_amount - p.paid, 0))
            from app.invoices as i
            join app.bookings as b on b.org_id = i.org_id and b.id = i.booking_id,
            lateral (
                select coalesce(sum(case it.kind when 'refund' then -it.amount else it.amount end), 0) as paid
                from app.payments as it
                where it.org_id = i.org_id and it.invoice_id = i.id and it.status = 'succeeded'
            ) as p
            where i.org_id = org and i.status in ('issued', 'part_paid', 'overdue')
                and (all_of_it or b.client_id = me or b.provider_id = me)
            group by i.currency;
        end $$;
        drop function app.outstanding_amount;
        alter table app.payments drop column signed_amount;
        alter table app.invoices drop column is_receivable;
        """
    )
