"""Each kind of rule finds the rows that break it, and its message names them."""

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from typing import NamedTuple
from urllib.parse import quote, urlsplit
from uuid import UUID, uuid4

import psycopg
import pytest
from sqlalchemy import Table

from dagster_project.ingestion.landing import land
from dagster_project.quality.expectations import BUSINESS_RULES, MAX_ROWS, Failure, late_bookings, rules, validate
from sources.errors import HubError
from sources.settings import Settings
from sources.simulate import load_sample
from sources.tables import OPERATIONAL
from tests.conftest import TEMPLATE, clone
from tests.waiting import wait_until

ORG = UUID(int=1)
# One row of each table; every id is ROW except that of the organisation.
ROW = UUID(int=2)
BUSINESS = f"""
insert into app.organizations (id, org_id, name, slug, timezone, currency)
    values ('{ORG}', '{ORG}', 'Studio', 'studio', 'Europe/Madrid', 'EUR');
insert into app.profiles (id, org_id, role, full_name, email, capacity_hours_per_day)
    values ('{ROW}', '{ORG}', 'provider', 'Ana', 'ana@example.org', 8);
insert into app.provider_absences (id, org_id, provider_id, starts_on, ends_on)
    values ('{ROW}', '{ORG}', '{ROW}', '2026-08-03', '2026-08-14');
insert into app.services (id, org_id, name, base_price, currency) values ('{ROW}', '{ORG}', 'Advice', 80, 'EUR');
insert into app.calendar_events (id, org_id, kind, title, starts_on, ends_on, service_id, expected_effect)
    values ('{ROW}', '{ORG}', 'campaign', 'Summer', '2026-07-01', '2026-07-14', '{ROW}', 1.5);
insert into app.metric_targets (id, org_id, metric, grain, starts_on, target)
    values ('{ROW}', '{ORG}', 'booked_revenue', 'month', '2026-01-01', 10000);
insert into app.service_packages (id, org_id, service_id, name, price, currency)
    values ('{ROW}', '{ORG}', '{ROW}', 'Ten hours', 700, 'EUR');
insert into app.bookings (id, org_id, booking_number, client_id, provider_id, service_id, package_id, status, title,
        total_amount, currency, scheduled_start, scheduled_end, created_at)
    values ('{ROW}', '{ORG}', 'B-1', '{ROW}', '{ROW}', '{ROW}', '{ROW}', 'scheduled', 'First', 80, 'EUR',
        '2026-03-09 09:00Z', '2026-03-09 11:00Z', '2026-03-02 12:00Z');
insert into app.booking_status_history (id, org_id, booking_id, to_status, changed_at)
    values ('{ROW}', '{ORG}', '{ROW}', 'scheduled', '2026-03-02 12:00Z');
insert into app.milestones (id, org_id, booking_id, title, position) values ('{ROW}', '{ORG}', '{ROW}', 'Draft', 1);
insert into app.tasks (id, org_id, booking_id, milestone_id, title)
    values ('{ROW}', '{ORG}', '{ROW}', '{ROW}', 'Write');
insert into app.time_entries (id, org_id, booking_id, task_id, provider_id, started_at, ended_at)
    values ('{ROW}', '{ORG}', '{ROW}', '{ROW}', '{ROW}', '2026-03-09 09:00Z', '2026-03-09 10:00Z');
insert into app.approvals (id, org_id, booking_id, milestone_id) values ('{ROW}', '{ORG}', '{ROW}', '{ROW}');
insert into app.invoices (id, org_id, booking_id, client_id, invoice_number, total_amount, currency)
    values ('{ROW}', '{ORG}', '{ROW}', '{ROW}', 'I-1', 80, 'EUR');
insert into app.invoice_lines (id, org_id, invoice_id, position, description, quantity, unit_price, amount)
    values ('{ROW}', '{ORG}', '{ROW}', 1, 'Advice', 1, 80, 80);
insert into app.payments (id, org_id, invoice_id, booking_id, amount, currency)
    values ('{ROW}', '{ORG}', '{ROW}', '{ROW}', 80, 'EUR');
insert into app.messages (id, org_id, booking_id, sender_id, body, sent_at)
    values ('{ROW}', '{ORG}', '{ROW}', '{ROW}', 'Hello', '2026-03-02 12:00Z');
insert into app.reviews (id, org_id, booking_id, client_id, rating, reviewed_at)
    values ('{ROW}', '{ORG}', '{ROW}', '{ROW}', 5, '2026-03-10 12:00Z');
insert into raw.run_clock values ('{ORG}', '2026-03-04', '2026-03-05 09:00Z');
"""


