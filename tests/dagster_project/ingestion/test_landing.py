"""Landing with two connections to a real server: after each load raw equals app, whatever other transactions do.

One file, because all its cases share one business, one writer and one comparison of raw with app.
"""

import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from urllib.parse import urlsplit
from uuid import UUID

import psycopg
import pytest
from psycopg import Connection
from sqlalchemy import Column, Integer, MetaData, Table, Text

from dagster_project.ingestion.landing import Landing, land
from sources.errors import HubError
from sources.settings import Settings
from sources.tables import bookings, organizations, profiles, services
from tests.conftest import TEMPLATE, clone

ORG = UUID(int=1)
CLIENT = UUID(int=2)
BOOKINGS = 300
BUSINESS = f"""
insert into app.organizations (id, org_id, name, slug, timezone, currency, settings)
    values ('{ORG}', '{ORG}', 'Studio', 'studio', 'Europe/Madrid', 'EUR', '{{"colour": ["blue", null]}}');
insert into app.profiles (id, org_id, role, full_name) values ('{CLIENT}', '{ORG}', 'client', 'Ünïcode "quoted"');
insert into app.services (id, org_id, name, base_price, currency) values ('{CLIENT}', '{ORG}', 'Advice', 80, 'EUR');
"""
ADD_BOOKINGS = f"""
insert into app.bookings (org_id, booking_number, client_id, service_id, status, title, total_amount, currency)
select '{ORG}', %(prefix)s::text || n, '{CLIENT}', '{CLIENT}', 'requested', 'title ' || n, n * 1.25, 'EUR'
from generate_series(1, %(count)s) as n
"""

STORED = ", ".join(column.name for column in bookings.columns if column.computed is None)
INSERT_AGAIN = f"insert into app.bookings ({STORED}) select {STORED} from copies"


@pytest.fixture
def writer(connection: Connection) -> Connection:
    """Return a connection that writes to the business, which has BOOKINGS bookings."""
    connection.execute(BUSINESS)
    add(connection, "B", BOOKINGS)
    return connection


@pytest.fixture
def pair(settings: Settings) -> Iterator[tuple[Connection, Connection]]:
    with open_pair(settings.database_url, settings.database_url) as connections:
        yield connections


@contextmanager
def open_pair(source_url: str, target_url: str) -> Iterator[tuple[Connection, Connection]]:
    """Yield two idle connections as ingestion uses them: the source and the target."""
    with (
        psycopg.connect(source_url, autocommit=True) as source,
        psycopg.connect(target_url, autocommit=True) as target,
    ):
        yield source, target


def add(connection: Connection, prefix: str, count: int) -> None:
    connection.execute(ADD_BOOKINGS, {"prefix": prefix, "count": count})


def differences(source: Connection, target: Connection, table: Table = bookings) -> int:
    """Return the number of rows that differ between app.<table> and the live rows of raw.<table>, with row versions."""
    names = ", ".join(
        f'"{column.name}"::text'
        for column in table.columns
        if column.name != "row_version" and column.info.get("is_landed", True)
    )
    app = source.execute(f"select {names}, row_version::text from app.{table.name}").fetchall()
    raw = target.execute(f"select {names}, _row_version::text from raw.{table.name} where _deleted_at is null")
    return len(set(app) ^ set(raw.fetchall()))


def load_times(target: Connection) -> dict[UUID, object]:
    return dict(target.execute("select id, (_loaded_at, _deleted_at) from raw.bookings").fetchall())


def count(connection: Connection, query: str) -> int:
    row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])


def test_the_first_load_copies_every_row(writer: Connection, pair: tuple[Connection, Connection]) -> None:
    landings = {table.name: land(*pair, table) for table in (organizations, profiles, services, bookings)}

    assert [differences(*pair, table) for table in (organizations, profiles, services, bookings)] == [0, 0, 0, 0]
    first = landings["bookings"]
    assert (first.rows_read, first.rows_deleted, first.rows_total, first.reloaded) == (BOOKINGS, 0, BOOKINGS, True)
    stored = (
        pair[1]
        .execute("select watermark::text::bigint, rows_loaded from raw.watermarks where table_name = 'bookings'")
        .fetchone()
    )
    assert stored == (first.watermark, BOOKINGS)
    newest = count(writer, "select max(row_version)::text::bigint from app.bookings")
    assert newest < first.watermark


