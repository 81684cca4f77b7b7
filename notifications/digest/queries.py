"""Queries of the digest of one organisation and day.

A repeat reads the same facts: insights as of the moment when the digest was enqueued first, forecasts as of the day.
Facts that the warehouse has only for its newest day (bookings by status, workload, accuracy) are left out of the digest
of an earlier day. Facts without data are left out too: a metric that was never recorded, and a comparison with weeks
before the first recorded day.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from statistics import median
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg.errors import InvalidSchemaName, UndefinedColumn, UndefinedTable

from notifications.digest.facts import Coverage, Digest, KeyFigure, Outlook, Row
from notifications.messages import Plot
from notifications.queries import Organization, find_organization, metrics_by_name
from sources.database import records
from sources.errors import HubError
from sources.formatting import in_locale
from sources.insight_values import BOOKING_QUESTION, SEVERITIES, WORKLOAD_DAYS

HISTORY_DAYS: Final = 28
# The usual figure: the median of the same weekday of this many weeks, which one or two bad days do not move.
WEEKS: Final = 8
YEAR: Final = 364  # 52 weeks: the same weekday a year before
HORIZONS: Final = (7, 28)  # a week, and the whole horizon of the forecasts
ACCURACY_LEAD: Final = 7
# If the day of cancellation is unknown for a larger share of the cancelled bookings, the day's count is far too low to
# be shown.
MAX_UNDATED_SHARE: Final = 0.2
ACCURACY_MIN_DAYS: Final = 14  # fewer days with an actual are too few to state an accuracy
KEY_FIGURES: Final = (
    "bookings_created",
    "bookings_completed",
    "bookings_cancelled",
    "booked_revenue",
    "realized_revenue",
    "collected_revenue",
)

# Near the edge of the data these are incomplete: they lack the bookings of later service days.
INCOMPLETE_AT_THE_EDGE: Final = ("bookings_created", "bookings_cancelled", "booked_revenue")


def build_digest(connection: psycopg.Connection, org_id: UUID, day: date) -> Digest:
    """Return the digest of `day`, a complete business day of the organisation.

    Raises HubError where the organisation or the warehouse does not exist yet.
    """
    organization = find_organization(connection, org_id)
    if organization is None:
        raise HubError(f"The organisation {org_id} is not in the warehouse: run `hub run`, then ask for the digest.")
    try:
        with in_locale(organization.locale):
            return _read(connection, organization, org_id, day)
    except (UndefinedTable, UndefinedColumn, InvalidSchemaName):
        raise HubError("The warehouse is not built yet: run `hub run`, then ask for the digest.") from None


def revenue_plot(connection: psycopg.Connection, org_id: UUID, day: date, currency: str) -> Plot | None:
    """Return the plot in the digest of `day`; None where no figure of the last days is known."""
    history = _trends(connection, org_id, day - timedelta(days=HISTORY_DAYS), day)
    return _plot(history, _forecasts(connection, {"org": org_id, "day": day}), day, currency)


def _read(connection: psycopg.Connection, organization: Organization, org_id: UUID, day: date) -> Digest:
    params = {"org": org_id, "day": day, "timezone": organization.timezone, "severities": list(SEVERITIES)}
    coverage = _coverage(connection, params)
    cancelled, undated = _cancellations(connection, params)
    is_count_too_low = undated > MAX_UNDATED_SHARE * cancelled
    shown = [name for name in KEY_FIGURES if not (is_count_too_low and name == "bookings_cancelled")]
    history = _trends(connection, org_id, day - timedelta(days=max(HISTORY_DAYS, 7 * WEEKS)), day)
    a_year_ago = _trends(connection, org_id, *(day + timedelta(days=n - YEAR) for n in (0, max(HORIZONS))))
    known_days = {**a_year_ago, **history}
    forecasts = _forecasts(connection, params)
    until = _enqueued_at(connection, params)
    since = _enqueued_at(connection, {**params, "day": _previous_digest_day(connection, params)})
    open_insights = _open_insights(connection, params, since, until)
    statuses = records(
        connection,
        "select * from analytics.v_booking_status_metrics where org_id = %(org)s and as_of = %(day)s",
        params,
    )
    return Digest(
        org_id=org_id,
        organization=organization,
        day=day,
        known=coverage,
        key_figures=_key_figures(connection, params, known_days, coverage.bookings_complete_until, shown),
        undated_cancellations=undated,
        new_insights=tuple(row for row in open_insights if row["first_seen"] >= since or row["has_worsened"]),
        earlier_insights=tuple(row for row in open_insights if row["first_seen"] < since and not row["has_worsened"]),
        resolved_insights=_resolved_insights(connection, params, since, until),
        outlooks=_outlooks(forecasts, _on_hand(connection, params), known_days, day, coverage),
        is_newest=bool(statuses),
        accuracy=_accuracy(connection, params) if statuses and forecasts else None,
        statuses=statuses[0] if statuses else None,
        overloads=_overloads(connection, params) if statuses and coverage.capacity else (),
        plot=_plot(history, forecasts, day, organization.currency),
    )


def _coverage(connection: psycopg.Connection, params: dict[str, Any]) -> Coverage:
    rows = records(
        connection,
        """
        select as_of, first_day, last_day, has_ended, book_until, bookings_complete_until,
            knows_payments as payments, knows_capacity as capacity
        from marts.dim_organization
        where org_id = %(org)s
        """,
        params,
    )
    if not rows:
        return Coverage(None, None, None, False, None, None, payments=False, capacity=False)
    return Coverage(**rows[0])


def _cancellations(connection: psycopg.Connection, params: dict[str, Any]) -> tuple[int, int]:
    """Return the numbers of cancelled bookings of service days up to the day: all, and those without a day."""
    (counts,) = records(
        connection,
        """
        select count(*) as cancelled, count(*) filter (where cancelled_day is null) as undated
        from marts.fct_bookings
        where org_id = %(org)s and status_group = 'cancelled' and service_day <= %(day)s
        """,
        params,
    )
    return counts["cancelled"], counts["undated"]


def _trends(connection: psycopg.Connection, org_id: UUID, first: date, last: date) -> dict[date, Row]:
    """Return the figures of the days from first to last, by day."""
    rows = records(
        connection,
        """
        select * from analytics.v_booking_trends
        where org_id = %(org)s and day between %(first)s and %(last)s
        order by day
        """,
        {"org": org_id, "first": first, "last": last},
    )
    return {row["day"]: row for row in rows}


def _key_figures(
    connection: psycopg.Connection,
    params: dict[str, Any],
    history: Mapping[date, Row],
    complete_until: date | None,
    shown: Sequence[str],
) -> tuple[KeyFigure, ...]:
    """Return the day's figures of the `shown` metrics that were ever recorded; none where the day has no data."""
    day: date = params["day"]
    if day not in history:
        return ()
    recorded = records(
        connection,
        """
        select metrics.metric, (
            select min(kpi_daily.day) from marts.kpi_daily
            where kpi_daily.org_id = %(org)s and kpi_daily.metric = metrics.metric and kpi_daily.dimension = 'total'
                and kpi_daily.member = 'all' and kpi_daily.day <= %(day)s and kpi_daily.value <> 0
        ) as first_day
        from unnest(%(metrics)s::text[]) as metrics (metric)
        """,
        {**params, "metrics": list(shown)},
    )
    first_days = {row["metric"]: row["first_day"] for row in recorded if row["first_day"]}
    metrics = metrics_by_name(connection)
    key_figures = []
    for name in (name for name in shown if name in first_days):
        is_cut_off = complete_until is not None and day > complete_until and name in INCOMPLETE_AT_THE_EDGE
        weeks = [] if is_cut_off else _same_weekdays(history, day, first_days[name])
        usual = median(Decimal(row[name]) for row in weeks) if weeks else None
        past = history.get(day - timedelta(days=YEAR)) if day - timedelta(days=YEAR) >= first_days[name] else None
        year_ago = Decimal(past[name]) if past and not is_cut_off else None
        key_figures.append(KeyFigure(metrics[name], Decimal(history[day][name]), usual, len(weeks), year_ago))
    return tuple(key_figures)


