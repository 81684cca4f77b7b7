"""After any change at the source, the tables equal those of a full rebuild."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any

import psycopg
import pytest

from dagster_project.warehouse import dbt_runner, model_states
from sources.settings import Settings
from tests.dbt.conftest import (
    RELATIONS,
    Dbt,
    execute,
    land_tables,
    manifest_of,
    open_walls,
    planned,
    rows,
    set_clock,
)

pytestmark = pytest.mark.slow

BUILD = ("build", "--exclude-resource-type", "unit_test")
FILLED = ("marts", "intermediate", "snapshots")
CHANGES = """
update app.bookings set total_amount = total_amount + 1, scheduled_start = scheduled_start - interval '3 days'
where id in (select id from app.bookings order by id limit 40);
update app.bookings set status = 'cancelled', cancelled_at = '2025-06-20 10:00+00'
where id in (select id from app.bookings where status = 'scheduled' order by id limit 5);
update app.bookings set provider_id = (
    select id from app.profiles p where p.org_id = bookings.org_id and role = 'provider' order by id desc limit 1
) where id in (select booking_id from app.time_entries order by id limit 5);
insert into app.booking_status_history (org_id, booking_id, from_status, to_status, changed_at)
select org_id, id, status, status, '2025-03-01 10:00+00' from app.bookings order by id limit 2;
delete from app.booking_status_history where id in (select id from app.booking_status_history order by id desc limit 9);
delete from app.payments where id in (select id from app.payments order by id desc limit 7);
delete from app.reviews where id in (select id from app.reviews order by id limit 3);
delete from app.bookings where id in (select booking_id from app.milestones order by id limit 3);
insert into app.bookings (org_id, booking_number, client_id, service_id, status, title, total_amount, currency,
    scheduled_start, scheduled_end, created_at)
select org_id, 'NEW-1', client_id, service_id, 'confirmed', 'New', 123.45, currency,
    '2025-06-29 22:30+00', '2025-07-03 10:00+00', '2025-06-28 23:30+00' from app.bookings order by id limit 1;
