"""The CSV import: no row is lost or imported twice, and the figures of the resort hotel are those of its file."""

import csv
import gzip
from calendar import month_name
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from cli.example import HOTEL
from sources import importing
from sources.errors import HubError
from sources.importing import ImportReport, find_mapping, import_files
from sources.settings import Settings

NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)
HEADER = "number,client,email,service,provider,status,amount,booked,start,end,closed"
ROWS = [
    "1001,Ann Bell,ann@example.org,Tax advice,Joe Park,Done,"
    '"1,250.00",2025-03-01,2025-03-10 09:00,2025-03-10 12:00,2025-03-12',
    "1002,Ben Moss,ben@example.org,Audit,Joe Park,Confirmed,80.50,2025-04-01,2025-06-10 09:00,2025-06-10 12:00,",
    "1003,Ann Bell,ann@example.org,Audit,,Cancelled,0.10,2025-04-02,,,2025-04-02",
]
TABLES = ("organizations", "services", "profiles", "bookings", "booking_status_history", "import_rejections")

Importer = Callable[..., ImportReport]


@pytest.fixture
def run(settings: Settings, tmp_path: Path) -> Importer:
    """Import lines (or bytes) through a mapping: the shipped one, or its text after replacements."""

    def run_import(content: list[str] | bytes, *replacements: tuple[str, str], **options: Any) -> ImportReport:
        file = tmp_path / "bookings.csv"
        file.write_bytes(content if isinstance(content, bytes) else "\n".join([HEADER, *content, ""]).encode())
        text = find_mapping("simple_bookings").read_text()
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        mapping = tmp_path / "mine.yml"
        mapping.write_text(text)
        return import_files(settings, mapping, [file], as_of_now=NOW, **options)

    return run_import


def counted(connection: psycopg.Connection) -> dict[str, int]:
    return {table: len(fetched(connection, f"select id from app.{table}")) for table in TABLES}


def new(report: ImportReport) -> dict[str, int]:
    return {kind: counts.new for kind, counts in report.records.items()}


def fetched(connection: psycopg.Connection, query: str) -> list[tuple[Any, ...]]:
    return connection.execute(query).fetchall()


def test_a_plain_export(run: Importer, connection: psycopg.Connection) -> None:
    seen: list[str] = []
    report = run(ROWS, progress=lambda step, _: seen.append(step))

    assert (report.rows_read, report.imported, report.already_there, report.rejected) == (3, 3, 0, 0)
    assert new(report) == {"service": 2, "client": 2, "provider": 1, "booking": 3}
    assert seen[0] == "Reading bookings.csv: 3 rows ..."
    bookings = fetched(
        connection,
        "select booking_number, booking.external_ref, client.full_name, client.email, provider.full_name, "
        "service.name, booking.status, title, total_amount, progress_pct, booking.created_at, scheduled_start, "
        "completed_at, cancelled_at, booking.updated_at from app.bookings as booking "
        "join app.profiles as client on client.id = client_id and client.role = 'client' "
        "left join app.profiles as provider on provider.id = provider_id and provider.role = 'provider' "
        "join app.services as service on service.id = service_id order by 1",
    )
    assert bookings[0] == (
        "1001", "1001", "Ann Bell", "ann@example.org", "Joe Park", "Tax advice", "completed", "Tax advice",
        Decimal("1250.00"), Decimal(100), datetime(2025, 3, 1, tzinfo=UTC), datetime(2025, 3, 10, 9, tzinfo=UTC),
        datetime(2025, 3, 12, 23, 59, tzinfo=UTC), None, NOW,
    )  # fmt: skip
    # London is an hour ahead of UTC at that time; closing on the day of booking is not before the booking.
    assert bookings[1][10:12] == (datetime(2025, 3, 31, 23, tzinfo=UTC), datetime(2025, 6, 10, 8, tzinfo=UTC))
    assert bookings[2][4] is None
    assert bookings[2][8] == Decimal("0.10")
    history = fetched(
        connection,
        "select booking_number, from_status, to_status, changed_at from app.booking_status_history as event "
        "join app.bookings as booking on booking.id = booking_id order by 1, changed_at, event.id",
    )
    midnight = datetime(2025, 3, 31, 23, tzinfo=UTC)
    assert history == [
        ("1001", None, "confirmed", datetime(2025, 3, 1, tzinfo=UTC)),
        ("1001", "confirmed", "completed", datetime(2025, 3, 12, 23, 59, tzinfo=UTC)),
        ("1002", None, "confirmed", midnight),
        ("1003", None, "confirmed", midnight + timedelta(days=1)),
        ("1003", "confirmed", "cancelled", datetime(2025, 4, 2, 22, 59, tzinfo=UTC)),
    ]


