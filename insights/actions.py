"""Actions: what to do about an incident and for whom, with a link and the money at stake."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any, Final, LiteralString

import psycopg

from insights.findings import WORK, Finding
from insights.organizations import Organization
from sources import formatting
from sources.database import records

MOST_ACTIONS: Final = 3
COMING_DAYS: Final = 7  # of an absent provider's bookings

CALLED_OFF: Final[LiteralString] = """
    select clients.client_name, services.service_name, bookings.service_day, bookings.booking_id,
        bookings.total_amount::float8 as amount, bookings.status
    from marts.fct_bookings as bookings
    inner join marts.dim_client as clients on clients.client_id = bookings.client_id
    inner join marts.dim_service as services on services.service_id = bookings.service_id
    where bookings.org_id = %(org_id)s and bookings.cancelled_day is not null
        and case when %(by_service_day)s then bookings.service_day else bookings.cancelled_day end
            between %(started_on)s and %(day)s
        and (%(status)s::text is null or bookings.status = %(status)s) and bookings.is_in_own_currency
        and (%(dimension)s <> 'service' or bookings.service_id::text = %(member)s)
        and (%(dimension)s <> 'provider' or bookings.provider_id::text = %(member)s)
    order by bookings.total_amount desc, bookings.booking_id
    limit %(most)s
"""

FAILED: Final[LiteralString] = """
    select clients.client_name, sum(payments.amount)::float8 as amount, min(invoices.invoice_number) as invoice_number,
        count(distinct invoices.invoice_id) as invoices, min(payments.booking_id::text) as booking_id
    from marts.fct_payments as payments
    inner join marts.dim_client as clients on clients.client_id = payments.client_id
    left join marts.fct_invoices as invoices on invoices.invoice_id = payments.invoice_id
    where payments.org_id = %(org_id)s and payments.status = 'failed' and payments.is_in_own_currency
        and payments.attempted_day between %(started_on)s and %(day)s
    group by clients.client_id, clients.client_name
    order by amount desc, clients.client_id
    limit %(most)s
"""

REPEATED: Final[LiteralString] = """
    select clients.client_name, repeated.invoice_number, repeated.earlier_invoice_number, repeated.booking_id,
        repeated.invoiced_amount::float8 as amount
    from intermediate.int_repeated_invoices as repeated
    left join marts.dim_client as clients on clients.client_id = repeated.client_id
    where repeated.org_id = %(org_id)s and repeated.issued_day between %(started_on)s and %(day)s
    order by amount desc, repeated.invoice_id
    limit %(most)s
"""

COMING: Final[LiteralString] = """
    with free as (
        select providers.provider_name, loads.day, loads.available_hours - loads.expected_hours as hours
        from ml.provider_workload as loads
        inner join marts.dim_provider as providers on providers.provider_id = loads.provider_id
        where loads.org_id = %(org_id)s and loads.as_of = %(as_of)s and loads.provider_id::text <> %(provider)s
    )
    select bookings.booking_id, clients.client_name, services.service_name, bookings.service_day,
        bookings.total_amount::float8 as amount, colleagues.provider_name as colleague, colleagues.hours::float8
    from marts.fct_bookings as bookings
    inner join marts.dim_client as clients on clients.client_id = bookings.client_id
    inner join marts.dim_service as services on services.service_id = bookings.service_id
    left join lateral (
        select provider_name, hours from free
        where free.day = bookings.service_day and free.hours > 0
        order by hours desc, provider_name
        limit 1
    ) as colleagues on true
    where bookings.org_id = %(org_id)s and bookings.provider_id::text = %(provider)s
        and bookings.service_day >= %(first)s and bookings.service_day <= %(as_of)s::date + %(coming)s
        and bookings.status_group not in ('cancelled', 'completed')
    order by bookings.service_day, bookings.total_amount desc, bookings.booking_id
    limit %(most)s
