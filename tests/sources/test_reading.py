"""Reading of tables: properties that the mapping leaves out are detected, and an unreadable file is one sentence."""

import gzip
import struct
import tracemalloc
import zipfile
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import openpyxl
import pytest

from sources.errors import HubError
from sources.importing.date_formats import date_formats, datetime_formats, time_formats
from sources.importing.expression_functions import CellError, Dialect, functions
from sources.importing.reading import Format, Layout, Record, open_table, open_tables


def read(file: Path, **form: Any) -> tuple[list[str], list[Record], Layout, tuple[str, ...]]:
    with open_table(file, Format(**form)) as table:
        return table.header, list(table.records), table.layout, table.notes


def write_file(folder: Path, content: str | bytes, name: str = "bookings.csv") -> Path:
    file = folder / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def workbook(folder: Path, **sheets: Sequence[Sequence[Any]]) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(folder / "bookings.xlsx")
    return folder / "bookings.xlsx"


GERMAN = "Kunde;Betrag;Datum\r\nMüller;1.234,50 €;24.12.2025\r\nGroß;12,00 €;01.02.2025\r\n"


@pytest.mark.parametrize(
    ("encoding", "found"),
    [("utf-8", "utf-8-sig"), ("utf-8-sig", "utf-8-sig"), ("utf-16", "utf-16"), ("utf-16-le", "utf-16-le"),
     ("utf-16-be", "utf-16-be"), ("cp1252", "cp1252")],
)  # fmt: skip
def test_the_layout_is_detected(tmp_path: Path, encoding: str, found: str) -> None:
    header, records, layout, _ = read(write_file(tmp_path, GERMAN.encode(encoding)))

    assert header == ["Kunde", "Betrag", "Datum"]
    assert [record.fields[0] for record in records] == ["Müller", "Groß"]
    assert layout == Layout(1, found, ";", ",", ".", "day first", frozenset({""}), frozenset())
    assert "delimiter: semicolon (found)" in layout.description()


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "cliente;señal\nPeña;Núñez\nMartínez;José\n"),
        ("cp1250", "Klient;Usługa\nŁukasz Wójcik;Strzyżenie\nAgnieszka Śliwińska;Farbowanie\n"),
        ("cp1251", "Клиент;Услуга\nИван Петров;Стрижка\nАнна Смирнова;Окраска волос\n"),
        ("cp1253", "Πελάτης;Υπηρεσία\nΓιώργος Παπαδόπουλος;Κούρεμα\n"),
        ("cp1254", "Müşteri;Hizmet\nAyşe Yılmaz;Saç kesimi\nGökhan Şahin;Boya\n"),
        ("mac_roman", "Kunde;Ort\nMüller;Köln\nJürgens;Großenhain\n"),
        ("shift_jis", "顧客;サービス\n山田太郎;カット\n鈴木花子;カラー\n"),
    ],
)
def test_encodings_are_detected_by_their_letters(tmp_path: Path, encoding: str, text: str) -> None:
    header, records, _, _ = read(write_file(tmp_path, text.encode(encoding)))
    assert [header, *(record.fields for record in records)] == [line.split(";") for line in text.splitlines()]


def test_letters_beyond_ascii_late_in_the_file_are_used_too(tmp_path: Path) -> None:
    late = "name,amount\n" + "Ann,1\n" * 300_000 + "Zoë,2\n"
    _, records, layout, _ = read(write_file(tmp_path, late.encode("cp1252")))
    assert (layout.encoding, records[-1].fields) == ("cp1252", ["Zoë", "2"])


def test_titles_and_blank_lines_above_the_header_are_skipped(tmp_path: Path) -> None:
    plain = 'Report "May"\nfrom 01/05/2025\n\nName,Amount,When\nAnn,12.50,13/05/2025\n\nBen,5,14/05/2025\n'
    header, records, layout, _ = read(write_file(tmp_path, plain))
    assert header == ["Name", "Amount", "When"]
    assert (layout.header, [record.line for record in records]) == (4, [5, 7])

    padded = "Bookings of May;;;\n;;;\nName;Amount;When;Note\nAnn;12,50;13/05/2025;\n"
    assert read(write_file(tmp_path, padded))[0] == ["Name", "Amount", "When", "Note"]
    assert read(write_file(tmp_path, padded), header=4)[0][:2] == ["Ann", "12,50"]
    assert read(write_file(tmp_path, "sep=;\nName;Amount\nAnn;1,50\n"))[2].delimiter == ";"


