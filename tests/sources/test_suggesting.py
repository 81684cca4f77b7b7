"""Drafted mappings: most columns are matched as by a person, and the draft works on its own file."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest

from sources.errors import HubError
from sources.importing import ImportReport, import_files
from sources.importing.suggesting import suggest_mapping
from sources.importing.suggesting.words import meanings, status_of
from sources.settings import Settings
from tests.sources import exports
from tests.sources.exports import Export

NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)


def draft_bookings(export: Export) -> Path:
    mapping = export.file.with_suffix(".yml")
    mapping.write_text(suggest_mapping([export.file]))
    return mapping


def column_uses(draft: str) -> dict[str, str]:
    """Return the use of each column in the comment at the top of a draft."""
    lines = draft.split("#\n")[1].split("name: ", maxsplit=1)[0].splitlines()
    return dict(re.split(r"\s{2,}", line.removeprefix("#").strip(), maxsplit=1) for line in lines)


def test_most_columns_are_matched_as_by_a_person(tmp_path: Path) -> None:
    wrong: dict[tuple[str, str], tuple[str, str]] = {}
    for export in exports.all_exports(tmp_path):
        found = {name: what.strip() for name, what in column_uses(suggest_mapping([export.file])).items()}
        assert list(found) == list(export.columns)
        wrong |= {(export.file.name, name): (found[name], what)
                  for name, what in export.columns.items() if not found[name].startswith(what)}  # fmt: skip
    assert wrong == {}


@pytest.mark.parametrize("make", [exports.salon, exports.practice, exports.hotel, exports.tutoring, exports.clinic])
def test_a_draft_works_on_its_own_file(
    settings: Settings, connection: psycopg.Connection, tmp_path: Path, make: Callable[[Path], Export]
) -> None:
    export = make(tmp_path)
    mapping = draft_bookings(export)

    def imported(*, dry_run: bool = False) -> ImportReport:
        return import_files(settings, mapping, [export.file], as_of_now=NOW, dry_run=dry_run)

    dry = imported(dry_run=True)
    assert dry.records["booking"].new == export.bookings, dry.by_reason
    assert dry.rows_read - dry.rejected == export.bookings
    assert (dry.timezone, dry.organization) == (export.organization[0], "my-business")
    assert imported().records["booking"].new == export.bookings
    again = imported()
    assert (again.imported, again.changed) == (0, 0)
    assert connection.execute("select distinct currency from app.bookings").fetchall() == [(export.organization[1],)]


def amounts(connection: psycopg.Connection) -> dict[str, Decimal]:
    return dict(connection.execute("select booking_number, total_amount from app.bookings").fetchall())


def test_a_corrected_export_changes_only_the_corrected_records(
    settings: Settings, connection: psycopg.Connection, tmp_path: Path
) -> None:
    export = exports.practice(tmp_path)
    mapping = draft_bookings(export)
    import_files(settings, mapping, [export.file], as_of_now=NOW)
    before = amounts(connection)
    line = next(line for line in export.file.read_bytes().decode("cp1252").splitlines() if line.startswith("T1007;"))
    cells = line.split(";")
    export.rewritten(line, ";".join([*cells[:11], "77,00 €", *cells[12:]]), "cp1252")

    report = import_files(settings, mapping, [export.file], as_of_now=NOW)

    assert (report.records["booking"].new, report.records["booking"].changed) == (0, 1)
    after = amounts(connection)
    assert {number for number in after if after[number] != before[number]} == {"T1007"}


def test_uncertain_lines_are_marked(tmp_path: Path) -> None:
    draft = suggest_mapping([exports.practice(tmp_path).file])
    assert "TODO: unknown, and guessed: Sonderfall" in draft
    assert "timezone: Europe/Berlin  # CHECK: guessed" in draft
    draft = suggest_mapping([exports.clinic(tmp_path).file])
    assert "rows have no amount and count 0" in draft


def test_times_decide_an_unknown_status_and_an_ambiguous_date(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    rows = [f"{n},Ann,Cut,0{n}/02/2025,0{n + 1}/03/2025,{'zapped' if n % 2 else 'done'},"
            f"{f'0{n}/02/2025' if n % 2 else ''},10.00" for n in range(1, 9)]  # fmt: skip
    file.write_text("\n".join(["No,Customer,Service,Booking date,Date,State,Cancelled on,Price", *rows]))
    draft = suggest_mapping([file])
    assert "zapped: cancelled" in draft
    assert column_uses(draft)["Booking date"].strip().startswith("time of booking")
    assert "CHECK: day and month could be the other way round, %d/%m/%Y" in draft


def test_a_draft_of_a_file_with_unclear_names_works(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "Verkäufe 2025.csv"
    file.write_text("Wann;Wer;Was;Wieviel\n03.02.2025;Ann;Schnitt;12,50\n04.02.2025;Ben;Schnitt;13,50\n")
    mapping = tmp_path / "mine.yml"
    mapping.write_text(suggest_mapping([file]))
    assert "name: verkaufe_2025" in mapping.read_text()
    report = import_files(settings, mapping, [file], as_of_now=NOW, dry_run=True)
    assert (report.rows_read, report.rejected) == (2, 0)
    assert "What the file lacks" in mapping.read_text()


def test_unusable_files_are_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("Name,Price\n")
    with pytest.raises(HubError, match="a header and no rows"):
        suggest_mapping([file])
    file.write_text("Ann,2025-01-02,12.50\nBen,2025-01-03,13.50\n")
    with pytest.raises(HubError, match="has no header: add a first line"):
        suggest_mapping([file])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Kundennummer", {"client", "id"}), ("KUNDEN_NR", {"client", "id"}), ("customerName", {"client", "name"}),
        ("Fecha de la cita", {"date", "appointment"}), ("Behandlungsdauer", {"service", "duration"}),
        ("Start Date & Time", {"start", "date", "clock"}), ("E-Mail-Adresse", {"email"}), ("Xyzzy plugh", set()),
        ("Check-in", {"start"}), ("Nº de reserva", {"id", "booking"}), ("Preis inkl. MwSt.", {"amount"}),
    ],
)  # fmt: skip
def test_words_of_column_names(name: str, expected: set[str]) -> None:
    assert meanings(name)[0] == expected


@pytest.mark.parametrize(
    ("value", "status"),
    [
        ("NO-SHOW", "no_show"), ("Cancelled (late)", "cancelled"), ("Nicht erschienen", "no_show"),
        ("Anulada", "cancelled"), ("cancelled_by_guest", "cancelled"), ("Bestätigt", "confirmed"), ("?", None),
    ],
)  # fmt: skip
def test_status_values(value: str, status: str | None) -> None:
    assert status_of(value) == status


RELATED: dict[str, tuple[str, Callable[[int], str], int]] = {
    "kunden.csv": (
        "KundenNr;Nachname;Vorname;E-Mail;Telefon",
        lambda n: f"K{n};Groß;Anna;anna{n}@example.org;0170 {n}",
        10,
    ),
    "leistungen.csv": (
        "LeistungsID;Bezeichnung;Kategorie;Preis",
        lambda n: f"L{n};Massage {n};Wellness;{20 + n},00",
        4,
    ),
    "termine.csv": (
        "TerminNr;KundenNr;LeistungsID;Mitarbeiter;Beginn;Ende;Status;Betrag;Erstellt",
        lambda n: (
            f"T{n};K{n % 10 + 1};L{n % 4 + 1};Jo;{n:02}.03.2025 09:00;{n:02}.03.2025 10:00;"
            f"{'Erledigt' if n % 3 else 'Storniert'};{20 + n},50;{n:02}.02.2025 10:00"
        ),
        27,
    ),
    "zahlungen.csv": (
        "ZahlungsNr;TerminNr;Datum;Betrag;Zahlungsart",
        lambda n: f"Z{n};T{n};{n:02}.03.2025;{20 + n},50;bar",
        19,
    ),
    "bewertungen.csv": (
        "ID;TerminNr;Sterne;Kommentar;Datum",
        lambda n: f"B{n};T{n};{n % 5 + 1};gut;{n:02}.03.2025",
        14,
    ),
    "positionen.csv": ("TerminNr;Pos;LeistungsID;Menge;Einzelpreis", lambda n: f"T{n};1;L{n % 4 + 1};1;10,00", 12),
}


def test_several_related_files(settings: Settings, connection: psycopg.Connection, tmp_path: Path) -> None:
    files = []
    for name, (header, row, count) in RELATED.items():
        files.append(tmp_path / name)
        files[-1].write_text("\n".join([header, *(row(n) for n in range(1, count + 1)), ""]))
    mapping = tmp_path / "mine.yml"
    mapping.write_text(suggest_mapping(files))
    assert "key: [ZahlungsNr]" in mapping.read_text()

    report = import_files(settings, mapping, files, as_of_now=NOW)

    assert (report.rejected, report.by_reason) == (0, {})
    assert {kind: counts.new for kind, counts in report.records.items()} == {
        "booking": 27, "client": 10, "service": 4, "provider": 1, "payment": 19, "review": 14, "line": 12,
    }  # fmt: skip
    names = connection.execute(
        "select distinct client.full_name, service.name from app.bookings "
        "join app.profiles as client on client.id = client_id "
        "join app.services as service on service.id = service_id where booking_number = 'T4'"
    ).fetchall()
    assert names == [("Anna Groß", "Massage 1")]
    again = import_files(settings, mapping, files, as_of_now=NOW)
    assert (again.imported, again.changed) == (0, 0)


def test_the_amounts_of_orders_are_those_of_their_lines_and_payments(
    settings: Settings, connection: psycopg.Connection, tmp_path: Path
) -> None:
    """Each order has a customer of its own, no amount, and a payment whose first number is that of instalments."""
    tables: dict[str, tuple[str, Callable[[int], str]]] = {
        "orders.csv": ("order_id,customer_id,order_status,order_date", lambda n: f"o{n},c{n},completed,2025-02-{n:02}"),
        "items.csv": ("order_id,order_item_id,product_id,price", lambda n: f"o{n},1,p{n % 3},{n}.50"),
        "payments.csv": ("order_id,payment_installments,payment_value", lambda n: f"o{n},{n % 4 + 1},{n}.50"),
        "customers.csv": ("customer_id,customer_city,customer_name", lambda n: f"c{n},Campinas,Ann {n}"),
    }
    files = []
    for name, (header, row) in tables.items():
        files.append(tmp_path / name)
        files[-1].write_text("\n".join([header, *(row(n) for n in range(1, 21)), ""]))
    mapping = tmp_path / "mine.yml"
    mapping.write_text(suggest_mapping(files))

    assert import_files(settings, mapping, files, as_of_now=NOW).by_reason == {}

    total = Decimal("220.00")  # 1.50 + 2.50 + ... + 20.50
    assert connection.execute("select sum(total_amount) from app.bookings").fetchone() == (total,)
    assert connection.execute("select sum(amount) from app.payments").fetchone() == (total,)
    assert connection.execute(
        "select client.full_name from app.bookings join app.profiles as client on client.id = client_id "
        "where booking_number = 'o7'"
    ).fetchone() == ("Ann 7",)


def test_the_amount_paid_becomes_a_payment(settings: Settings, connection: psycopg.Connection, tmp_path: Path) -> None:
    file, mapping = tmp_path / "a.csv", tmp_path / "mine.yml"
    rows = [f"R{n},Ann,Yoga,{n + 12}/02/2025 18:00,Done,20.00,{'20.00' if n % 2 else '0.00'}" for n in range(8)]
    file.write_text("\n".join(["Ref,Member,Class,Class date,State,Price,Amount paid", *rows, ""]))
    mapping.write_text(suggest_mapping([file]))
    assert import_files(settings, mapping, [file], as_of_now=NOW).rejected == 0
    assert connection.execute("select count(*), sum(amount) from app.payments").fetchall() == [(4, Decimal("80.00"))]
