"""Sending: each recipient gets a message once, also when a receiver or a worker fails."""

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from notifications.channel_admin import add_channel
from notifications.channel_admin import test_channel as send_test
from notifications.channels import CHANNELS, base
from notifications.channels.base import Delivery
from notifications.channels.webhook import signing_secret
from notifications.delivery_claims import Settlement, claim_next, due_channels, settle
from notifications.messages import Message
from notifications.retries import BACKOFF_FIRST_S, BACKOFF_MAX_S, MAX_ATTEMPTS
from notifications.sending import DeliveryReport, deliver_due
from sources.database import records
from sources.errors import HubError
from sources.settings import Settings
from tests.notifications.conftest import Clock
from tests.notifications.examples import EVERY_BLOCK, NOW, ORG, insert_insight
from tests.notifications.ledger_rows import deliveries, enqueue, states
from tests.notifications.servers import Answer, MailServer, SlackServer, WebhookServer
from tests.waiting import PATIENCE_S, wait_until


def longest(_: float, high: float) -> float:
    return high


def same_message(_: psycopg.Connection, __: Settings, ___: Delivery) -> Message:
    return EVERY_BLOCK


def test_every_channel_receives_the_insight_and_its_end(
    connection: psycopg.Connection,
    wired: Settings,
    clock: Clock,
    mail: MailServer,
    slack: SlackServer,
    webhook: WebhookServer,
) -> None:
    add_channel(connection, ORG, name="mail", kind="email", target="a@b.org")
    add_channel(connection, ORG, name="slack", kind="slack", target="#alerts")
    hook = add_channel(connection, ORG, name="hook", kind="webhook", target=webhook.url)
    webhook.secrets.append(signing_secret(wired, hook))
    insight = insert_insight(connection)
    enqueue(connection, insight)
    # Webhook receivers check the age of a signature, so this clock is the real one.
    clock.at = datetime.now(UTC)
    report = deliver_due(wired, now=clock)
    assert (len(report.of("sent")), report.of("failed"), report.of("dead"), report.broken) == (3, (), (), ())
    enqueue(connection, insight, occasion="resolved")
    assert len(deliver_due(wired, now=clock).of("sent")) == 3
    assert deliver_due(wired, now=clock).attempts == ()

    assert [mail["Subject"] for mail in mail.mails] == [
        "[Critical] Booked revenue fell by half",
        "Resolved: Booked revenue fell by half",
    ]
    assert mail.mails[1]["In-Reply-To"] == mail.mails[0]["Message-ID"]
    assert [post.get("thread_ts") for post in slack.posted] == [None, slack.posted[0]["ts"]]
    assert [body["type"] for body in webhook.verified] == ["insight.opened", "insight.resolved"]
    ids = {str(row["id"]) for row in deliveries(connection)}
    assert {request.headers["webhook-id"] for request in webhook.requests} <= ids
    assert states(connection) == {"sent": 6}
    attempts = records(connection, "select outcome, attempted_at from app.notification_attempts", {})
    assert [(row["outcome"], row["attempted_at"]) for row in attempts] == [("sent", clock.at)] * 6


def test_rate_limit_postpones_the_whole_channel(
    connection: psycopg.Connection, wired: Settings, clock: Clock, slack: SlackServer
) -> None:
    add_channel(connection, ORG, name="slack", kind="slack", target="#alerts")
    enqueue(connection, *(insert_insight(connection, dedupe_key=str(n)) for n in range(3)))
    slack.script.append(Answer(429, {"Retry-After": "600"}))
    report = deliver_due(wired, now=clock, jitter=longest)
    assert [attempt.outcome for attempt in report.attempts] == ["failed"]
    assert {row["next_attempt_at"] for row in deliveries(connection)} == {NOW + timedelta(seconds=600)}
    clock.forward(seconds=599)
    assert deliver_due(wired, now=clock).attempts == ()
    clock.forward(seconds=1)
    assert len(deliver_due(wired, now=clock).of("sent")) == 3
    assert len(slack.posted) == 3
    assert max(row["attempts"] for row in deliveries(connection)) == 2


