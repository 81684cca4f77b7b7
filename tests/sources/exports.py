"""Five generated exports in the layouts of real systems, each with the use of its columns as a person would map them.

They differ in language, file type, separator, encoding, decimal sign, date form and in what they say at all.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import openpyxl

FIRST = ["Anna", "Bruno", "Clara", "David", "Eva", "Félix", "Greta", "Hugo", "Inés", "Jan", "Lucía", "Søren", "Uwe"]
LAST = ["Müller", "García", "Smith", "Weiß", "Peña", "Jones", "Groß", "Núñez", "Brown", "Krüger", "Vega", "O'Neill"]
UNUSED = "not used"


@dataclass(frozen=True)
class Export:
    """A file, with the expected use of each column (the beginning of the text in the draft)."""

    file: Path
    columns: dict[str, str]
    bookings: int  # rows that are bookings
    organization: tuple[str, str]  # time zone and currency

    def rewritten(self, old: str, new: str, encoding: str) -> None:
        """Replace a text of the file that occurs once: a corrected export."""
        text = self.file.read_bytes().decode(encoding)
        assert text.count(old) == 1, text.count(old)
        self.file.write_bytes(text.replace(old, new).encode(encoding))


class _Rows:
    """Random bookings, the same ones for the same seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def pick(self, *choices: Any) -> Any:
        return self.random.choice(choices)

    def person(self) -> tuple[str, str, str, int]:
        number = self.random.randrange(60)
        first, last = FIRST[number % len(FIRST)], LAST[number % len(LAST)]
        address = f"{first}.{last}{number}@example.org".lower().replace("'", "")
        return first, last, address.encode("ascii", "ignore").decode(), number

    def start(self) -> datetime:
        day = datetime(2025, 1, 2) + timedelta(days=self.random.randrange(150))  # noqa: DTZ001 - files have no time zone
        return day + timedelta(hours=self.random.randrange(8, 18), minutes=self.pick(0, 15, 30))

    def before(self, start: datetime) -> datetime:
        return start - timedelta(days=self.random.randrange(1, 40), hours=self.random.randrange(8), minutes=7)


def salon(folder: Path) -> Export:
    """English, comma, month names, durations such as 1h 15min, a total line at the end."""
    rows = _Rows(1)
    lines = ["Appt. ref.,Client,Client mobile,Service,Category,Team member,Scheduled date,Scheduled time,Duration,"
             "Location,Channel,Created date,Created by,Status,Cancelled date,Cancellation reason,Price"]  # fmt: skip
    for number in range(200):
        first, last, _, client = rows.person()
        start, status = rows.start(), rows.pick("Completed", "Completed", "Completed", "Cancelled", "No-show", "New")
        booked = rows.before(start)
        off = (booked + (start - booked) / 2).strftime("%d %b %Y") if status == "Cancelled" else ""
        service, category = rows.pick(("Cut & finish", "Hair"), ("Full colour", "Hair"), ("Manicure", "Nails"))
        length = rows.pick("45min", "1h", "1h 15min")
        lines.append(
            f"#{90000 + number},{first} {last},+44 7700 {900000 + client},{service},{category},"
            f"{rows.pick('Jo Park', 'Ada Lim')},{start:%d %b %Y},{start:%I:%M %p},{length},"
            f"High Street,{rows.pick('Online', 'Offline')},{booked:%d %b %Y},{first} {last},{status},{off},"
            f'{"changed plans" if off else ""},"£{rows.random.randrange(30, 1400):,}.00"'
        )
    lines.append("Total,,,,,,,,,,,,,,,,£1.00")
    return Export(
        _written(folder, "appointments.csv", "\n".join(lines), "utf-8"),
        {
            "Appt. ref.": "key", "Client": "client.name", "Client mobile": UNUSED, "Service": "service.name",
            "Category": "service.category", "Team member": "provider.name", "Scheduled date": "start",
            "Scheduled time": "start, the time", "Duration": "duration", "Location": UNUSED, "Channel": "channel",
            "Created date": "time of booking", "Created by": UNUSED, "Status": "status",
            "Cancelled date": "time of cancellation", "Cancellation reason": "cancel_reason", "Price": "total_amount",
        },
        200,
        ("Europe/London", "GBP"),
    )  # fmt: skip


