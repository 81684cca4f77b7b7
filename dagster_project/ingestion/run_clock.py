"""The clock of a run: the day that it speaks of, and from when to when there is anything to speak of."""

from datetime import UTC, date, datetime
from typing import Final

import dagster as dg
import psycopg
from pydantic import Field

from dagster_project.ownership import OWNERS
from dagster_project.resources import HubDatabase
from sources.errors import HubError
from sources.lifecycle import COMPLETED, ONGOING, PENDING

# Four whole weeks: the horizon of the forecasts, and longer than a business closes for its holidays.
QUIET_DAYS: Final = 28
FIRM: Final = [*ONGOING, *COMPLETED]
STANDING: Final = [*PENDING, *FIRM]

# The sample stands at a day of its own, which may lie ahead of the machine's clock.
AHEAD: Final = """
    select name, timezone, (%(now)s::timestamptz at time zone timezone)::date as today
    from app.organizations
    where %(as_of)s::date > (%(now)s::timestamptz at time zone timezone)::date and not settings ? 'sample'
    order by name
    limit 1
"""

SET_CLOCK: Final = """
    with asked as (
        select id as org_id, timezone,
            coalesce(%(as_of)s::date, (%(now)s::timestamptz at time zone timezone)::date - 1) as day
        from raw.organizations
        where _deleted_at is null
    ),
    known as (
        select *, (day + 1)::timestamp at time zone timezone as day_ends,
            case when %(as_of)s::date is null then %(now)s::timestamptz
                else (day + 1)::timestamp at time zone timezone end as known_until
        from asked
    ),
    -- By table: the first moment, the last one that is known, and the last one up to the end of the day.
    moments as (
        select booking.org_id,
            min(least(created_at, case when status = any(%(firm)s) then scheduled_start end)) as first_at,
            greatest(
                max(created_at) filter (where created_at < known_until),
                max(cancelled_at) filter (where cancelled_at < known_until),
                max(completed_at) filter (where completed_at < known_until),
                max(scheduled_start) filter (where status = any(%(firm)s) and scheduled_start < known_until)
            ) as last_known_at,
            greatest(
                max(created_at) filter (where created_at < day_ends),
                max(cancelled_at) filter (where cancelled_at < day_ends),
                max(completed_at) filter (where completed_at < day_ends),
                max(scheduled_start) filter (where status = any(%(firm)s) and scheduled_start < day_ends)
            ) as last_at,
            greatest(
                max(created_at) filter (where created_at < day_ends),
                max(scheduled_start) filter (where status = any(%(firm)s) and scheduled_start < day_ends)
            ) as last_booked_at,
            max(scheduled_start) filter (
                where status = any(%(standing)s) and created_at < known_until
            ) as scheduled_at
        from raw.bookings as booking
        inner join known on known.org_id = booking.org_id
        where _deleted_at is null
        group by booking.org_id
        union all
        select happened.org_id, min(moment), max(moment) filter (where moment < known_until),
            max(moment) filter (where moment < day_ends), null, null
        from (
            select org_id, changed_at as moment from raw.booking_status_history where _deleted_at is null
            union all
            select org_id, issued_at from raw.invoices where _deleted_at is null
            union all
            select org_id, paid_at from raw.payments where _deleted_at is null
            union all
            select org_id, started_at from raw.time_entries where _deleted_at is null
            union all
            select org_id, reviewed_at from raw.reviews where _deleted_at is null
        ) as happened
        inner join known on known.org_id = happened.org_id
        group by happened.org_id
    ),
    activity as (
        select known.*,
            (min(first_at) at time zone timezone)::date as first_day,
            (max(last_at) at time zone timezone)::date as last_day,
            (coalesce(max(last_booked_at), max(last_at)) at time zone timezone)::date as last_booked_day,
            coalesce((max(last_known_at) at time zone timezone)::date <= day - %(quiet)s, false)
                and coalesce((max(scheduled_at) at time zone timezone)::date < day, true) as has_ended
        from known
        left join moments on moments.org_id = known.org_id
        group by known.org_id, timezone, day, day_ends, known_until
    ),
    -- Without a day that was asked for, data that ended are spoken of as on the last day on which a booking was made or
    -- served: what follows it (check-outs, payments, reviews) is no business day any more.
    clock as (
        select org_id, has_ended,
            case when first_day <= last_day then first_day end as first_day,
            case when goes_back then last_booked_day else last_day end as last_day,
            case when goes_back then last_booked_day else day end as as_of,
            case when goes_back then (last_booked_day + 1)::timestamp at time zone timezone else known_until end
                as as_of_at
        from activity
        cross join lateral (select has_ended and %(as_of)s::date is null) as whether (goes_back)
    )
    merge into raw.run_clock as held
    using clock on held.org_id = clock.org_id
    when matched then update set as_of = clock.as_of, as_of_at = clock.as_of_at, first_day = clock.first_day,
        last_day = clock.last_day, has_ended = clock.has_ended
    when not matched then insert (org_id, as_of, as_of_at, first_day, last_day, has_ended)
        values (org_id, clock.as_of, clock.as_of_at, clock.first_day, clock.last_day, clock.has_ended)
    when not matched by source then delete
"""