@pytest.fixture(scope="module")
def landed_once(server: str) -> str:
    """Return the name of a database with the business above, landed in raw."""
    url = clone(server, TEMPLATE)
    with psycopg.connect(url) as connection:
        connection.execute(BUSINESS)
    land_tables(url, OPERATIONAL)
    return urlsplit(url).path[1:]


@pytest.fixture
def landed(server: str, landed_once: str) -> Iterator[psycopg.Connection]:
    """Return a connection to a copy of that database, which a test may damage."""
    url = clone(server, landed_once)
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"drop database {urlsplit(url).path[1:]} with (force)")


def land_tables(url: str, tables: Iterable[Table]) -> None:
    with psycopg.connect(url, autocommit=True) as source, psycopg.connect(url, autocommit=True) as target:
        for table in tables:
            land(source, target, table)


def url_of(connection: psycopg.Connection) -> str:
    info = connection.info
    return f"postgresql://{info.user}:{quote(info.password)}@{info.host}:{info.port}/{info.dbname}"


def failures(connection: psycopg.Connection, table: str) -> dict[str, Failure]:
    (result,) = validate(url_of(connection), [table])
    assert result.passed == (not result.failures)
    return {failure.expectation: failure for failure in result.failures}


def test_a_sound_raw_layer_passes_every_rule(landed: psycopg.Connection) -> None:
    results = validate(url_of(landed))

    assert [result.table for result in results] == [table.name for table in OPERATIONAL]
    assert [failure.sentence for result in results for failure in result.failures] == []
    assert all(result.passed for result in results)
    assert [result.evaluated for result in results] == [len(rules(table)) for table in OPERATIONAL]


def test_the_sample_business_passes_every_rule(settings: Settings, connection: psycopg.Connection) -> None:
    as_of = date(2026, 3, 4)
    load_sample(settings, bookings=400, days=120, as_of=as_of)
    land_tables(settings.database_url, OPERATIONAL)
    connection.execute(
        "insert into raw.run_clock select id, %(as_of)s, (%(as_of)s + 1)::timestamp at time zone timezone "
        "from raw.organizations",
        {"as_of": as_of},
    )

    results = validate(settings.database_url)

    assert [failure.sentence for result in results for failure in result.failures] == []


def test_names_of_rules_are_unique_and_every_reference_has_a_rule() -> None:
    for table in OPERATIONAL:
        names = [rule.name for rule in rules(table)]
        assert len(set(names)) == len(names)
        assert {f"reference_{key.column_keys[-1]}" for key in table.foreign_key_constraints} <= set(names)
    assert set(BUSINESS_RULES) <= {table.name for table in OPERATIONAL}
    bookings = {rule.name for rule in rules(next(table for table in OPERATIONAL if table.name == "bookings"))}
    assert {"required", "unique_id", "unique_booking_number", "status", "progress_pct", "schedule"} <= bookings


class Broken(NamedTuple):
    """A change of the row of raw.<table>, the rule that it breaks, and the values that the message shows."""

    rule: str
    table: str
    change: str
    shown: str


BROKEN = [
    Broken("required", "services", "name = null", "missing = name"),
    Broken("reference_client_id", "bookings", f"client_id = '{UUID(int=9)}'", f"client_id = {UUID(int=9)}"),
    Broken("reference_booking_id", "messages", f"booking_id = '{UUID(int=9)}'", f"booking_id = {UUID(int=9)}"),
    Broken("reference_org_id", "reviews", f"org_id = '{UUID(int=9)}'", f"org_id = {UUID(int=9)}"),
    Broken("progress_pct", "bookings", "progress_pct = 140", "progress_pct = 140.00"),
    Broken("progress_pct", "tasks", "progress_pct = -1", "progress_pct = -1.00"),
    Broken("capacity", "profiles", "capacity_hours_per_day = 25", "capacity_hours_per_day = 25.00"),
    Broken("working_days", "profiles", "working_days = '{1,8}'", "working_days = [1, 8]"),
    Broken("days", "provider_absences", "ends_on = '2026-08-02'", "ends_on = 2026-08-02"),
    Broken("concerns", "calendar_events", f"provider_id = '{ROW}'", f"provider_id = {ROW}"),
    Broken("grain", "metric_targets", "grain = 'decade'", "grain = decade"),
    Broken("rating", "reviews", "rating = 6", "rating = 6"),
    Broken("amount", "payments", "amount = 0", "amount = 0.00"),
    Broken("weight", "milestones", "weight = 0", "weight = 0.00"),
    Broken("status", "bookings", "status = 'lost'", "status = lost"),
    Broken("to_status", "booking_status_history", "to_status = 'lost'", "to_status = lost"),
    Broken("role", "profiles", "role = 'guest'", "role = guest"),
    Broken("currency", "services", "currency = 'Euro'", "currency = Euro"),
    Broken("schedule", "bookings", "scheduled_end = scheduled_start - interval '1 hour'", "2026-03-09 08:00:00+00:00"),
    Broken("ends_after_start", "time_entries", "ended_at = started_at", "ended_at = 2026-03-09 09:00:00+00:00"),
    Broken("completed_at", "bookings", "status = 'completed'", "completed_at = None"),
    Broken("amount", "invoice_lines", "amount = 81", "amount = 81.00"),
]


