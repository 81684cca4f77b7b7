"""Insight events: rows of app.insight_events, opened, refreshed and resolved by the findings of a run.

An event is identified by (kind, metric, dimension, member, direction). While an event of that identity is unresolved,
a new finding only refreshes it; a dismissed one stays dismissed until the condition itself has ended. A finding with
`opens` False opens no event, but keeps an open one from being resolved. An event whose condition became part of
another incident is continued by the event of that incident (insights/continuity.py).

People are told of an event when it opens, and again only when it has worsened since they were last told.
Nothing here sends a message: callers enqueue the messages of the returned changes in the same transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from insights.continuity import Event, continued, identity, is_part_of
from insights.findings import Finding
from insights.organizations import Organization
from insights.sizes import Size, size_of
from sources.database import records
from sources.insight_values import BOOKING_QUESTION, SEVERITIES, InsightKind

WORSE: Final = 1.5  # a condition is told again when it has grown by a half
# A lasting anomaly has another size on each weekday, and its sum grows by itself: its share of the expected figure has
# to have grown as well. A quarter, because a fall of 80 % cannot grow by a half.
WORSE_SHARE: Final = 1.25


@dataclass(frozen=True, kw_only=True)
class Changes:
    """Ids of the events that were opened, that worsened, and that were resolved after people were notified of them."""

    opened: list[UUID] = field(default_factory=list)
    worsened: list[UUID] = field(default_factory=list)
    resolved: list[UUID] = field(default_factory=list)


def update_events(
    connection: psycopg.Connection,
    organization: Organization,
    findings: Sequence[Finding],
    *,
    kinds: Sequence[InsightKind],
) -> Changes:
    """Bring the events of these kinds up to `findings`, which are all current ones: open, refresh, resolve the rest."""
    unresolved = [
        event
        for event in _unresolved(connection, organization)
        if event["kind"] in kinds and event["dimension"] != BOOKING_QUESTION
    ]
    changes, current = _open_or_refresh(connection, organization, findings, unresolved)
    ended = [
        event for event in unresolved if event["id"] not in current and event["last_seen"] <= organization.as_of_at
    ]
    _resolve(connection, organization, ended)
    # A condition that became part of another incident goes on: nothing is back to normal.
    over = [event for event in ended if not any(is_part_of(event, finding) for finding in findings)]
    changes.resolved.extend(event["id"] for event in over if event["status"] in ("open", "acknowledged"))
    return changes


def expire_events(connection: psycopg.Connection, organization: Organization, kinds: Sequence[InsightKind]) -> None:
    """Close the events of these kinds without a message: the data no longer show whether the condition has ended.

    They are resolved as of when they were last seen, so that no message claims that they are back to normal now.
    """
    connection.execute(
        """
        update app.insight_events
        set resolved_at = last_seen, status = case status when 'dismissed' then 'dismissed' else 'resolved' end
        where org_id = %(org_id)s and kind = any(%(kinds)s) and resolved_at is null and dimension <> %(question)s
        """,
        {"org_id": organization.id, "kinds": list(kinds), "question": BOOKING_QUESTION},
    )


def update_questions(
    connection: psycopg.Connection, organization: Organization, questions: Sequence[Finding]
) -> Changes:
    """Open an event for each question that was never asked.

    A question stays open until a person answers it, or until its booking has another amount or is deleted: then it is
    closed without a message, because the person who corrected the booking needs none.
    """
    connection.execute(
        """
        update app.insight_events as events
        set resolved_at = %(now)s, status = case events.status when 'dismissed' then 'dismissed' else 'resolved' end
        where events.org_id = %(org_id)s and events.dimension = %(dimension)s and events.resolved_at is null
            and not exists (
                select from marts.fct_bookings as bookings
                where bookings.org_id = events.org_id and bookings.booking_id::text = events.member
                    and bookings.total_amount = events.value
            )
        """,
        {"org_id": organization.id, "dimension": BOOKING_QUESTION, "now": organization.as_of_at},
    )
    asked = [event for event in _unresolved(connection, organization) if event["dimension"] == BOOKING_QUESTION]
    changes, _ = _open_or_refresh(connection, organization, questions, asked)
    return Changes(opened=changes.opened)


def _unresolved(connection: psycopg.Connection, organization: Organization) -> list[Event]:
    return list(
        records(
            connection,
            """
            select * from app.insight_events
            where org_id = %(org_id)s and resolved_at is null
            order by id
            for update
            """,
            {"org_id": organization.id},
        )
    )


def _open_or_refresh(
    connection: psycopg.Connection,
    organization: Organization,
    findings: Sequence[Finding],
    unresolved: Sequence[Event],
) -> tuple[Changes, set[UUID]]:
    """Refresh the event that each finding continues, or open one; return the changes, and the ids of current events."""
    changes = Changes()
    current: set[UUID] = set()
    for finding, event in continued(findings, unresolved):
        # An event that was resolved too early, because its condition had paused, goes on as well.
        known = event or _paused(connection, organization, finding)
        if known:
            worsened = organization.as_of_at >= known["last_seen"] and has_worsened(known, finding)
            _refresh(connection, organization, known, finding, worsened=worsened)
            current.add(known["id"])
            if worsened:
                changes.worsened.append(known["id"])
        elif finding.get("opens", True):
            changes.opened.extend(_open(connection, organization, finding))
    return changes, current


def has_worsened(event: Event, finding: Finding) -> bool:
    """Return True if people are to be told again: of a higher severity or another kind, or that it grew by a half.

    A dismissed event is told again only for its growth.
    """
    if not finding.get("opens", True) or event["told_at"] is None:
        return False
    if event["status"] != "dismissed" and (event["kind"] != finding["kind"] or _is_more_severe(event, finding)):
        return True
    told = Size(event["told_size"], event["told_share"], bool(event["is_told_size_money"]))
    return size_of(finding).exceeds(told, WORSE, WORSE_SHARE if finding["kind"] == "anomaly" else None)


def _is_more_severe(event: Event, finding: Finding) -> bool:
    told = event["told_severity"] or event["severity"]
    return SEVERITIES.index(finding["severity"]) < SEVERITIES.index(told)


def _paused(connection: psycopg.Connection, organization: Organization, finding: Finding) -> Event | None:
    """Return the event that a run resolved although its condition, as the finding shows, has lasted on."""
    rows = records(
        connection,
        """
        select * from app.insight_events
        where (org_id, kind, metric, dimension, member, direction)
            = (%(org_id)s, %(kind)s, %(metric)s, %(dimension)s, %(member)s, %(direction)s)
            and resolved_at is not null and closed_by is null
            and started_on <= %(day)s and day >= %(began)s and day < %(day)s
        order by day desc
        limit 1
        """,
        _values(organization, finding),
    )
    return rows[0] if rows else None


def _refresh(
    connection: psycopg.Connection, organization: Organization, event: Event, finding: Finding, *, worsened: bool
) -> None:
    """Write the finding into the event, under the finding's identity; dedupe_key stays that of its opening."""
    connection.execute(
        """
        update app.insight_events
        set kind = %(kind)s, metric = %(metric)s, dimension = %(dimension)s, member = %(member)s,
            direction = %(direction)s, severity = %(severity)s, day = %(day)s, title = %(title)s,
            summary = %(summary)s, value = %(value)s, expected = %(expected)s, lower = %(lower)s, upper = %(upper)s,
            impact = %(impact)s, drivers = %(drivers)s, recommendation = %(recommendation)s, pattern = %(pattern)s,
            effects = %(effects)s, facts = %(facts)s, actions = %(actions)s,
            started_on = least(started_on, %(began)s), last_seen = greatest(last_seen, %(now)s), resolved_at = null,
            status = case
                when %(worsened)s and status = 'dismissed' then 'open'
                when status = 'resolved' then 'open'
                else status
            end,
            size = %(size)s, share = %(share)s, is_size_money = %(is_size_money)s,
            told_at = case when %(worsened)s then %(now)s else told_at end,
            told_size = case when %(worsened)s then %(size)s else told_size end,
            told_share = case when %(worsened)s then %(share)s else told_share end,
            is_told_size_money = case when %(worsened)s then %(is_size_money)s else is_told_size_money end,
            told_severity = case when %(worsened)s then %(severity)s else told_severity end,
            worsened_at = case when %(worsened)s then %(now)s else worsened_at end,
            worsened_times = worsened_times + %(worsened)s::int
        where id = %(id)s
        """,
        {
            **_values(organization, finding),
            "id": event["id"],
            "worsened": worsened,
        },
    )