class RunClock(dg.Config):
    """What day a run speaks of."""

    as_of: str | None = Field(
        None, description="A day (YYYY-MM-DD): the run speaks of its end. Empty: of now, and of yesterday."
    )
    now: str | None = Field(None, description="The moment taken for now (ISO 8601); empty: the run's start.")


@dg.asset(
    key=["raw", "run_clock"],
    deps=[
        ["raw", name]
        for name in (
            "organizations", "bookings", "booking_status_history", "invoices", "payments", "time_entries", "reviews",
        )
    ],
    group_name="ingestion",
    kinds={"postgres"},
    owners=OWNERS,
    description="The moment that this run speaks of, the last complete business day, and the days with activity.",
)  # fmt: skip
def run_clock(context: dg.AssetExecutionContext, config: RunClock, database: HubDatabase) -> dg.MaterializeResult[None]:
    started = context.instance.get_run_record_by_id(context.run.run_id)
    default_now = started.create_timestamp if started else datetime.now(UTC)
    now = datetime.fromisoformat(config.now) if config.now else default_now
    with database.connect() as connection:
        set_clock(connection, as_of=_parse_day(config.as_of) if config.as_of else None, now=now)
        rows = connection.execute("select org_id::text, as_of::text from raw.run_clock order by 1").fetchall()
    return dg.MaterializeResult(metadata={"dagster/row_count": len(rows), "as_of": dict(rows)})


def set_clock(connection: psycopg.Connection, *, as_of: date | None, now: datetime) -> None:
    """Write raw.run_clock: for each organisation `as_of`, or its yesterday, or the last day of data that ended."""
    parameters = {"as_of": as_of, "now": now, "firm": FIRM, "standing": STANDING, "quiet": QUIET_DAYS}
    connection.execute(SET_CLOCK, parameters)


def refuse_day_ahead(connection: psycopg.Connection, *, as_of: date, now: datetime) -> None:
    """Raise HubError where `as_of` has not come yet in the time zone of an organisation of the operational database."""
    ahead = connection.execute(AHEAD, {"as_of": as_of, "now": now}).fetchone()
    if ahead:
        name, timezone, today = ahead
        raise HubError(
            f"--as-of {as_of} lies ahead: for {name} ({timezone}) today is {today}. "
            "A run speaks of a day that has come; leave --as-of out to speak of yesterday."
        )


def clock_notes(connection: psycopg.Connection) -> list[str]:
    """One sentence for each organisation whose data ended, or have not begun, on the day that the run speaks of."""
    rows = connection.execute(
        """
        select organization.name, clock.as_of, clock.last_day, clock.has_ended
        from raw.run_clock as clock
        inner join raw.organizations as organization on organization.id = clock.org_id
        order by organization.name
        """
    ).fetchall()
    notes = []
    for name, day, last_day, has_ended in rows:
        if last_day is None:
            notes.append(
                f"Nothing is known of {name} up to {in_words(day)}: nothing is judged and nothing is forecast."
            )
        elif has_ended and day > last_day:
            notes.append(
                f"The bookings of {name} end on {in_words(last_day)}, long before {in_words(day)}: "
                "nothing is judged and nothing is forecast."
            )
        elif has_ended:
            notes.append(f"The bookings of {name} end on {in_words(day)}, so this run speaks of that day.")
    return notes


def in_words(day: date) -> str:
    """The day as people write it, such as 31 August 2017."""
    return f"{day.day} {day:%B %Y}"


def _parse_day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise HubError(f"as_of is {text!r}, which is not a day: write it as YYYY-MM-DD.") from None