def practice(folder: Path) -> Export:
    """German, semicolon, cp1252, title lines padded with separators, decimal comma, separate surname and first name."""
    rows = _Rows(2)
    lines = ["Terminübersicht" + ";" * 15, "Zeitraum: 01.01.2025 - 31.05.2025" + ";" * 15, ";" * 15,
             "Termin-Nr.;Kd-Nr;Name;Vorname;Telefon;E-Mail;Behandlung;Behandler/in;Datum;Beginn;Dauer (Min.);"
             "Preis;Zahlungsart;Terminstatus;Bemerkung;Angelegt am"]  # fmt: skip
    for number in range(180):
        first, last, address, client = rows.person()
        start = rows.start()
        status = rows.pick(
            "Erledigt", "Erledigt", "Erledigt", "Abgesagt", "Nicht erschienen", "Bestätigt", "Sonderfall"
        )
        price = f"{rows.random.randrange(35, 1600):,}".replace(",", ".") + ",50 €"
        lines.append(
            f"T{1000 + number};K{client:03};{last};{first};0170 {1000000 + client};{address if client % 3 else ''};"
            f"{rows.pick('Massage 60', 'Krankengymnastik', 'Fußpflege')};{rows.pick('Jana Roth', 'Tom Weiß')};"
            f"{start:%d.%m.%Y};{start:%H:%M};{rows.pick(30, 45, 60)};{price};{rows.pick('bar', 'EC-Karte')};{status};"
            f"{rows.pick('', 'bitte anrufen')};{rows.before(start):%d.%m.%Y %H:%M}"
        )
    return Export(
        _written(folder, "termine.csv", "\r\n".join(lines), "cp1252"),
        {
            "Termin-Nr.": "key", "Kd-Nr": "client.external_ref", "Name": "client.name", "Vorname": "client.name",
            "Telefon": UNUSED, "E-Mail": "client.email", "Behandlung": "service.name", "Behandler/in": "provider.name",
            "Datum": "start", "Beginn": "start, the time", "Dauer (Min.)": "duration", "Preis": "total_amount",
            "Zahlungsart": UNUSED, "Terminstatus": "status", "Bemerkung": UNUSED, "Angelegt am": "time of booking",
        },
        180,
        ("Europe/Berlin", "EUR"),
    )  # fmt: skip


def hotel(folder: Path) -> Export:
    """Spanish, a workbook with typed cells, a title above the header and an empty second sheet; dates without times."""
    rows = _Rows(3)
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.title = "Reservas"
    sheet.append(["Listado de reservas"])
    sheet.append([])
    columns = {
        "Localizador": "key", "Fecha de reserva": "time of booking", "Nombre": "client.name",
        "Apellidos": "client.name", "Correo electrónico": "client.email", "Teléfono": UNUSED,
        "Fecha de entrada": "start", "Fecha de salida": "end", "Noches": UNUSED, "Tipo de habitación": "service.name",
        "Canal": "channel", "Personas": UNUSED, "Importe total": "total_amount", "Moneda": "currency",
        "Estado": "status", "Fecha de cancelación": "time of cancellation", "Observaciones": UNUSED,
    }  # fmt: skip
    sheet.append(list(columns))
    for number in range(150):
        first, last, address, client = rows.person()
        arrival = rows.start().replace(hour=0, minute=0)
        nights = rows.random.randrange(1, 9)
        status = rows.pick("Check-out", "Check-out", "Confirmada", "Anulada", "No show")
        booked = rows.before(arrival).replace(hour=0, minute=0)
        off = booked + (arrival - booked) / 2 if status == "Anulada" else None
        sheet.append(
            [f"R-{7000 + number}", booked, first, last, address, f"+34 600 {100000 + client}", arrival,
             arrival + timedelta(days=nights), nights, rows.pick("Doble", "Suite", "Individual"),
             rows.pick("Booking.com", "Directo"), rows.pick(1, 2, 3), round(nights * rows.pick(80.0, 95.5, 120.25), 2),
             "EUR", status, off.replace(hour=0, minute=0) if off else None, rows.pick(None, "llega tarde")]
        )  # fmt: skip
    book.create_sheet("Notas")
    book.save(folder / "reservas.xlsx")
    return Export(folder / "reservas.xlsx", columns, 150, ("Europe/Madrid", "EUR"))


