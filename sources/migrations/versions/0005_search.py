"""Search by number, title, client and notes of bookings, in a table that triggers update.

Text operators are not leakproof, so under row security they cannot use an index. A list that is read in its own order
compares the words of each booking that row security lets through. Rare words are found by app.search_bookings(), which
reads the indexes of the caller's organisation, and whose result is joined to bookings.
"""

from alembic import op

revision = "0005"
down_revision = "0004"

SEARCH = """
create extension if not exists unaccent;

-- As words and terms are compared: without case and accents.
create function app.folded(p_text text) returns text stable language sql
    return lower(public.unaccent(p_text));

-- The space in front lets the pattern '% ab%' find a word that begins with ab.
create function app.search_document(p_number text, p_title text, p_client text, p_notes text)
returns text stable language sql
    return app.folded(' ' || concat_ws(' ', p_number, p_title, p_client, p_notes));

create table app.booking_search (
    booking_id uuid constraint pk_booking_search primary key
        constraint fk_booking_search_booking_id references app.bookings (id) on delete cascade,
    org_id uuid not null,
    document text not null,
    words tsvector not null generated always as (to_tsvector('simple', document)) stored
);
-- Its pending list may hold a few hundred bookings, so that no single one waits for the merge of thousands.
create index ix_booking_search_words on app.booking_search using gin (org_id, words)
    with (gin_pending_list_limit = 512);
create index ix_booking_search_trigrams on app.booking_search using gin (org_id, document gin_trgm_ops)
    with (gin_pending_list_limit = 512);
-- Planned by how often parts of words are: a hundred samples know too few.
alter table app.booking_search alter column document set statistics 1000;

grant select on app.booking_search to hub_api;
alter table app.booking_search enable row level security;
create policy caller on app.booking_search to hub_api using (
    org_id = (select app.org_id()) and (
        (select app.sees_all()) or exists (
            select 1 from app.bookings as b where b.org_id = booking_search.org_id and b.id = booking_search.booking_id
        )
    )
);

-- At most p_most bookings of the caller's organisation, in no order, that have the words or all the patterns. Where the
-- planner expects several times as many, as many nulls instead: to collect them all first would take long.
create function app.search_bookings(p_words tsquery, p_patterns text[], p_most integer)
returns setof uuid volatile language plpgsql rows 1000
    security definer set search_path = app, public, pg_temp set enable_seqscan = off as $$
declare
    v_query text;
    v_plan json;
begin
    select format(
        'select s.booking_id from app.booking_search as s where s.org_id = %L and (s.words @@ %L or (%s))',
        app.org_id(), p_words, coalesce(string_agg(format('s.document like %L', pattern), ' and '), 'false')
    ) into v_query from unnest(p_patterns) as pattern;
    execute 'explain (format json) ' || v_query into v_plan;
    if (v_plan -> 0 -> 'Plan' ->> 'Plan Rows')::numeric > 3 * p_most then
        return query select null::uuid from generate_series(1, p_most);
    else
        return query execute v_query || ' limit ' || p_most;
    end if;
end $$;

create function app.index_new_bookings() returns trigger language plpgsql
    security definer set search_path = app, public, pg_temp as $$
begin
    insert into app.booking_search (booking_id, org_id, document)
    select b.id, b.org_id, app.search_document(b.booking_number, b.title, p.full_name, b.notes)
    from new_rows as b join app.profiles as p on p.org_id = b.org_id and p.id = b.client_id;
    return null;
end $$;

create function app.index_changed_bookings() returns trigger language plpgsql
    security definer set search_path = app, public, pg_temp as $$
begin
    update app.booking_search as s
    set document = app.search_document(b.booking_number, b.title, p.full_name, b.notes)
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
    set document = app.search_document(b.booking_number, b.title, p.full_name, b.notes)
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
select b.id, b.org_id, app.search_document(b.booking_number, b.title, p.full_name, b.notes)
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
        drop function app.search_bookings, app.search_document, app.folded;
        """
    )