def test_an_empty_table_lands_empty_and_its_first_rows_are_copied_later(
    connection: Connection, pair: tuple[Connection, Connection]
) -> None:
    assert land(*pair, bookings).rows_total == 0
    connection.execute(BUSINESS)
    add(connection, "B", 3)

    assert land(*pair, bookings).rows_total == 3
    assert differences(*pair) == 0


def test_a_later_load_copies_added_changed_and_deleted_rows(
    writer: Connection, pair: tuple[Connection, Connection]
) -> None:
    land(*pair, bookings)
    before = load_times(pair[1])
    add(writer, "N", 5)
    writer.execute("update app.bookings set title = 'changed' where booking_number in ('B1', 'B2', 'B3')")
    removed = writer.execute("delete from app.bookings where booking_number in ('B4', 'B5') returning id").fetchall()

    landing = land(*pair, bookings)

    assert (landing.rows_read, landing.rows_deleted, landing.rows_total) == (8, 2, BOOKINGS + 3)
    assert not landing.reloaded
    assert differences(*pair) == 0
    deleted = (
        pair[1]
        .execute("select id, _deleted_at <= _loaded_at from raw.bookings where _deleted_at is not null")
        .fetchall()
    )
    assert {row[0] for row in deleted} == {row[0] for row in removed}
    assert all(row[1] for row in deleted)
    after = load_times(pair[1])
    assert sum(after[key] != at for key, at in before.items()) == 5


def test_a_repetition_changes_nothing(writer: Connection, pair: tuple[Connection, Connection]) -> None:
    land(*pair, bookings)
    writer.execute("delete from app.bookings where booking_number = 'B4'")
    land(*pair, bookings)
    before = load_times(pair[1])

    repeat = land(*pair, bookings)

    assert (repeat.rows_read, repeat.rows_deleted, repeat.rows_total) == (0, 0, BOOKINGS - 1)
    assert load_times(pair[1]) == before


def test_a_later_load_has_a_later_time_though_the_clock_was_set_back(
    writer: Connection, pair: tuple[Connection, Connection]
) -> None:
    land(*pair, bookings)
    pair[1].execute("update raw.watermarks set loaded_at = '2999-01-01'")
    add(writer, "N", 1)
    land(*pair, bookings)

    assert count(pair[1], "select count(*) from raw.bookings where _loaded_at > '2999-01-01'") == 1


@pytest.mark.parametrize("in_one_transaction", [True, False])
@pytest.mark.parametrize("landed_between", [True, False])
def test_a_row_deleted_and_written_again_is_live(
    writer: Connection, pair: tuple[Connection, Connection], in_one_transaction: bool, landed_between: bool
) -> None:
    land(*pair, bookings)
    writer.execute("create temp table copies as select * from app.bookings where booking_number = 'B4'")
    if in_one_transaction:
        with writer.transaction():
            writer.execute("delete from app.bookings where booking_number = 'B4'")
            writer.execute(INSERT_AGAIN)
    else:
        writer.execute("delete from app.bookings where booking_number = 'B4'")
        if landed_between:
            assert land(*pair, bookings).rows_deleted == 1
        writer.execute(INSERT_AGAIN)

    assert land(*pair, bookings).rows_total == BOOKINGS
    assert differences(*pair) == 0
    assert land(*pair, bookings).rows_deleted == 0


def test_a_row_deleted_by_a_newer_and_written_again_by_an_older_transaction_is_live(
    writer: Connection, settings: Settings, pair: tuple[Connection, Connection]
) -> None:
    land(*pair, bookings)
    writer.execute("create table copies as select * from app.bookings where booking_number = 'B4'")
    with psycopg.connect(settings.database_url) as older:
        older.execute("select pg_current_xact_id()")
        writer.execute("delete from app.bookings where booking_number = 'B4'")
        older.execute(INSERT_AGAIN)

    assert land(*pair, bookings).rows_total == BOOKINGS
    assert differences(*pair) == 0


