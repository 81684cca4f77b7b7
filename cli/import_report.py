"""What `hub import` prints."""

from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from rich.markup import escape
from rich.table import Table

from cli.common import console
from sources.importing import ImportReport
from sources.lifecycle import END_COLUMNS

BOOKINGS_SHOWN: Final = 5
MOMENTS: Final = {
    "created_at": "booked", "scheduled_start": "start", "scheduled_end": "end", "completed_at": "completed",
    "cancelled_at": "cancelled",
}  # fmt: skip


def show(report: ImportReport) -> None:
    """Print the report of an import for people."""
    for file, form in report.formats.items():
        section = f" ({report.files[file]})" if len(set(report.files.values())) > 1 else ""
        _say(f"{file}{section}: {form}")
    for note in report.notes:
        _say(note)
    console.print(_counts(report))
    if report.first_bookings:
        console.print(_bookings(report))
    if report.by_reason:
        console.print(_rejections(report))
        kept = "" if report.dry_run else " All of them stand in app.import_rejections."
        _say(f"{report.rejected:,} of {report.rows_read:,} rows were rejected.{kept}")
    for sentence, number in report.warnings.items():
        _say(f"{sentence} ({number:,} times).")
    for kind, number in report.left_out.items():
        _say(f"The condition of the mapping leaves {number:,} rows out as {kind}.")
    if report.kept:
        _say(
            f"{report.kept:,} records were changed in the files and in the Hub, and were left as in the Hub: "
            "--overwrite takes the files' word."
        )
    _show_vanished(report)
    for sentence in report.lacking:
        _say(sentence)
    console.print(escape(_conclusion(report)))


def _say(sentence: str) -> None:
    console.print(escape(sentence))


def _conclusion(report: ImportReport) -> str:
    if report.rows_read == 0:
        return "Nothing was imported: the files have a header and no rows."
    if report.is_empty:
        return "Nothing was imported: every row was rejected."
    kept = "Dry run: nothing was kept." if report.dry_run else f"Next: hub run (organisation {report.organization})"
    return (
        f"{report.rows_read:,} rows read: {report.imported:,} new, {report.changed:,} changed, "
        f"{report.already_there:,} the same, {report.rejected:,} rejected. {kept}"
    )


def _counts(report: ImportReport) -> Table:
    table = Table("Records", "New", "Changed", "Same", "Kept as here", "Rejected", "Not in the files", box=None)
    for kind, it in report.records.items():
        numbers = (it.new, it.changed, it.same, it.kept, it.rejected, it.vanished)
        table.add_row(kind, *(f"{number:,}" for number in numbers))
    return table


def _bookings(report: ImportReport) -> Table:
    zone = ZoneInfo(report.timezone)
    title = "The first bookings as they would be" if report.dry_run else "The first bookings"
    table = Table("Booking", "Client, service, provider", "Status, amount", f"Times in {report.timezone}", title=title)
    for row in report.first_bookings[:BOOKINGS_SHOWN]:
        people = "\n".join(row[name] or "no provider" for name in ("client", "service", "provider"))
        amount = f"{row['status']}\n{row['total_amount']:,} {row['currency']}"
        table.add_row(escape(row["booking_number"]), escape(people), amount, _moments(row, zone), end_section=True)
    return table


def _moments(row: dict[str, Any], zone: ZoneInfo) -> str:
    ended = END_COLUMNS.get(row["status"])
    lines = []
    for name, word in MOMENTS.items():
        moment: datetime | None = row[name]
        if moment:
            lines.append(f"{word} {moment.astimezone(zone):%Y-%m-%d %H:%M}")
        elif name in ("created_at", ended):
            lines.append(f"{word} at an unknown time")
    return "\n".join(lines)


def _rejections(report: ImportReport) -> Table:
    table = Table("Why rows were rejected", "Rows", "First row", "What it says")
    first = {f"{it.field}: {it.reason}": it for it in reversed(report.first_rejections)}
    for reason, number in report.by_reason.items():
        it = first.get(reason)
        place = f"{it.file}, line {it.row_number}" if it else ""
        table.add_row(escape(reason), f"{number:,}", escape(place), escape(it.message if it else ""))
    return table


def _show_vanished(report: ImportReport) -> None:
    for kind, refs in report.vanished.items():
        counts = report.records[kind]
        done = "deleted" if counts.deleted else "left in the Hub"
        more = ", ..." if counts.vanished > len(refs) else ""
        _say(
            f"Of an earlier import, not in the files any more, and {done}: {counts.vanished:,} of kind {kind} "
            f"({', '.join(refs)}{more})."
        )
