"""Migrations of a database with rows: from revision 0010 to the newest one, back, and forward again."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID, uuid5

import psycopg
import pytest
from alembic import command

from sources import database
from sources.settings import Settings
from tests.conftest import clone, execute
from tests.sources.business import NAMESPACE, NORTH, PEOPLE, seed
from tests.sources.entering import enter

NOBODY = UUID(int=0)

# Every object of the Hub's schemas with what it consists of, without the bodies of functions.
SELECT_OBJECTS = """
with namespaces as (select oid, nspname from pg_namespace where nspname in ('app', 'raw', 'ml'))
select 'column', classes.oid::regclass::text || '.' || attname, format_type(atttypid, atttypmod),
    concat_ws(' ', attnotnull, pg_get_expr(defaults.adbin, defaults.adrelid), (
        select array_agg(item::text order by item::text)::text
        from unnest(coalesce(relacl, acldefault(case relkind when 'S' then 's'::"char" else 'r' end, relowner))) as item
    ))
from pg_attribute as attributes
join pg_class as classes on classes.oid = attrelid and relkind in ('r', 'v', 'S')
join namespaces on namespaces.oid = relnamespace
left join pg_attrdef as defaults on defaults.adrelid = attrelid and defaults.adnum = attnum
where attnum > 0 and not attisdropped
union all
select 'constraint', conname, conrelid::regclass::text, replace(pg_get_constraintdef(oid), ' NOT VALID', '')
from pg_constraint where connamespace in (select oid from namespaces)
union all
select 'index', indexname, tablename, indexdef from pg_indexes where schemaname in (select nspname from namespaces)
union all
select 'trigger', tgname, tgrelid::regclass::text, pg_get_triggerdef(pg_trigger.oid)
from pg_trigger join pg_class on pg_class.oid = tgrelid
where relnamespace in (select oid from namespaces) and not tgisinternal
union all
select 'policy', policyname, tablename, concat_ws(' ', roles::text, cmd, qual, with_check) from pg_policies
union all
select 'function', proname, pg_get_function_arguments(oid),
    concat_ws(' ', pg_get_function_result(oid), prosecdef, provolatile, proconfig::text, (
        select array_agg(item::text order by item::text)::text
        from unnest(coalesce(proacl, acldefault('f', proowner))) as item
    ))