def test_failure_is_logged_and_tried_again(
    connection: psycopg.Connection, settings: Settings, clock: Clock, webhook: WebhookServer
) -> None:
    hook = add_channel(connection, ORG, name="hook", kind="webhook", target=webhook.url)
    webhook.secrets.append(signing_secret(settings, hook))
    enqueue(connection, insert_insight(connection))
    webhook.script.append(Answer(500))
    clock.at = datetime.now(UTC)
    deliver_due(settings, now=clock, jitter=longest)
    (failed,) = deliveries(connection)
    assert (failed["state"], failed["attempts"]) == ("failed", 1)
    assert failed["next_attempt_at"] == clock.at + timedelta(seconds=BACKOFF_FIRST_S)
    assert "answered 500" in failed["last_error"]
    clock.forward(seconds=BACKOFF_FIRST_S)
    deliver_due(settings, now=clock)
    (sent,) = deliveries(connection)
    assert (sent["state"], sent["attempts"], sent["last_error"]) == ("sent", 2, None)
    log = records(connection, "select attempt, outcome from app.notification_attempts order by attempt", {})
    assert [(row["attempt"], row["outcome"]) for row in log] == [(1, "failed"), (2, "sent")]
    assert len({request.headers["webhook-id"] for request in webhook.requests}) == 1


def test_a_delivery_is_dead_after_the_last_attempt(
    connection: psycopg.Connection, wired: Settings, clock: Clock, mail: MailServer
) -> None:
    add_channel(connection, ORG, name="mail", kind="email", target="a@b.org")
    enqueue(connection, insert_insight(connection))
    mail.script.extend(["451 later"] * MAX_ATTEMPTS)
    for _ in range(MAX_ATTEMPTS):
        report = deliver_due(wired, now=clock, jitter=longest)
        clock.forward(seconds=BACKOFF_MAX_S)
    (dead,) = report.of("dead")
    assert dead.detail is not None
    assert dead.detail.startswith(f"Given up after {MAX_ATTEMPTS} attempts. The mail server")
    assert states(connection) == {"dead": 1}
    assert deliver_due(wired, now=clock).attempts == ()


def test_a_delivery_to_a_deleted_receiver_is_dead_at_once(
    connection: psycopg.Connection, settings: Settings, clock: Clock, webhook: WebhookServer
) -> None:
    hook = add_channel(connection, ORG, name="hook", kind="webhook", target=webhook.url)
    webhook.secrets.append(signing_secret(settings, hook))
    enqueue(connection, insert_insight(connection))
    webhook.script.append(Answer(410))
    assert [attempt.attempt for attempt in deliver_due(settings, now=clock).of("dead")] == [1]


def test_a_channel_of_unknown_kind_fails_alone_with_a_clear_error(
    connection: psycopg.Connection, wired: Settings, clock: Clock, slack: SlackServer
) -> None:
    add_channel(connection, ORG, name="slack", kind="slack", target="#alerts")
    connection.execute(
        "insert into app.notification_channels (org_id, name, kind, target) values (%s, 'old', 'pigeon', 'loft')", [ORG]
    )
    enqueue(connection, insert_insight(connection))
    report = deliver_due(wired, now=clock)
    assert [attempt.channel for attempt in report.of("sent")] == ["slack"]
    (dead,) = report.of("dead")
    assert (dead.channel, dead.detail) == (
        "old",
        f"The kind of channel 'pigeon' is unknown: choose one of {', '.join(CHANNELS)}.",
    )
    assert report.broken == ()
    with pytest.raises(HubError, match="'pigeon' is unknown"):
        send_test(connection, wired, ORG, "old", now=NOW)


