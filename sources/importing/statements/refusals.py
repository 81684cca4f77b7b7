"""What refuses rows once they are staged: a row that is refused leaves its staging table. Parameters: org."""

from typing import Final, LiteralString

from psycopg import sql

_INSERT: Final = """
insert into refused
select staged.position, staged.file, staged.row_number, staged.row_key, staged.external_ref, {kind}, {field}, {value},
    {reason}, {message}
from {rows}
"""
_DROP: Final = """
delete from {staged} as staged using refused where refused.position = staged.position and refused.kind = {kind}
"""


def _refusal(
    kind: LiteralString, field: LiteralString, value: LiteralString, reason: LiteralString, message: LiteralString,
    rows: LiteralString,
) -> sql.Composed:  # fmt: skip
    """A statement that refuses `rows` (aliased staged); `value` and `message` are SQL, the others text."""
    return sql.SQL(_INSERT).format(
        kind=sql.Literal(kind),
        field=sql.Literal(field),
        value=sql.SQL(value),
        reason=sql.Literal(reason),
        message=sql.SQL(message),
        rows=sql.SQL(rows),
    )


def drop_refused(kind: str) -> sql.Composed:
    """Take what was refused of a kind out of its staging table."""
    return sql.SQL(_DROP).format(staged=sql.Identifier(f"staged_{kind}"), kind=sql.Literal(kind))


def refuse_repeated_keys(kind: str) -> sql.Composed:
    """Refuse the rows of a kind whose key an earlier row has."""
    rows = sql.SQL("""(
    select numbered.*, row_number() over rows_of_key as nth, first_value(row_number) over rows_of_key as first_row,
        first_value(file) over rows_of_key as first_file
    from {staged} as numbered
    where external_ref in (select external_ref from {staged} group by external_ref having count(*) > 1)
    window rows_of_key as (partition by external_ref order by position)
) as staged
where nth > 1""").format(staged=sql.Identifier(f"staged_{kind}"))
    return sql.SQL(_INSERT).format(
        kind=sql.Literal(kind),
        field=sql.Literal("key"),
        value=sql.SQL("staged.external_ref"),
        reason=sql.Literal("key is not unique"),
        message=sql.SQL("""format('The key ''%%s'' is already that of the row on line %%s%%s.', staged.external_ref,
        first_row, case when first_file <> file then ' of ' || first_file else '' end)"""),
        rows=rows,
    )


def refuse_faulty_part(kind: str, part: str, reference: str) -> sql.Composed:
    """Refuse the rows of a kind whose column `reference` refers to a service or a person that cannot be."""
    return sql.SQL("""
insert into refused
select staged.position, staged.file, staged.row_number, staged.row_key, staged.external_ref, {kind},
    faulty.part || '.' || faulty.field, faulty.value, faulty.reason, faulty.message, {booking}
from {staged} as staged
inner join faulty on faulty.external_ref = staged.{reference} and faulty.part = {part}
""").format(
        kind=sql.Literal(kind),
        staged=sql.Identifier(f"staged_{kind}"),
        reference=sql.Identifier(reference),
        part=sql.Literal(part),
        booking=sql.SQL("staged.booking" if kind in ("line", "hours") else "null"),
    )


def _unknown_booking(kind: LiteralString) -> sql.Composed:
    return sql.SQL(_INSERT).format(
        kind=sql.Literal(kind),
        field=sql.Literal(f"{kind}.booking"),
        value=sql.SQL("staged.booking"),
        reason=sql.Literal("unknown booking"),
        message=sql.SQL("""format(
        case when exists (select from refused where refused.kind = 'booking' and refused.external_ref = staged.booking)
            then 'The row of the booking ''%%s'' was rejected.'
            else 'The booking ''%%s'' is in none of the files, and not in the Hub.' end,
        staged.booking)"""),
        rows=sql.SQL("""{staged} as staged
where staged.booking is not null and not exists (
    select from app.bookings as booking where booking.org_id = %(org)s and booking.external_ref = staged.booking
)""").format(staged=sql.Identifier(f"staged_{kind}")),
    )