def _same_weekdays(history: Mapping[date, Row], day: date, first_day: date) -> list[Row]:
    """Return the figures of the same weekday of the last weeks, from the metric's first day on."""
    past = (day - timedelta(weeks=n) for n in range(1, WEEKS + 1))
    return [history[each] for each in past if each in history and each >= first_day]


def _forecasts(connection: psycopg.Connection, params: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the forecast of the coming days that was made as of the day.

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


def _on_hand(connection: psycopg.Connection, params: dict[str, Any]) -> dict[date, Decimal]:
    """Return the revenue on hand at the end of the day, by service day."""
    rows = records(
        connection,
        """
        select service_day, revenue
        from marts.fct_bookings_on_hand
        where org_id = %(org)s and dimension = 'total' and lead_days = service_day - %(day)s::date
            and service_day > %(day)s and service_day <= %(day)s::date + %(days)s::integer
        """,
        {**params, "days": max(HORIZONS)},
    )
    return {row["service_day"]: row["revenue"] for row in rows}


def _outlooks(
    forecasts: Sequence[Row],
    on_hand: Mapping[date, Decimal],
    history: Mapping[date, Row],
    day: date,
    known: Coverage,
) -> tuple[Outlook, ...]:
    """Return one outlook per horizon that has a forecast or revenue on hand."""
    edge = known.book_until
    complete = {ahead: revenue for ahead, revenue in on_hand.items() if edge is None or ahead <= edge}
    outlooks = (_outlook(forecasts, complete, history, day, horizon, known.first_day) for horizon in HORIZONS)
    return tuple(outlook for outlook in outlooks if outlook.forecast is not None or outlook.on_hand is not None)


def _outlook(
    forecasts: Sequence[Row],
    on_hand: Mapping[date, Decimal],
    history: Mapping[date, Row],
    day: date,
    horizon: int,
    first_day: date | None,
) -> Outlook:
    """Return the sums over the days of the horizon. The bounds are summed too: a cautious range, exact if the errors of
    the days are fully correlated and too wide otherwise."""
    until = day + timedelta(days=horizon)
    ahead = [row for row in forecasts if row["day"] <= until]
    booked = [revenue for service_day, revenue in on_hand.items() if service_day <= until]
    is_whole = len(ahead) == horizon
    return Outlook(
        days=horizon,
        forecast=sum((row["forecast"] for row in ahead), Decimal()) if is_whole else None,
        lower=sum((row["lower_80"] for row in ahead), Decimal()) if is_whole else None,
        upper=sum((row["upper_80"] for row in ahead), Decimal()) if is_whole else None,
        on_hand=sum(booked, Decimal()) if booked else None,
        before=_realized(history, day - timedelta(days=horizon), horizon, first_day),
        year_ago=_realized(history, day - timedelta(days=YEAR), horizon, first_day),
    )


def _realized(history: Mapping[date, Row], after: date, days: int, first_day: date | None) -> Decimal | None:
    """Return the realized revenue of `days` days after `after`; None where the data begin later or lack a day."""
    wanted = [after + timedelta(days=n) for n in range(1, days + 1)]
    if first_day is None or wanted[0] < first_day or any(each not in history for each in wanted):
        return None
    return sum((Decimal(history[each]["realized_revenue"]) for each in wanted), Decimal())


def _enqueued_at(connection: psycopg.Connection, params: dict[str, Any]) -> datetime:
    """Return the moment as of which insights are read: when the digest was enqueued, at the latest the end of the
    next day."""
    rows = records(
        connection,
        """
        select least(
            min(created_at), (%(day)s::date + 2)::timestamp at time zone %(timezone)s
        ) as enqueued_at
        from app.notification_deliveries
        where org_id = %(org)s and event = 'digest' and digest_day = %(day)s
        """,
        params,
    )
    enqueued_at: datetime = rows[0]["enqueued_at"]
    return enqueued_at


def _previous_digest_day(connection: psycopg.Connection, params: dict[str, Any]) -> date:
    """Return the day of the previous digest; the day before where there is none."""
    rows = records(
        connection,
        """
        select coalesce(max(digest_day), %(day)s::date - 1) as day
        from app.notification_deliveries
        where org_id = %(org)s and event = 'digest' and digest_day < %(day)s
        """,
        params,
    )
    day: date = rows[0]["day"]
    return day


def _open_insights(
    connection: psycopg.Connection, params: dict[str, Any], since: datetime, at: datetime
) -> list[dict[str, Any]]:
    """Return the insights that were open at that moment; has_worsened: since the previous digest."""
    return records(
        connection,
        """
        select id, kind, severity, metric, dimension, direction, day, started_on, title, summary, value, expected,
            impact, drivers, effects, facts, actions, recommendation, first_seen,
            (select unit from marts.dim_metric as metrics where metrics.metric = events.metric) as unit,
            coalesce(worsened_at >= %(since)s and worsened_at < %(at)s and first_seen < %(since)s, false)
                as has_worsened,
            -- first_seen may be the end of a day, which is the beginning of the next one.
            ((first_seen - interval '1 second') at time zone %(timezone)s)::date as first_day
        from app.insight_events as events
        where org_id = %(org)s and first_seen < %(at)s
            and (status in ('open', 'acknowledged') or status = 'resolved' and resolved_at >= %(at)s)
        order by array_position(%(severities)s::text[], severity),
            kind = 'anomaly' and coalesce(impact, 0) > 0,  -- what was won can wait for what was lost
            abs(impact) desc nulls last, day desc, id
        """,
        {**params, "since": since, "at": at},
    )


def _resolved_insights(
    connection: psycopg.Connection, params: dict[str, Any], since: datetime, until: datetime
) -> tuple[Row, ...]:
    rows = records(
        connection,
        """
        select id, kind, severity, metric, day, title
        from app.insight_events
        where org_id = %(org)s and status = 'resolved' and resolved_at >= %(since)s and resolved_at < %(until)s
            and dimension <> %(question)s  -- a resolved question was answered: nothing is back to normal
        order by array_position(%(severities)s::text[], severity), resolved_at, id
        """,
        {**params, "since": since, "until": until, "question": BOOKING_QUESTION},
    )
    return tuple(rows)


def _accuracy(connection: psycopg.Connection, params: dict[str, Any]) -> Row | None:
    """Return the accuracy of the total's forecasts a week ahead; None where too few days have an actual."""
    rows = records(
        connection,
        """
        select days, error_share, naive_error_share, covered_80_share
        from analytics.v_forecast_accuracy
        where org_id = %(org)s and as_of = %(day)s and service_id is null and lead_days = %(lead)s
            and days >= %(days)s and error_share is not null
        """,
        {**params, "lead": ACCURACY_LEAD, "days": ACCURACY_MIN_DAYS},
    )
    return rows[0] if rows else None


def _overloads(connection: psycopg.Connection, params: dict[str, Any]) -> tuple[Row, ...]:
    """Return the providers that will overload in WORKLOAD_DAYS: number of such days, the first one, their hours."""
    rows = records(
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
    return tuple(rows)


def _plot(history: Mapping[date, Row], forecasts: Sequence[Row], day: date, currency: str) -> Plot | None:
    past = [(past_day, row) for past_day, row in history.items() if past_day > day - timedelta(days=HISTORY_DAYS)]
    if not past:
        return None
    gap = (None,) * len(past)
    return Plot(
        title=f"Realized revenue per day ({currency}){', and its forecast with the 80% range' if forecasts else ''}",
        days=(*(past_day for past_day, _ in past), *(row["day"] for row in forecasts)),
        actual=(*(float(row["realized_revenue"]) for _, row in past), *((None,) * len(forecasts))),
        expected=(*gap, *(float(row["forecast"]) for row in forecasts)),
        lower=(*gap, *(float(row["lower_80"]) for row in forecasts)),
        upper=(*gap, *(float(row["upper_80"]) for row in forecasts)),
        marked=day,
    )