"""

CANCELLED: Final = ("bookings_cancelled", "cancellation_rate")
MISSED: Final = ("no_shows", "no_show_rate")
UNPAID: Final = (("failed_payments", "up"), ("collected_revenue", "down"))


def actions_of(connection: psycopg.Connection, organization: Organization, finding: Finding) -> list[dict[str, Any]]:
    """Return the first steps for an incident, the most urgent or the largest amounts first."""
    return list(_actions(connection, organization, finding))[:MOST_ACTIONS]


def _actions(connection: psycopg.Connection, organization: Organization, finding: Finding) -> Iterator[dict[str, Any]]:
    parameters = {
        "org_id": organization.id,
        "as_of": organization.as_of,
        **{name: finding[name] for name in ("started_on", "day", "dimension", "member")},
        "most": MOST_ACTIONS,
    }
    metric, direction = finding["metric"], finding["direction"]
    if metric in (*CANCELLED, *MISSED) and direction == "up":
        status = "no_show" if metric in MISSED else None
        by_service_day = bool(finding["denominator"])  # the rates are by the day of the service
        called_off = {**parameters, "status": status, "by_service_day": by_service_day}
        for row in records(connection, CALLED_OFF, called_off):
            yield _step(_call(row), row)
    if (metric, direction) in UNPAID:
        for row in records(connection, FAILED, parameters):
            yield _step(f"Ask {row['client_name']} to pay {_invoices(row)} again", row)
    if finding.get("repeated"):
        for row in records(connection, REPEATED, parameters):
            yield _step(_void(row), row)
    provider = _provider(finding)
    if metric in WORK and direction == "down" and provider:
        # The bookings of an absent provider wait since the first day.
        first = finding["started_on"] if "absence" in finding else organization.as_of + timedelta(days=1)
        coming = {**parameters, "provider": provider, "first": first, "coming": COMING_DAYS}
        for row in records(connection, COMING, coming):
            yield _step(_move(row), row)
    if metric in ("bookings_created", "booked_revenue") and direction == "down":
        yield from _attempts(finding)


def _step(text: str, row: dict[str, Any]) -> dict[str, Any]:
    link = f"/v1/bookings/{row['booking_id']}" if row["booking_id"] else None
    return {"text": text, "link": link, "impact": row["amount"]}


def _call(row: dict[str, Any]) -> str:
    day = f" on {formatting.long_day(row['service_day'])}" if row["service_day"] else ""
    what = "was missed" if row["status"] == "no_show" else "was called off"
    return f"Call {row['client_name']}: {row['service_name']}{day} {what}"


def _void(row: dict[str, Any]) -> str:
    client = f" of {row['client_name']}" if row["client_name"] else ""
    return f"Void invoice {row['invoice_number']}{client}, if it is only invoice {row['earlier_invoice_number']} again"


def _invoices(row: dict[str, Any]) -> str:
    if row["invoices"] > 1:
        return formatting.counted(row["invoices"], "invoice")
    return f"invoice {row['invoice_number']}" if row["invoice_number"] else "the amount"


def _move(row: dict[str, Any]) -> str:
    booking = f"{row['service_name']} of {row['client_name']} on {formatting.long_day(row['service_day'])}"
    if row["colleague"] is None:
        return f"Offer another day for {booking}"
    hours = formatting.figure(row["hours"], "hours")
    return f"Move {booking} to {row['colleague']}, who has {hours} free"


def _provider(finding: Finding) -> str | None:
    """Return the provider that a fall of work is about, if it is one."""
    if finding["dimension"] == "provider":
        return str(finding["member"])
    drivers: Sequence[dict[str, Any]] = finding["drivers"]
    return str(drivers[0]["member"]) if len(drivers) == 1 and drivers[0]["dimension"] == "provider" else None


def _attempts(finding: Finding) -> Iterator[dict[str, Any]]:
    """Yield what to try where bookings fail to come in, by the dimension that explains it."""
    places = {
        "service": "Try to book {} on the page of the service",
        "channel": "Try to book through {}",
        "client_group": "Call the largest clients of {}",
    }
    own = [{"dimension": finding["dimension"], "member_name": finding["member_name"]}]
    for place in own + list(finding["drivers"]):
        if text := places.get(place["dimension"].split(" and ")[0]):
            yield {"text": text.format(place["member_name"]), "link": None, "impact": None}