@pytest.mark.parametrize(
    ("cells", "form", "marks"),
    [
        (["1,234.50", "12"], {}, (".", ",")),
        (["1.234,50", "12"], {}, (",", ".")),
        (["12,5", "3,50"], {}, (",", "")),
        (["CHF 1'234.50", "7.00"], {}, (".", "'")),
        (["1 234,50 zł"], {}, (",", " ")),
        (["1,234", "2,500"], {}, (".", ",")),  # three decimals of an amount are rare
        (["1.234", "2.500"], {}, (".", "")),  # ambiguous: an amount of three decimals is rejected later
        (["1.234", "12,00"], {}, (",", ".")),
        (["1.234.567"], {}, (",", ".")),
        (["24.12.2025", "09:30", "030 123456", "10.0.0.1"], {}, (".", "")),
        (["1.234,50"], {"decimal": ".", "thousands": ","}, (".", ",")),
        (["12.50"], {"decimal": ","}, (",", "")),
    ],
)
def test_number_format(tmp_path: Path, cells: list[str], form: dict[str, str], marks: tuple[str, str]) -> None:
    rows = "\n".join(f'x\t"{cell}"' for cell in cells)
    layout = read(write_file(tmp_path, f"name\tvalue\n{rows}\n"), **form)[2]
    assert (layout.decimal, layout.thousands) == marks


def test_date_order(tmp_path: Path) -> None:
    def order(*cells: str) -> str | None:
        return read(write_file(tmp_path, "\n".join(["name;day", *(f"x;{cell}" for cell in cells), ""])))[2].date_order

    assert order("05/06/2025", "24/06/2025") == "day first"
    assert order("05/06/2025", "06/24/2025 9:30 AM") == "month first"
    assert order("2025-06-05") == "year first"
    assert order("05.06.2025") == "day first"
    assert order("05/06/2025") is None


def test_repeated_and_unnamed_columns_get_a_unique_name(tmp_path: Path) -> None:
    header, _, _, notes = read(write_file(tmp_path, "Name,Name,,When\n1,2,3,4\n"))
    assert header == ["Name", "Name (2)", "column 3", "When"]
    assert [note.split(":")[0] for note in notes] == ["The column 'Name' occurs 2 times", "Column 3 has no name"]
    assert read(write_file(tmp_path, "Name,When\n"))[3] == ("It has a header and no rows.",)


BEGIN = datetime(2025, 1, 2, 9, 30)  # noqa: DTZ001 - a cell has no time zone


def test_cells_of_a_workbook_are_converted_to_text_for_the_functions(tmp_path: Path) -> None:
    rows: list[list[Any]] = [
        ["Bookings"],
        [],
        ["Number", "Client", "Begin", "Day", "Clock", "Amount", "Long", "Paid", "Formula"],
        [1, "Müller", BEGIN, date(2025, 1, 2), time(9, 15), 1234.5, timedelta(hours=26), True, "#N/A"],
        [2, "Ann", BEGIN.replace(hour=0, minute=0), None, None, 0.1 + 0.2, None, False, "#DIV/0!"],
        [3, "Ben", None, None, None, "1.234,50", None, None, None],
    ]  # fmt: skip
    file = workbook(tmp_path, Termine=rows, Leer=[])
    header, records, layout, _ = read(file)

    assert header == rows[2]
    assert [record.line for record in records] == [4, 5, 6]
    assert records[0].fields == [
        "1", "Müller", "2025-01-02 09:30:00", "2025-01-02", "09:15:00", "1234,5", "26:00:00", "TRUE", "",
    ]  # fmt: skip
    assert records[1].fields[2:] == ["2025-01-02", "", "", "0,3", "", "FALSE", ""]
    assert (layout.decimal, layout.thousands, layout.encoding) == (",", ".", None)  # as in the text cell


