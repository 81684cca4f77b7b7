"""Facts known beside an incident: holidays, planned events, changed prices, absences, failures of the Hub."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any, Final, LiteralString

import psycopg

from insights.called_off import called_off
from insights.findings import WORK, Finding
from insights.organizations import Organization
from sources import formatting
from sources.database import records
from sources.insight_values import BOOKING_QUESTION

PRICE_DAYS: Final = 56  # before the incident: the bookings whose amounts were usual
PRICE_BOOKINGS: Final = 5  # on each side, at the least
PRICE_CHANGE: Final = 0.10  # of the median amount; smaller ones are options and discounts
MOST_ABSENCES: Final = 3
LEAST_CALLED_OFF: Final = 3  # bookings that left the days of missing work; fewer leave any day
ABSENT: Final = "{} is absent"
REPEATED: Final = (
    "Of the {invoices} invoices, {repeated} have the booking and the amount of another one issued shortly before."
)
MONEY_OF_BOOKINGS: Final = ("booked_revenue", "average_booking_value", "realized_revenue")

HOLIDAYS: Final[LiteralString] = """
    select distinct holidays.day, holidays.holiday_name
    from staging.stg_app__public_holidays as holidays
    inner join marts.dim_organization as organizations on organizations.country = holidays.country
    where organizations.org_id = %(org_id)s and holidays.region in ('', organizations.region)
        and holidays.day = any(%(days)s)
    order by holidays.day, holidays.holiday_name
"""

PLANNED: Final[LiteralString] = """
    select kind, title, starts_on, ends_on from staging.stg_app__calendar_events
    where org_id = %(org_id)s and starts_on <= %(day)s and ends_on >= %(started_on)s
    order by starts_on, title
"""

PRICES: Final[LiteralString] = """
    select services.service_name,
        percentile_cont(0.5) within group (order by bookings.total_amount)
            filter (where bookings.created_day < %(started_on)s)::float8 as before,
        percentile_cont(0.5) within group (order by bookings.total_amount)
            filter (where bookings.created_day >= %(started_on)s)::float8 as now
    from marts.fct_bookings as bookings
    inner join marts.dim_service as services on services.service_id = bookings.service_id
    where bookings.org_id = %(org_id)s and bookings.service_id::text = any(%(services)s)
        and bookings.is_in_own_currency and bookings.total_amount > 0
        and bookings.created_day >= %(started_on)s::date - %(price_days)s and bookings.created_day <= %(day)s
    group by services.service_name
    having count(*) filter (where bookings.created_day < %(started_on)s) >= %(price_bookings)s
        and count(*) filter (where bookings.created_day >= %(started_on)s) >= %(price_bookings)s
    order by services.service_name
"""

ABSENCES: Final[LiteralString] = """
    select providers.provider_name, absences.starts_on, absences.ends_on
    from staging.stg_app__provider_absences as absences
    inner join marts.dim_provider as providers on providers.provider_id = absences.provider_id
    where absences.org_id = %(org_id)s and absences.starts_on <= %(day)s and absences.ends_on >= %(started_on)s
        and (absences.provider_id::text = any(%(providers)s) or cardinality(%(providers)s::text[]) = 0)
    order by absences.starts_on, providers.provider_name
    limit %(most)s
"""

FAILURES: Final[LiteralString] = """
    select title from app.insight_events
    where org_id = %(org_id)s and kind = 'pipeline' and dimension <> %(question)s and resolved_at is null
        and status <> 'dismissed' and metric ~ '^(check|job) '
    order by first_seen, title
    limit 1
"""


def facts_of(connection: psycopg.Connection, organization: Organization, finding: Finding) -> list[str]:
    """Return a sentence for each fact that is known about the days and members of an incident."""
    return list(_facts(connection, organization, finding))


def _facts(connection: psycopg.Connection, organization: Organization, finding: Finding) -> Iterator[str]:
    days = {"org_id": organization.id, "started_on": finding["started_on"], "day": finding["day"]}
    beside = sorted({day + timedelta(days=n) for day in (days["started_on"], days["day"]) for n in (-1, 0, 1)})
    for row in records(connection, HOLIDAYS, {**days, "days": beside}):
        yield f"{formatting.long_day(row['day'])} is a public holiday ({row['holiday_name']})."
    for row in records(connection, PLANNED, days):
        kind = str(row["kind"]).replace("_", " ")
        yield f"In the calendar: {kind} “{row['title']}”, {_span(row['starts_on'], row['ends_on'])}."
    if finding["metric"] in MONEY_OF_BOOKINGS:
        services = {"services": _members(finding, "service")}
        for row in records(
            connection, PRICES, {**days, **services, "price_days": PRICE_DAYS, "price_bookings": PRICE_BOOKINGS}
        ):
            if abs(row["now"] - row["before"]) >= PRICE_CHANGE * row["before"]:
                before, now = (formatting.money(row[side], organization.currency) for side in ("before", "now"))
                yield (
                    f"The usual amount of a booking of {row['service_name']} changed from {before} to {now} "
                    f"since {formatting.long_day(finding['started_on'])}."
                )
    if finding["metric"] in WORK and "absence" not in finding:
        providers = {"providers": _members(finding, "provider"), "most": MOST_ABSENCES}
        for row in records(connection, ABSENCES, {**days, **providers}):
            yield f"{ABSENT.format(row['provider_name'])}, {_span(row['starts_on'], row['ends_on'])}."
    if finding["metric"] in WORK and finding["direction"] == "down" and "absence" not in finding:
        left = called_off(connection, organization, finding)
        if left["cancelled"] + left["moved"] >= LEAST_CALLED_OFF:
            ways = {"moved": "moved to other days", "cancelled": "called off"}
            parts = [
                f"{formatting.count(left[name])} {'was' if left[name] == 1 else 'were'} {way}"
                for name, way in ways.items()
                if left[name]
            ]
            yield f"Of the bookings for these days, {formatting.listed(parts)}."
    if finding.get("repeated"):
        yield REPEATED.format(repeated=finding["repeated"], invoices=finding["invoices"])
    for row in records(connection, FAILURES, {"org_id": organization.id, "question": BOOKING_QUESTION}):
        yield f"Figures may be incomplete: {row['title']}."


def _members(finding: Finding, dimension: str) -> list[Any]:
    """Return the members of a dimension that the finding is about, or that drove it."""
    own = [finding["member"]] if finding["dimension"] == dimension else []
    return own + [
        driver["member"] for driver in finding["drivers"] if driver["dimension"].split(" and ")[0] == dimension
    ]


def _span(first: date, last: date) -> str:
    if first == last:
        return f"on {formatting.long_day(first)}"
    return f"from {formatting.long_day(first)} to {formatting.long_day(last)}"
