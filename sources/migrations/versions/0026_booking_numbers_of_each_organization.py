"""Booking numbers are counted in each organisation: they tell nobody how much others book."""

from alembic import op

revision = "0026"
down_revision = "0025"

# A sequence for each organisation: a counter in a row would make the bookings of an organisation wait for each other.
# The first booking makes it, as organisations also come by ways that run no triggers.
FUNCTIONS = """
create function app.booking_sequence(p_org_id uuid) returns text immutable language sql
    return 'app.booking_numbers_' || replace(p_org_id::text, '-', '');

-- The next number of the caller's organisation.
create function app.next_booking_number(p_at timestamptz) returns text language plpgsql
security definer set search_path = app, pg_temp as $$
declare
    v_sequence text := app.booking_sequence(app.org_id());
begin
    if to_regclass(v_sequence) is null then
        perform pg_advisory_xact_lock(hashtextextended(v_sequence, 0));
        execute 'create sequence if not exists ' || v_sequence;
    end if;
    return 'BK-' || to_char(p_at, 'YYYY') || '-' || nextval(v_sequence) + 1000000;
end $$;

revoke execute on function app.booking_sequence, app.next_booking_number from public;
grant execute on function app.next_booking_number to hub_api;
"""
FROM_ONE = """
do $$
declare
    v_org_id uuid;
    v_next bigint;
begin
    select case when is_called then last_value + 1 else last_value end into v_next from app.booking_numbers;
    for v_org_id in select id from app.organizations loop
        execute format('create sequence %s start with %s', app.booking_sequence(v_org_id), v_next);
    end loop;
end $$;
drop sequence app.booking_numbers;
"""
BACK_TO_ONE = """
create sequence app.booking_numbers;
grant usage on sequence app.booking_numbers to hub_api;
do $$
declare
    v_name text;
    v_highest bigint;
begin
    select max(coalesce(last_value, 0)) into v_highest from pg_sequences
    where schemaname = 'app' and sequencename like 'booking\\_numbers\\_%';
    perform setval('app.booking_numbers', greatest(v_highest, 1));
    for v_name in
        select sequencename from pg_sequences where schemaname = 'app' and sequencename like 'booking\\_numbers\\_%'
    loop
        execute format('drop sequence app.%I', v_name);
    end loop;
end $$;
drop function app.next_booking_number, app.booking_sequence;
"""


def upgrade() -> None:
    op.execute(FUNCTIONS)
    op.execute(FROM_ONE)


def downgrade() -> None:
    op.execute(BACK_TO_ONE)