def test_a_row_written_and_deleted_between_two_loads_leaves_no_trace(
    writer: Connection, pair: tuple[Connection, Connection]
) -> None:
    land(*pair, bookings)
    add(writer, "N", 1)
    writer.execute("delete from app.bookings where booking_number = 'N1'")

    landing = land(*pair, bookings)

    assert (landing.rows_read, landing.rows_deleted, landing.rows_total) == (0, 0, BOOKINGS)


def test_deletes_that_cascade_are_seen(writer: Connection, pair: tuple[Connection, Connection]) -> None:
    for table in (organizations, bookings):
        land(*pair, table)
    writer.execute("delete from app.bookings")
    writer.execute("delete from app.organizations")

    assert land(*pair, organizations).rows_total == 0
    assert land(*pair, bookings).rows_deleted == BOOKINGS


def test_rows_of_a_transaction_that_was_open_during_a_load_are_copied_by_the_next(
    writer: Connection, settings: Settings, pair: tuple[Connection, Connection]
) -> None:
    land(*pair, bookings)
    with psycopg.connect(settings.database_url) as long:
        add(long, "L", 2)
        long.execute("delete from app.bookings where booking_number = 'B1'")
        add(writer, "S", 3)  # this transaction begins later and commits earlier
        during = land(*pair, bookings)
        assert during.rows_total == BOOKINGS  # its rows wait too: no open transaction may lie below the watermark
    after = land(*pair, bookings)

    assert (after.rows_read, after.rows_deleted) == (5, 1)
    assert differences(*pair) == 0


def test_rows_that_were_rolled_back_are_never_copied(
    writer: Connection, settings: Settings, pair: tuple[Connection, Connection]
) -> None:
    land(*pair, bookings)
    with psycopg.connect(settings.database_url) as doomed:
        add(doomed, "R", 2)
        doomed.execute("delete from app.bookings where booking_number = 'B1'")
        land(*pair, bookings)
        doomed.rollback()

    landing = land(*pair, bookings)

    assert (landing.rows_read, landing.rows_deleted) == (0, 0)
    assert differences(*pair) == 0


def write_at_random(url: str, seed: int, stop: threading.Event, written: list[int]) -> None:
    """Run transactions of one to four writes, some slow, some rolled back; append the rows of each to `written`."""
    chance = random.Random(seed)
    step = 0
    with psycopg.connect(url) as connection:
        while not stop.is_set():
            rows = 0
            for _ in range(chance.randint(1, 4)):
                step += 1
                number = f"B{chance.randint(1 + seed, BOOKINGS)}"
                match chance.choice(["add", "change", "change", "delete"]):
                    case "add":
                        rows += 2
                        add(connection, f"W{seed}-{step}-", 2)
                    case "change":
                        # Each writer has its own rows, so that there is no deadlock.
                        rows += connection.execute(
                            "update app.bookings set title = %s "
                            "where booking_number = %s and mod(substr(booking_number, 2)::int, 4) = %s",
                            [f"step {step}", number, seed],
                        ).rowcount
                    case _:
                        connection.execute("delete from app.bookings where booking_number = %s", [f"W{seed}-{step}-1"])
                stop.wait(chance.choice([0, 0, 0.01, 0.15]))
            if chance.random() < 0.15:
                connection.rollback()
            else:
                connection.commit()
                written.append(rows)