@pytest.mark.parametrize("broken", BROKEN, ids=[f"{broken.table}-{broken.rule}" for broken in BROKEN])
def test_a_broken_row_is_found_and_named(landed: psycopg.Connection, broken: Broken) -> None:
    landed.execute(f"update raw.{broken.table} set {broken.change}")

    failure = failures(landed, broken.table)[broken.rule]

    assert failure.severity == "error"
    assert failure.unexpected_count == 1
    assert [row["id"] for row in failure.rows] == [str(ROW)]
    assert broken.shown in failure.sentence
    assert failure.sentence.startswith(f"raw.{broken.table}: 1 row breaks the rule ")
    assert str(ROW) in failure.sentence


@pytest.mark.parametrize(
    ("rule", "table"),
    [("unique_id", "bookings"), ("unique_booking_number", "bookings"), ("unique_invoice_number", "invoices")],
)
def test_both_rows_of_a_repeated_key_are_named(landed: psycopg.Connection, rule: str, table: str) -> None:
    landed.execute(f"drop index raw.{table}_id")
    landed.execute(f"create temp table twin as select * from raw.{table}")
    twin = ROW if rule == "unique_id" else uuid4()
    landed.execute("update twin set id = %s", [twin])
    landed.execute(f"insert into raw.{table} select * from twin")

    failure = failures(landed, table)[rule]

    assert failure.unexpected_count == 2
    assert {row["id"] for row in failure.rows} == {str(ROW), str(twin)}


def test_keys_with_a_null_are_never_equal(landed: psycopg.Connection) -> None:
    landed.execute("create temp table twin as select * from raw.profiles")
    landed.execute("update twin set id = uuidv7(), email = null")
    landed.execute("insert into raw.profiles select * from twin")
    landed.execute("update twin set id = uuidv7()")
    landed.execute("insert into raw.profiles select * from twin")

    assert "unique_email" not in failures(landed, "profiles")


def test_deleted_rows_are_neither_checked_nor_accepted_as_parents(landed: psycopg.Connection) -> None:
    landed.execute("update raw.bookings set progress_pct = 140, _deleted_at = '2026-01-01'")

    assert set(failures(landed, "bookings")) == {"not_empty", "as_loaded"}
    assert set(failures(landed, "milestones")) == {"reference_booking_id"}


def test_a_row_newer_than_the_load_of_its_parents_is_not_reported(connection: psycopg.Connection) -> None:
    """Each table is loaded from its own snapshot, while the source changes."""
    land_tables(url_of(connection), OPERATIONAL)
    connection.execute(BUSINESS)
    land_tables(url_of(connection), [table for table in OPERATIONAL if table.name != "bookings"])

    assert failures(connection, "milestones") == {}


def test_a_row_whose_parent_was_deleted_after_the_load_is_not_reported(landed: psycopg.Connection) -> None:
    landed.execute("update raw.bookings set _deleted_at = now()")

    assert failures(landed, "milestones") == {}


def test_the_count_is_of_all_rows_although_only_the_first_are_named(landed: psycopg.Connection) -> None:
    landed.execute("create temp table many as select * from raw.messages, generate_series(1, 1233)")
    landed.execute("alter table many drop column generate_series")
    landed.execute("update many set id = uuidv7(), body = null")
    landed.execute("insert into raw.messages select * from many")

    failure = failures(landed, "messages")["required"]

    assert failure.unexpected_count == 1233
    assert len(failure.rows) == MAX_ROWS
    assert "1,233 rows break the rule" in failure.sentence
    assert failure.sentence.endswith("and 1,230 more.")


@pytest.mark.parametrize("table", ["bookings", "invoices"])
def test_another_currency_is_a_warning(landed: psycopg.Connection, table: str) -> None:
    """Such a row is in no sum of the organisation, which is worth a warning; but it is no error."""
    landed.execute(f"update raw.{table} set currency = 'USD'".encode())

    failure = failures(landed, table)["currency_of_organization"]

    assert failure.severity == "warn"
    assert "currency = USD" in failure.sentence
    assert "v_other_currencies" in failure.sentence


