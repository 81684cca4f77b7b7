"""Statements that reject staged rows, which are then deleted from their staging table. Parameters: org."""

from typing import Final, LiteralString

from psycopg import sql

_INSERT: Final = """
insert into rejections
select staged.position, staged.file, staged.row_number, staged.row_key, staged.external_ref, {kind}, {field}, {value},
    {reason}, {message}
from {rows}
"""
_DELETE: Final = """
delete from {staged} as staged using rejections where rejections.position = staged.position and rejections.kind = {kind}
"""


def _rejection(
    kind: LiteralString, field: LiteralString, value: LiteralString, reason: LiteralString, message: LiteralString,
    rows: LiteralString,
) -> sql.Composed:  # fmt: skip
    """Return a statement that rejects `rows` (aliased staged); `value` and `message` are SQL, the others text."""
    return sql.SQL(_INSERT).format(
        kind=sql.Literal(kind),
        field=sql.Literal(field),
        value=sql.SQL(value),
        reason=sql.Literal(reason),
        message=sql.SQL(message),
        rows=sql.SQL(rows),
    )


def delete_rejected(kind: str) -> sql.Composed:
    """Delete the rejected rows of a kind from its staging table."""
    return sql.SQL(_DELETE).format(staged=sql.Identifier(f"staged_{kind}"), kind=sql.Literal(kind))


def reject_repeated_keys(kind: str) -> sql.Composed:
    """Reject the rows of a kind whose key an earlier row has."""
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
        message=sql.SQL("""format('The key ''%%s'' is already the key of the row on line %%s%%s.', staged.external_ref,
        first_row, case when first_file <> file then ' of ' || first_file else '' end)"""),
        rows=rows,
    )


def reject_invalid_reference(kind: str, master_kind: str, reference: str) -> sql.Composed:
    """Reject the rows of a kind whose column `reference` refers to invalid master data of `master_kind`."""
    return sql.SQL("""
insert into rejections
select staged.position, staged.file, staged.row_number, staged.row_key, staged.external_ref, {kind},
    invalid.kind || '.' || invalid.field, invalid.value, invalid.reason, invalid.message, {booking}
from {staged} as staged
inner join invalid_master_data as invalid
    on invalid.external_ref = staged.{reference} and invalid.kind = {master_kind}
""").format(
        kind=sql.Literal(kind),
        staged=sql.Identifier(f"staged_{kind}"),
        reference=sql.Identifier(reference),
        master_kind=sql.Literal(master_kind),
        booking=sql.SQL("staged.booking" if kind in ("line", "hours") else "null"),
    )


def _unknown_booking(kind: LiteralString) -> sql.Composed:
    return sql.SQL(_INSERT).format(
        kind=sql.Literal(kind),
        field=sql.Literal(f"{kind}.booking"),
        value=sql.SQL("staged.booking"),
        reason=sql.Literal("unknown booking"),
        message=sql.SQL("""format(
        case when exists (
                select from rejections
                where rejections.kind = 'booking' and rejections.external_ref = staged.booking
            )
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
    "format('The booking ''%%s'' has a review already; the Hub keeps one per booking.', staged.booking)"
)
# For each kind, the statements that reject its rows, run when the records that they refer to are in the Hub.
REJECTIONS: Final[dict[str, tuple[sql.Composed, ...]]] = {
    "booking": (
        _rejection(
            "booking", "booking_number", "staged.booking_number", "belongs to another",
            """format('''%%s'' already belongs to another one of bookings (%%s).', staged.booking_number,
        coalesce(existing.external_ref, 'made in the Hub'))""",
            """staged_booking as staged
inner join app.bookings as existing on existing.org_id = %(org)s and existing.booking_number = staged.booking_number
    and existing.external_ref is distinct from staged.external_ref""",
        ),
        _rejection(
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
        _rejection(
            "booking", "service.name", "null", "required", "'service.name is empty, but every row needs it.'",
            """staged_booking as staged
where staged.service_ref is null
    and not exists (
        select from staged_line as line where line.booking = staged.external_ref and line.service_ref is not null
    )
    and not exists (
        select from app.bookings as existing
        where existing.org_id = %(org)s and existing.external_ref = staged.external_ref
    )""",
        ),
        _rejection(
            "booking", "total_amount", "null", "a line was rejected",
            "'A line of the booking was rejected, so its total is unknown.'",
            """staged_booking as staged
where staged.total_amount is null
    and exists (
        select from rejections where rejections.kind = 'line' and rejections.booking = staged.external_ref
    )""",
        ),
        _rejection(
            "booking", "total_amount", "null", "required", "'total_amount is empty, but every row needs it.'",
            """staged_booking as staged
where staged.total_amount is null
    and not exists (select from staged_line as line where line.booking = staged.external_ref)
    and not exists (
        select from app.bookings as existing
        where existing.org_id = %(org)s and existing.external_ref = staged.external_ref
    )""",
        ),
    ),
    "line": (_unknown_booking("line"),),
    "invoice": (
        _unknown_booking("invoice"),
        _rejection(
            "invoice", "invoice.number", "staged.number", "belongs to another", _OTHER_INVOICE,
            """(
    select *, row_number() over (partition by number order by position) as nth from staged_invoice
) as staged
where nth > 1""",
        ),
        _rejection(
            "invoice", "invoice.number", "staged.number", "belongs to another", _OTHER_INVOICE,
            """staged_invoice as staged
inner join app.invoices as existing on existing.org_id = %(org)s and existing.invoice_number = staged.number
    and existing.external_ref is distinct from staged.external_ref""",
        ),
    ),
    "payment": (
        _unknown_booking("payment"),
        _rejection(
            "payment", "payment.invoice", "staged.invoice", "unknown invoice",
            "format('The invoice ''%%s'' is in none of the files, and not in the Hub.', staged.invoice)",
            """staged_payment as staged
where staged.invoice is not null and not exists (
    select from app.invoices as invoice where invoice.org_id = %(org)s and invoice.invoice_number = staged.invoice
)""",
        ),
        _rejection(
            "payment", "payment.booking", "null", "required", "'The row has neither a booking nor an invoice.'",
            "staged_payment as staged where staged.invoice is null and staged.booking is null",
        ),
    ),
    "review": (
        _unknown_booking("review"),
        _rejection(
            "review", "review.booking", "staged.booking", "reviewed already", _SECOND_REVIEW,
            """(
    select *, row_number() over (partition by booking order by reviewed_at desc, position) as nth from staged_review
) as staged
where nth > 1""",
        ),
        _rejection(
            "review", "review.booking", "staged.booking", "reviewed already", _SECOND_REVIEW,
            """staged_review as staged
inner join app.bookings as booking on booking.org_id = %(org)s and booking.external_ref = staged.booking
inner join app.reviews as existing on existing.org_id = %(org)s and existing.booking_id = booking.id
    and existing.external_ref is distinct from staged.external_ref""",
        ),
    ),
    "hours": (
        _unknown_booking("hours"),
        _rejection(
            "hours", "hours.provider", "null", "required", "'The row has no provider, and neither has its booking.'",
            """staged_hours as staged
inner join app.bookings as booking on booking.org_id = %(org)s and booking.external_ref = staged.booking
where staged.provider_ref is null and booking.provider_id is null""",
        ),
    ),
}  # fmt: skip
