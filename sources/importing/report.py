"""What an import reports: what became of each kind of record, what the first bookings look like, what the files lack."""

from dataclasses import dataclass
from typing import Any, Final, LiteralString

from psycopg import Connection, sql
from psycopg.rows import dict_row

from sources.importing.rows import Rejection
from sources.importing.staging import REFUSED
from sources.importing.take_over import Counts

FIRST_SHOWN: Final = 10  # rejections, and bookings, that the report shows


@dataclass(frozen=True)
class ImportReport:
    """What became of the files. A dry run reports what would have been.

    `imported` counts the new records, `changed` those that differed, `already_there` those that were the same; `kept`
    those that were changed in the file and in the Hub, and were left as in the Hub; `rejected` rows. `records` has the
    same for each kind. `by_reason` counts rejections by field and reason; a row with two faults counts twice there.
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
    vanished: dict[str, list[str]]  # the first references of what the files no longer have, by kind
    first_bookings: tuple[dict[str, Any], ...]
    lacking: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        """Whether nothing of the files is in the Hub afterwards."""
        return not any(counts.taken for counts in self.records.values())


_REASONS: Final = "select field || ': ' || reason, count(*) from refused group by 1 order by 2 desc, 1"
# The first rejections of each reason, so that every reason is shown with a row.
_FIRST_REJECTIONS: Final = """
select {columns} from (
    select *, row_number() over (partition by field, reason order by position) as nth from refused
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
    select id, fate, position from candidate_booking order by fate = 'same', position limit %(first)s
) as candidate
inner join app.bookings as booking on booking.org_id = %(org)s and booking.id = candidate.id
inner join app.profiles as client on client.org_id = booking.org_id and client.id = booking.client_id
inner join app.services as service on service.org_id = booking.org_id and service.id = booking.service_id
left join app.profiles as provider on provider.org_id = booking.org_id and provider.id = booking.provider_id
order by candidate.fate = 'same', candidate.position
"""
# A sentence for each thing that no row of the organisation says.
_LACKING: Final[dict[str, LiteralString]] = {
    "No time of booking: figures by day of booking and lead times stay unknown.": "bookings where created_at_known",
    "No schedule: realized revenue and workload by day stay unknown.": "bookings where scheduled_start is not null",
    "No provider: workload and figures by provider stay unknown.": "bookings where provider_id is not null",
    "No capacity of providers: how busy they are stays unknown.": (
        "profiles where role = 'provider' and capacity_hours_per_day is not null"
    ),
    "No invoices: invoiced and outstanding amounts stay unknown.": "invoices",
    "No payments: collected revenue stays unknown.": "payments",
    "No hours: worked time stays unknown.": "time_entries",
    "No reviews: ratings stay unknown.": "reviews",
}
_UNDATED: Final = """
select status, count(*) from app.bookings
where org_id = %(org)s and status in ('completed', 'cancelled', 'no_show')
    and coalesce(completed_at, cancelled_at) is null
group by status order by status
"""


def reasons(connection: Connection) -> dict[str, int]:
    """The rejections by field and reason."""
    return dict(connection.execute(_REASONS).fetchall())


def first_rejections(connection: Connection) -> tuple[Rejection, ...]:
    """The first rejections of each reason, in the order of the files."""
    query = sql.SQL(_FIRST_REJECTIONS).format(columns=sql.SQL(", ").join(map(sql.Identifier, REFUSED)))
    found = [Rejection(*row) for row in connection.execute(query, {"first": FIRST_SHOWN})]
    return tuple(sorted(found, key=lambda it: (it.position, it.field)))


def first_bookings(connection: Connection, given: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    """The first bookings as they are now, new and changed ones before the others."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return tuple(cursor.execute(_FIRST_BOOKINGS, given).fetchall())


def lacking(connection: Connection, given: dict[str, Any]) -> tuple[str, ...]:
    """A sentence for each thing that nothing in the organisation says."""
    found = []
    for sentence, rows in _LACKING.items():
        condition: LiteralString = " and " if " where " in rows else " where "
        query = "select exists (select from app." + rows + condition + "org_id = %(org)s)"
        if connection.execute(query, given).fetchone() == (False,):
            found.append(sentence)
    undated = connection.execute(_UNDATED, given).fetchall()
    return (
        *found,
        *(f"{number:,} bookings are {status.replace('_', ' ')} at an unknown time: they count on no day."
          for status, number in undated),
    )  # fmt: skip
