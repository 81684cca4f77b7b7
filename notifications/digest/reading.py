"""Reading the digest of one organisation and day.

Everything that has a date is read as of then: insights as of the moment when the digest was first put into the ledger,
forecasts as of that day. What the warehouse keeps only for its newest day (bookings by status, workload, accuracy) is
absent from the digest of an earlier day. So a repeat reads the same. What is not known is absent too: a metric of which
nothing was ever recorded, and a comparison with weeks before the first recorded day.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg.errors import InvalidSchemaName, UndefinedColumn, UndefinedTable

from notifications.digest.facts import Digest, KeyFigure, Known, Outlook, Row
from notifications.messages import Plot
from notifications.queries import Organization, metrics, organization
from sources.database import records
from sources.errors import HubError
from sources.tables import BOOKING_QUESTION, SEVERITIES

HISTORY_DAYS: Final = 28
WEEKS: Final = 4  # the usual figure: the average of the same weekday of as many weeks
HORIZONS: Final = (7, 28)
WORKLOAD_DAYS: Final = 7
ACCURACY_LEAD: Final = 7
# Where the day of the cancellation is unknown of a larger share of the cancelled bookings, the count of the day would
# read as if hardly any were cancelled.
MOST_UNDATED: Final = 0.2
ACCURACY_DAYS: Final = 14  # fewer forecasts whose day has come are too few to judge by
KEY_FIGURES: Final = (
    "bookings_created",
    "bookings_completed",
    "bookings_cancelled",
    "booked_revenue",
    "realized_revenue",
    "collected_revenue",
)

# Near the edge of the data these are incomplete: the bookings of later service days are not there.
CUT_OFF_AT_THE_EDGE: Final = ("bookings_created", "bookings_cancelled", "booked_revenue")


def build_digest(connection: psycopg.Connection, org_id: UUID, day: date) -> Digest:
    """Read the digest of `day`, a complete business day of the organisation.

    Raises HubError where the organisation or the warehouse is not there yet.
    """
    found = organization(connection, org_id)
    if found is None:
        raise HubError(f"The organisation {org_id} is not in the warehouse: run `hub run`, then ask for the digest.")
    try:
        return _read(connection, org_id, found, day)
    except (UndefinedTable, UndefinedColumn, InvalidSchemaName):
        raise HubError("The warehouse is not built yet: run `hub run`, then ask for the digest.") from None


def _read(connection: psycopg.Connection, org_id: UUID, found: Organization, day: date) -> Digest:
    params = {"org": org_id, "day": day, "timezone": found.timezone, "severities": list(SEVERITIES)}
    known = _known(connection, params)
    called_off, undated = _called_off(connection, params)
    is_undated = undated > MOST_UNDATED * called_off
    wanted = [name for name in KEY_FIGURES if not (is_undated and name == "bookings_cancelled")]
    history = _history(connection, params)
    forecasts = _forecasts(connection, params)
    until = _moment(connection, params)
    since = _moment(connection, {**params, "day": _day_before(connection, params)})
    open_insights = _open_insights(connection, params, until)
    statuses = records(
        connection,
        "select * from analytics.v_booking_status_metrics where org_id = %(org)s and as_of = %(day)s",
        params,
    )
    return Digest(
        org_id=org_id,
        organization=found,
        day=day,
        known=known,
        key_figures=_key_figures(connection, params, history, known.bookings_complete_until, wanted),
        undated_cancellations=undated,
        new_insights=tuple(row for row in open_insights if row["first_seen"] >= since),
        earlier_insights=tuple(row for row in open_insights if row["first_seen"] < since),
        resolved_insights=_resolved_insights(connection, params, since, until),
        outlooks=_outlooks(forecasts, _booked_ahead(connection, params), day, known.book_until),
        is_newest=bool(statuses),
        accuracy=_accuracy(connection, params) if statuses and forecasts else None,
        statuses=statuses[0] if statuses else None,
        overloads=_overloads(connection, params) if statuses and known.capacity else (),
        plot=_plot(history, forecasts, day, found.currency),
    )


def _known(connection: psycopg.Connection, params: dict[str, Any]) -> Known:
    found = records(
        connection,
        """
        select as_of, first_day, last_day, has_ended, book_until, bookings_complete_until,
            knows_payments as payments, knows_capacity as capacity
        from marts.dim_organization
        where org_id = %(org)s
        """,
        params,
    )
    return Known(**found[0]) if found else Known(None, None, None, False, None, None, payments=False, capacity=False)


def _called_off(connection: psycopg.Connection, params: dict[str, Any]) -> tuple[int, int]:
    """How many bookings of the service days up to the day were cancelled, and of how many nobody knows when."""
    found = records(
        connection,
        """
        select count(*) as all_of_them, count(*) filter (where cancelled_day is null) as undated
        from marts.fct_bookings
        where org_id = %(org)s and status_group = 'cancelled' and service_day <= %(day)s
        """,
        params,
    )
    return found[0]["all_of_them"], found[0]["undated"]


def _history(connection: psycopg.Connection, params: dict[str, Any]) -> dict[date, Row]:
    """The day and those before it, by day."""
    found = records(
        connection,
        """
        select * from analytics.v_booking_trends
        where org_id = %(org)s and day between %(day)s - %(days)s::integer and %(day)s
        order by day
        """,
        {**params, "days": max(HISTORY_DAYS, 7 * WEEKS)},
    )
    return {row["day"]: row for row in found}


def _key_figures(
    connection: psycopg.Connection,
    params: dict[str, Any],
    history: Mapping[date, Row],
    complete_until: date | None,
    wanted: Sequence[str],
) -> tuple[KeyFigure, ...]:
    """The day's figures, of the `wanted` metrics that were ever recorded; none where the day is not known."""
    day: date = params["day"]
    if day not in history:
        return ()
    recorded = records(
        connection,
        """
        select wanted.metric, (
            select min(kpi.day) from marts.kpi_daily as kpi
            where kpi.org_id = %(org)s and kpi.metric = wanted.metric and kpi.dimension = 'total'
                and kpi.member = 'all' and kpi.day <= %(day)s and kpi.value <> 0
        ) as first_day
        from unnest(%(metrics)s::text[]) as wanted (metric)
        """,
        {**params, "metrics": list(wanted)},
    )
    first_days = {row["metric"]: row["first_day"] for row in recorded if row["first_day"]}
    known = metrics(connection)
    key_figures = []
    for name in (name for name in wanted if name in first_days):
        is_cut_off = complete_until is not None and day > complete_until and name in CUT_OFF_AT_THE_EDGE
        weeks = [] if is_cut_off else _weeks_before(history, day, first_days[name])
        usual = sum((Decimal(row[name]) for row in weeks), Decimal()) / len(weeks) if weeks else None
        key_figures.append(KeyFigure(known[name], Decimal(history[day][name]), usual, len(weeks)))
    return tuple(key_figures)