def _open(connection: psycopg.Connection, organization: Organization, finding: Finding) -> list[UUID]:
    """Open an event and return its id.

    Return nothing if people were notified of this condition already: a resolved event of the same identity has the same
    start, or a person closed one that lasted into the finding's days (the start may move as evidence grows) and it has
    not grown by a half since.
    """
    rows = connection.execute(
        """
        insert into app.insight_events (
            org_id, kind, severity, metric, dimension, member, direction, day, started_on, title, summary, value,
            expected, lower, upper, impact, drivers, recommendation, pattern, effects, facts, actions, dedupe_key,
            first_seen, last_seen, size, share, is_size_money, told_at, told_size, told_share, is_told_size_money,
            told_severity
        )
        select %(org_id)s, %(kind)s, %(severity)s, %(metric)s, %(dimension)s, %(member)s, %(direction)s, %(day)s,
            %(began)s, %(title)s, %(summary)s, %(value)s, %(expected)s, %(lower)s, %(upper)s, %(impact)s, %(drivers)s,
            %(recommendation)s, %(pattern)s, %(effects)s, %(facts)s, %(actions)s,
            %(identity)s || '|' || %(started_on)s::text, %(now)s, %(now)s, %(size)s, %(share)s, %(is_size_money)s,
            %(now)s, %(size)s, %(share)s, %(is_size_money)s, %(severity)s
        where not exists (
            select from app.insight_events as closed
            where (closed.org_id, closed.kind, closed.metric, closed.dimension, closed.member, closed.direction)
                = (%(org_id)s, %(kind)s, %(metric)s, %(dimension)s, %(member)s, %(direction)s)
                and closed.closed_by is not null and closed.dimension <> %(question)s
                and closed.started_on <= %(day)s and closed.day >= %(began)s
                and coalesce(%(size)s::numeric < %(worse)s * closed.told_size, true)
        )
        on conflict (org_id, dedupe_key) do nothing
        returning id
        """,
        _values(organization, finding),
    )
    return [row[0] for row in rows]


def _values(organization: Organization, finding: Finding) -> dict[str, Any]:
    """Return the parameters of the statements: the columns of the finding, and what follows from it."""
    started_on, size = finding["started_on"], size_of(finding)
    return {
        "recommendation": None,
        "pattern": None,
        **finding,
        **{name: Jsonb(finding.get(name, [])) for name in ("drivers", "effects", "facts", "actions")},
        # A failure begins at a moment and a question with an amount: they have no first day of their own.
        "began": started_on if isinstance(started_on, date) else finding["day"],
        "org_id": organization.id,
        "now": organization.as_of_at,
        "identity": identity(finding),
        "size": size.amount,
        "share": size.share,
        "is_size_money": size.is_money,
        "worse": WORSE,
        "question": BOOKING_QUESTION,
    }


def _resolve(connection: psycopg.Connection, organization: Organization, ended: Sequence[Event]) -> None:
    connection.execute(
        """
        update app.insight_events
        set resolved_at = %(now)s, status = case status when 'dismissed' then 'dismissed' else 'resolved' end
        where id = any(%(ids)s)
        """,
        {"now": organization.as_of_at, "ids": [event["id"] for event in ended]},
    )
