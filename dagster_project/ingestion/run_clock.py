"""The clock of a run: its day (`as_of`), its moment (`as_of_at`), and the first and last day with activity."""

from datetime import UTC, date, datetime
from typing import Final

import dagster as dg
import psycopg
from pydantic import Field

from dagster_project.freshness import POLICY
from dagster_project.ownership import OWNERS
from dagster_project.resources import HubDatabase
from sources.errors import HubError
from sources.formatting import date_words
from sources.lifecycle import FIRM, NOT_CANCELLED

# Four whole weeks: the horizon of the forecasts, and longer than a business closes for its holidays.
QUIET_DAYS: Final = 28

# The sample business ends on its own day, which may be in the future.
SELECT_AHEAD: Final = """
    select name, timezone, (%(now)s::timestamptz at time zone timezone)::date as today
    from app.organizations
    where %(as_of)s::date > (%(now)s::timestamptz at time zone timezone)::date and not settings ? 'sample'
    order by name
    limit 1
"""

SET_CLOCK: Final = """
    with days as (
        select id as org_id, timezone,
            coalesce(%(as_of)s::date, (%(now)s::timestamptz at time zone timezone)::date - 1) as day
        from raw.organizations
        where _deleted_at is null
    ),
    runs as (
        select *, (day + 1)::timestamp at time zone timezone as day_ends,
            case when %(as_of)s::date is null then %(now)s::timestamptz
                else (day + 1)::timestamp at time zone timezone end as known_until
        from days
    ),
    -- By organisation: the first moment, the last one before known_until, and the last one before the end of the day.
    moments as (
        select bookings.org_id,
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
                where status = any(%(not_cancelled)s) and created_at < known_until
            ) as scheduled_at
        from raw.bookings as bookings
        inner join runs on runs.org_id = bookings.org_id
        where _deleted_at is null
        group by bookings.org_id
        union all
        select records.org_id, min(moment), max(moment) filter (where moment < known_until),
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
        ) as records
        inner join runs on runs.org_id = records.org_id
        group by records.org_id
    ),
    activity as (
        select runs.*,
            (min(first_at) at time zone timezone)::date as first_day,
            (max(last_at) at time zone timezone)::date as last_day,
            (coalesce(max(last_booked_at), max(last_at)) at time zone timezone)::date as last_booked_day,
            coalesce((max(last_known_at) at time zone timezone)::date <= day - %(quiet)s, false)
                and coalesce((max(scheduled_at) at time zone timezone)::date < day, true) as has_ended
        from runs
        left join moments on moments.org_id = runs.org_id
        group by runs.org_id, timezone, day, day_ends, known_until
    ),
    -- If no day was given and the data have ended, as_of is the last day on which a booking was made or served: later
    -- days, with check-outs, payments and reviews only, are no business days.
    clock as (
        select org_id, has_ended,
            case when first_day <= last_day then first_day end as first_day,
            case when uses_last_booked_day then last_booked_day else last_day end as last_day,
            case when uses_last_booked_day then last_booked_day else day end as as_of,
            case when uses_last_booked_day then (last_booked_day + 1)::timestamp at time zone timezone
                else known_until end as as_of_at
        from activity
        cross join lateral (select has_ended and %(as_of)s::date is null) as modes (uses_last_booked_day)
    )
    merge into raw.run_clock as existing
    using clock on existing.org_id = clock.org_id
    when matched then update set as_of = clock.as_of, as_of_at = clock.as_of_at, first_day = clock.first_day,
        last_day = clock.last_day, has_ended = clock.has_ended
    when not matched then insert (org_id, as_of, as_of_at, first_day, last_day, has_ended)
        values (org_id, clock.as_of, clock.as_of_at, clock.first_day, clock.last_day, clock.has_ended)
    when not matched by source then delete
"""


class RunClock(dg.Config):
    """The day of a run."""

    as_of: str | None = Field(
        None,
        description="The run is as of the end of this day (YYYY-MM-DD). Empty: as of now, with yesterday as its day.",
    )
    now: str | None = Field(
        None, description="The moment that is taken as now (ISO 8601). Empty: the start of the run."
    )


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
    freshness_policy=POLICY,
    description="The moment of this run, the last complete business day, and the first and last day with activity.",
)  # fmt: skip
def run_clock(context: dg.AssetExecutionContext, config: RunClock, database: HubDatabase) -> dg.MaterializeResult[None]:
    started = context.instance.get_run_record_by_id(context.run.run_id)
    default_now = started.create_timestamp if started else datetime.now(UTC)
    now = parse_moment(config.now, "now") if config.now else default_now
    as_of = _parse_day(config.as_of) if config.as_of else None
    if as_of:
        with database.connect_source() as source:
            refuse_day_ahead(source, as_of=as_of, now=default_now)
    with database.connect() as connection:
        set_clock(connection, as_of=as_of, now=now)
        rows = connection.execute("select org_id::text, as_of::text from raw.run_clock order by 1").fetchall()
    return dg.MaterializeResult(metadata={"dagster/row_count": len(rows), "as_of": dict(rows)})


def set_clock(connection: psycopg.Connection, *, as_of: date | None, now: datetime) -> None:
    """Write raw.run_clock: the day is `as_of`, else the organisation's yesterday or the last day of ended data."""
    parameters = {
        "as_of": as_of,
        "now": now,
        "firm": list(FIRM),
        "not_cancelled": list(NOT_CANCELLED),
        "quiet": QUIET_DAYS,
    }
    connection.execute(SET_CLOCK, parameters)


def refuse_day_ahead(connection: psycopg.Connection, *, as_of: date, now: datetime) -> None:
    """Raise HubError if `as_of` is in the future in the time zone of an organisation of the operational database."""
    ahead = connection.execute(SELECT_AHEAD, {"as_of": as_of, "now": now}).fetchone()
    if ahead:
        name, timezone, today = ahead
        raise HubError(
            f"The day {as_of} is in the future: for {name} ({timezone}) today is {today}. "
            "Give today or an earlier day, or none for yesterday."
        )


def clock_notes(connection: psycopg.Connection) -> list[str]:
    """Return a sentence for each organisation whose data have ended, or have not begun, on the day of the run."""
    rows = connection.execute(
        """
        select organizations.name, clock.as_of, clock.last_day, clock.has_ended
        from raw.run_clock as clock
        inner join raw.organizations as organizations on organizations.id = clock.org_id
        order by organizations.name
        """
    ).fetchall()
    notes = []
    for name, day, last_day, has_ended in rows:
        if last_day is None:
            notes.append(f"{name} has no data up to {date_words(day)}: there are no anomalies and no forecasts.")
        elif has_ended and day > last_day:
            notes.append(
                f"The bookings of {name} end on {date_words(last_day)}, long before {date_words(day)}: "
                "there are no anomalies and no forecasts."
            )
        elif has_ended:
            notes.append(f"The bookings of {name} end on {date_words(day)}, so this run is as of that day.")
    return notes


def parse_moment(text: str, name: str) -> datetime:
    """Parse the moment `name` of a run's configuration. Raises HubError if it is none, or in the future."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise HubError(f"{name} is {text!r}, which is not a moment: write it as 2026-03-31T09:00+00:00.") from None
    if moment.tzinfo is None:
        raise HubError(f"{name} is {text}, without a time zone: write it as 2026-03-31T09:00+00:00.")
    if moment > datetime.now(UTC):
        raise HubError(f"{name} is {moment}, which is in the future: what is known then cannot be known yet.")
    return moment


def _parse_day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise HubError(f"as_of is {text!r}, which is not a day: write it as YYYY-MM-DD.") from None
