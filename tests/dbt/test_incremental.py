"""Whatever changes at the source, the tables end as a build from nothing would make them."""

from typing import Any

import psycopg
import pytest

from sources.settings import Settings
from tests.dbt.conftest import RELATIONS, Dbt, land_tables, rows

pytestmark = pytest.mark.slow

CHANGES = """
update app.bookings set total_amount = total_amount + 1, scheduled_start = scheduled_start - interval '3 days'
where id in (select id from app.bookings order by id limit 40);
update app.bookings set status = 'cancelled', cancelled_at = '2025-06-20 10:00+00'
where id in (select id from app.bookings where status = 'scheduled' order by id limit 5);
update app.bookings set provider_id = (
    select id from app.profiles p where p.org_id = bookings.org_id and role = 'provider' order by id desc limit 1
) where id in (select booking_id from app.time_entries order by id limit 5);
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
update app.organizations set timezone = 'Pacific/Auckland'
where id = (select id from app.organizations order by id limit 1);
"""


def state(settings: Settings, *, versions: bool) -> dict[str, Any]:
    """A digest of each table that dbt fills; with `versions` also of who wrote each row when."""
    tables = [r["schema"] + "." + r["name"] for r in rows(settings, RELATIONS) if r["schema"] == "marts"]
    version = "xmin::text || ctid::text ||" if versions else ""
    query = "select count(*) as rows, md5(string_agg(line, '' order by line)) as digest from ({}) as lines"
    return {
        table: rows(settings, query.format(f"select {version} t::text as line from {table} as t"))
        for table in [*tables, "intermediate.int_booking_states"]
    }


def execute(settings: Settings, statements: str) -> None:
    with psycopg.connect(settings.database_url) as connection:
        connection.execute(statements.encode())


def test_changed_rows_end_as_in_a_build_from_nothing(writable: Settings, dbt: Dbt) -> None:
    before = state(writable, versions=False)
    execute(writable, CHANGES)
    land_tables(writable)
    # A run that dies between two tables leaves children whose booking is already gone.
    [orphaned] = rows(writable, "select booking_id as id from app.payments order by id limit 1")
    execute(writable, f"delete from app.bookings where id = '{orphaned['id']}'")
    land_tables(writable, "bookings")
    views = "select relname, oid from pg_class where relnamespace = 'analytics'::regnamespace order by 1"
    kept_views = rows(writable, views)

    dbt(writable, "run")
    after = state(writable, versions=False)
    for fact in ("bookings", "milestones", "payments", "invoices", "reviews", "time_entries", "bookings_on_hand"):
        assert after[f"marts.fct_{fact}"] != before[f"marts.fct_{fact}"]
    assert not rows(writable, "select from marts.fct_payments where booking_id = %s", orphaned["id"])
    assert rows(writable, views) == kept_views  # replaced in place: readers always find them

    written = state(writable, versions=True)
    dbt(writable, "run")
    assert state(writable, versions=True) == written  # nothing new, nothing written

    dbt(writable, "run", "--full-refresh")
    assert state(writable, versions=False) == after


def test_empty_tables_build(empty: Settings, dbt: Dbt) -> None:
    dbt(empty, "run")
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
