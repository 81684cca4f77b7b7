"""The daily digest: what happened, why and what to do, and what is to come.

It speaks of one business day, and everything that has a date is read as of then: insights as of the moment when the
digest was first put into the ledger, forecasts as of that day. What the warehouse keeps only for now (bookings by
status, workload) is left out, and said to be, once the warehouse speaks of a later day. So a repeat says the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg.errors import InvalidSchemaName, UndefinedTable

from notifications import figures
from notifications.formats import email_html, text
from notifications.messages import Block, Entry, Facts, Heading, Message, Plot, Text, open_hub
from notifications.queries import Organization, organization, rows
from sources.errors import HubError
from sources.tables import SEVERITIES

HISTORY_DAYS: Final = 28
WEEKS: Final = 4  # the usual figure: the average of the same weekday of as many weeks
HORIZONS: Final = (7, 28)
WORKLOAD_DAYS: Final = 7
INSIGHTS_SHOWN: Final = 8
OVERLOADS_SHOWN: Final = 5
ACCURACY_LEAD: Final = 7
ACCURACY_DAYS: Final = 14  # with fewer forecasts that have come true or not, there is nothing to say of them
KEY_FIGURES: Final = (
    "bookings_created",
    "bookings_completed",
    "bookings_cancelled",
    "booked_revenue",
    "realized_revenue",
    "collected_revenue",
)
STATUSES: Final = ("pending", "active", "at_risk", "overdue", "completed", "cancelled")

Row = Mapping[str, Any]


@dataclass(frozen=True)
class KeyFigure:
    """A metric of the day; usual: the average of the same weekday of the last weeks, None where there was none."""

    metric: str
    value: Decimal
    usual: Decimal | None


@dataclass(frozen=True)
class Outlook:
    """Revenue of the coming days: the forecast, its 80 % range, and what is booked for them already."""

    days: int
    forecast: Decimal
    lower: Decimal
    upper: Decimal
    on_hand: Decimal | None


@dataclass(frozen=True)
class Digest:
    """What the digest of one organisation and day says; key_figures is empty where the day is not known."""

    org_id: UUID
    organization: Organization
    day: date
    has_data: bool  # some day is known
    key_figures: tuple[KeyFigure, ...]
    open_insights: tuple[Row, ...]  # the most severe first, then the largest impact
    resolved_insights: tuple[Row, ...]  # since the digest before
    outlooks: tuple[Outlook, ...]
    is_newest: bool  # whether the warehouse speaks of this day; if not, there are no accuracy, statuses and overloads
    accuracy: Row | None  # of the forecasts made ACCURACY_LEAD days ahead
    statuses: Row | None
    overloads: tuple[Row, ...]
    plot: Plot | None


def build_digest(connection: psycopg.Connection, org_id: UUID, day: date) -> Digest:
    """Read the digest of `day`, a complete business day of the organisation.

    Raises HubError where the organisation or the warehouse is not there yet.
    """
    known = organization(connection, org_id)
    if known is None:
        raise HubError(f"The organisation {org_id} is not in the warehouse: run `hub run`, then ask for the digest.")
    try:
        return _read(connection, org_id, known, day)
    except (UndefinedTable, InvalidSchemaName):
        raise HubError("The warehouse is not built yet: run `hub run`, then ask for the digest.") from None


def _read(connection: psycopg.Connection, org_id: UUID, known: Organization, day: date) -> Digest:
    params = {"org": org_id, "day": day, "timezone": known.timezone, "severities": list(SEVERITIES)}
    history = _history(connection, params)
    forecasts = _forecasts(connection, params)
    until = _moment(connection, params)
    since = _moment(connection, {**params, "day": _day_before(connection, params)})
    statuses = rows(
        connection,
        "select * from analytics.v_booking_status_metrics where org_id = %(org)s and as_of = %(day)s",
        params,
    )
    return Digest(
        org_id=org_id,
        organization=known,
        day=day,
        has_data=_has_data(connection, params),
        key_figures=_key_figures(history, day),
        open_insights=_open_insights(connection, params, until),
        resolved_insights=_resolved_insights(connection, params, since, until),
        outlooks=tuple(_outlook(forecasts[:horizon]) for horizon in HORIZONS if len(forecasts) >= horizon),
        is_newest=bool(statuses),
        accuracy=_accuracy(connection, params) if statuses else None,
        statuses=statuses[0] if statuses else None,
        overloads=_overloads(connection, params) if statuses else (),
        plot=_plot(history, forecasts, day, known.currency),
    )


# --- reading -------------------------------------------------------------------------------------


def _has_data(connection: psycopg.Connection, params: dict[str, Any]) -> bool:
    query = "select 1 where exists (select from analytics.v_booking_trends where org_id = %(org)s)"
    return bool(rows(connection, query, params))


def _history(connection: psycopg.Connection, params: dict[str, Any]) -> dict[date, Row]:
    """The day and those before it, by day."""
    found = rows(
        connection,
        """
        select * from analytics.v_booking_trends
        where org_id = %(org)s and day between %(day)s - %(days)s::integer and %(day)s
        order by day
        """,
        {**params, "days": max(HISTORY_DAYS, 7 * WEEKS)},
    )
    return {row["day"]: row for row in found}


def _key_figures(history: Mapping[date, Row], day: date) -> tuple[KeyFigure, ...]:
    if day not in history:
        return ()
    weeks = [history[past] for past in (day - timedelta(weeks=n) for n in range(1, WEEKS + 1)) if past in history]
    return tuple(KeyFigure(name, Decimal(history[day][name]), _average(weeks, name)) for name in KEY_FIGURES)


def _average(past: Sequence[Row], metric: str) -> Decimal | None:
    return sum((Decimal(row[metric]) for row in past), Decimal()) / len(past) if past else None


def _forecasts(connection: psycopg.Connection, params: dict[str, Any]) -> list[dict[str, Any]]:
    """The coming days of the newest forecast that was known on the day.

    From the model's own table: analytics.v_revenue_forecast has the newest forecast only.
    """
    return rows(
        connection,
        """
        select day, forecast, lower_80, upper_80, on_hand
        from ml.revenue_forecasts
        where org_id = %(org)s and service_id is null and day > %(day)s and as_of = (
            select max(as_of) from ml.revenue_forecasts where org_id = %(org)s and as_of <= %(day)s
        )
        order by day
        """,
        params,
    )


def _outlook(days: Sequence[Row]) -> Outlook:
    """The sum of the days. The bounds are summed too: a cautious range, exact if the days err together and too wide
    otherwise."""
    on_hand = [row["on_hand"] for row in days if row["on_hand"] is not None]
    return Outlook(
        days=len(days),
        forecast=sum(row["forecast"] for row in days),
        lower=sum(row["lower_80"] for row in days),
        upper=sum(row["upper_80"] for row in days),
        on_hand=sum(on_hand, Decimal()) if on_hand else None,
    )


def _moment(connection: psycopg.Connection, params: dict[str, Any]) -> datetime:
    """The moment that the digest of the day speaks of: when it was enqueued, at the latest the end of the day after."""
    found = rows(
        connection,
        """
        select least(
            min(created_at), (%(day)s::date + 2)::timestamp at time zone %(timezone)s
        ) as moment
        from app.notification_deliveries
        where org_id = %(org)s and event = 'digest' and digest_day = %(day)s
        """,
        params,
    )
    moment: datetime = found[0]["moment"]
    return moment


def _day_before(connection: psycopg.Connection, params: dict[str, Any]) -> date:
    """The day of the digest before, or else the day before."""
    found = rows(
        connection,
        """
        select coalesce(max(digest_day), %(day)s::date - 1) as day
        from app.notification_deliveries
        where org_id = %(org)s and event = 'digest' and digest_day < %(day)s
        """,
        params,
    )
    day: date = found[0]["day"]
    return day


def _open_insights(connection: psycopg.Connection, params: dict[str, Any], at: datetime) -> tuple[Row, ...]:
    found = rows(
        connection,
        """
        select id, kind, severity, metric, day, title, summary, impact, recommendation
        from app.insight_events
        where org_id = %(org)s and first_seen < %(at)s
            and (status in ('open', 'acknowledged') or status = 'resolved' and resolved_at >= %(at)s)
        order by array_position(%(severities)s::text[], severity), abs(impact) desc nulls last, day desc, id
        """,
        {**params, "at": at},
    )
    return tuple(found)


def _resolved_insights(
    connection: psycopg.Connection, params: dict[str, Any], since: datetime, until: datetime
) -> tuple[Row, ...]:
    found = rows(
        connection,
        """
        select id, kind, severity, metric, day, title
        from app.insight_events
        where org_id = %(org)s and status = 'resolved' and resolved_at >= %(since)s and resolved_at < %(until)s
        order by array_position(%(severities)s::text[], severity), resolved_at, id
        """,
        {**params, "since": since, "until": until},
    )
    return tuple(found)


def _accuracy(connection: psycopg.Connection, params: dict[str, Any]) -> Row | None:
    """How good the forecasts of the total were, a week ahead; None where too few have been judged."""
    found = rows(
        connection,
        """
        select days, error_share, naive_error_share, covered_80_share
        from analytics.v_forecast_accuracy
        where org_id = %(org)s and as_of = %(day)s and service_id is null and lead_days = %(lead)s
            and days >= %(days)s and error_share is not null
        """,
        {**params, "lead": ACCURACY_LEAD, "days": ACCURACY_DAYS},
    )
    return found[0] if found else None


def _overloads(connection: psycopg.Connection, params: dict[str, Any]) -> tuple[Row, ...]:
    """Providers whose days ahead will overload: how many, the first, and the hours of those days."""
    found = rows(
        connection,
        """
        select provider_name, count(*) as days, min(day) as first_day, sum(booked_hours) as booked_hours,
            sum(expected_hours) as expected_hours, sum(capacity_hours) as capacity_hours
        from analytics.v_provider_workload_analytics
        where org_id = %(org)s and will_overload
            and day between %(day)s::date + 1 and %(day)s::date + %(days)s::integer
        group by provider_id, provider_name
        order by sum(expected_hours) - sum(capacity_hours) desc, provider_name
        """,
        {**params, "days": WORKLOAD_DAYS},
    )
    return tuple(found)


def _plot(history: Mapping[date, Row], forecasts: Sequence[Row], day: date, currency: str) -> Plot | None:
    past = [(past_day, row) for past_day, row in history.items() if past_day > day - timedelta(days=HISTORY_DAYS)]
    if not past:
        return None
    gap = (None,) * len(past)
    return Plot(
        title=f"Realized revenue a day ({currency}), and its forecast with the 80 % range",
        days=(*(past_day for past_day, _ in past), *(row["day"] for row in forecasts)),
        actual=(*(float(row["realized_revenue"]) for _, row in past), *((None,) * len(forecasts))),
        expected=(*gap, *(float(row["forecast"]) for row in forecasts)),
        lower=(*gap, *(float(row["lower_80"]) for row in forecasts)),
        upper=(*gap, *(float(row["upper_80"]) for row in forecasts)),
        marked=day,
    )


# --- telling -------------------------------------------------------------------------------------


def digest_html(digest: Digest, *, link_base: str = "") -> str:
    """The digest as one self-contained HTML file."""
    return email_html.render_page(digest_message(digest, link_base=link_base))


def digest_text(digest: Digest, *, link_base: str = "") -> str:
    """The digest as plain text of 80 columns."""
    return text.render(digest_message(digest, link_base=link_base))


def digest_message(digest: Digest, *, link_base: str) -> Message:
    """The digest as a message."""
    name, day = digest.organization.name, figures.long_day(digest.day)
    number = len(digest.open_insights)
    gist = f"{figures.counted(number, 'open insight')}" if number else "nothing unusual"
    gist = gist if digest.key_figures or number else "no data"
    facts = asdict(digest)
    facts.pop("plot")  # it is among the blocks
    return Message(
        id=f"digest:{digest.org_id}:{digest.day.isoformat()}",
        type="digest",
        subject=f"{name}: {day}, {gist}",
        blocks=(Heading(f"{name}: {day}"), *_sections(digest), *open_hub(link_base)),
        data={"digest": facts},
    )


def _sections(digest: Digest) -> list[Block]:
    if not digest.has_data:
        return [
            Text("There is no data yet. Load the sample (hub sample) or your own bookings (hub import), then hub run."),
            *(_insights(digest) if digest.open_insights else []),
        ]
    return [
        *_happened(digest),
        *_insights(digest),
        *_resolved(digest),
        *_forecast(digest),
        *_workload(digest),
        *_statuses(digest),
    ]


def _happened(digest: Digest) -> list[Block]:
    heading = Heading("What happened", level=2)
    if not digest.key_figures:
        return [heading, Text(f"Nothing is known of this day: hub run --as-of {digest.day.isoformat()} builds it.")]
    weekday = digest.day.strftime("%A")
    return [
        heading,
        Facts(tuple(_told(key, digest.organization.currency) for key in digest.key_figures)),
        Text(f"Usual: the average {weekday} of the last {WEEKS} weeks.", muted=True),
    ]


def _told(key: KeyFigure, currency: str) -> tuple[str, str]:
    usual = "" if key.usual is None else figures.figure(key.usual, key.metric, currency)
    comparison = figures.against_usual(key.value, key.usual, usual)
    return figures.label(key.metric), f"{figures.figure(key.value, key.metric, currency)}, {comparison}"


def _insights(digest: Digest) -> list[Block]:
    heading = Heading("What needs attention", level=2)
    if not digest.open_insights:
        return [heading, Text("Nothing unusual.")]
    shown = [_insight(row, digest.organization.currency) for row in digest.open_insights[:INSIGHTS_SHOWN]]
    more = len(digest.open_insights) - len(shown)
    rest = [Text(f"And {more} more: hub insights list shows them all.", muted=True)] if more else []
    return [heading, *shown, *rest]


def _insight(row: Row, currency: str) -> Entry:
    impact = f" ({figures.money(row['impact'], currency)})" if row["impact"] is not None else ""
    advice = f"\nWhat to do: {row['recommendation']}" if row["recommendation"] else ""
    return Entry(
        f"{row['severity'].capitalize()}{impact}: {row['title']}", row["summary"] + advice, tone=row["severity"]
    )


def _resolved(digest: Digest) -> list[Block]:
    if not digest.resolved_insights:
        return []
    entries = (Entry(row["title"], figures.long_day(row["day"]), tone="good") for row in digest.resolved_insights)
    return [Heading("Back to normal", level=2), *entries]


def _forecast(digest: Digest) -> list[Block]:
    plot = [digest.plot] if digest.plot else []
    heading = Heading("What is to come", level=2)
    if not digest.outlooks:
        return [
            heading,
            *plot,
            Text("There is no forecast of this day: hub run makes it, from some weeks of bookings."),
        ]
    return [
        heading,
        *plot,
        Facts(tuple(_outlook_told(outlook, digest.organization.currency) for outlook in digest.outlooks)),
        *([Text(_accuracy_told(digest.accuracy), muted=True)] if digest.accuracy else []),
    ]


def _accuracy_told(accuracy: Row) -> str:
    naive = accuracy["naive_error_share"]
    beside = "" if naive is None else f"; repeating the same weekday would have missed {naive:.0%}"
    return (
        f"How good forecasts were: over the last {accuracy['days']} days, those made a week ahead missed "
        f"{accuracy['error_share']:.0%} of the revenue{beside}. The 80 % range held on "
        f"{accuracy['covered_80_share']:.0%} of the days."
    )


def _outlook_told(outlook: Outlook, currency: str) -> tuple[str, str]:
    def shown(amount: Decimal) -> str:
        return figures.money(amount, currency)

    told = f"{shown(outlook.forecast)}, 80 % range {shown(outlook.lower)} to {shown(outlook.upper)}"
    on_hand = "" if outlook.on_hand is None else f"; {shown(outlook.on_hand)} of it is booked already"
    return f"Revenue, next {outlook.days} days", told + on_hand


def _workload(digest: Digest) -> list[Block]:
    if not digest.is_newest:
        return []
    heading = Heading(f"Workload of the next {WORKLOAD_DAYS} days", level=2)
    if not digest.overloads:
        return [heading, Text("Nobody will overload.")]
    more = len(digest.overloads) - OVERLOADS_SHOWN
    rest = [Text(f"And {more} more: analytics.v_provider_workload_analytics has them all.", muted=True)]
    return [heading, *(_overload(row) for row in digest.overloads[:OVERLOADS_SHOWN]), *(rest if more > 0 else [])]


def _overload(row: Row) -> Entry:
    return Entry(
        f"{row['provider_name']} will overload on {figures.counted(row['days'], 'day')}",
        f"{row['expected_hours']:.0f} h expected ({row['booked_hours']:.0f} h of them booked), "
        f"{row['capacity_hours']:.0f} h of capacity, from {figures.short_day(row['first_day'])}. "
        "What to do: move bookings, or give some to a colleague.",
        tone="high",
    )


def _statuses(digest: Digest) -> list[Block]:
    heading = Heading("Bookings by status", level=2)
    found = digest.statuses
    if found is None:
        return [
            heading,
            Text("Not shown, nor is the workload: the warehouse has them for its newest day only.", muted=True),
        ]
    counts = tuple((figures.label(status), f"{found[status]:,}") for status in STATUSES)
    total = (
        "All",
        f"{found['total_bookings']:,}, worth {figures.money(found['total_revenue'], digest.organization.currency)}",
    )
    period = (
        f"Bookings made from {figures.short_day(found['period_start'])} to {figures.short_day(found['period_end'])}."
    )
    return [heading, Facts((total, *counts)), Text(period, muted=True)]