def test_rows_written_during_the_loads_are_copied_once(
    writer: Connection, settings: Settings, pair: tuple[Connection, Connection]
) -> None:
    landings = [land(*pair, bookings)]
    stop, written = threading.Event(), list[int]()
    threads = [
        threading.Thread(target=write_at_random, args=(settings.database_url, seed, stop, written)) for seed in range(4)
    ]
    for thread in threads:
        thread.start()
    deadline = monotonic() + 60
    while len(landings) <= 25 or sum(landing.rows_read > 0 for landing in landings[1:]) <= 3:
        assert monotonic() < deadline, "the loads and the writers did not overlap"
        stop.wait(0.06)
        landings.append(land(*pair, bookings))
    stop.set()
    for thread in threads:
        thread.join()
    landings.append(land(*pair, bookings))

    assert differences(*pair) == 0
    assert sum(landing.rows_read for landing in landings[1:]) <= sum(written)
    watermarks = [landing.watermark for landing in landings]
    assert watermarks == sorted(watermarks)
    assert not any(landing.reloaded for landing in landings[1:])


def test_concurrent_loads_of_a_table_run_one_after_the_other(
    writer: Connection, settings: Settings, pair: tuple[Connection, Connection]
) -> None:
    results: list[Landing] = []

    def load() -> None:
        with open_pair(settings.database_url, settings.database_url) as connections:
            results.append(land(*connections, bookings))

    threads = [threading.Thread(target=load) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(landing.rows_read for landing in results) == [0, 0, BOOKINGS]
    assert differences(*pair) == 0


def widened(table: Table, column: Column[object]) -> Table:
    """Return the metadata of `table` as after a migration that adds `column`."""
    copy = table.to_metadata(MetaData())
    copy.append_column(column)
    return copy


def test_a_new_column_is_copied_for_every_row(writer: Connection, pair: tuple[Connection, Connection]) -> None:
    land(*pair, bookings)
    writer.execute("alter table app.bookings add column note text")
    writer.execute("update app.bookings set note = 'old' where booking_number = 'B1'")
    with writer.transaction():
        writer.execute("alter table app.bookings disable trigger stamp")
        writer.execute("update app.bookings set note = 'silent' where booking_number = 'B2'")
        writer.execute("alter table app.bookings enable trigger stamp")

    landing = land(*pair, widened(bookings, Column("note", Text)))

    assert landing.reloaded
    assert landing.rows_total == BOOKINGS
    notes = pair[1].execute("select booking_number, note from raw.bookings where note is not null order by 1")
    assert notes.fetchall() == [("B1", "old"), ("B2", "silent")]
    assert not land(*pair, widened(bookings, Column("note", Text))).reloaded


INVALID_WATERMARKS: list[Callable[[Connection], object]] = [
    lambda target: target.execute("update raw.watermarks set source_identity = 'another cluster'"),
    lambda target: target.execute("update raw.watermarks set watermark = '999999999999'"),
]


@pytest.mark.parametrize("invalidate", INVALID_WATERMARKS, ids=["other cluster", "decreased transaction ids"])
def test_an_invalid_watermark_causes_a_reload(
    writer: Connection, pair: tuple[Connection, Connection], invalidate: Callable[[Connection], object]
) -> None:
    land(*pair, bookings)
    before = load_times(pair[1])
    writer.execute("delete from app.bookings where booking_number in ('B1', 'B2')")
    writer.execute("delete from app.tombstones")  # the other cluster has no tombstones of these rows
    invalidate(pair[1])

    landing = land(*pair, bookings)

    assert landing.reloaded
    assert (landing.rows_deleted, landing.rows_total) == (2, BOOKINGS - 2)
    assert differences(*pair) == 0
    after = load_times(pair[1])
    assert sum(after[key] != at for key, at in before.items()) == 2, "unchanged rows were written again"


def test_a_reload_during_an_open_transaction_marks_no_row_as_deleted(
    writer: Connection, settings: Settings, pair: tuple[Connection, Connection]
) -> None:
    land(*pair, bookings)
    pair[1].execute("update raw.watermarks set source_identity = 'another cluster'")
    with psycopg.connect(settings.database_url) as long:
        add(long, "L", 1)
        writer.execute("update app.bookings set title = 'changed' where booking_number = 'B1'")

        assert land(*pair, bookings).rows_deleted == 0

    assert land(*pair, bookings).rows_total == BOOKINGS + 1
    assert differences(*pair) == 0


@pytest.mark.parametrize("loss", ["drop table raw.bookings", "truncate raw.bookings"])
def test_a_lost_raw_table_is_loaded_again(writer: Connection, pair: tuple[Connection, Connection], loss: str) -> None:
    land(*pair, bookings)
    pair[1].execute(loss)

    assert land(*pair, bookings).rows_total == BOOKINGS
    assert differences(*pair) == 0


def test_an_emptied_operational_table_is_empty_in_raw(writer: Connection, pair: tuple[Connection, Connection]) -> None:
    land(*pair, bookings)
    writer.execute("truncate app.bookings cascade")

    assert land(*pair, bookings).rows_total == 0
    assert differences(*pair) == 0


def test_a_missing_table_or_column_is_a_hub_error(writer: Connection, pair: tuple[Connection, Connection]) -> None:
    with pytest.raises(HubError, match=r"ingestion of bookings reads: column .*seats.* does not exist"):
        land(*pair, widened(bookings, Column("seats", Integer)))
    writer.execute("drop table app.reviews")
    with pytest.raises(HubError, match=r"ingestion of reviews reads: relation .*reviews.* does not exist"):
        land(*pair, bookings.metadata.tables["app.reviews"])

    assert land(*pair, bookings).rows_total == BOOKINGS, "the connections are usable after the error"


STALLS = """
import sys, time
import psycopg
from dagster_project.ingestion.landing import land
from sources.tables import bookings

write = psycopg.Copy.write

def stall(copy, block):
    write(copy, block)
    print("copying", flush=True)
    time.sleep(600)

psycopg.Copy.write = stall
with psycopg.connect(sys.argv[1], autocommit=True) as source, psycopg.connect(sys.argv[1], autocommit=True) as target:
    land(source, target, bookings)
"""


@pytest.mark.parametrize("landed_before", [True, False])
def test_a_killed_load_changes_nothing_and_the_next_one_is_complete(
    writer: Connection, settings: Settings, pair: tuple[Connection, Connection], landed_before: bool
) -> None:
    if landed_before:
        land(*pair, bookings)
    add(writer, "N", 50)
    writer.execute("delete from app.bookings where booking_number = 'B1'")
    state = "select coalesce((select jsonb_agg(w) from raw.watermarks as w)::text, '')"
    before = (pair[1].execute(state).fetchall(), load_times(pair[1]) if landed_before else None)
    with subprocess.Popen(
        [sys.executable, "-c", STALLS, settings.database_url],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
        env={**os.environ, "PYTHONPATH": "."},
    ) as loading:
        assert loading.stdout is not None
        assert loading.stdout.readline() == "copying\n"
        loading.send_signal(signal.SIGKILL)
        loading.wait()

    assert (pair[1].execute(state).fetchall(), load_times(pair[1]) if landed_before else None) == before
    assert land(*pair, bookings).rows_total == BOOKINGS + 49
    assert differences(*pair) == 0


def test_the_source_may_be_another_database_with_read_only_access(
    server: str, writer: Connection, settings: Settings
) -> None:
    target_url = clone(server, TEMPLATE)
    writer.execute(
        "create role reader login password 'reader'; grant usage on schema app to reader; "
        "grant select on all tables in schema app to reader"
    )
    parts = urlsplit(settings.database_url)
    source_url = parts._replace(netloc=f"reader:reader@{parts.hostname}:{parts.port}").geturl()
    try:
        with open_pair(source_url, target_url) as (source, target):
            with pytest.raises(HubError, match="grant hub_source to"):
                land(source, target, bookings)
            writer.execute("grant hub_source to reader")
            land(source, target, bookings)
            add(writer, "N", 5)
            writer.execute("delete from app.bookings where booking_number = 'B1'")
            landing = land(source, target, bookings)

            assert (landing.rows_read, landing.rows_deleted, landing.rows_total) == (5, 1, BOOKINGS + 4)
            assert differences(source, target) == 0
    finally:
        writer.execute("drop owned by reader; drop role reader")