insert into app.invoices (org_id, booking_id, client_id, invoice_number, status, total_amount, currency, issued_at)
select org_id, id, client_id, 'NEW-1', 'issued', 100, currency, '2025-06-29 12:00+00'
from app.bookings where booking_number = 'NEW-1';
update app.invoice_lines set description = 'Changed' where id in (select id from app.invoice_lines order by id limit 4);
delete from app.invoice_lines where id in (select id from app.invoice_lines order by id desc limit 3);
update app.invoices set status = 'void'
where id in (select id from app.invoices where status = 'issued' order by id limit 2);
update app.organizations set timezone = 'Pacific/Auckland'
where id = (select id from app.organizations order by id limit 1);
"""


def state(settings: Settings, *, versions: bool) -> dict[str, Any]:
    """Return a digest of each table that dbt fills; with `versions` also of the transaction that wrote each row."""
    tables = [
        r["schema"] + "." + r["name"] for r in rows(settings, RELATIONS) if r["schema"] in FILLED and r["is_table"]
    ]
    version = "xmin::text || ctid::text ||" if versions else ""
    # 0 and 0.00 are the same value.
    query = (
        "select count(*) as rows, md5(string_agg(regexp_replace(line, '\\.0+(?=[,)])', '', 'g'), '' order by line)) "
        "as digest from ({}) as lines"
    )
    return {
        table: rows(settings, query.format(f"select {version} t::text as line from {table} as t")) for table in tables
    }


def walls_are_up(settings: Settings) -> bool:
    """Return True if BI logins see no table without its policy."""
    with psycopg.connect(settings.database_url) as connection:
        return not open_walls(connection)


def build_planned(settings: Settings, dbt: Dbt) -> None:
    """Build what the states of the models say, as a run does."""
    plan = planned(settings)
    assert plan.outdated
    assert not plan.redefined
    dbt(settings, *dbt_runner.build_of(manifest_of(settings), plan.outdated))
    with psycopg.connect(settings.database_url) as connection:
        model_states.save(connection, plan.outdated)


def test_changed_rows_equal_those_of_a_full_rebuild(writable: Settings, dbt: Dbt) -> None:
    with psycopg.connect(writable.database_url) as connection:
        model_states.save(connection, planned(writable).redefined)
    before = state(writable, versions=False)
    execute(writable, CHANGES)
    land_tables(writable)
    # A run that is killed between two tables leaves rows whose booking is already deleted.
    [orphaned] = rows(writable, "select booking_id as id from app.payments order by id limit 1")
    execute(writable, f"delete from app.bookings where id = '{orphaned['id']}'")
    land_tables(writable, "bookings")
    views = "select relname, oid from pg_class where relnamespace = 'analytics'::regnamespace order by 1"
    kept_views = rows(writable, views)

    execute(
        writable,
        "drop policy readers on marts.fct_payments; "
        "alter table intermediate.int_booking_states disable row level security",
    )
    build_planned(writable, dbt)
    assert walls_are_up(writable)
    after = state(writable, versions=False)
    for fact in (
        "bookings", "milestones", "payments", "invoices", "invoice_lines", "receivables", "reviews", "time_entries",
        "booking_statuses", "client_months",
    ):  # fmt: skip
        assert after[f"marts.fct_{fact}"] != before[f"marts.fct_{fact}"], fact
    for table in ("intermediate.int_on_hand_spans", "intermediate.int_earned_days", "snapshots.booking_terms"):
        assert after[table] != before[table]
    assert not rows(writable, "select from marts.fct_payments where booking_id = %s", orphaned["id"])
    assert rows(writable, views) == kept_views  # replaced in place: always there for readers

    written = state(writable, versions=True)
    dbt(writable, *BUILD)
    assert state(writable, versions=True) == written  # nothing changed, nothing written

    dbt(writable, *BUILD, "--full-refresh")
    assert state(writable, versions=False) == after
    assert walls_are_up(writable)


def test_a_full_refresh_drops_one_relation_at_a_time(writable: Settings, dbt: Dbt) -> None:
    """Two drops that take the same views with them would end in a deadlock."""
    waiting = "select from pg_locks where relation = 'raw.model_states'::regclass and not granted"
    with psycopg.connect(writable.database_url) as holder, ThreadPoolExecutor(1) as pool:
        holder.execute("lock table raw.model_states in share update exclusive mode")
        build = pool.submit(dbt, writable, "run", "--full-refresh", "--select", "fct_payments")
        deadline = time.monotonic() + 120
        while not build.done() and time.monotonic() < deadline and not rows(writable, waiting):
            time.sleep(0.05)
        assert not build.done()
        assert rows(writable, waiting)
        assert walls_are_up(writable)  # of the new table and of the former one, which is dropped last
        holder.rollback()
        build.result(timeout=120)


def test_the_day_of_an_end_follows_a_change_of_its_history_alone(writable: Settings, dbt: Dbt) -> None:
    """Only the history has the time at which a booking was declined; it is corrected, and then deleted."""
    [booking] = rows(writable, "select booking_id as id from marts.fct_bookings where status = 'scheduled' limit 1")
    change_of_status = f"booking_id = '{booking['id']}' and to_status = 'declined'"
    days = []
    for change in (
        f"update app.bookings set status = 'declined' where id = '{booking['id']}'; "
        "insert into app.booking_status_history (org_id, booking_id, from_status, to_status, changed_at) "
        "select org_id, id, 'scheduled', 'declined', '2025-06-20 10:00+00' from app.bookings "
        f"where id = '{booking['id']}'",
        f"update app.booking_status_history set changed_at = '2025-06-10 10:00+00' where {change_of_status}",
        f"delete from app.booking_status_history where {change_of_status}",
    ):
        execute(writable, change)
        land_tables(writable, "bookings", "booking_status_history")
        dbt(writable, "run", "--select", "stg_app__bookings", "stg_app__booking_status_history", "fct_bookings")
        [row] = rows(writable, "select cancelled_day from marts.fct_bookings where booking_id = %s", booking["id"])
        days.append(row["cancelled_day"])
    assert days == [date(2025, 6, 20), date(2025, 6, 10), None]


def test_empty_tables_build(empty: Settings, dbt: Dbt) -> None:
    dbt(empty, *BUILD)
    assert rows(empty, "select count(*) as n from marts.kpi_daily") == [{"n": 0}]
    assert rows(empty, "select count(*) as n from analytics.v_booking_status_metrics") == [{"n": 0}]


def test_an_organisation_without_a_booking_has_its_row_of_zeros(writable: Settings, dbt: Dbt) -> None:
    execute(
        writable,
        "insert into app.organizations (id, org_id, name, slug, timezone, currency) "
        "select x, x, 'New', 'new', 'UTC', 'EUR' from uuidv7() as x",
    )
    land_tables(writable, "organizations")
    [row] = rows(
        writable,
        "select m.* from analytics.v_booking_status_metrics m join app.organizations o on o.id = m.org_id "
        "where o.slug = 'new'",
    )
    assert (row["total_bookings"], row["total_revenue"], row["total_bookings_delta"]) == (0, 0, 0)
    assert (row["completion_rate"], row["completion_rate_delta"], row["avg_booking_value"]) == (None, None, None)


def test_amounts_and_schedules_are_those_of_the_day_once_snapshots_begin(writable: Settings, dbt: Dbt) -> None:
    """A booking changes its price and day today: yesterday has the old ones, the time before snapshots the new ones."""
    [booking] = rows(
        writable,
        "select booking_id as id, total_amount, scheduled_start, service_day from marts.fct_bookings "
        "where status = 'scheduled' and scheduled_start > '2025-07-05' order by booking_id limit 1",
    )
    # As if snapshots had begun in May, and the booking were unchanged since then.
    execute(
        writable,
        f"""
        update snapshots.booking_terms
        set recorded_at = '2025-05-01', dbt_valid_from = least(dbt_valid_from, '2025-05-01');
        update app.bookings set total_amount = total_amount + 50, scheduled_start = scheduled_start + interval '2 days',
            scheduled_end = scheduled_end + interval '2 days'
        where id = '{booking["id"]}'
        """,
    )
    land_tables(writable)
    for _ in range(2):
        dbt(writable, *BUILD)
        [versions] = rows(
            writable,
            "select count(*) as n from snapshots.booking_terms where booking_id = %s",
            booking["id"],
        )
        assert versions["n"] == 2  # one change, one more version, however often it is built

    def amount(settings: Settings) -> list[dict[str, Any]]:
        query = "select total_amount, scheduled_start from analytics.v_booking_status where booking_id = %s"
        return rows(settings, query, booking["id"])

    columns = ("total_amount", "scheduled_start")
    [changed] = rows(writable, "select * from app.bookings where id = %s", booking["id"])
    before, after = ({name: row[name] for name in columns} for row in (booking, changed))
    assert amount(writable) == [before]  # the change was made today, long after as_of
    set_clock(writable, changed["updated_at"].date() + timedelta(days=1))
    dbt(writable, *BUILD, "--full-refresh")
    assert amount(writable) == [after]
    set_clock(writable, date(2025, 4, 30))
    dbt(writable, *BUILD)
    assert amount(writable) in ([], [after])  # snapshots had not begun: the present ones are used
