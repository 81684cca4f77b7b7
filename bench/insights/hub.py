"""A Hub of its own for the made businesses: runs of single days, and what each organisation was told."""

import gc
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import psycopg
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from bench.server import free_port
from notifications.channel_admin import add_channel
from sources import database, embedded_server
from sources.database import records
from sources.settings import Settings, get_settings

LEAST_SEVERITY: Final = "medium"  # of the messages that the owner asked for
OPEN_EVENTS: Final = """
    select to_jsonb(events) as event, coalesce(services.service_name, providers.provider_name, events.member) as named
    from app.insight_events as events
    left join marts.dim_service as services
        on events.dimension = 'service' and services.service_id::text = events.member
    left join marts.dim_provider as providers
        on events.dimension = 'provider' and providers.provider_id::text = events.member
    where events.resolved_at is null and events.status <> 'dismissed'
    order by events.org_id, events.id
"""
MESSAGES: Final = """
    select id::text, org_id::text, event as occasion, insight_id::text from app.notification_deliveries
    where event <> 'digest' order by id
"""
RATIOS: Final = "select metric, numerator, denominator from marts.dim_metric where kind = 'ratio'"
FIGURES: Final = """
    select kpis.org_id::text, kpis.metric, kpis.dimension,
        coalesce(services.service_name, providers.provider_name, kpis.member) as member, kpis.day, kpis.value::float8
    from marts.kpi_daily as kpis
    inner join marts.dim_metric as metrics using (metric)
    left join marts.dim_service as services
        on kpis.dimension = 'service' and services.service_id::text = kpis.member
    left join marts.dim_provider as providers
        on kpis.dimension = 'provider' and providers.provider_id::text = kpis.member
    where metrics.is_watched and kpis.dimension in ('total', 'service')
"""


@dataclass(frozen=True)
class Told:
    """What stood open after a run, and the messages that it wrote. failures: of the run."""

    day: date
    events: list[dict[str, Any]]
    messages: list[dict[str, Any]]
    failures: dict[str, str]
    seconds: dict[str, float]


class Mailbox:
    """An SMTP server that accepts every mail: the ledger counts them."""

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        return "250 OK"


@contextmanager
def made_hub() -> Iterator[Settings]:
    """Yield the settings of a Hub in a temporary folder, with a running database and a mail server.

    The environment of this process is set to it, because the assets read their settings from there.
    """
    port = free_port()
    mailbox = Controller(Mailbox(), hostname="127.0.0.1", port=port)
    with tempfile.TemporaryDirectory(prefix="hub-bench-") as home:
        os.environ |= {
            "HUB_HOME": home, "HUB_PORT_DATABASE": str(free_port()), "HUB_SMTP_URL": f"smtp://127.0.0.1:{port}",
        }  # fmt: skip
        for name in ("HUB_DATABASE_URL", "HUB_SOURCE_URL"):
            os.environ.pop(name, None)
        get_settings.cache_clear()
        settings = get_settings()
        mailbox.start()
        database.start(settings)
        try:
            database.migrate(settings)
            gc.set_threshold(100_000, 20, 100)
            yield settings
        finally:
            mailbox.stop()
            embedded_server.stop(settings)


def add_owner(connection: psycopg.Connection, org_id: Any, slug: str) -> None:
    """Add the channel by which the owner of an organisation gets messages."""
    add_channel(
        connection, org_id, name="owner", kind="email", target=f"owner@{slug}.example", min_severity=LEAST_SEVERITY
    )


def run(settings: Settings, day: date, known: set[str], on_step: Callable[[str], None] = lambda _: None) -> Told:
    """Run the main job as of `day`; return what is open then, and the messages whose ids are not in `known`."""
    from cli.run import prepare_dagster

    prepare_dagster(settings)
    from dagster_project import main_run  # needs the prepared instance and manifest

    outcome = main_run.execute(settings, as_of=day, on_step=on_step)
    with database.connect(database.database_url(settings)) as connection:
        events = [{**row["event"], "named": row["named"]} for row in records(connection, OPEN_EVENTS, {})]
        messages = [row for row in records(connection, MESSAGES, {}) if row["id"] not in known]
    known |= {row["id"] for row in messages}
    return Told(day, events, messages, outcome.failures, outcome.seconds)


def figures(settings: Settings) -> list[dict[str, Any]]:
    """Return kpi_daily of the watched totals and services, with members by name."""
    with database.connect(database.database_url(settings)) as connection:
        return records(connection, FIGURES, {})


def ratios(settings: Settings) -> dict[str, tuple[str, str]]:
    """Return the numerator and the denominator of each ratio metric; none where the Hub declares none."""
    with database.connect(database.database_url(settings)) as connection:
        try:
            return {row["metric"]: (row["numerator"], row["denominator"]) for row in records(connection, RATIOS, {})}
        except psycopg.errors.UndefinedColumn:
            return {}