def _weeks_before(history: Mapping[date, Row], day: date, first_day: date) -> list[Row]:
    """The same weekday of the weeks before, from the metric's first day on."""
    past = (day - timedelta(weeks=n) for n in range(1, WEEKS + 1))
    return [history[each] for each in past if each in history and each >= first_day]


def _forecasts(connection: psycopg.Connection, params: dict[str, Any]) -> list[dict[str, Any]]:
    """The forecast of the coming days as it was made on the day.

    From the model's own table: analytics.v_revenue_forecast has the newest forecast only.
    """
    return records(
        connection,
        """
        select day, forecast, lower_80, upper_80
        from ml.revenue_forecasts
        where org_id = %(org)s and service_id is null and as_of = %(day)s and day > as_of
        order by day
        """,
        params,
    )


def _booked_ahead(connection: psycopg.Connection, params: dict[str, Any]) -> dict[date, Decimal]:
    """What stood on the books at the end of the day for each of the coming ones."""
    found = records(
        connection,
        """
        select service_day, revenue
        from marts.fct_bookings_on_hand
        where org_id = %(org)s and dimension = 'total' and lead_days = service_day - %(day)s::date
            and service_day > %(day)s and service_day <= %(day)s::date + %(days)s::integer
        """,
        {**params, "days": max(HORIZONS)},
    )
    return {row["service_day"]: row["revenue"] for row in found}


