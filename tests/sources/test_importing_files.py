"""Several related files in one mapping: the marketplace of the documentation, a salon, and errors."""

import gzip
import re
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from sources.errors import HubError
from sources.importing import ImportReport, import_files
from sources.settings import Settings

NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)
DOCUMENTATION = Path(__file__).parents[2] / "docs" / "importing.md"
# `name`: and an indented block below it.
EXAMPLE = re.compile(r"^`([\w.]+)`:\n\n((?:    .*\n)+)", re.MULTILINE)

SALON = """
name: salon
organization: {name: Salon, slug: salon, timezone: Europe/Madrid, currency: EUR, capacity_hours_per_day: "7.5"}
files:
  bookings:
    key: id
    let: {begins: "parse_time(start, '%Y-%m-%d %H:%M')", ended: "lookup('cancellations', id, 'kind')"}
    service: {external_ref: service}
    client: {name: client}
    provider: {name: stylist}
    booking:
      status: when(is_null(ended), 'completed', when(ended == 'no-show', 'no_show', 'cancelled'))
      scheduled_start: begins
      completed_at: when(is_null(ended), begins, None)
      cancelled_at: parse_time(lookup('cancellations', id, 'at'), '%Y-%m-%d %H:%M')
      total_amount: lookup('services', service, 'price')
  cancellations:
    key: booking
    match: cancel*
    # Read only by look-ups.
  services:
    key: code
    service: {external_ref: code, name: title, base_price: price, duration_hours: hours}
  receipts:
    key: number
    match: receipts*
    payment:
      booking: booking
      amount: paid
      paid_at: parse_time(at, '%Y-%m-%d %H:%M')
      if: not is_null(booking)
  sales:
    key: number
    match: receipts*
    service: {name: product, category: {constant: Retail}}
    sale: {sold_at: "parse_time(at, '%Y-%m-%d %H:%M')", total_amount: paid, if: is_null(booking)}
"""
SALON_FILES = {
    "bookings.csv": "id,service,client,stylist,start\n"
    "1,C,Ann,Eva,2025-03-01 10:00\n2,F,Ben,Eva,2025-03-02 10:00\n3,C,Cy,Leo,2025-03-03 10:00\n",
    "cancellations.csv": "booking,kind,at\n2,no-show,\n3,cancelled,2025-03-01 09:00\n",
    "services.csv": "code,title,price,hours\nC,Cut,30.00,0.75\nF,Colour,60.00,2\n",
    "receipts.csv": "number,booking,product,paid,at\n1,1,,30.00,2025-03-01 11:00\n2,,Shampoo,12.50,2025-03-01 11:05\n",
}

Importer = Callable[..., ImportReport]


@pytest.fixture
def run(settings: Settings, tmp_path: Path) -> Importer:
    """Write files and import them through a mapping."""

    def run_import(
        mapping: str, files: dict[str, str], names: dict[str, str] | None = None, **how: Any
    ) -> ImportReport:
        path = tmp_path / "mapping.yml"
        path.write_text(mapping)
        for name, text in files.items():
            (tmp_path / name).write_text(text)
        paths = [f"{(names or {}).get(name, '')}{tmp_path / name}" for name in files]
        return import_files(settings, path, paths, as_of_now=NOW, **how)

    return run_import


def documented() -> tuple[str, dict[str, str]]:
    """Return the mapping and the files in the documentation."""
    blocks = {name: re.sub("(?m)^    ", "", block) for name, block in EXAMPLE.findall(DOCUMENTATION.read_text())}
    return blocks.pop("market.yml"), blocks


def rows_of(connection: psycopg.Connection, query: str) -> list[tuple[Any, ...]]:
    return connection.execute(query).fetchall()


def test_the_marketplace_of_the_documentation(run: Importer, connection: psycopg.Connection) -> None:
    mapping, files = documented()
    report = run(mapping, dict(reversed(files.items())))
    assert len(files) == 7
    assert {kind: counts.new for kind, counts in report.records.items()} == {
        "service": 2, "client": 2, "provider": 2, "booking": 3, "line": 4, "payment": 3, "review": 1,
    }  # fmt: skip
    assert (report.rejected, sum(report.warnings.values())) == (0, 1)  # o2 was shipped before it was approved
    bookings = rows_of(
        connection,
        "select booking_number, client.full_name, provider.full_name, service.name, status, total_amount "
        "from app.bookings as booking join app.profiles as client on client.id = client_id "
        "join app.profiles as provider on provider.id = provider_id "
        "join app.services as service on service.id = service_id order by 1",
    )
    assert bookings == [
        ("o1", "Customer 1", "Seller in Rio", "Toys", "completed", Decimal("190.00")),
        ("o2", "Customer 2", "Seller in Campinas", "Books", "in_progress", Decimal("58.00")),
        ("o3", "Customer 1", "Seller in Rio", "Toys", "cancelled", Decimal("120.00")),
    ]
    paid = rows_of(connection, "select amount, method, paid_at, invoice_id from app.payments order by external_ref")
    approved = datetime(2018, 1, 2, 13, tzinfo=UTC)  # in São Paulo two hours behind
    assert paid[:2] == [(Decimal(150), "credit_card", approved, None), (Decimal(40), "voucher", approved, None)]
    assert rows_of(connection, "select rating, comment from app.reviews") == [(5, "Good")]
    assert "1 booking is cancelled at an unknown time, and counted on no day." in report.lacking