from pg_proc where pronamespace in (select oid from namespaces)
"""
SELECT_BODIES = """
select oid::regprocedure::text, prosrc from pg_proc where pronamespace = 'app'::regnamespace
"""


@pytest.fixture
def empty(server: str, tmp_path: Path) -> Iterator[Settings]:
    """Yield settings of a Hub with an empty database, without migrations."""
    url = clone(server, "template1")
    yield Settings(home=tmp_path / "hub", database_url=url)
    execute(server, f"drop database {urlsplit(url).path[1:]} with (force)")


def id_of(name: str) -> UUID:
    """Return the id of a row of this test."""
    return uuid5(NAMESPACE, name)


def insert_rows(connection: psycopg.Connection) -> None:
    """Insert rows into every table that the migrations after 0010 change."""
    seed(connection, {name: role for name, role in PEOPLE.items() if role != "analyst"})  # a later role
    connection.execute(
        "insert into app.bookings (id, org_id, booking_number, client_id, provider_id, service_id, status, title, "
        "total_amount, currency) values (%s, %s, '1', %s, %s, %s, 'confirmed', 'Advice', 100, 'EUR')",
        [id_of("booking"), NORTH.id, NORTH.client, NORTH.provider, NORTH.service],
    )
    # Prices that await consent: quoted, in a draft, asked for by a provider; and those that do not.
    quoted = [(None, "requested", NORTH.client), ("requested", "quoted", NORTH.provider)]
    returned = [*quoted, ("quoted", "approved", NORTH.client), ("approved", "under_review", None)]
    waiting: dict[str, list[tuple[str | None, str, UUID | None]]] = {
        "quoted": [*returned, ("under_review", "quoted", NORTH.provider)],
        "under_review": [(None, "requested", NORTH.client), ("requested", "under_review", NORTH.provider),
                         ("under_review", "quoted", NORTH.provider), ("quoted", "under_review", NORTH.provider)],
        "draft": [(None, "draft", NORTH.client)],
        "requested": [(None, "requested", NORTH.provider)],
    }  # fmt: skip
    agreed: dict[str, list[tuple[str | None, str, UUID | None]]] = {
        "under_review": returned,
        "requested": [(None, "draft", NORTH.client), ("draft", "requested", NORTH.client)],
        "approved": [*quoted, ("quoted", "approved", NORTH.admin)],
    }
    for name, histories in (("waiting", waiting), ("agreed", agreed)):
        for status, history in histories.items():
            booking_id = id_of(f"{name} {status}")
            connection.execute(
                "insert into app.bookings (id, org_id, booking_number, client_id, service_id, status, title, "
                "total_amount, currency) values (%s, %s, %s, %s, %s, %s, %s, 70, 'EUR')",
                [booking_id, NORTH.id, f"{name} {status}", NORTH.client, NORTH.service, status, name],
            )
            for minute, (before, after, actor) in enumerate(history):
                connection.execute(
                    "insert into app.booking_status_history (org_id, booking_id, from_status, to_status, actor_id, "
                    "changed_at) values (%s, %s, %s, %s, %s, '2026-01-02T09:00Z'::timestamptz + %s * interval '1 min')",
                    [NORTH.id, booking_id, before, after, actor, minute],
                )
    for status, total in (("part_paid", 100), ("paid", 50), ("draft", 30), ("void", 20)):
        connection.execute(
            "insert into app.invoices (id, org_id, booking_id, client_id, invoice_number, status, total_amount, "
            "currency, issued_at) values (%s, %s, %s, %s, %s, %s, %s, 'EUR', '2026-01-02T09:00Z')",
            [id_of(status), NORTH.id, id_of("booking"), NORTH.client, f"INV-{total:06d}", status, total],
        )
    payments = (
        ("card", "payment", 60, "stripe", "pi_1", None),
        ("cash", "payment", 20, "manual", None, None),
        ("refund", "refund", 15, "stripe", "re_1", id_of("card")),
    )
    for name, kind, amount, processor, ref, refund_of in payments:
        connection.execute(
            "insert into app.payments (id, org_id, booking_id, invoice_id, kind, status, amount, currency, provider, "
            "provider_ref, refund_of, paid_at) "
            "values (%s, %s, %s, %s, %s, 'succeeded', %s, 'EUR', %s, %s, %s, '2026-01-03T09:00Z')",
            [id_of(name), NORTH.id, id_of("booking"), id_of("part_paid"), kind, amount, processor, ref, refund_of],
        )
    connection.execute(
        "insert into app.payment_provider_events (org_id, provider, event_id, event_type, object_ref, status, payload) "
        "values (%s, 'stripe', 'evt_1', 'payment_intent.succeeded', 'pi_1', 'waiting', '{}')",
        [NOBODY],
    )
    connection.execute(
        "insert into app.notification_channels (id, org_id, name, kind, target) "
        "values (%s, %s, 'Team', 'slack', 'https://hooks.example')",
        [id_of("channel"), NORTH.id],
    )
    connection.execute(
        "insert into app.notification_deliveries (org_id, channel_id, digest_day, recipient, event, state, sent_at, "
        "provider_ref) values (%s, %s, '2026-01-04', '#team', 'digest', 'sent', now(), 'thread-1')",
        [NORTH.id, id_of("channel")],
    )
    for step in ("forecast_accuracy", "insights"):
        connection.execute(
            "insert into raw.run_failures (org_id, step, as_of, message) values (%s, %s, '2026-01-04', 'no memory')",
            [NORTH.id, step],
        )


def outstanding(settings: Settings, *, by_proof: bool) -> list[tuple[object, ...]]:
    """Return app.outstanding() for the admin, with the role of the API, which earlier needed no proof."""
    with psycopg.connect(settings.database_url, autocommit=True) as connection, connection.transaction():
        connection.execute("set local role hub_api")
        if by_proof:
            enter(connection, NORTH.id, NORTH.admin)
        else:
            connection.execute("select app.enter(%s, %s, null, 8000)", [NORTH.id, NORTH.admin])
        return connection.execute("select currency, outstanding::text from app.outstanding()").fetchall()


def rows(connection: psycopg.Connection, query: str) -> list[tuple[object, ...]]:
    return connection.execute(query).fetchall()


def check_head(settings: Settings) -> None:
    """Check the rows of `insert_rows` at the newest revision."""
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        payments = "select processor, processor_ref, signed_amount::text from app.payments order by amount"
        assert rows(connection, payments) == [
            ("stripe", "re_1", "-15.00"),
            ("manual", None, "20.00"),
            ("stripe", "pi_1", "60.00"),
        ]
        invoices = "select status, is_receivable from app.invoices order by total_amount"
        assert rows(connection, invoices) == [("void", False), ("draft", False), ("paid", True), ("part_paid", True)]
        assert rows(connection, "select processor, event_id, status, org_id from app.processor_events") == [
            ("stripe", "evt_1", "waiting", NOBODY)
        ]
        offers = "select title || ' ' || status, offered_amount::text from app.bookings where total_amount = 70"
        assert sorted(rows(connection, offers)) == [
            ("agreed approved", None),
            ("agreed requested", None),
            ("agreed under_review", None),
            *((f"waiting {status}", "70.00") for status in ("draft", "quoted", "requested", "under_review")),
        ]
        assert ("booking.created", id_of("booking")) in rows(
            connection, "select kind, booking_id from app.live_changes"
        )
        assert rows(connection, "select receipt_ref from app.notification_deliveries") == [("thread-1",)]
        assert rows(connection, "select kind, target from app.notification_channels") == [
            ("slack", "https://hooks.example")
        ]
        assert rows(connection, "select step from raw.run_failures") == [("insights",)]
        assert rows(connection, "select to_regclass('ml.forecast_accuracy')") == [(None,)]
        with connection.transaction(force_rollback=True):
            connection.execute("set local role hub_api")
            enter(connection, NORTH.id, NORTH.admin)
            assert rows(connection, "select org_id from app.organization_of_payment('stripe', 'pi_1')") == [(NORTH.id,)]
            connection.execute("select app.adopt_processor_events('stripe', 'pi_1')")
            assert rows(connection, "select event_id from app.processor_events") == [("evt_1",)]
            assert rows(connection, "select kind from app.live_changes limit 1")
            assert rows(connection, "select * from app.live_changes_since(pg_current_snapshot()::text, 10)")
    assert outstanding(settings, by_proof=True) == [("EUR", "35.00")]


def test_a_database_with_rows_is_upgraded_downgraded_and_upgraded_again(empty: Settings) -> None:
    config = database.alembic_config(empty)
    command.upgrade(config, "0010")
    with psycopg.connect(empty.database_url, autocommit=True) as connection:
        insert_rows(connection)
        objects_before = set(rows(connection, SELECT_OBJECTS))
        changes = rows(connection, "select id, kind, data from app.events order by id")
        before = outstanding(empty, by_proof=False)
        database.migrate(empty)
        check_head(empty)
        objects = set(rows(connection, SELECT_OBJECTS))
        bodies = set(rows(connection, SELECT_BODIES))

        command.downgrade(config, "0010")
        assert set(rows(connection, SELECT_OBJECTS)) == objects_before
        assert rows(connection, "select id, kind, data from app.events order by id")[: len(changes)] == changes
        assert rows(connection, "select provider, provider_ref from app.payments order by amount") == [
            ("stripe", "re_1"),
            ("manual", None),
            ("stripe", "pi_1"),
        ]
        assert rows(connection, "select provider, object_ref from app.payment_provider_events") == [("stripe", "pi_1")]
        assert rows(connection, "select provider_ref from app.notification_deliveries") == [("thread-1",)]
        assert outstanding(empty, by_proof=False) == before == [("EUR", "35.00")]

        database.migrate(empty)
        assert set(rows(connection, SELECT_OBJECTS)) == objects
        assert set(rows(connection, SELECT_BODIES)) == bodies
    check_head(empty)
