"""Search over number, title, client and notes of bookings, kept by trigger in a table of its own.

Text operators are not leakproof: under row security they could use no index on bookings. So the words lie in a table
that the API may not read; app.search_bookings() reads it within the caller's organisation, and what it finds is joined
to bookings, where row security holds.
"""

from alembic import op

revision = "0005"
down_revision = "0004"

SEARCH = """
create table app.booking_search (
    booking_id uuid primary key references app.bookings (id) on delete cascade,
    org_id uuid not null,
    document text not null
);
create index ix_booking_search_words on app.booking_search using gin (org_id, to_tsvector('simple', document));
create index ix_booking_search_trigrams on app.booking_search using gin (org_id, document gin_trgm_ops);

create function app.index_new_bookings() returns trigger language plpgsql
    security definer set search_path = app, public, pg_temp as $$
begin
    insert into app.booking_search (booking_id, org_id, document)
    select b.id, b.org_id, lower(concat_ws(' ', b.booking_number, b.title, p.full_name, b.notes))
    from new_rows as b join app.profiles as p on p.org_id = b.org_id and p.id = b.client_id;
    return null;
end $$;

create function app.index_changed_bookings() returns trigger language plpgsql
    security definer set search_path = app, public, pg_temp as $$
begin
    update app.booking_search as s
    set document = lower(concat_ws(' ', b.booking_number, b.title, p.full_name, b.notes))
    from new_rows as b
    join old_rows as o on o.id = b.id
    join app.profiles as p on p.org_id = b.org_id and p.id = b.client_id
    where s.booking_id = b.id and (b.booking_number, b.title, b.client_id, b.notes)
        is distinct from (o.booking_number, o.title, o.client_id, o.notes);
    return null;
end $$;

create function app.index_renamed_clients() returns trigger language plpgsql
    security definer set search_path = app, public, pg_temp as $$
begin
    update app.booking_search as s
    set document = lower(concat_ws(' ', b.booking_number, b.title, p.full_name, b.notes))
    from new_rows as p
    join old_rows as o on o.id = p.id and o.full_name <> p.full_name
    join app.bookings as b on b.org_id = p.org_id and b.client_id = p.id
    where s.booking_id = b.id;
    return null;
end $$;

create trigger index_new after insert on app.bookings referencing new table as new_rows
    for each statement execute function app.index_new_bookings();
create trigger index_changed after update on app.bookings referencing new table as new_rows old table as old_rows
    for each statement execute function app.index_changed_bookings();
create trigger index_renamed after update on app.profiles referencing new table as new_rows old table as old_rows
    for each statement execute function app.index_renamed_clients();

insert into app.booking_search (booking_id, org_id, document)
select b.id, b.org_id, lower(concat_ws(' ', b.booking_number, b.title, p.full_name, b.notes))
from app.bookings as b join app.profiles as p on p.org_id = b.org_id and p.id = b.client_id;
"""


def upgrade() -> None:
    op.execute(SEARCH)


def downgrade() -> None:
    op.execute(
        """
        drop trigger index_new on app.bookings;
        drop trigger index_changed on app.bookings;
        drop trigger index_renamed on app.profiles;
        drop function app.index_new_bookings, app.index_changed_bookings, app.index_renamed_clients;
        drop table app.booking_search;
        """
    )