def test_a_repeated_import_of_related_files_writes_only_changes(run: Importer, connection: psycopg.Connection) -> None:
    mapping, files = documented()
    run(mapping, files)
    versions = "select booking_number, row_version::text from app.bookings order by 1"
    before = rows_of(connection, versions)
    newer = files | {"items.csv": files["items.csv"].replace("o2,1,p1,s1,50.00,8.00", "o2,1,p1,s1,50.00,9.00")}
    report = run(mapping, newer)
    assert {kind: counts.changed for kind, counts in report.records.items() if counts.changed} == {
        "booking": 1, "line": 1,
    }  # fmt: skip
    assert rows_of(connection, "select total_amount from app.bookings where booking_number = 'o2'") == [(Decimal(59),)]
    assert [row for row in rows_of(connection, versions) if row[0] != "o2"] == [row for row in before if row[0] != "o2"]


def test_an_import_of_some_files_does_not_change_records_of_the_others(
    run: Importer, connection: psycopg.Connection
) -> None:
    mapping, files = documented()
    run(mapping, files)
    report = run(mapping, {"orders.csv": files["orders.csv"]})
    assert (report.records["booking"].same, report.changed, report.vanished) == (3, 0, {})
    assert rows_of(connection, "select total_amount from app.bookings where booking_number = 'o1'") == [(Decimal(190),)]
    connection.execute("update app.bookings set total_amount = 999 where booking_number = 'o1'")
    run(mapping, {"orders.csv": files["orders.csv"]})
    run(mapping, files)  # changes in the Hub stay, whichever files are imported
    assert rows_of(connection, "select total_amount from app.bookings where booking_number = 'o1'") == [(Decimal(999),)]


def test_the_files_in_one_zip(settings: Settings, tmp_path: Path) -> None:
    mapping, files = documented()
    (tmp_path / "market.yml").write_text(mapping)
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as packed:
        for name, text in files.items():
            packed.writestr(name, text)
    report = import_files(settings, tmp_path / "market.yml", [tmp_path / "all.zip"], as_of_now=NOW, dry_run=True)
    assert (report.rejected, report.records["line"].new) == (0, 4)


def test_a_second_review_of_a_booking_is_rejected(run: Importer) -> None:
    mapping, files = documented()
    two = files["all_reviews.csv"] + "r2,o1,1,2018-01-08,Bad\n"
    assert run(mapping, files | {"all_reviews.csv": two}).by_reason == {"review.booking: reviewed already": 1}
    later = files["all_reviews.csv"].replace("r1", "r3")
    assert run(mapping, files | {"all_reviews.csv": later}).by_reason == {"review.booking: reviewed already": 1}


def test_a_reference_to_an_unknown_record_rejects_its_row(run: Importer) -> None:
    mapping, files = documented()
    report = run(
        mapping,
        files
        | {
            "payments.csv": files["payments.csv"] + "o9,1,boleto,58.00\n",
            "orders.csv": files["orders.csv"] + "o4,c7,delivered,2018-01-02 10:00,,,\n",
            "items.csv": files["items.csv"] + "o4,1,p1,s1,1.00,0.00\n",
        },
    )
    assert [
        (rejection.file, rejection.row_number, rejection.field, rejection.message)
        for rejection in report.first_rejections
    ] == [
        ("orders.csv", 5, "client.name", "The client 'c7' has no name in any of the files, and is not in the Hub."),
        ("items.csv", 6, "line.booking", "The row of the booking 'o4' was rejected."),
        ("payments.csv", 5, "payment.booking", "The booking 'o9' is in none of the files, and not in the Hub."),
    ]


