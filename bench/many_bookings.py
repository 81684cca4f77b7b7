"""Many bookings in one organisation, made by the server itself: what lists and searches are measured on.

python -m bench.many_bookings --bookings 1000000        (of an organisation of its own, in the Hub's database)
"""

import argparse
from typing import Final
from uuid import UUID

import psycopg

from sources import database
from sources.settings import get_settings

DAYS: Final = 1_095  # over which they were booked
CLIENTS_PER_BOOKING: Final = 1 / 50
PROVIDERS: Final = 40
SERVICES: Final = (  # name, price, share of bookings
    ("Discovery call", 90, 0.28), ("Coaching session", 140, 0.22), ("Design review", 260, 0.17),
    ("Half-day workshop", 620, 0.12), ("Process audit", 1_250, 0.09), ("Brand package", 2_100, 0.07),
    ("Strategy sprint", 2_900, 0.04), ("Archive scan", 45, 0.01),
)  # fmt: skip
VOCABULARY: Final = 20_000  # words of notes; a few are in many, most are in very few

# Made-up words: the same number is always the same word.
WORD: Final = """
create function pg_temp.word(p_number integer) returns text immutable language sql return translate(
    substr(md5(p_number::text), 1, 5 + p_number % 4), '0123456789abcdef', 'aeiouaeibdlmnrst'
)
"""
PEOPLE: Final = """
insert into app.profiles (org_id, role, full_name, email)
select %(org)s, 'admin', 'Ada Admin', 'ada@many.example'
union all
select %(org)s, 'provider', initcap(pg_temp.word(500 + n)) || ' ' || initcap(pg_temp.word(900 + n)),
    'provider' || n || '@many.example'
from generate_series(1, %(providers)s) as n
union all
select %(org)s, 'client',
    initcap(pg_temp.word(1 + n %% 397)) || ' ' || initcap(pg_temp.word(400 + n %% 1009)) || ' '
    || initcap(pg_temp.word(1500 + n %% 5003)), 'client' || n || '@many.example'
from generate_series(1, %(clients)s) as n
"""
# Old bookings are over and new ones are not; starts follow bookings; prices follow services: as filters and orders
# depend on each other in life, so they do here.
BOOKINGS: Final = """
with people as (
    select array_agg(id order by email) filter (where role = 'client') as clients,
        array_agg(id order by email) filter (where role = 'provider') as providers
    from app.profiles where org_id = %(org)s
),

offers as (
    select array_agg(id order by name) as ids, array_agg(name order by name) as names,
        array_agg(base_price order by name) as prices
    from app.services where org_id = %(org)s
),

drawn as materialized (
    select n, random() as r1, random() as r2, random() as r3, random() as r4, random() as r5, random() as r6,
        (%(picks)s::int[])[1 + (random() * 99)::int] as service,
        timestamptz '2026-11-20 18:00Z' - make_interval(secs => (%(count)s - n) * %(gap)s) as created_at
    from generate_series(1, %(count)s) as n
),

shaped as (
    select *,
        case when r1 > 0.08 then created_at + interval '1 day' + r2 * interval '60 days' end as start_at,
        case
            when n > 0.985 * %(count)s then
                (array['requested', 'under_review', 'quoted', 'approved', 'awaiting_payment'])[1 + floor(r3 * 5)::int]
            when n > 0.95 * %(count)s then (array[
                'confirmed', 'scheduled', 'in_progress', 'on_hold', 'awaiting_client', 'delivered'
            ])[1 + floor(r3 * 6)::int]
            when r3 < 0.84 then 'completed'
            when r3 < 0.93 then 'cancelled'
            when r3 < 0.96 then 'declined'
            when r3 < 0.985 then 'no_show'
            when r3 < 0.9997 then 'expired'
            else 'disputed'
        end as status
    from drawn
)

insert into app.bookings (
    id, org_id, booking_number, client_id, provider_id, service_id, status, title, notes, total_amount, currency,
    scheduled_start, scheduled_end, is_exclusive, cancelled_at, completed_at, created_at, updated_at
)
select uuidv7(created_at - clock_timestamp()), %(org)s, 'BK-' || to_char(created_at, 'YYYY') || '-' || 5000000 + n,
    clients[1 + floor(r4 * %(clients)s)::int],
    case when r5 > 0.03 then providers[1 + floor(r5 * r5 * %(providers)s)::int] end,
    ids[service], status,
    names[service] || ' ' || pg_temp.word(1 + floor(r6 * r6 * 3000)::int),
    case when r2 < 0.4 then (
        select string_agg(pg_temp.word(1 + floor(power(random() + 0 * n * place, 4) * %(vocabulary)s)::int), ' ')
        from generate_series(1, 8) as place
    ) end,
    round((prices[service] * (0.8 + r6 * 0.4))::numeric, 2), 'EUR', start_at, start_at + interval '2 hours', false,
    case when status in ('cancelled', 'no_show', 'declined', 'expired') then created_at + interval '2 days' end,
    case when status = 'completed' then created_at + interval '70 days' end, created_at, created_at
from shaped, people, offers
"""
INDEX_FOR_SEARCH: Final = """
insert into app.booking_search (booking_id, org_id, document)
select b.id, b.org_id, app.search_document(b.booking_number, b.title, p.full_name, b.notes)
from app.bookings as b join app.profiles as p on p.org_id = b.org_id and p.id = b.client_id
where b.org_id = %(org)s
"""