def test_the_same_file_again_adds_nothing(run: Importer, connection: psycopg.Connection) -> None:
    rows = [*ROWS, "1004,Cy,cy@example.org,Audit,,Lost,1,2025-04-02,,,", "1005,too,short"]
    run(rows)
    before = counted(connection)
    again = run(rows)

    assert before["bookings"] == 3
    assert before["import_rejections"] == 2
    assert counted(connection) == before
    assert (again.imported, again.already_there, again.rejected) == (0, 3, 2)
    assert set(new(again).values()) == {0}


def test_a_longer_file_adds_only_its_new_rows(run: Importer, connection: psycopg.Connection) -> None:
    run(ROWS[:2])
    report = run(ROWS)

    assert (report.imported, report.already_there) == (1, 2)
    assert new(report) == {"service": 0, "client": 0, "provider": 0, "booking": 1}
    assert counted(connection)["bookings"] == 3


def test_identical_rows_without_a_key_are_different_bookings(
    run: Importer, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "BLOCK_ROWS", 2)  # so that their occurrences are counted across blocks
    no_key = ("key: [number]\n", ""), ("column('number')", "concat('B-', row_key)")
    assert run([ROWS[0], ROWS[0]], *no_key).imported == 2
    report = run([ROWS[0], ROWS[1], ROWS[0], ROWS[0]], *no_key)
    assert (report.imported, report.already_there) == (2, 2)
    assert len(set(fetched(connection, "select booking_number from app.bookings"))) == 4


def test_a_dry_run_reports_all_and_writes_nothing(run: Importer, connection: psycopg.Connection) -> None:
    rows = [*ROWS, "1004,Cy,cy@example.org,Audit,,Lost,1,2025-04-02,,,"]
    dry = run(rows, dry_run=True)
    assert set(counted(connection).values()) == {0}
    real = run(rows)
    assert (dry.imported, dry.rejected, dry.records, dry.by_reason) == (
        real.imported,
        real.rejected,
        real.records,
        real.by_reason,
    )
    assert (dry.dry_run, real.dry_run) == (True, False)


@pytest.mark.parametrize(
    ("row", "field", "value", "message"),
    [
        ("1,A,a@x,S,P,Lost,5,2025-01-01,,,", "status", "lost", "'lost' is not in the value map"),
        ("1,A,a@x,S,P,Open,x5,2025-01-01,,,", "total_amount", "x5", "'x5' is not a number"),
        ("1,A,a@x,S,P,Open,5.001,2025-01-01,,,", "total_amount", "5.001", "more than two decimals"),
        ("1,A,a@x,S,P,Open,5000000000000,2025-01-01,,,", "total_amount", "5000000000000", "is not between"),
        ("1,A,a@x,S,P,Open,5,2025-02-30,,,", "created_at", "2025-02-30", "is not a date of the form '%Y-%m-%d'"),
        ("1,,,S,P,Open,5,2025-01-01,,,", "client.name", None, "client.name is empty, but every row needs it"),
        ("1,A,a.x,S,P,Open,5,2025-01-01,,,", "client.email", "a.x", "is not an e-mail address"),
        (",A,a@x,S,P,Open,5,2025-01-01,,,", "key", None, "nothing identifies the row"),
        (
            "1,A,a@x,S,P,Open,5,2025-01-01,2025-02-01 10:00,2025-02-01 09:59,",
            "scheduled_end",
            "2025-02-01 09:59:00+00:00",
            "does not lie after scheduled_start",
        ),
        ("1,A,a@x,S", "row", "1,A,a@x,S", "has 4 fields, but the header has 11"),
        ("1,A,a@x,S,P,Open,5,2025-01-01,,,,x", "row", "1,A,a@x,S,P,Open,5,2025-01-01,,,,x", "has 12 fields"),
        ('1,"A"x,a@x,S,P,Open,5,2025-01-01,,,', "row", None, "is not CSV"),
        ("1,A\0,a@x,S,P,Open,5,2025-01-01,,,", "row", "1,A\\0,a@x,S,P,Open,5,2025-01-01,,,", "zero byte"),
        (f"1,{'A' * 501},a@x,S,P,Open,5,2025-01-01,,,", "client.name", "A" * 200, "More than 500 characters"),
    ],
)
def test_an_invalid_row_is_rejected_with_a_sentence_and_the_others_are_imported(
    run: Importer, connection: psycopg.Connection, row: str, field: str, value: str | None, message: str
) -> None:
    report = run([ROWS[0], row, ROWS[1]])

    assert (report.imported, report.rejected) == (2, 1)
    found = fetched(
        connection, "select mapping, file_name, row_number, field, value, message from app.import_rejections"
    )
    assert [item[:5] for item in found] == [("simple_bookings", "bookings.csv", 3, field, value)]
    assert message in found[0][5]
    assert [item.message for item in report.first_rejections] == [found[0][5]]
    assert sum(report.by_reason.values()) == 1