def test_a_date_cell_is_read_whatever_the_format(tmp_path: Path) -> None:
    by_name = functions(Dialect(ZoneInfo("Europe/Berlin")))
    assert by_name["parse_date"].apply("2025-12-24", "%d.%m.%Y") == date(2025, 12, 24)
    assert by_name["parse_date"].apply("2025-12-24 09:30:00", "%d.%m.%Y") == date(2025, 12, 24)
    half_past_nine = datetime(2025, 12, 24, 8, 30, tzinfo=UTC)
    assert by_name["parse_time"].apply("2025-12-24 09:30:00", "%d.%m.%Y %H:%M") == half_past_nine


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("24/12/2025", "'24/12/2025' is not a date of the form '%Y-%m-%d'; it looks like '%d/%m/%Y'."),
        ("05/06/2025", "it looks like '%d/%m/%Y' or '%m/%d/%Y'."),
        ("24.12.2025 9:30", "it looks like '%d.%m.%Y %H:%M'."),
        ("Dec 24, 2025 9:30 PM", "it looks like '%b %d, %Y %I:%M %p'."),
        ("soon", "'soon' is not a date of the form '%Y-%m-%d'."),
    ],
)
def test_the_message_for_a_wrong_date_has_the_format_that_fits(value: str, message: str) -> None:
    with pytest.raises(CellError) as raised:
        functions(Dialect(ZoneInfo("UTC")))["parse_date"].apply(value, "%Y-%m-%d")
    assert raised.value.message.endswith(message)


def test_formats_that_fit() -> None:
    assert date_formats("3 March 2025") == ["%d %B %Y"]
    assert time_formats("9:30 AM") == ["%I:%M %p"]
    assert datetime_formats("2025-12-24T09:30:00.000Z") == ["%Y-%m-%dT%H:%M:%S.%f%z"]
    assert date_formats("31/02/2025") == datetime_formats("24/12/2025 25:00") == []