def test_resolved_waits_for_its_alert(
    connection: psycopg.Connection, wired: Settings, clock: Clock, slack: SlackServer
) -> None:
    add_channel(connection, ORG, name="slack", kind="slack", target="#alerts")
    insight = insert_insight(connection)
    enqueue(connection, insight)
    connection.execute("update app.notification_deliveries set next_attempt_at = %s", [NOW + timedelta(hours=1)])
    enqueue(connection, insight, occasion="resolved")
    assert deliver_due(wired, now=clock).attempts == ()
    clock.forward(hours=1)
    deliver_due(wired, now=clock)
    assert [post.get("thread_ts") for post in slack.posted] == [None, slack.posted[0]["ts"]]


def test_a_row_that_cannot_be_rendered_delays_no_other(
    connection: psycopg.Connection, wired: Settings, clock: Clock, slack: SlackServer
) -> None:
    add_channel(connection, ORG, name="slack", kind="slack", target="#alerts")
    enqueue(connection, *(insert_insight(connection, dedupe_key=str(n)) for n in range(3)))
    bad = deliveries(connection)[0]["id"]

    def render(at: psycopg.Connection, of: Settings, delivery: Delivery) -> Message:
        if delivery.id == bad:
            at.execute("select 1 / 0")
        return EVERY_BLOCK

    report = deliver_due(wired, now=clock, render=render)
    assert (len(report.of("sent")), [attempt.delivery_id for attempt in report.of("failed")]) == (2, [bad])
    assert states(connection) == {"sent": 2, "failed": 1}


def test_secrets_are_kept_out_of_the_ledger(connection: psycopg.Connection, wired: Settings, clock: Clock) -> None:
    secret = "xoxb-never-to-be-seen"
    leaky = wired.model_copy(update={"slack_token": SecretStr(secret)})
    add_channel(connection, ORG, name="slack", kind="slack", target="#alerts")
    enqueue(connection, insert_insight(connection))

    def render(_: psycopg.Connection, of: Settings, delivery: Delivery) -> Message:
        raise RuntimeError(f"token={of.slack_token.get_secret_value()}")

    report = deliver_due(leaky, now=clock, render=render)
    log = records(connection, "select detail from app.notification_attempts", {})
    assert secret not in f"{report}{deliveries(connection)}{log}"
    assert "token=***" in str(log)


def test_a_paused_channel_keeps_its_deliveries(
    connection: psycopg.Connection, wired: Settings, clock: Clock, slack: SlackServer
) -> None:
    add_channel(connection, ORG, name="slack", kind="slack", target="#alerts")
    enqueue(connection, insert_insight(connection))
    connection.execute("update app.notification_channels set is_active = false")
    assert deliver_due(wired, now=clock).attempts == ()
    connection.execute("update app.notification_channels set is_active = true")
    assert len(deliver_due(wired, now=clock).of("sent")) == 1


# --- workers -------------------------------------------------------------------------------------

DYING_WORKER = """
import os, sys, time
from datetime import UTC, datetime
from notifications.sending import deliver_due
from sources.settings import Settings

def hang(connection, settings, delivery):
    print(delivery.id, flush=True)
    time.sleep(3600)

now = datetime.fromisoformat(sys.argv[1])
deliver_due(Settings(), now=lambda: now, render=hang)
"""