def tutoring(folder: Path) -> Export:
    """English (US), tab, UTF-16, month first, column names of a database, yes/no columns instead of a status."""
    rows = _Rows(4)
    columns = {
        "booking_id": "key", "created_at": "time of booking", "updated_at": UNUSED,
        "student_first_name": "client.name", "student_last_name": "client.name", "student_email": "client.email",
        "tutor": "provider.name", "lesson": "service.name", "start_time": "start", "end_time": "end",
        "price_usd": "total_amount", "is_cancelled": "status: cancelled", "cancelled_at": "time of cancellation",
        "no_show": "status: no-show", "completed": "status: completed", "notes": UNUSED, "utm_source": UNUSED,
    }  # fmt: skip
    lines = ["\t".join(columns)]
    for number in range(160):
        first, last, address, _ = rows.person()
        start = rows.start()
        booked = rows.before(start)
        outcome = rows.pick("done", "done", "done", "cancelled", "no_show", "open")
        form = "%m/%d/%Y %I:%M %p"
        off = (booked + (start - booked) / 2).strftime(form) if outcome == "cancelled" else ""
        lines.append(
            "\t".join(
                [f"bk_{number:05}", booked.strftime(form), start.strftime(form), first, last, address,
                 rows.pick("Ms. Hill", "Mr. Clark"), rows.pick("Algebra", "Chemistry", "SAT prep"),
                 start.strftime(form), (start + timedelta(minutes=50)).strftime(form),
                 rows.pick("60.00", "75.00", "1,200.00"), str(outcome == "cancelled").lower(), off,
                 str(outcome == "no_show").lower(), str(outcome == "done").lower(), "", rows.pick("google", "")]
            )
        )  # fmt: skip
    return Export(
        _written(folder, "bookings.tsv", "\n".join(lines), "utf-16"), columns, 160, ("America/New_York", "USD")
    )


def clinic(folder: Path) -> Export:
    """Spanish, semicolon, quoted, repeated clients, start and end as times of one day, some empty prices."""
    rows = _Rows(5)
    columns = {
        "Nº cita": "key", "Paciente": "client.name", "DNI": UNUSED, "Móvil": UNUSED, "Profesional": "provider.name",
        "Especialidad": "service.category", "Tratamiento": "service.name", "Fecha cita": "start",
        "Hora inicio": "start, the time", "Hora fin": "end, the time", "Importe": "total_amount",
        "Descuento": UNUSED, "Estado cita": "status", "Fecha alta": "time of booking", "Forma de pago": UNUSED,
        "Motivo anulación": "cancel_reason",
    }  # fmt: skip
    lines = [";".join(f'"{name}"' for name in columns)]
    for number in range(170):
        first, last, _, client = rows.person()
        start = rows.start()
        status = rows.pick("Realizada", "Realizada", "Realizada", "Anulada", "No presentado", "Pendiente")
        special, treatment = rows.pick(("Fisioterapia", "Sesión"), ("Podología", "Quiropodia"))
        cells = [str(5000 + number), f"{first} {last}", f"{client:08}X", f"6{client:08}",
                 rows.pick("Dra. Vega", "Dr. Gil"),
                 special, treatment, f"{start:%d/%m/%Y}", f"{start:%H:%M}", f"{start + timedelta(minutes=40):%H:%M}",
                 rows.pick("45,00", "60,00", "1.120,75", ""), rows.pick("0,00", "5,00"), status,
                 f"{rows.before(start):%d/%m/%Y}", rows.pick("Tarjeta", "Efectivo"),
                 "enfermedad" if status == "Anulada" else ""]  # fmt: skip
        lines.append(";".join(f'"{cell}"' for cell in cells))
    return Export(
        _written(folder, "citas.csv", "\r\n".join(lines), "utf-8-sig"), columns, 170, ("Europe/Madrid", "EUR")
    )


def _written(folder: Path, name: str, text: str, encoding: str) -> Path:
    (folder / name).write_bytes((text + "\n").encode(encoding))
    return folder / name


def all_exports(folder: Path) -> Sequence[Export]:
    return [make(folder) for make in (salon, practice, hotel, tutoring, clinic)]