def test_gzip_zip_and_several_tables(tmp_path: Path) -> None:
    assert read(write_file(tmp_path, gzip.compress(b"a;b\n1;2\n"), "bookings.gz"))[0] == ["a", "b"]
    packed = tmp_path / "export.zip"
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("out/bookings.csv", "a;b\n1;2\n")
        file.writestr("payments.tsv", "c\td\n1\t2\n")
        file.writestr("__MACOSX/._payments.tsv", "x")
        file.writestr("README.txt", "hello")
    with open_tables(packed, Format()) as tables:
        assert {name: table.header for name, table in tables.items()} == {
            "out/bookings.csv": ["a", "b"], "payments.tsv": ["c", "d"],
        }  # fmt: skip
        assert [record.fields for record in tables["payments.tsv"].records] == [["1", "2"]]
    assert read(packed, table="payments.tsv")[0] == ["c", "d"]
    for form, message in (({}, "several tables: write format.table"), ({"table": "x"}, "holds no table 'x'")):
        with pytest.raises(HubError, match=f"{message}.*'out/bookings.csv', 'payments.tsv'"):
            read(packed, **form)
    sheets = workbook(tmp_path, One=[["a", "b"], [1, 2]], Two=[["c", "d"], [3, 4]])
    assert read(sheets, table="Two")[1][0].fields == ["3", "4"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b"\n \n", "is empty"),
        ("a.pdf", b"%PDF-1.7", "is a PDF: export the table as CSV or .xlsx"),
        ("a.xls", b"<html><table>", "a web page or XML, whatever its name: open it in a spreadsheet and save it"),
        ("a.csv", b'{"bookings": []}', "is JSON"),
        ("a.xlsx", b"PK\x03\x04 cut off", "is not a complete zip file or workbook"),
        ("a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2000), "is not a complete workbook"),
        ("a.csv.gz", b"not gzip", "is not a complete gzip file"),
        ("a.csv.gz", gzip.compress(b"a,b\n1,2\n" * 1000, mtime=0)[:-9], "is not a complete gzip file"),
        ("a.csv.gz", gzip.compress(b"%PDF-1.7", mtime=0), "is a PDF"),
        ("a.csv", b'a,b\n1,"2\n3,4\n', "line 2: a quote that is opened in this row is never closed"),
    ],
)
def test_an_unreadable_file_is_one_sentence(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    with pytest.raises(HubError) as raised:
        read(write_file(tmp_path, content, name))
    assert name in str(raised.value)
    assert message in str(raised.value)


def test_the_message_for_a_wrong_format_has_the_one_that_fits(tmp_path: Path) -> None:
    with pytest.raises(HubError, match=r"not separated by a comma but by a semicolon\. Correct format\.delimiter"):
        read(write_file(tmp_path, GERMAN), delimiter=",")
    with pytest.raises(HubError, match=r"line 2, byte 21: 0xfc is not utf-8\. .* write cp1252, which fits"):
        read(write_file(tmp_path, GERMAN.encode("cp1252")), encoding="utf-8")
    with pytest.raises(HubError, match=r"no line 9: correct format\.header"):
        read(write_file(tmp_path, GERMAN), header=9)


def test_a_gzip_bomb_takes_no_memory(tmp_path: Path) -> None:
    packed = BytesIO()
    with gzip.open(packed, "wb", compresslevel=1) as file:
        for _ in range(100):
            file.write(bytes(1 << 20))
    bomb = write_file(tmp_path, packed.getvalue(), "bomb.csv.gz")
    tracemalloc.start()
    with pytest.raises(HubError, match="line 1 has more than 1,048,576 characters: this is not a table"):
        read(bomb)
    assert tracemalloc.get_traced_memory()[1] < 30 << 20
    tracemalloc.stop()


def test_a_workbook_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.xlsx"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        file.writestr("[Content_Types].xml", "")
        with file.open("xl/worksheets/sheet1.xml", "w") as sheet:
            for _ in range(200):
                sheet.write(bytes(1 << 20))
    with pytest.raises(HubError, match=r"200 MB when unpacked.*save the sheet as CSV"):
        read(bomb)


def test_a_workbook_with_a_false_size_is_refused(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.xlsx"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        file.writestr("[Content_Types].xml", "")
        file.writestr("xl/worksheets/sheet1.xml", bytes(5 << 20))
    actual, claimed = struct.pack("<I", 5 << 20), struct.pack("<I", 1000)
    assert bomb.read_bytes().count(actual) == 2
    bomb.write_bytes(bomb.read_bytes().replace(actual, claimed))
    with pytest.raises(HubError, match=r"not a complete workbook \(xl/worksheets/sheet1\.xml is damaged\)"):
        read(bomb)


def test_a_header_that_looks_like_data_is_noted(tmp_path: Path) -> None:
    notes = read(write_file(tmp_path, "Ann,2025-01-02,12.50\nBen,2025-01-03,13.50\n"))[3]
    assert notes == ("The header looks like data: add a line that names the columns, or write format.header.",)


def test_a_header_may_have_repeated_names(tmp_path: Path) -> None:
    assert read(write_file(tmp_path, "Name,Name,Town\nAnn,Bell,Bath\nBen,Moss,York\n"))[0] == [
        "Name",
        "Name (2)",
        "Town",
    ]


def test_trailing_separators_are_not_fields(tmp_path: Path) -> None:
    records = read(write_file(tmp_path, "a,b\n1,2,,\n3,4,5\n6\n"))[1]
    assert [(record.fields, record.problem and record.problem[0]) for record in records] == [
        (["1", "2"], None),
        (["3", "4", "5"], "wrong number of fields"),
        (["6"], "wrong number of fields"),
    ]


def test_a_packed_file_of_long_lines_does_not_fill_the_memory(tmp_path: Path) -> None:
    """The layout is found in a bounded part of the file: a small packed file may have very long lines."""
    file = tmp_path / "bookings.csv.gz"
    with gzip.open(file, "wb", compresslevel=1) as packed:
        packed.write(b"number,client\n")
        for _ in range(12):
            packed.write((b"x" * 999 + b",") * 1_000 + b"\n")
    tracemalloc.start()
    try:
        with open_table(file, Format()) as table:
            assert table.header == ["number", "client"]
            next(iter(table.records))
        assert tracemalloc.get_traced_memory()[1] < 16_000_000
    finally:
        tracemalloc.stop()