def test_a_row_number_is_the_first_line_of_the_row(run: Importer, connection: psycopg.Connection) -> None:
    run(['1,"A\nB",a@x,S,P,Open,5,2025-01-01,,,', "", "2,A,a@x,S,P,Lost,5,2025-01-01,,,"])
    assert fetched(connection, "select row_number from app.import_rejections") == [(5,)]
    assert fetched(connection, "select full_name from app.profiles where role = 'client'") == [("A\nB",)]


def test_a_corrected_mapping_imports_the_row_and_deletes_its_rejection(
    run: Importer, connection: psycopg.Connection
) -> None:
    rows = [*ROWS, "1004,Cy,cy@example.org,Audit,,Waiting,1,2025-04-02,,,"]
    run(rows)
    report = run(rows, ("      open: confirmed", "      open: confirmed\n      waiting: on_hold"))
    assert (report.imported, report.already_there, report.rejected) == (1, 3, 0)
    assert counted(connection)["import_rejections"] == 0


def test_values_that_belong_to_another_record_are_rejected(run: Importer, connection: psycopg.Connection) -> None:
    rows = [
        ROWS[0],
        "1001,Eve,eve@example.org,Audit,,Open,1,2025-04-02,,,",  # the key of another row
        "1006,Joe,joe@example.org,Audit,,Open,1,2025-04-02,,,",
    ]
    report = run(rows)
    assert report.by_reason == {"key: key is not unique": 1}
    assert "line 2" in report.first_rejections[0].message

    connection.execute("update app.profiles set external_ref = 'client:other' where email = 'joe@example.org'")
    report = run([*rows, "1007,Joe,joe@example.org,Audit,,Open,1,2025-04-02,,,"])
    assert report.by_reason == {"key: key is not unique": 1, "client.email: belongs to another": 2}
    assert counted(connection)["bookings"] == 2


