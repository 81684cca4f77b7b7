"""The report that `hub import` prints."""

from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from rich.markup import escape
from rich.table import Table

from cli.common import console
from sources.importing import ImportReport
from sources.lifecycle import END_COLUMNS

BOOKINGS_SHOWN: Final = 5
TIMES: Final = {
    "created_at": "booked", "scheduled_start": "start", "scheduled_end": "end", "completed_at": "completed",
    "cancelled_at": "cancelled",
}  # fmt: skip


def show(report: ImportReport) -> None:
    """Print the report of an import as text and tables."""
    for file, file_format in report.formats.items():
        section = f" ({report.files[file]})" if len(set(report.files.values())) > 1 else ""
        _print(f"{file}{section}: {file_format}")
    for note in report.notes:
        _print(note)
    console.print(_counts(report))
    if report.first_bookings:
        console.print(_bookings(report))
    if report.by_reason:
        console.print(_rejections(report))
        listed = "" if report.dry_run else " All of them are in app.import_rejections."
        _print(f"{report.rejected:,} of {report.rows_read:,} rows were rejected.{listed}")
    for sentence, number in report.warnings.items():
        _print(f"{sentence} ({number:,} times).")
    for kind, number in report.left_out.items():
        _print(f"The condition of the mapping leaves {number:,} rows out as {kind}.")
    if report.kept:
        _print(
            f"{report.kept:,} records were changed in the files and in the Hub, and were not written: "
            "--overwrite replaces them by those of the files."
        )
    _print_missing(report)
    for sentence in report.lacking:
        _print(sentence)
    console.print(escape(_conclusion(report)))


def _print(sentence: str) -> None:
    console.print(escape(sentence))


def _conclusion(report: ImportReport) -> str:
    if report.rows_read == 0:
        return "Nothing was imported: the files have a header and no rows."
    if report.is_empty:
        return "Nothing was imported: every row was rejected."
    next_step = (
        "Dry run: nothing was written." if report.dry_run else f"Next: hub run (organisation {report.organization})"
    )
    return (
        f"{report.rows_read:,} rows read: {report.imported:,} new, {report.changed:,} changed, "
        f"{report.already_there:,} the same, {report.rejected:,} rejected. {next_step}"
    )


def _counts(report: ImportReport) -> Table:
    table = Table("Records", "New", "Changed", "Same", "Kept in the Hub", "Rejected", "Not in the files", box=None)
    for kind, counts in report.records.items():
        numbers = (
            counts.new, counts.changed, counts.same, counts.kept, counts.rejected, counts.vanished,
        )  # fmt: skip
        table.add_row(kind, *(f"{number:,}" for number in numbers))
    return table


def _bookings(report: ImportReport) -> Table:
    zone = ZoneInfo(report.timezone)
    title = "The first bookings as they would be" if report.dry_run else "The first bookings"
    table = Table("Booking", "Client, service, provider", "Status, amount", f"Times in {report.timezone}", title=title)
    for row in report.first_bookings[:BOOKINGS_SHOWN]:
        people = "\n".join(row[name] or "no provider" for name in ("client", "service", "provider"))
        amount = f"{row['status']}\n{row['total_amount']:,} {row['currency']}"
        table.add_row(escape(row["booking_number"]), escape(people), amount, _times(row, zone), end_section=True)
    return table


def _times(row: dict[str, Any], zone: ZoneInfo) -> str:
    lines = []
    for name, label in TIMES.items():
        time: datetime | None = row[name]
        if time:
            lines.append(f"{label} {time.astimezone(zone):%Y-%m-%d %H:%M}")
        elif name in ("created_at", END_COLUMNS.get(row["status"])):
            lines.append(f"{label} at an unknown time")
    return "\n".join(lines)


def _rejections(report: ImportReport) -> Table:
    table = Table("Reason of rejection", "Rows", "First row", "Message")
    first = {f"{rejection.field}: {rejection.reason}": rejection for rejection in reversed(report.first_rejections)}
    for reason, number in report.by_reason.items():
        rejection = first.get(reason)
        place = f"{rejection.file}, line {rejection.row_number}" if rejection else ""
        message = rejection.message if rejection else ""
        table.add_row(escape(reason), f"{number:,}", escape(place), escape(message))
    return table


def _print_missing(report: ImportReport) -> None:
    for kind, refs in report.vanished.items():
        counts = report.records[kind]
        result = "deleted" if counts.deleted else "left in the Hub"
        more = ", ..." if counts.vanished > len(refs) else ""
        _print(
            f"Of an earlier import, no longer in the files, and {result}: {counts.vanished:,} of kind {kind} "
            f"({', '.join(refs)}{more})."
        )
