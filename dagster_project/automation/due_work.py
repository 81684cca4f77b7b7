"""What is due: the questions that schedules and sensors ask the database. State decides, never a cursor."""

from datetime import date, datetime
from typing import Final, LiteralString
from uuid import UUID

from sources import database
from sources.settings import Settings

DIGEST_HOUR: Final = 7  # local time of the organisation

TO_JUDGE: Final = """
    select clock.org_id
    from raw.run_clock as clock
    where not exists (
        select from ml.fingerprints as judged
        where judged.org_id = clock.org_id and judged.model = 'revenue_forecasts' and judged.as_of >= clock.as_of
    )
    -- What failed on that day is tried again with the next day, or when somebody asks.
    and not exists (
        select from raw.run_failures as failed where failed.org_id = clock.org_id and failed.as_of >= clock.as_of
    )
"""

# The figures have to reach to the organisation's yesterday; a digest is due until it is in the ledger.
DIGESTS: Final = """
    select clock.org_id, clock.as_of
    from raw.run_clock as clock
    inner join raw.organizations as organization on organization.id = clock.org_id
    where extract(hour from %(now)s::timestamptz at time zone organization.timezone) >= %(hour)s
        and clock.as_of = (%(now)s::timestamptz at time zone organization.timezone)::date - 1
        and exists (
            select from app.notification_channels as channel
            where channel.org_id = clock.org_id and channel.is_active and channel.sends_digest
                and not exists (
                    select from app.notification_deliveries as delivery
                    where delivery.channel_id = channel.id and delivery.digest_day = clock.as_of
                )
        )
    order by clock.org_id
"""

DELIVERIES_DUE: Final = """
    select count(*) from app.notification_deliveries
    where state in ('pending', 'sending', 'failed') and next_attempt_at <= %(now)s
"""

REQUESTED: Final = "select id from app.insight_run_logs where status = 'requested'"


def organizations_to_judge(settings: Settings) -> list[UUID]:
    """Organisations whose last complete day was not judged yet."""
    return [row[0] for row in _rows(settings, TO_JUDGE, {})]


def digests_to_send(settings: Settings, now: datetime) -> list[tuple[UUID, date]]:
    """(organisation, day) of the digests whose hour has come and that are not in the ledger."""
    known = _rows(settings, "select to_regclass('raw.organizations')", {})
    if known == [(None,)]:  # before the first run
        return []
    return _rows(settings, DIGESTS, {"now": now, "hour": DIGEST_HOUR})


def deliveries_due(settings: Settings, now: datetime) -> int:
    """How many deliveries wait to be sent at `now`."""
    return int(_rows(settings, DELIVERIES_DUE, {"now": now})[0][0])


def insights_requested(settings: Settings) -> bool:
    """Whether somebody asked for insights and was not answered yet."""
    return bool(_rows(settings, REQUESTED, {}))


def _rows(settings: Settings, query: LiteralString, parameters: dict[str, object]) -> list[tuple]:  # type: ignore[type-arg]
    with database.connect(database.database_url(settings)) as connection:
        return connection.execute(query, parameters).fetchall()
