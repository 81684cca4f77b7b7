"""Known events of an organisation: list, add and remove closures, campaigns, price changes and events in town."""

from datetime import date
from decimal import Decimal
from typing import Any, Final, LiteralString
from uuid import UUID

import psycopg
from psycopg.errors import InsufficientPrivilege, ReadOnlySqlTransaction

from sources.database import records
from sources.errors import HubError
from sources.formatting import listed
from sources.row_values import (
    CALENDAR_EVENT_KINDS,
    FIRST_EVENT_DAY,
    LARGEST_EFFECT,
    LAST_EVENT_DAY,
    LONGEST_EVENT_DAYS,
    SMALLEST_EFFECT,
)

MAX_SHOWN: Final = 10  # names in an error message
SERVICES: Final[LiteralString] = "select name, id from app.services where org_id = %(org)s order by name, id"
PROVIDERS: Final[LiteralString] = """
    select full_name, id from app.profiles where org_id = %(org)s and role = 'provider' order by full_name, id
"""


def list_events(connection: psycopg.Connection, org_id: UUID) -> list[dict[str, Any]]:
    """Return the organisation's known events in the order of their days."""
    return records(
        connection,
        """
        select events.id, events.kind, events.title, events.starts_on, events.ends_on, services.name as service,
            profiles.full_name as provider, events.expected_effect
        from app.calendar_events as events
        left join app.services as services on (services.org_id, services.id) = (events.org_id, events.service_id)
        left join app.profiles as profiles on (profiles.org_id, profiles.id) = (events.org_id, events.provider_id)
        where events.org_id = %(org)s
        order by events.starts_on, events.ends_on, events.title, events.id
        """,
        {"org": org_id},
    )


def add_event(
    connection: psycopg.Connection,
    org_id: UUID,
    *,
    kind: str,
    title: str,
    starts_on: date,
    ends_on: date,
    service: str | None = None,
    provider: str | None = None,
    expected_effect: Decimal | None = None,
) -> UUID:
    """Add an event and return its id; the caller commits. service, provider: the name, or the id.

    Raises HubError for a value that is not valid, and where the database may not be written to.
    """
    if kind not in CALENDAR_EVENT_KINDS:
        raise HubError(f"{kind!r} is not a kind of event; use one of {', '.join(CALENDAR_EVENT_KINDS)}.")
    if not title.strip():
        raise HubError("An event needs a title.")
    if ends_on < starts_on:
        raise HubError(f"The event ends on {ends_on}, before it starts on {starts_on}.")
    if (ends_on - starts_on).days >= LONGEST_EVENT_DAYS:
        raise HubError(f"An event lasts at most {LONGEST_EVENT_DAYS} days.")
    if not FIRST_EVENT_DAY <= starts_on <= ends_on <= LAST_EVENT_DAY:
        raise HubError(f"An event lies between {FIRST_EVENT_DAY} and {LAST_EVENT_DAY}.")
    if service and provider:
        raise HubError("An event concerns a service or a provider, not both: add one event for each.")
    if expected_effect is not None and not SMALLEST_EFFECT <= expected_effect <= LARGEST_EFFECT:
        raise HubError(
            f"The expected effect is {expected_effect}; it is a factor on a usual day, from {SMALLEST_EFFECT} "
            f"to {LARGEST_EFFECT}."
        )
    row = {
        "org": org_id,
        "kind": kind,
        "title": title.strip(),
        "starts_on": starts_on,
        "ends_on": ends_on,
        "service": service and _id_of(connection, org_id, "service", SERVICES, service),
        "provider": provider and _id_of(connection, org_id, "provider", PROVIDERS, provider),
        "effect": expected_effect,
    }
    try:
        (added,) = records(
            connection,
            """
            insert into app.calendar_events (
                org_id, kind, title, starts_on, ends_on, service_id, provider_id, expected_effect
            )
            values (
                %(org)s, %(kind)s, %(title)s, %(starts_on)s, %(ends_on)s, %(service)s, %(provider)s, %(effect)s
            )
            returning id
            """,
            row,
        )
    except (InsufficientPrivilege, ReadOnlySqlTransaction):
        raise HubError(
            "The operational database may only be read: add the event to app.calendar_events there."
        ) from None
    event_id: UUID = added["id"]
    return event_id


def remove_event(connection: psycopg.Connection, org_id: UUID, event_id: UUID) -> str:
    """Remove an event and return its title; the caller commits. Raises HubError if there is none with this id."""
    removed = records(
        connection,
        "delete from app.calendar_events where org_id = %(org)s and id = %(id)s returning title",
        {"org": org_id, "id": event_id},
    )
    if not removed:
        raise HubError(f"There is no event {event_id}; `hub calendar list` shows their ids.")
    return str(removed[0]["title"])


def _id_of(connection: psycopg.Connection, org_id: UUID, kind: str, query: LiteralString, name: str) -> UUID:
    """Return the id of the service or provider with this name or id. Raises HubError if there is none, or several."""
    rows = connection.execute(query, {"org": org_id}).fetchall()
    wanted = name.strip().casefold()
    found = [identifier for known, identifier in rows if wanted in (str(known).casefold(), str(identifier))]
    if len(found) == 1:
        one: UUID = found[0]
        return one
    if found:
        raise HubError(f"There are {len(found)} of the name {name!r}: give the id, of {', '.join(map(str, found))}.")
    known = [str(known) for known, _ in rows][:MAX_SHOWN]
    raise HubError(f"There is no {kind} {name!r}." + (f" There is {listed(known)}." if known else ""))