_OTHER_INVOICE: Final = "format('''%%s'' is already the number of another invoice.', staged.number)"
_SECOND_REVIEW: Final = (
    "format('The booking ''%%s'' has a review already; the Hub keeps one of each booking.', staged.booking)"
)
# Of each kind, what refuses its rows once all that they refer to is in the Hub.
REFUSALS: Final[dict[str, tuple[sql.Composed, ...]]] = {
    "booking": (
        _refusal(
            "booking", "booking_number", "staged.booking_number", "belongs to another",
            """format('''%%s'' already belongs to another one of bookings (%%s).', staged.booking_number,
        coalesce(known.external_ref, 'made in the Hub'))""",
            """staged_booking as staged
inner join app.bookings as known on known.org_id = %(org)s and known.booking_number = staged.booking_number
    and known.external_ref is distinct from staged.external_ref""",
        ),
        _refusal(
            "booking", "booking_number", "staged.booking_number", "belongs to another",
            """format('''%%s'' already belongs to another one of bookings (line %%s).', staged.booking_number,
        first_row)""",
            """(
    select staged_booking.*, row_number() over rows_of_number as nth,
        first_value(row_number) over rows_of_number as first_row
    from staged_booking
    where booking_number in (select booking_number from staged_booking group by booking_number having count(*) > 1)
    window rows_of_number as (partition by booking_number order by position)
) as staged
where nth > 1""",
        ),
        _refusal(
            "booking", "service.name", "null", "required", "'service.name is empty, but every row needs it.'",
            """staged_booking as staged
where staged.service_ref is null
    and not exists (
        select from staged_line as line where line.booking = staged.external_ref and line.service_ref is not null
    )
    and not exists (
        select from app.bookings as known where known.org_id = %(org)s and known.external_ref = staged.external_ref
    )""",
        ),
        _refusal(
            "booking", "total_amount", "null", "a line was rejected",
            "'A line of it was rejected, so its total is not known.'",
            """staged_booking as staged
where staged.total_amount is null
    and exists (select from refused as line where line.kind = 'line' and line.booking = staged.external_ref)""",
        ),
        _refusal(
            "booking", "total_amount", "null", "required", "'total_amount is empty, but every row needs it.'",
            """staged_booking as staged
where staged.total_amount is null
    and not exists (select from staged_line as line where line.booking = staged.external_ref)
    and not exists (
        select from app.bookings as known where known.org_id = %(org)s and known.external_ref = staged.external_ref
    )""",
        ),
    ),
    "line": (_unknown_booking("line"),),
    "invoice": (
        _unknown_booking("invoice"),
        _refusal(
            "invoice", "invoice.number", "staged.number", "belongs to another", _OTHER_INVOICE,
            """(
    select *, row_number() over (partition by number order by position) as nth from staged_invoice
) as staged
where nth > 1""",
        ),
        _refusal(
            "invoice", "invoice.number", "staged.number", "belongs to another", _OTHER_INVOICE,
            """staged_invoice as staged
inner join app.invoices as known on known.org_id = %(org)s and known.invoice_number = staged.number
    and known.external_ref is distinct from staged.external_ref""",
        ),
    ),
    "payment": (
        _unknown_booking("payment"),
        _refusal(
            "payment", "payment.invoice", "staged.invoice", "unknown invoice",
            "format('The invoice ''%%s'' is in none of the files, and not in the Hub.', staged.invoice)",
            """staged_payment as staged
where staged.invoice is not null and not exists (
    select from app.invoices as invoice where invoice.org_id = %(org)s and invoice.invoice_number = staged.invoice
)""",
        ),
        _refusal(
            "payment", "payment.booking", "null", "required", "'The row names neither a booking nor an invoice.'",
            "staged_payment as staged where staged.invoice is null and staged.booking is null",
        ),
    ),
    "review": (
        _unknown_booking("review"),
        _refusal(
            "review", "review.booking", "staged.booking", "reviewed already", _SECOND_REVIEW,
            """(
    select *, row_number() over (partition by booking order by reviewed_at desc, position) as nth from staged_review
) as staged
where nth > 1""",
        ),
        _refusal(
            "review", "review.booking", "staged.booking", "reviewed already", _SECOND_REVIEW,
            """staged_review as staged
inner join app.bookings as booking on booking.org_id = %(org)s and booking.external_ref = staged.booking
inner join app.reviews as known on known.org_id = %(org)s and known.booking_id = booking.id
    and known.external_ref is distinct from staged.external_ref""",
        ),
    ),
    "hours": (
        _unknown_booking("hours"),
        _refusal(
            "hours", "hours.provider", "null", "required", "'The row names no provider, and its booking has none.'",
            """staged_hours as staged
inner join app.bookings as booking on booking.org_id = %(org)s and booking.external_ref = staged.booking
where staged.provider_ref is null and booking.provider_id is null""",
        ),
    ),
}  # fmt: skip
