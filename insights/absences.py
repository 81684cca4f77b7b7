"""Absences: providers who are away although nobody planned it, by the single bookings and the entered absences.

The detector judges the hours of each provider by themselves, and those of two days are few. That all bookings of one
provider were called off or moved on one day, while those of the others stand, tells an absence on that day.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final, LiteralString

import psycopg
from scipy.stats import binom

from insights.organizations import Organization
from sources.database import records

RECENT_DAYS: Final = 28  # an absence is followed for this many days
AHEAD_DAYS: Final = 14  # the bookings of so many days can show that their provider is away
LEAST_RATE: Final = 0.05  # of the bookings ahead of a provider are called off or moved on a day
LEAST_REMOVED: Final = 0.9  # of the clients, in the days that show the absence
CHANCE: Final = 1e-5  # of ten providers and some ten spans a day: once in years

ABSENCES: Final[LiteralString] = """
    select absences.provider_id::text as provider, absences.starts_on, absences.ends_on,
        (absences.created_at at time zone organizations.timezone)::date >= absences.starts_on as is_sudden
    from staging.stg_app__provider_absences as absences
    inner join marts.dim_organization as organizations on organizations.org_id = absences.org_id
    where absences.org_id = %(org_id)s and absences.ends_on >= %(first)s and absences.starts_on <= %(as_of)s
        and absences.created_at < %(as_of_at)s
    order by absences.starts_on, absences.ends_on
"""
# The hours that each provider worked: tracked ones where the business tracks hours, else those booked.
WORKED: Final[LiteralString] = """
    with of_providers as (
        select metric, member, day, value from marts.kpi_daily
        where org_id = %(org_id)s and metric = any(%(metrics)s) and dimension = 'provider'
            and day >= %(first)s and day <= %(as_of)s and value > 0
    )
    select metric, member, day, value::float8 as hours from of_providers
    where metric = coalesce((select max(metric) from of_providers where metric = 'tracked_hours'), 'booked_hours')
    order by day
"""
# Bookings of providers as they stood on the books from `first_day` on, until they were called off or moved.
BOOKINGS: Final[LiteralString] = """
    with removed as (
        select booking_id, service_day, removed_day, is_cancelled from intermediate.int_called_off_bookings
        where org_id = %(org_id)s and removed_day <= %(as_of)s and service_day >= %(first)s
    ),
    of_providers as (
        select bookings.booking_id, bookings.provider_id::text as provider, bookings.client_id::text as client,
            bookings.service_day, bookings.created_day, bookings.status, bookings.status_group, bookings.cancelled_day,
            case when bookings.is_in_own_currency then bookings.total_amount else 0 end as amount,
            coalesce(hours.hours, 0) as hours
        from marts.fct_bookings as bookings
        left join intermediate.int_booking_hours as hours on hours.booking_id = bookings.booking_id
        where bookings.org_id = %(org_id)s and bookings.provider_id is not null and bookings.created_day <= %(as_of)s
    )
    select provider, client, of_providers.service_day, null::date as removed_day, false as is_cancelled,
        greatest(of_providers.created_day, max(removed.removed_day)) as first_day, amount::float8, hours::float8
    from of_providers
    left join removed on removed.booking_id = of_providers.booking_id
    where of_providers.service_day >= %(first)s and of_providers.service_day <= %(as_of)s::date + %(ahead)s
        and of_providers.status_group <> 'pending'
        and (of_providers.status_group <> 'cancelled' or status = 'no_show' or cancelled_day > %(as_of)s)
    group by of_providers.booking_id, provider, client, of_providers.service_day, of_providers.created_day, amount,
        hours
    union all
    select provider, client, removed.service_day, removed.removed_day, removed.is_cancelled, created_day,
        amount::float8, hours::float8
    from removed
    inner join of_providers on of_providers.booking_id = removed.booking_id
    order by service_day, provider, client