def test_the_next_worker_sends_the_delivery_of_a_killed_one(
    connection: psycopg.Connection, wired: Settings, clock: Clock, slack: SlackServer
) -> None:
    add_channel(connection, ORG, name="slack", kind="slack", target="#alerts")
    enqueue(connection, insert_insight(connection), insert_insight(connection, dedupe_key="second"))
    environment = {**os.environ, "HUB_DATABASE_URL": wired.database_url, "HUB_HOME": str(wired.home)}
    worker = subprocess.Popen(
        [sys.executable, "-c", DYING_WORKER, NOW.isoformat()],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=Path(__file__).parents[2],
    )
    try:
        held = worker.stdout.readline().strip() if worker.stdout else ""
        assert states(connection) == {"sending": 1, "pending": 1}
        # While the worker lives, its claim is respected.
        assert held not in [str(one.delivery_id) for one in deliver_due(wired, now=clock).of("sent")]
        assert states(connection) == {"sending": 1, "sent": 1}
        assert deliver_due(wired, now=clock).attempts == ()
    finally:
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()

    def all_are_sent() -> bool:  # as soon as the server notices that its client was killed
        deliver_due(wired, now=clock)
        return states(connection) == {"sent": 2}

    wait_until(all_are_sent)
    assert [post["metadata"]["event_payload"]["delivery_id"] for post in slack.posted].count(held) == 1
    (again,) = [row for row in deliveries(connection) if str(row["id"]) == held]
    assert again["attempts"] == 2


def test_a_row_that_kills_every_worker_is_dead_in_the_end(
    connection: psycopg.Connection, wired: Settings, clock: Clock, slack: SlackServer
) -> None:
    add_channel(connection, ORG, name="slack", kind="slack", target="#alerts")
    enqueue(connection, insert_insight(connection))
    connection.execute("update app.notification_deliveries set state = 'sending', attempts = %s", [MAX_ATTEMPTS])
    assert len(deliver_due(wired, now=clock).of("dead")) == 1
    assert slack.requests == []


def test_workers_at_once_send_each_row_once(
    connection: psycopg.Connection, wired: Settings, clock: Clock, slack: SlackServer
) -> None:
    add_channel(connection, ORG, name="slack", kind="slack", target="#alerts", alerts_per_week=30)
    enqueue(connection, *(insert_insight(connection, dedupe_key=str(n)) for n in range(30)))

    def work(_: int) -> DeliveryReport:
        return deliver_due(wired, now=clock, render=same_message)

    with ThreadPoolExecutor(3) as pool:
        reports = list(pool.map(work, range(3)))
    assert sum(len(report.attempts) for report in reports) == 30
    sent = Counter(post["metadata"]["event_payload"]["delivery_id"] for post in slack.posted)
    assert len(sent) == 30
    assert set(sent.values()) == {1}
    assert (
        records(connection, "select count(*) as locks from pg_locks where locktype = 'advisory'", {})[0]["locks"] == 0
    )


def test_a_hanging_channel_delays_no_other(
    connection: psycopg.Connection,
    wired: Settings,
    clock: Clock,
    slack: SlackServer,
    mail: MailServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(base, "NETWORK_TIMEOUT_S", 10 * PATIENCE_S)  # longer than the test holds the channel
    add_channel(connection, ORG, name="mail", kind="email", target="a@b.org")
    add_channel(connection, ORG, name="slack", kind="slack", target="#alerts")
    enqueue(connection, *(insert_insight(connection, dedupe_key=str(n)) for n in range(3)))
    mail.held = threading.Event()
    worker = threading.Thread(target=deliver_due, args=[wired], kwargs={"now": clock, "render": same_message})
    worker.start()
    try:
        wait_until(lambda: len(slack.posted) == 3)
    finally:
        mail.held.set()
        worker.join()
    assert states(connection) == {"sent": 6}


def test_a_worker_that_lost_its_claim_settles_nothing(
    connection: psycopg.Connection, settings: Settings, clock: Clock
) -> None:
    add_channel(connection, ORG, name="slack", kind="slack", target="#alerts")
    enqueue(connection, insert_insight(connection))
    (channel,) = due_channels(connection, NOW)
    with claim_next(connection, channel, NOW, set()) as delivery:
        assert delivery
        connection.execute(
            "update app.notification_deliveries set attempts = attempts + 1"
        )  # another worker claimed it
        settle(connection, delivery, Settlement("failed", "late"), NOW)
    assert states(connection) == {"sending": 1}
    assert records(connection, "select * from app.notification_attempts", {}) == []