def test_a_salon(run: Importer, connection: psycopg.Connection) -> None:
    report = run(SALON, SALON_FILES)
    assert report.by_reason == {}
    assert report.left_out == {"payment": 1, "booking": 1}
    bookings = rows_of(
        connection,
        "select booking_number, client.full_name, service.name, duration_hours, status, total_amount, "
        "created_at_known, cancelled_at, provider.capacity_hours_per_day from app.bookings as booking "
        "join app.profiles as client on client.id = client_id join app.services as service on service.id = service_id "
        "left join app.profiles as provider on provider.id = provider_id "
        "order by 1",
    )
    full = Decimal("7.50")
    cut, colour = Decimal("0.75"), Decimal(2)
    assert bookings == [
        ("1", "Ann", "Cut", cut, "completed", Decimal(30), False, None, full),
        ("2", "Ben", "Colour", colour, "no_show", Decimal(60), False, None, full),
        ("3", "Cy", "Cut", cut, "cancelled", Decimal(30), False, datetime(2025, 3, 1, 8, tzinfo=UTC), full),
        ("sale-2", "Walk-in client", "Shampoo", None, "completed", Decimal("12.50"), True, None, None),
    ]
    assert rows_of(connection, "select amount from app.payments") == [(Decimal(30),)]


def test_duplicate_names_and_addresses_are_resolved(run: Importer, connection: psycopg.Connection) -> None:
    mapping = """
name: studio
organization: {name: Studio, slug: studio, timezone: UTC, currency: EUR}
key: id
service: {external_ref: code, name: service}
client: {external_ref: card, name: client, email: mail}
provider: {name: client, email: mail}
booking: {status: {constant: confirmed}, total_amount: price}
"""
    rows = "id,code,service,card,client,mail,price\n1,C1,Cut,7,Ann,home@x,1\n2,C2,Cut,8,Ben,home@x,2\n"
    for expected in ("new", "same"):
        report = run(mapping, {"studio.csv": rows})
        assert (report.rejected, getattr(report.records["booking"], expected)) == (0, 2)
        assert list(report.warnings.values()) == [1, 2]
    assert rows_of(connection, "select name from app.services order by 1") == [("Cut",), ("Cut (C2)",)]
    people = "select role, full_name, email from app.profiles order by 1, 2"
    assert rows_of(connection, people) == [
        ("client", "Ann", "home@x"), ("client", "Ben", None), ("provider", "Ben", None),
    ]  # fmt: skip


def test_hours_invoices_and_refunds(run: Importer, connection: psycopg.Connection) -> None:
    mapping = """
name: agency
organization: {name: Agency, slug: agency, timezone: UTC, currency: EUR}
files:
  jobs:
    key: job
    service: {name: service}
    client: {name: client}
    provider: {name: lead}
    booking: {status: {constant: in_progress}, total_amount: price}
  hours:
    key: entry
    hours: {booking: job, started_at: "parse_time(begin, '%Y-%m-%d %H:%M')", hours: length}
  invoices:
    key: invoice
    invoice: {booking: job, amount: amount, issued_at: "parse_time(issued, '%Y-%m-%d')"}
  payments:
    key: payment
    payment: {invoice: of_invoice, amount: amount, paid_at: "parse_time(paid, '%Y-%m-%d')"}
"""
    files = {
        "jobs.csv": "job,service,client,lead,price\nj1,Audit,Ann,Joe,900\n",
        "hours.csv": "entry,job,begin,length\n1,j1,2025-03-01 09:00,2.5\n",
        "invoices.csv": "invoice,job,amount,issued\nR-1,j1,900,2025-03-05\n",
        "payments.csv": "payment,of_invoice,amount,paid\n"
        "1,R-1,900,2025-03-06\n2,R-1,-100,2025-03-07\n3,R-1,0,2025-03-07\n",
    }
    report = run(mapping, files)
    assert report.by_reason == {"payment.amount: no amount": 1}
    assert rows_of(connection, "select ended_at - started_at, full_name from app.time_entries "
                   "join app.profiles as person on person.id = provider_id")[0][1] == "Joe"  # fmt: skip
    assert rows_of(connection, "select invoice_number, status from app.invoices") == [("R-1", "issued")]
    assert rows_of(connection, "select payment.kind, payment.amount, invoice_number from app.payments as payment "
                   "join app.invoices as invoice on invoice.id = invoice_id order by paid_at") == [
        ("payment", Decimal(900), "R-1"), ("refund", Decimal(100), "R-1"),
    ]  # fmt: skip
    assert not [sentence for sentence in report.lacking if "payments" in sentence or "hours" in sentence]


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            "currency: BRL",
            "currency: brl",
            "organization.currency: 'brl' is not valid; write three capital letters such as EUR",
        ),
        (
            "slug: market,",
            "slug: My Market,",
            "organization.slug: 'My Market' is not valid; write small letters, digits",
        ),
        ("slug: market, ", "", "organization.slug: the field is missing; write small letters"),
        (
            "lookup('products'",
            "lookup('product'",
            "files.items: line.service: no file 'product' is read (closest: products",
        ),
        ("'category')", "'kind')", "files.items: line.service: the file 'products' has no column 'kind'"),
        (
            "seller_id\n",
            "seller\n",
            "files.items: line.provider: there is no column or name 'seller' (closest: seller_id",
        ),
        ("      amount: amount\n", "", "files.payments.payment.amount: the field is missing"),
        ("      booking: order_id\n      amount: amount", "      amount: amount", "give booking or invoice"),
        ("files:\n", "key: [a]\nfiles:\n", "the file: key belongs to one of the files"),
        (
            "  reviews:",
            "  review s:\n    sale: {sold_at: x, total_amount: y}\n  reviews:",
            "a sale needs a section service",
        ),
        ("review: {booking", "review: {bookin", "there is no field 'files.reviews.review.bookin' (closest: booking"),
        (
            "customers:\n    client: {",
            "customers:\n    client: {if: x, ",
            "there is no field 'files.customers.client.if'",
        ),
    ],
)
def test_an_error_in_a_mapping_of_several_files_is_one_sentence(
    run: Importer, old: str, new: str, sentence: str
) -> None:
    mapping, files = documented()
    assert old in mapping
    names = {name: f"{name.removesuffix('.csv').removeprefix('all_')}=" for name in files}
    with pytest.raises(HubError) as raised:
        run(mapping.replace(old, new), files, names)
    assert sentence in str(raised.value)