"""
# The hours planned up to as_of, also of bookings of several days; and the bookings that wait, without hours of work.
PLANNED: Final[LiteralString] = """
    select days.provider_id::text as provider, days.day, sum(days.booked_hours)::float8 as hours,
        count(*) filter (where waiting.booking_id is not null)::int as waiting,
        coalesce(sum(waiting.total_amount), 0)::float8 as amount
    from intermediate.int_provider_days as days
    left join intermediate.int_bookings_as_of as waiting
        on waiting.booking_id = days.booking_id and waiting.service_day = days.day and waiting.is_in_own_currency
        and waiting.status_group = 'ongoing' and waiting.delivered_day is null and waiting.completed_day is null
        and not exists (
            select from marts.fct_time_entries as entries
            where entries.booking_id = days.booking_id and entries.started_day <= %(as_of)s
        )
    where days.org_id = %(org_id)s and days.day >= %(first)s
        and days.day <= %(as_of)s::date + %(ahead)s and days.provider_id::text = any(%(providers)s)
    group by days.provider_id, days.day
"""
NAMES: Final[LiteralString] = """
    select provider_id::text as member, provider_name as member_name from marts.dim_provider
    where org_id = %(org_id)s and provider_id::text = any(%(providers)s)
"""

Row = Mapping[str, Any]


def absences_since(connection: psycopg.Connection, organization: Organization, first: date) -> list[dict[str, Any]]:
    """Return the entered absences from `first` to as_of: provider, starts_on, ends_on, is_sudden.

    is_sudden: entered when it had begun, as an illness is; the others were known ahead.
    """
    parameters = {"as_of": organization.as_of, "as_of_at": organization.as_of_at, "first": first}
    return records(connection, ABSENCES, {"org_id": organization.id, **parameters})


def with_absences(
    connection: psycopg.Connection,
    organization: Organization,
    metrics: Mapping[str, Row],
    rows: Sequence[dict[str, Any]],
) -> list[dict[str, Any]]:
    """Return `rows` with an anomaly of the hours of each provider who is away without a plan, since then.

    It is marked by `is_by_rows`, has what is known of the absence, and replaces that of the detector. Its money is that
    of the bookings of the days up to as_of that were called off, moved, or wait.
    """
    if not {"tracked_hours", "booked_hours"} <= set(metrics):
        return list(rows)
    first = organization.as_of - timedelta(days=RECENT_DAYS - 1)
    parameters = {
        "org_id": organization.id,
        "as_of": organization.as_of,
        "first": first,
        "ahead": AHEAD_DAYS,
        "metrics": ["tracked_hours", "booked_hours"],
    }
    worked = records(connection, WORKED, parameters)
    last_worked = {row["member"]: row["day"] for row in worked}
    entered = absences_since(connection, organization, organization.as_of)
    known = {row["provider"]: row for row in sorted(entered, key=lambda row: row["is_sudden"])}  # a sudden one counts
    bookings = records(connection, BOOKINGS, parameters)
    begun = {provider: row["starts_on"] for provider, row in known.items() if row["is_sudden"]}
    for provider, day in _emptied(bookings, first, organization.as_of):
        if provider not in known:
            begun.setdefault(provider, day)
    # Who works on the first day is away from the next day on; who worked today is back.
    since = {
        provider: max(day, last_worked.get(provider, date.min) + timedelta(days=1)) for provider, day in begun.items()
    }
    away = {provider: day for provider, day in since.items() if day <= organization.as_of}
    if not away:
        return list(rows)
    parameters["providers"] = list(away)
    planned = records(connection, PLANNED, parameters)
    names = {row["member"]: row["member_name"] for row in records(connection, NAMES, parameters)}
    has_tracked = any(row["metric"] == "tracked_hours" for row in worked)
    absences = [
        {
            **_absence(
                organization,
                metrics,
                provider,
                day,
                known.get(provider),
                [row for row in bookings if row["provider"] == provider],
                [row for row in planned if row["provider"] == provider],
                has_tracked=has_tracked,
            ),
            "member_name": names.get(provider, provider),
        }
        for provider, day in sorted(away.items())
    ]
    found = [absence for absence in absences if absence["expected"] > 0]
    told = {(absence["metric"], absence["member"]) for absence in found}
    return [row for row in rows if row["direction"] == "up" or (row["metric"], row["member"]) not in told] + found


def _emptied(bookings: Sequence[Row], first: date, as_of: date) -> Iterator[tuple[str, date]]:
    """Yield each provider and day on which the bookings ahead were called off or moved, unlike those of the others."""
    by_provider = defaultdict(list)
    for row in bookings:
        by_provider[row["provider"]].append(row)
    for provider, own in by_provider.items():
        for day in sorted({row["removed_day"] for row in own if row["removed_day"]}):
            if first <= day <= as_of and _is_emptied(provider, day, bookings):
                yield provider, day


def _is_emptied(provider: str, day: date, bookings: Sequence[Row]) -> bool:
    """Return True if chance would not remove so many clients of a provider from the days from `day` on.

    Of all spans that begin with the day, the most improbable one counts; the bookings of the other providers in it
    tell how many are removed otherwise.
    """
    ahead = [
        row for row in bookings
        if row["first_day"] < day <= row["service_day"] <= day + timedelta(days=AHEAD_DAYS)
        and (row["removed_day"] is None or row["removed_day"] >= day)
    ]  # fmt: skip
    own_days = sorted({row["service_day"] for row in ahead if row["provider"] == provider})
    return any(_is_unlikely(provider, day, [row for row in ahead if row["service_day"] <= last]) for last in own_days)


def _is_unlikely(provider: str, day: date, span: Sequence[Row]) -> bool:
    own, others = (
        {row["client"] for row in span if (row["provider"] == provider) is is_own} for is_own in (True, False)
    )
    own_kept, others_kept = (
        {row["client"] for row in span if (row["provider"] == provider) is is_own and row["removed_day"] != day}
        for is_own in (True, False)
    )
    removed = len(own) - len(own_kept)
    rate = max((len(others) - len(others_kept) + 1) / (len(others) + 2), LEAST_RATE)
    return removed >= LEAST_REMOVED * len(own) and bool(binom.sf(removed - 1, len(own), rate) <= CHANCE)


def _absence(
    organization: Organization,
    metrics: Mapping[str, Row],
    provider: str,
    since: date,
    known: Row | None,
    bookings: Sequence[Row],
    planned: Sequence[Row],
    *,
    has_tracked: bool,
) -> dict[str, Any]:
    """Return the anomaly of a provider who is away since a day.

    Where the bookings stand, their hours were planned and not tracked; where they are gone, none are booked.
    """
    as_of = organization.as_of
    removed = [
        row for row in bookings
        if row["removed_day"] and since <= row["removed_day"] <= as_of and row["service_day"] >= since
        and row["first_day"] < row["removed_day"]
    ]  # fmt: skip
    lost = [row for row in removed if row["service_day"] <= as_of]
    past = [row for row in planned if since <= row["day"] <= as_of]
    waits = has_tracked and any(row["waiting"] for row in past)
    metric = "tracked_hours" if waits else "booked_hours"
    ends_on = known["ends_on"] if known else None
    length = (as_of - since).days + 1
    return {
        **metrics[metric], "is_by_rows": True, "metric": metric, "dimension": "provider", "member": provider,
        "day": as_of, "started_on": since, "length": length, "flagged_days": length, "value": 0.0,
        "expected": sum(row["hours"] for row in lost) + (sum(row["hours"] for row in past) if waits else 0.0),
        "direction": "down", "severity": "medium", "pattern": "dropout", "lower": None, "upper": None,
        "impact": -sum(row["amount"] for row in lost) - (sum(row["amount"] for row in past) if waits else 0.0),
        "absence": {
            "ends_on": ends_on,
            "called_off": sum(row["is_cancelled"] for row in removed),
            "moved": sum(not row["is_cancelled"] for row in removed),
            "amount": sum(row["amount"] for row in removed),  # of all that was called off or moved
            "waiting": sum(row["waiting"] for row in past) if waits else 0,
            "coming": sum(
                row["waiting"] for row in planned if as_of < row["day"] <= (ends_on or date.max)
            ),
        },
    }  # fmt: skip