def _outlooks(
    forecasts: Sequence[Row], booked: Mapping[date, Decimal], day: date, book_until: date | None
) -> tuple[Outlook, ...]:
    """One a horizon that something is known of."""
    known = {ahead: revenue for ahead, revenue in booked.items() if book_until is None or ahead <= book_until}
    outlooks = (_outlook(forecasts, known, day, horizon) for horizon in HORIZONS)
    return tuple(outlook for outlook in outlooks if outlook.forecast is not None or outlook.on_hand is not None)


def _outlook(forecasts: Sequence[Row], booked: Mapping[date, Decimal], day: date, horizon: int) -> Outlook:
    """The sum of the days. The bounds are summed too: a cautious range, exact if the days err together and too wide
    otherwise."""
    until = day + timedelta(days=horizon)
    ahead = [row for row in forecasts if row["day"] <= until]
    on_hand = [revenue for service_day, revenue in booked.items() if service_day <= until]
    is_whole = len(ahead) == horizon
    return Outlook(
        days=horizon,
        forecast=sum((row["forecast"] for row in ahead), Decimal()) if is_whole else None,
        lower=sum((row["lower_80"] for row in ahead), Decimal()) if is_whole else None,
        upper=sum((row["upper_80"] for row in ahead), Decimal()) if is_whole else None,
        on_hand=sum(on_hand, Decimal()) if on_hand else None,
    )


def _moment(connection: psycopg.Connection, params: dict[str, Any]) -> datetime:
    """The moment as of which insights are read: when the digest was enqueued, at the latest the end of the next day."""
    found = records(
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
    found = records(
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


def _open_insights(connection: psycopg.Connection, params: dict[str, Any], at: datetime) -> list[dict[str, Any]]:
    return records(
        connection,
        """
        select id, kind, severity, metric, day, title, summary, impact, recommendation, first_seen,
            -- A run speaks of the end of a day, which is the beginning of the next one.
            ((first_seen - interval '1 second') at time zone %(timezone)s)::date as first_day
        from app.insight_events
        where org_id = %(org)s and first_seen < %(at)s
            and (status in ('open', 'acknowledged') or status = 'resolved' and resolved_at >= %(at)s)
        order by array_position(%(severities)s::text[], severity), abs(impact) desc nulls last, day desc, id
        """,
        {**params, "at": at},
    )


def _resolved_insights(
    connection: psycopg.Connection, params: dict[str, Any], since: datetime, until: datetime
) -> tuple[Row, ...]:
    found = records(
        connection,
        """
        select id, kind, severity, metric, day, title
        from app.insight_events
        where org_id = %(org)s and status = 'resolved' and resolved_at >= %(since)s and resolved_at < %(until)s
            and dimension <> %(question)s  -- that was answered, and nothing is back to normal
        order by array_position(%(severities)s::text[], severity), resolved_at, id
        """,
        {**params, "since": since, "until": until, "question": BOOKING_QUESTION},
    )
    return tuple(found)


def _accuracy(connection: psycopg.Connection, params: dict[str, Any]) -> Row | None:
    """How good the forecasts of the total were, a week ahead; None where too few have been judged."""
    found = records(
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
    found = records(
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
        title=f"Realized revenue a day ({currency}){', and its forecast with the 80% range' if forecasts else ''}",
        days=(*(past_day for past_day, _ in past), *(row["day"] for row in forecasts)),
        actual=(*(float(row["realized_revenue"]) for _, row in past), *((None,) * len(forecasts))),
        expected=(*gap, *(float(row["forecast"]) for row in forecasts)),
        lower=(*gap, *(float(row["lower_80"]) for row in forecasts)),
        upper=(*gap, *(float(row["upper_80"]) for row in forecasts)),
        marked=day,
    )
