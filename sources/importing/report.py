"""Report of an import: counts by kind of record, the first bookings, and the data that the organisation lacks."""

from dataclasses import dataclass
from typing import Any, Final, LiteralString

from psycopg import Connection, sql
from pydantic import BaseModel

from sources.database import records
from sources.importing.rows import Rejection
from sources.importing.staging import REJECTION_COLUMNS
from sources.importing.upsert import Counts
from sources.lifecycle import END_COLUMNS

FIRST_SHOWN: Final = 10  # rejections, and bookings, that the report shows


@dataclass(frozen=True)
class ImportReport:
    """The result of an import; of a dry run, the result that the import would have.

    `imported` counts new records, `changed` those that differed, `already_there` those that were the same,
    `kept` those that were changed in the file and in the Hub and were not written, `rejected` rows. `records`
    has the same for each kind. `by_reason` counts rejections by field and reason: a row with two faults counts twice.
    """

    files: dict[str, str]  # each file, and the section of the mapping that it fills
    formats: dict[str, str]  # how each file is written, as given or as found
    mapping: str
    organization: str
    timezone: str
    dry_run: bool
    rows_read: int
    imported: int
    changed: int
    already_there: int
    kept: int
    rejected: int
    left_out: dict[str, int]  # rows that a condition of the mapping left out, by kind of record
    by_reason: dict[str, int]
    first_rejections: tuple[Rejection, ...]
    warnings: dict[str, int]
    records: dict[str, Counts]
    vanished: dict[str, list[str]]  # the first references of records that the files no longer have, by kind
    first_bookings: tuple[dict[str, Any], ...]
    lacking: tuple[str, ...]  # a sentence for each kind of data that the organisation lacks
    notes: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        """True if no record of the files is in the Hub after the import."""
        return not any(counts.accepted for counts in self.records.values())


class ImportSummary(BaseModel):
    """What is kept of the report of an import: counts and sentences, and no value of a row."""

    files: dict[str, str]
    mapping: str
    rows_read: int
    imported: int
    changed: int
    already_there: int
    kept: int
    rejected: int
    left_out: dict[str, int]
    by_reason: dict[str, int]
    warnings: dict[str, int]
    records: dict[str, Counts]
    lacking: tuple[str, ...]
    notes: tuple[str, ...]


_REASONS: Final = "select field || ': ' || reason, count(*) from rejections group by 1 order by 2 desc, 1"
# The first rejections of each reason, so that every reason is shown with a row.
_FIRST_REJECTIONS: Final = """
select {columns} from (
    select *, row_number() over (partition by field, reason order by position) as nth from rejections
) as numbered
where nth <= %(first)s
order by nth > 1, position, field
limit 3 * %(first)s
"""
_FIRST_BOOKINGS: Final = """
select booking.booking_number, client.full_name as client, service.name as service, provider.full_name as provider,
    booking.status, booking.total_amount, booking.currency,
    case when booking.created_at_known then booking.created_at end as created_at, booking.scheduled_start,
    booking.scheduled_end, booking.completed_at, booking.cancelled_at
from (
    select id, outcome, position from candidate_booking order by outcome = 'same', position limit %(first)s
) as candidate
inner join app.bookings as booking on booking.org_id = %(org)s and booking.id = candidate.id
inner join app.profiles as client on client.org_id = booking.org_id and client.id = booking.client_id
inner join app.services as service on service.org_id = booking.org_id and service.id = booking.service_id
left join app.profiles as provider on provider.org_id = booking.org_id and provider.id = booking.provider_id
order by candidate.outcome = 'same', candidate.position
"""
# For each sentence, the table and the condition of the rows whose absence it reports.
_DATA_GAPS: Final[dict[str, tuple[str, LiteralString]]] = {
    "No time of booking: figures by day of booking and lead times stay unknown.": ("bookings", "created_at_known"),
    "No schedule: realized revenue and workload by day stay unknown.": ("bookings", "scheduled_start is not null"),
    "No provider: workload and figures by provider stay unknown.": ("bookings", "provider_id is not null"),
    "No capacity of providers: their utilisation stays unknown.": ("profiles", "capacity_hours_per_day is not null"),
    "No invoices: invoiced and outstanding amounts stay unknown.": ("invoices", "true"),
    "No payments: collected revenue stays unknown.": ("payments", "true"),
    "No hours: worked time stays unknown.": ("time_entries", "true"),
    "No reviews: ratings stay unknown.": ("reviews", "true"),
}
_EXISTS: Final = "select exists (select from {table} where org_id = %(org)s and {condition})"
_UNDATED: Final = """
select status, count(*) from app.bookings
where org_id = %(org)s and status = any(%(ends)s)
    and coalesce(completed_at, cancelled_at) is null
group by status order by status
"""


def count_reasons(connection: Connection) -> dict[str, int]:
    """Return the number of rejections by field and reason."""
    return dict(connection.execute(_REASONS).fetchall())


def first_rejections(connection: Connection) -> tuple[Rejection, ...]:
    """Return the first rejections of each reason, in the order of the files."""
    query = sql.SQL(_FIRST_REJECTIONS).format(columns=sql.SQL(", ").join(map(sql.Identifier, REJECTION_COLUMNS)))
    found = [Rejection(*row) for row in connection.execute(query, {"first": FIRST_SHOWN})]
    return tuple(sorted(found, key=lambda rejection: (rejection.position, rejection.field)))


def first_bookings(connection: Connection, parameters: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    """Return the first bookings as they are after the import, new and changed ones before the others."""
    return tuple(records(connection, _FIRST_BOOKINGS, parameters))


def data_gaps(connection: Connection, parameters: dict[str, Any]) -> tuple[str, ...]:
    """Return a sentence for each kind of data of which the organisation has none."""
    found = []
    for sentence, (table, condition) in _DATA_GAPS.items():
        query = sql.SQL(_EXISTS).format(table=sql.Identifier("app", table), condition=sql.SQL(condition))
        if connection.execute(query, parameters).fetchone() == (False,):
            found.append(sentence)
    undated = connection.execute(_UNDATED, {**parameters, "ends": list(END_COLUMNS)}).fetchall()
    for status, number in undated:
        bookings = "1 booking is" if number == 1 else f"{number:,} bookings are"
        found.append(f"{bookings} {status.replace('_', ' ')} at an unknown time, and counted on no day.")
    return tuple(found)