def test_a_client_and_a_service_that_exist_already_are_recognised(
    run: Importer, connection: psycopg.Connection
) -> None:
    run(ROWS[1:2])
    connection.execute("update app.profiles set external_ref = null")
    connection.execute("update app.services set external_ref = null")
    connection.execute("delete from app.bookings")
    report = run(ROWS[1:2])
    assert (report.records["service"].new, report.records["client"].new) == (0, 0)
    assert report.records["provider"].new == 1  # without an e-mail address it is not recognised


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "{column: amount}",
            "{column: amout}",
            "booking.total_amount: the file has no column 'amout' (closest: amount",
        ),
        ("name: trim(service)", "name: trim(sevice)", "service.name: there is no column or name 'sevice'"),
        ("lower(trim(status))", "lowr(trim(status))", "let.outcome: there is no function 'lowr' (closest: lower"),
        ("status: outcome", "staus: outcome", "there is no field 'booking.staus' (closest: status"),
        ("status: outcome", "status: outcome.real", "booking.status: Attribute is not part of"),
        ("status: outcome", "status: outcome +", "booking.status: `outcome +` is not an expression"),
        ("created_at: booked_at", "created_at: booked", "text, not a point in time: use parse_time"),
        ("created_at: booked_at", "created_at: {column: booked, constant: x}", "exactly one of expression"),
        ("status: confirmed, when", "status: confirmd, when", "there is no status 'confirmd' (closest: confirmed"),
        ("when: created_at, if", "when: created, if", "history.confirmed: there is no column or name 'created'"),
        ("Europe/London", "Europe/Londn", "organization.timezone: there is no time zone 'Europe/Londn'"),
        ("encoding: utf-8", "encoding: utf-9", "format.encoding: there is no encoding 'utf-9'"),
        ("key: [number]", "key: [numbr]", "key: there is no column or name 'numbr' (closest: number"),
        ("key: [number]", "key: [number", "is not YAML"),
        ("booked_at: at", "booked: at", "let.booked: a name of `let` is a word that is not a column"),
    ],
)
def test_an_error_in_the_mapping_is_one_sentence(run: Importer, old: str, new: str, message: str) -> None:
    with pytest.raises(HubError) as raised:
        run(ROWS, (old, new))
    assert message in str(raised.value)
    assert "mine.yml" in str(raised.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "\n".join([HEADER, ROWS[1], ROWS[1].replace("Ben", "Bén")]).encode("cp1252"),
            f"line 3, byte {len(HEADER) + len(ROWS[1]) + 2 + len('1002,B')}: 0xe9 is not utf-8",
        ),
        (b"", "is empty"),
        (b"a,b,a\n1,2,3\n", "(there are: a, b, a (2), row_key)"),
        ("\n".join([HEADER, ROWS[1], '1003,"Ann', ROWS[1]]).encode(), "line 3: a quote that is opened in this row"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_sentence_and_writes_nothing(
    run: Importer, connection: psycopg.Connection, content: bytes, message: str
) -> None:
    with pytest.raises(HubError) as raised:
        run(content)
    assert message in str(raised.value)
    assert set(counted(connection).values()) == {0}


def test_files_by_name(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(HubError, match=r"one of acuity, .*, resort_hotel, simple_bookings, "):
        find_mapping("nothing")
    broken = tmp_path / "bookings.csv.gz"
    broken.write_bytes(b"not gzip")
    for file, message in ((broken, "not a complete gzip file"), (tmp_path / "absent.csv", "cannot be read")):
        with pytest.raises(HubError, match=message):
            import_files(settings, find_mapping("simple_bookings"), [file], as_of_now=NOW)


def test_a_byte_order_mark_another_encoding_and_another_delimiter(
    run: Importer, connection: psycopg.Connection
) -> None:
    row = ROWS[1].replace("Ben Moss", "Bén Moß")
    assert run(("\ufeff" + "\n".join([HEADER, row])).encode()).imported == 1
    german = (HEADER + "\r\n" + row.replace("1002", "1010").replace("80.50", '"1.080,50"')).replace(",", ";")
    german = german.replace("1.080;50", "1.080,50")
    report = run(
        german.encode("cp1252"),
        ("encoding: utf-8", "encoding: cp1252"),
        ('delimiter: ","', 'delimiter: ";"'),
        ('decimal: "."', 'decimal: ","'),
        ('thousands: ","', 'thousands: "."'),
    )
    assert report.imported == 1
    assert fetched(connection, "select total_amount from app.bookings order by booking_number") == [
        (Decimal("80.50"),),
        (Decimal("1080.50"),),
    ]
    assert fetched(connection, "select full_name from app.profiles where role = 'client'") == [("Bén Moß",)]


def test_another_zone_for_the_same_organisation_is_refused(run: Importer) -> None:
    run(ROWS)
    with pytest.raises(HubError, match="has the timezone Europe/London, but the mapping has Europe/Paris"):
        run(ROWS, ("Europe/London", "Europe/Paris"))


# --- the resort hotel: real data, compared with an independent reading of the file -----------------


def resort_rows() -> list[dict[str, str]]:
    with gzip.open(HOTEL, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def arrival_of(row: dict[str, str]) -> date:
    month = list(month_name).index(row["arrival_date_month"])
    return date(int(row["arrival_date_year"]), month, int(row["arrival_date_day_of_month"]))


def nights_of(row: dict[str, str]) -> int:
    return int(row["stays_in_weekend_nights"]) + int(row["stays_in_week_nights"])


def test_the_resort_hotel(settings: Settings, connection: psycopg.Connection) -> None:
    report = import_files(settings, find_mapping("resort_hotel"), [HOTEL], as_of_now=NOW)
    rows = resort_rows()
    assert report.imported + report.rejected == report.rows_read == len(rows) == 40_060
    assert report.rejected == 0

    revenue: defaultdict[date, Decimal] = defaultdict(Decimal)
    booked: Counter[tuple[date, date, date | None, date | None, str, Decimal]] = Counter()
    for row in rows:
        arrival, amount = arrival_of(row), Decimal(row["adr"]) * nights_of(row)
        status_day = date.fromisoformat(row["reservation_status_date"])
        status = {"Check-Out": "completed", "Canceled": "cancelled", "No-Show": "no_show"}[row["reservation_status"]]
        if row["is_canceled"] == "0":
            revenue[arrival.replace(day=1)] += amount
        cancelled = {"completed": None, "cancelled": status_day, "no_show": arrival}[status]
        completed = status_day if status == "completed" else None
        booked_on = arrival - timedelta(days=int(row["lead_time"]))
        booked[booked_on, arrival, cancelled, completed, status, amount] += 1
    local = "at time zone 'Europe/Lisbon')::date"
    in_hub = fetched(
        connection,
        f"select (created_at {local}, (scheduled_start {local}, (cancelled_at {local}, (completed_at {local}, "
        "status, total_amount from app.bookings",
    )
    assert Counter(in_hub) == booked
    by_month = fetched(
        connection,
        f"select date_trunc('month', (scheduled_start {local})::date, sum(total_amount) from app.bookings "
        "where status = 'completed' group by 1",
    )
    assert dict(by_month) == revenue
    assert sum(revenue.values()) == Decimal("11601850.23")

    ends = fetched(connection, f"select (scheduled_end {local} - (scheduled_start {local} from app.bookings")
    assert Counter(days for (days,) in ends) == Counter(map(nights_of, rows))
    agents = fetched(
        connection,
        "select full_name, count(*) from app.bookings left join app.profiles as agent on agent.id = provider_id "
        "group by 1",
    )
    named = (None if row["agent"] == "NULL" else f"Agent {row['agent']}" for row in rows)
    assert dict(agents) == Counter(named)
    broken = """
        with last as (
            select distinct on (booking_id) booking_id, to_status, changed_at from app.booking_status_history
            order by booking_id, changed_at desc, id desc
        )
        select booking.id from app.bookings as booking left join last on last.booking_id = booking.id
        where last.to_status is distinct from booking.status
            or last.changed_at <> coalesce(completed_at, cancelled_at)
    """
    assert fetched(connection, broken) == []

    versions = "select max(row_version::text), count(*) from app.bookings"
    before = fetched(connection, versions)
    again = import_files(settings, find_mapping("resort_hotel"), [HOTEL], as_of_now=NOW)
    assert (again.imported, again.changed, again.already_there, again.rejected) == (0, 0, 40_060, 0)
    assert fetched(connection, versions) == before


def test_a_history_in_an_unusual_order_is_imported_and_counted(run: Importer, connection: psycopg.Connection) -> None:
    report = run(
        ROWS[:1],
        ("{status: confirmed, when: created_at, if: status != 'requested'}", "{status: in_progress, when: created_at}"),
        ("- {status: final", "- {status: confirmed, when: scheduled_start}\n  - {status: final"),
    )
    assert (report.imported, report.rejected) == (1, 0)
    assert list(report.warnings.values()) == [1]
    history = fetched(connection, "select to_status from app.booking_status_history order by changed_at, id")
    assert history == [("in_progress",), ("confirmed",), ("completed",)]


def test_a_booking_closed_before_it_was_created_is_imported_with_its_status_last(
    run: Importer, connection: psycopg.Connection
) -> None:
    report = run(["1,A,a@x,S,P,Done,5,2025-01-02,,,2025-01-01"])
    assert (report.imported, list(report.warnings.values())) == (1, [1])
    assert fetched(connection, "select created_at, completed_at from app.bookings") == [
        (datetime(2025, 1, 2, tzinfo=UTC), datetime(2025, 1, 1, 23, 59, tzinfo=UTC))
    ]
    history = fetched(
        connection, "select from_status, to_status, changed_at from app.booking_status_history order by changed_at, id"
    )
    second = datetime(2025, 1, 2, tzinfo=UTC)
    assert history == [(None, "confirmed", second), ("confirmed", "completed", second)]