def test_files_that_fit_no_section_or_two_are_one_sentence(run: Importer) -> None:
    mapping, files = documented()
    with pytest.raises(HubError, match=r"other.csv is none of the files of mapping.yml: orders, items"):
        run(mapping, {"other.csv": "a,b\n1,2\n"})
    twice = mapping.replace("  sellers:", "  shops:\n    client: {external_ref: seller_id, name: city}\n  sellers:")
    with pytest.raises(HubError, match=r"x\.csv could be shops or sellers of mapping.yml: write NAME=FILE"):
        run(twice, {"x.csv": files["sellers.csv"]})
    with pytest.raises(HubError, match="The mapping has no file 'shop': it has orders"):
        run(mapping, {"sellers.csv": files["sellers.csv"]}, {"sellers.csv": "shop="})


def test_a_small_file_that_unpacks_to_much_takes_no_memory(run: Importer, settings: Settings, tmp_path: Path) -> None:
    """Rows are read as a stream: the memory of a block does not depend on the number of blocks."""
    mapping, files = documented()
    with gzip.open(tmp_path / "sellers.csv.gz", "wt") as packed:
        packed.write(files["sellers.csv"])
        for _ in range(200):
            packed.write("s3,Recife\n" * 1_000)
    (tmp_path / "market.yml").write_text(mapping)
    report = import_files(settings, tmp_path / "market.yml", [tmp_path / "sellers.csv.gz"], as_of_now=NOW, dry_run=True)
    assert (report.rows_read, report.records["provider"].new) == (200_002, 3)


def test_a_booking_with_a_rejected_line_is_not_imported_with_the_sum_of_the_others(
    run: Importer, connection: psycopg.Connection
) -> None:
    mapping, files = documented()
    files["items.csv"] = files["items.csv"].replace("120.00,10.10", "a lot,10.10")
    report = run(mapping, files)
    assert rows_of(connection, "select booking_number, total_amount from app.bookings order by 1") == [
        ("o2", Decimal("58.00")),
        ("o3", Decimal("120.00")),
    ]
    assert "A line of the booking was rejected, so its total is unknown." in [
        rejection.message for rejection in report.first_rejections
    ]

    files["items.csv"] = files["items.csv"].replace("a lot", "120.00")
    run(mapping, files)
    assert rows_of(connection, "select total_amount from app.bookings where booking_number = 'o1'") == [
        (Decimal("190.00"),)
    ]
    assert rows_of(connection, "select from app.import_rejections") == []


def test_unmapped_columns_stay_even_with_overwrite(run: Importer, connection: psycopg.Connection) -> None:
    mapping, files = documented()
    mapping = mapping.replace(", comment: text", "")
    run(mapping, files)
    connection.execute("update app.reviews set comment = 'Called her: all well.'")
    connection.commit()
    files["all_reviews.csv"] = files["all_reviews.csv"].replace("o1,5", "o1,4")
    run(mapping, files, overwrite=True)
    assert rows_of(connection, "select rating, comment from app.reviews") == [(4, "Called her: all well.")]