SECONDARY_INDEXES: Final = """
select indexname, indexdef from pg_indexes
where schemaname = 'app' and tablename in ('bookings', 'booking_search') and indexname like 'ix_%'
"""


def fill(connection: psycopg.Connection, org_id: UUID, count: int) -> None:
    """Add `count` bookings to the organisation, with the services, clients and providers they are of, and analyse.

    As a superuser: triggers are left out for the load. Commits.
    """
    picks = [place for place, (_, _, share) in enumerate(sorted(SERVICES), 1) for _ in range(round(share * 100))]
    given = {
        "org": org_id, "count": count, "vocabulary": VOCABULARY, "picks": picks,
        "clients": max(1, round(count * CLIENTS_PER_BOOKING)), "providers": PROVIDERS,
        "gap": DAYS * 86_400 / count,
    }  # fmt: skip
    with connection.transaction():
        connection.execute("set local session_replication_role = replica")
        connection.execute("select setseed(0.5)")
        connection.execute(WORD)
        for name, price, _ in SERVICES:
            connection.execute(
                "insert into app.services (org_id, name, base_price, currency, duration_hours) "
                "values (%s, %s, %s, 'EUR', 2)", [org_id, name, price],
            )  # fmt: skip
        connection.execute(PEOPLE, given)
        indexes = connection.execute(SECONDARY_INDEXES).fetchall()  # one build is faster than a million insertions
        for name, _ in indexes:
            connection.execute(f"drop index app.{name}")
        connection.execute("analyze app.profiles")  # what was just written, the planner takes for a single row
        connection.execute(BOOKINGS, given)
        connection.execute("analyze app.bookings")
        connection.execute(INDEX_FOR_SEARCH, given)
        for _, definition in indexes:
            connection.execute(definition)
    connection.autocommit = True
    connection.execute("vacuum analyze app.profiles, app.bookings, app.booking_search")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bookings", type=int, default=1_000_000)
    count = parser.parse_args().bookings
    settings = get_settings()
    database.start(settings)
    database.migrate(settings)
    with psycopg.connect(database.database_url(settings), autocommit=True) as connection:
        made = connection.execute(
            "insert into app.organizations (id, org_id, name, slug, timezone, currency) "
            "select i, i, 'Many Bookings', 'many-bookings', 'UTC', 'EUR' from uuidv7() as i returning id"
        ).fetchall()
        fill(connection, made[0][0], count)


if __name__ == "__main__":
    main()
