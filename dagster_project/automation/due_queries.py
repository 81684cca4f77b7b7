"""Due work: queries for schedules and sensors. The state of the database decides what is due, never a cursor."""

from datetime import date, datetime
from typing import Final, LiteralString
from uuid import UUID

from sources import database
from sources.insight_values import WAITING_STATES
from sources.settings import Settings

# A digest, with the dashboards that are sent with it, is due if as_of is the organisation's yesterday, until it is in
# the ledger.
DIGESTS_DUE: Final = """
    select clock.org_id, clock.as_of
    from raw.run_clock as clock
    inner join raw.organizations as organizations on organizations.id = clock.org_id
    where extract(hour from %(now)s::timestamptz at time zone organizations.timezone) >= %(hour)s
        and clock.as_of = (%(now)s::timestamptz at time zone organizations.timezone)::date - 1
        and (
            exists (
                select from app.notification_channels as channels
                where channels.org_id = clock.org_id and channels.is_active and channels.sends_digest
                    and not exists (
                        select from app.notification_deliveries as deliveries
                        where deliveries.channel_id = channels.id and deliveries.digest_day = clock.as_of
                            and deliveries.event = 'digest'
                    )
            )
            or exists (
                select from app.dashboards_to_send(clock.org_id, clock.as_of) as dashboards
                where not exists (
                    select from app.notification_deliveries as deliveries
                    where deliveries.channel_id = dashboards.channel_id and deliveries.digest_day = clock.as_of
                        and deliveries.view_id = dashboards.view_id
                )
            )
        )
    order by clock.org_id
"""

DELIVERIES_DUE: Final = """
    select count(*)
    from app.notification_deliveries as deliveries
    inner join app.notification_channels as channels on channels.id = deliveries.channel_id
    where channels.is_active and deliveries.state = any(%(waiting)s) and deliveries.next_attempt_at <= %(now)s
"""


def organizations_awaiting_insights(settings: Settings) -> list[UUID]:
    """Return the organisations whose last complete day has no insights yet."""
    return [row[0] for row in _rows(settings, "select app.organizations_awaiting_insights()", {})]


def digests_due(settings: Settings, now: datetime, hour: int) -> list[tuple[UUID, date]]:
    """Return (organisation, day) of the digests that are due at `now` and not in the ledger."""
    landed = _rows(settings, "select to_regclass('raw.organizations')", {})
    if landed == [(None,)]:  # before the first run
        return []
    return _rows(settings, DIGESTS_DUE, {"now": now, "hour": hour})


def deliveries_due(settings: Settings, now: datetime) -> int:
    """Return the number of deliveries that are due at `now`; those of a paused channel are not."""
    return int(_rows(settings, DELIVERIES_DUE, {"now": now, "waiting": list(WAITING_STATES)})[0][0])


def _rows(settings: Settings, query: LiteralString, parameters: dict[str, object]) -> list[tuple]:  # type: ignore[type-arg]
    with database.connect(database.database_url(settings)) as connection:
        return connection.execute(query, parameters).fetchall()