def test_few_negative_totals_are_usual_and_many_are_a_warning(landed: psycopg.Connection) -> None:
    landed.execute("create temp table many as select b.* from raw.bookings as b, generate_series(1, 399)")
    landed.execute("update many set id = uuidv7(), booking_number = 'N' || id")
    landed.execute("insert into raw.bookings select * from many")
    landed.execute("update raw.bookings set total_amount = -5 where id in (select id from many limit 2)")
    assert "few_negative_totals" not in failures(landed, "bookings")

    landed.execute("update raw.bookings set total_amount = -7 where id = %s", [ROW])

    failure = failures(landed, "bookings")["few_negative_totals"]
    assert (failure.severity, failure.unexpected_count) == ("warn", 3)
    assert {"id": str(ROW), "total_amount": "-7.00"} in failure.rows


@pytest.mark.parametrize(("days", "stale"), [(3, False), (4, True)])
def test_an_organisation_without_recent_bookings_is_a_warning(
    landed: psycopg.Connection, days: int, stale: bool
) -> None:
    # The newest booking is of 2 March; one that is made after the moment of the run does not count.
    landed.execute("create temp table later as select * from raw.bookings")
    landed.execute("update later set id = uuidv7(), booking_number = 'B-2', created_at = '2026-04-01'")
    landed.execute("insert into raw.bookings select * from later")
    moved = timedelta(days=days - 2)
    landed.execute("update raw.run_clock set as_of = as_of + %s, as_of_at = as_of_at + %s", [days - 2, moved])

    found = late_bookings(landed)

    assert (found is not None) == stale
    if found:
        assert found.severity == "warn"
        (row,) = found.rows
        name = landed.execute("select name from raw.organizations where id = %s", [ORG]).fetchone()
        assert (row["id"], row["name"]) == (str(ORG), *(name or ()))
        assert (row["newest_booking"], row["as_of"]) == ("2026-03-02 12:00:00+00:00", "2026-03-06")

        landed.execute("update raw.run_clock set has_ended = true")
        assert late_bookings(landed) is None


def test_the_day_of_a_booking_is_in_the_time_zone_of_the_organisation(landed: psycopg.Connection) -> None:
    landed.execute("update raw.run_clock set as_of = '2026-03-06', as_of_at = '2026-03-07 09:00Z'")
    landed.execute("update raw.bookings set created_at = '2026-03-02 23:30Z'")  # 3 March in Madrid

    assert late_bookings(landed) is None


def test_a_number_of_rows_other_than_after_the_last_load_is_reported(landed: psycopg.Connection) -> None:
    landed.execute("delete from raw.watermarks where table_name = 'services'")
    landed.execute("delete from raw.tasks")

    assert failures(landed, "services")["as_loaded"].rows == [{"id": "services", "live_rows": "1", "rows_loaded": None}]
    assert "tasks (live_rows = 0, rows_loaded = 1)" in failures(landed, "tasks")["as_loaded"].sentence


def test_an_empty_business_is_a_warning(connection: psycopg.Connection) -> None:
    land_tables(url_of(connection), OPERATIONAL)

    found = [failure for result in validate(url_of(connection)) for failure in result.failures]

    assert [(failure.expectation, failure.severity) for failure in found] == [("not_empty", "warn")] * 2


def test_a_table_never_loaded_and_a_column_that_is_missing_are_failures(landed: psycopg.Connection) -> None:
    landed.execute("drop table raw.reviews")
    landed.execute("alter table raw.payments drop column amount")

    (missing,) = failures(landed, "reviews").values()
    assert missing.sentence == "raw.reviews does not exist: it has never been loaded. Run the ingestion first."
    unable = failures(landed, "payments")["amount"]
    assert unable.severity == "error"
    assert "could not be evaluated" in unable.sentence
    assert "amount" in unable.sentence
    assert "\n" not in unable.sentence


def test_a_database_that_cannot_be_reached_is_a_hub_error() -> None:
    with pytest.raises(HubError, match="cannot be reached"):
        validate("postgresql://hub:x@127.0.0.1:1/hub")


def test_a_password_may_contain_a_dollar_sign(landed: psycopg.Connection) -> None:
    landed.execute("create role dollar login superuser password 'a$HOME$b'")
    try:
        host = url_of(landed).rpartition("@")[2]
        (result,) = validate(f"postgresql://dollar:a$HOME$b@{host}", ["services"])
    finally:
        landed.execute("drop role dollar")

    assert result.passed


def test_no_connection_stays_open(landed: psycopg.Connection) -> None:
    validate(url_of(landed), ["services"])

    query = """
        select count(*) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
    """
    # The server needs a moment to notice that a client left.
    wait_until(lambda: landed.execute(query).fetchone() == (0,))
