"""Functions for migrations: what each operational table has, and the constraints that list the statuses of a booking.

They are for new migrations. Once a released migration calls a function, what the function executes must not change.
"""

from collections.abc import Iterable
from typing import Final

from alembic import op

# Values of `visible` for `make_operational`: the rows of the caller's organisation that hub_api sees.
EVERYONE: Final = "true"
ADMINS: Final = "(select app.sees_all())"
OWN_BOOKINGS: Final = f"{ADMINS} or exists (select 1 from app.bookings as b where b.org_id = {{table}}.org_id and b.id = {{table}}.booking_id)"


def own_rows(column: str) -> str:
    """Return the condition for rows whose `column` is the id of the caller, and all rows for admins."""
    return f"{ADMINS} or {column} = (select app.person())"


def make_operational(table: str, *, visible: str, rights: str = "select") -> None:
    """Add to a created table of schema app what every operational table has.

    That is: the triggers for row versions and tombstones, row security, and the grants and policies of hub_source, which
    reads every row, and of hub_api, which has `rights` (such as "select, insert") on the `visible` rows of the caller's
    organisation. `drop table` removes all of it.
    """
    name = f"app.{table}"
    condition = visible.format(table=name)
    op.execute(f"create trigger stamp before insert or update on {name} for each row execute function app.stamp_row()")
    op.execute(
        f"create trigger leave_tombstones after delete on {name} referencing old table as gone "
        "for each statement execute function app.leave_tombstones()"
    )
    op.execute(f"alter table {name} enable row level security")
    op.execute(f"grant {rights} on {name} to hub_api")
    op.execute(f"grant select on {name} to hub_source")
    op.execute(f"create policy caller on {name} to hub_api using (org_id = (select app.org_id()) and ({condition}))")
    op.execute(f"create policy source on {name} for select to hub_source using (true)")


def replace_status_checks(
    statuses: Iterable[str],
    *,
    holds_time: Iterable[str] | None = None,
    completed_at: Iterable[str] | None = None,
    cancelled_at: Iterable[str] | None = None,
) -> None:
    """Recreate the constraints that list statuses of bookings, from the lists of the migration that calls this.

    `statuses`: all of them. `holds_time`: those in which an exclusive booking keeps its provider's time. `completed_at`,
    `cancelled_at`: those that require this moment. None: the constraint stays as it is.
    """
    for table, column in (
        ("bookings", "status"),
        ("booking_status_history", "from_status"),
        ("booking_status_history", "to_status"),
    ):
        _replace_check(table, column, f"{column} in {_listed(statuses)}")
    for column, ends in (("completed_at", completed_at), ("cancelled_at", cancelled_at)):
        if ends is not None:
            condition = f"status not in {_listed(ends)} or {column} is not null or external_ref is not null"
            _replace_check("bookings", column, condition)
    if holds_time is not None:
        op.execute("alter table app.bookings drop constraint ex_bookings_provider_time")
        op.execute(
            f"""
            alter table app.bookings add constraint ex_bookings_provider_time exclude using gist (
                org_id with =, provider_id with =, tstzrange(scheduled_start, scheduled_end) with &&
            ) where (
                is_exclusive and provider_id is not null and scheduled_start is not null and scheduled_end is not null
                and status in {_listed(holds_time)}
            )
            """
        )


def _replace_check(table: str, name: str, condition: str) -> None:
    constraint = f"ck_{table}_{name}"
    op.execute(f"alter table app.{table} drop constraint {constraint}, add constraint {constraint} check ({condition})")


def _listed(statuses: Iterable[str]) -> str:
    return "(" + ", ".join(f"'{status}'" for status in statuses) + ")"
