"""Repeated imports of a newer, corrected or shorter export: only differences are written, and the history is kept."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from sources.importing import ImportReport, find_mapping, import_files
from sources.settings import Settings

NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(days=1)
HEADER = "number,client,email,service,provider,status,amount,booked,start,end,closed"
OPEN = "1,Ann,ann@example.org,Audit,Joe,Requested,100,2025-05-01,2025-06-10 09:00,2025-06-10 12:00,"
DONE = "2,Ben,ben@example.org,Audit,Joe,Done,50,2025-05-02,2025-05-10 09:00,2025-05-10 12:00,2025-05-11"
VERSIONS = (
    "select 'booking', booking_number, row_version::text from app.bookings union all "
    "select 'person', full_name, row_version::text from app.profiles union all "
    "select 'service', name, row_version::text from app.services union all "
    "select 'event', id::text, row_version::text from app.booking_status_history order by 1, 2"
)
HISTORY = (
    "select from_status, to_status, changed_at, changed_at_known from app.booking_status_history as event "
    "join app.bookings as booking on booking.id = booking_id where booking_number = %s order by changed_at, event.id"
)

Importer = Callable[..., ImportReport]


@pytest.fixture
def run(settings: Settings, tmp_path: Path) -> Importer:
    """Import rows through the mapping simple_bookings after replacements in its text."""

    def run_import(rows: list[str], *replacements: tuple[str, str], now: datetime = LATER, **how: Any) -> ImportReport:
        file, mapping = tmp_path / "bookings.csv", tmp_path / "mine.yml"
        file.write_text("\n".join([HEADER, *rows, ""]))
        text = find_mapping("simple_bookings").read_text()
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        mapping.write_text(text)
        return import_files(settings, mapping, [file], as_of_now=now, **how)

    return run_import


def rows_of(connection: psycopg.Connection, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
    return connection.execute(query, parameters).fetchall()


def outcomes(report: ImportReport, kind: str = "booking") -> dict[str, int]:
    counts = report.records[kind]
    return {name: number for name, number in vars(counts).items() if number}


def test_the_same_file_writes_nothing(run: Importer, connection: psycopg.Connection) -> None:
    run([OPEN, DONE], now=NOW)
    before = rows_of(connection, VERSIONS)
    report = run([OPEN, DONE])
    assert rows_of(connection, VERSIONS) == before
    assert {kind: outcomes(report, kind) for kind in report.records} == {
        "service": {"same": 1}, "client": {"same": 2}, "provider": {"same": 1}, "booking": {"same": 2},
    }  # fmt: skip


def test_a_corrected_file_changes_only_the_corrected_records(run: Importer, connection: psycopg.Connection) -> None:
    run([OPEN, DONE], now=NOW)
    untouched = [row for row in rows_of(connection, VERSIONS) if row[1] in ("2", "Ben", "Joe", "Audit")]
    report = run([OPEN.replace(",100,", ",120,").replace("Ann,", "Anne,").replace("06-10", "06-12"), DONE])
    assert (outcomes(report), outcomes(report, "client")) == ({"changed": 1, "same": 1}, {"changed": 1, "same": 1})
    assert rows_of(connection, "select total_amount, scheduled_start from app.bookings where booking_number = '1'") == [
        (Decimal(120), datetime(2025, 6, 12, 8, tzinfo=UTC))
    ]
    assert rows_of(connection, "select full_name from app.profiles where email = 'ann@example.org'") == [("Anne",)]
    assert [row for row in rows_of(connection, VERSIONS) if row[1] in ("2", "Ben", "Joe", "Audit")] == untouched


def test_a_booking_completes_through_its_history(run: Importer, connection: psycopg.Connection) -> None:
    run([OPEN], now=NOW)
    first = rows_of(connection, HISTORY, "1")
    report = run([OPEN.replace("Requested", "Done") + "2025-06-11"])
    assert outcomes(report) == {"changed": 1}
    booked, closed = datetime(2025, 4, 30, 23, tzinfo=UTC), datetime(2025, 6, 11, 22, 59, tzinfo=UTC)
    assert first == [(None, "requested", booked, True)]
    assert rows_of(connection, HISTORY, "1") == [
        *first, ("requested", "confirmed", booked, True), ("confirmed", "completed", closed, True),
    ]  # fmt: skip
    assert rows_of(connection, "select status, completed_at, progress_pct from app.bookings") == [
        ("completed", closed, Decimal(100))
    ]
    assert outcomes(run([OPEN.replace("Requested", "Done") + "2025-06-11"])) == {"same": 1}


def test_a_status_without_a_time_of_its_own_has_an_unknown_time(run: Importer, connection: psycopg.Connection) -> None:
    run([OPEN], now=NOW)
    run([OPEN.replace("Requested", "Confirmed")])
    # The file has only the time of booking, but the booking was not confirmed at that time.
    assert rows_of(connection, HISTORY, "1")[1:] == [("requested", "confirmed", LATER, False)]


def test_a_corrected_mapping_takes_effect_without_a_second_history(
    run: Importer, connection: psycopg.Connection
) -> None:
    run([OPEN, DONE], now=NOW)
    report = run([OPEN, DONE], ("key: [number]", "timezone: UTC\nkey: [number]"), ("trim(service)", "upper(service)"))
    assert outcomes(report) == {"changed": 2}
    assert rows_of(connection, "select created_at from app.bookings order by booking_number") == [
        (datetime(2025, 5, 1, tzinfo=UTC),), (datetime(2025, 5, 2, tzinfo=UTC),),
    ]  # fmt: skip
    assert rows_of(connection, HISTORY, "2") == [
        (None, "confirmed", datetime(2025, 5, 2, tzinfo=UTC), True),
        ("confirmed", "completed", datetime(2025, 5, 11, 23, 59, tzinfo=UTC), True),
    ]
    assert rows_of(connection, "select distinct title from app.bookings") == [("AUDIT",)]


def test_a_corrected_status_keeps_the_recorded_history(run: Importer, connection: psycopg.Connection) -> None:
    row = DONE.replace("Done", "Cancelled")
    run([row], now=NOW)
    run([row], ("cancelled: cancelled", "cancelled: no_show"))
    assert [(before, after) for before, after, *_ in rows_of(connection, HISTORY, "2")] == [
        (None, "confirmed"), ("confirmed", "cancelled"), ("cancelled", "no_show"),
    ]  # fmt: skip
    assert rows_of(connection, "select status from app.bookings") == [("no_show",)]


def test_missing_records_are_reported_and_deleted_only_on_request(
    run: Importer, connection: psycopg.Connection
) -> None:
    run([OPEN, DONE], now=NOW)
    report = run([OPEN])
    assert (outcomes(report), report.vanished) == ({"same": 1, "vanished": 1}, {"booking": ["2"]})
    assert len(rows_of(connection, "select from app.bookings")) == 2
    rejected = run([OPEN, DONE.replace("Done", "Lost")])
    assert outcomes(rejected) == {"same": 1, "rejected": 1}  # a rejected row is not missing
    careful = run([OPEN, "3,too,short"], delete_missing=True)
    assert outcomes(careful) == {"same": 1, "rejected": 1, "vanished": 1}  # the rejected row has no key
    assert outcomes(run([OPEN], delete_missing=True)) == {"same": 1, "vanished": 1, "deleted": 1}
    assert rows_of(connection, "select booking_number from app.bookings") == [("1",)]
    assert rows_of(connection, "select from app.import_records where external_ref = '2'") == []
    assert outcomes(run([OPEN])) == {"same": 1}


def test_a_file_of_another_mapping_has_no_missing_records(run: Importer) -> None:
    run([OPEN], now=NOW)
    report = run([DONE], ("name: simple_bookings", "name: other"), ("key: [number]", "key: [\"concat('o-', number)\"]"))
    assert outcomes(report) == {"new": 1}


def test_records_changed_in_the_hub_are_kept_unless_overwrite_is_set(
    run: Importer, connection: psycopg.Connection
) -> None:
    run([OPEN, DONE], now=NOW)
    connection.execute("update app.bookings set total_amount = 999 where booking_number = '1'")
    assert outcomes(run([OPEN, DONE])) == {"same": 2}  # the file is unchanged
    newer = OPEN.replace(",100,", ",120,")
    assert outcomes(run([newer, DONE])) == {"kept": 1, "same": 1}
    assert rows_of(connection, "select total_amount from app.bookings where booking_number = '1'") == [(Decimal(999),)]
    assert outcomes(run([newer, DONE], overwrite=True)) == {"changed": 1, "same": 1}
    assert rows_of(connection, "select total_amount from app.bookings where booking_number = '1'") == [(Decimal(120),)]


def test_a_corrected_row_deletes_its_rejection(run: Importer, connection: psycopg.Connection) -> None:
    run([OPEN, DONE.replace("Done", "Lost")], now=NOW)
    assert len(rows_of(connection, "select from app.import_rejections")) == 1
    run([OPEN, DONE])
    assert rows_of(connection, "select from app.import_rejections") == []


def test_unknown_times_stay_unknown(run: Importer, connection: psycopg.Connection) -> None:
    no_day = [
        "1,Ann,ann@example.org,Audit,Joe,Done,100,,2025-05-10 09:00,2025-05-10 12:00,",
        "2,Ann,ann@example.org,Audit,Joe,Cancelled,100,2025-05-01,2025-08-10 09:00,2025-08-10 12:00,",
        "3,Ann,ann@example.org,Audit,Joe,No show,100,2025-05-01,,,",
    ]
    report = run(no_day, now=NOW)
    assert (report.imported, report.rejected) == (3, 0)
    start = datetime(2025, 5, 10, 8, tzinfo=UTC)
    assert rows_of(
        connection,
        "select created_at, created_at_known, completed_at, cancelled_at from app.bookings order by booking_number",
    ) == [
        (start, False, None, None),
        (datetime(2025, 4, 30, 23, tzinfo=UTC), True, None, None),
        (datetime(2025, 4, 30, 23, tzinfo=UTC), True, None, None),
    ]
    assert rows_of(connection, HISTORY, "1") == [(None, "completed", start, False)]
    assert rows_of(connection, HISTORY, "2")[1][2:] == (NOW, False)  # its start is in the future
    assert rows_of(connection, HISTORY, "3")[1][2:] == (datetime(2025, 4, 30, 23, tzinfo=UTC), False)
    assert "1 booking is no show at an unknown time, and counted on no day." in report.lacking
    before = rows_of(connection, VERSIONS)
    assert outcomes(run(no_day)) == {"same": 3}
    assert rows_of(connection, VERSIONS) == before


def test_without_a_key_a_changed_row_is_a_new_booking(run: Importer) -> None:
    no_key = ("key: [number]\n", ""), ("column('number')", "concat('B-', row_key)")
    run([OPEN, DONE], *no_key, now=NOW)
    report = run([OPEN.replace(",100,", ",120,"), DONE], *no_key)
    assert outcomes(report) == {"new": 1, "same": 1, "vanished": 1}
