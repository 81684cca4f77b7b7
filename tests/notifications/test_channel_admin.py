"""Administration of channels: list, add, test."""

import psycopg
import pytest

from notifications import channel_admin
from notifications.channels import CHANNELS
from sources.errors import HubError
from sources.settings import Settings
from tests.notifications.examples import NOW, ORG
from tests.notifications.servers import MailServer


@pytest.mark.parametrize(
    ("kind", "target", "words"),
    [
        ("email", "nobody", "not an e-mail address"),
        ("email", "a@b.org, c d@e.org", "not an e-mail address"),
        ("email", " , ", "needs an address"),
        ("slack", "alerts", "#name"),
        ("webhook", "ftp://example.org", "https://"),
        ("webhook", "https://", "https://"),
        ("webhook", "https://a:b@example.org/x", "no user or password"),
        ("webhook", "http://[broken", "https://"),
    ],
)
def test_an_invalid_target_is_refused(kind: str, target: str, words: str) -> None:
    with pytest.raises(HubError, match=words):
        CHANNELS[kind].check_target(target)


def test_channels_are_added_once_and_listed(connection: psycopg.Connection) -> None:
    channel_admin.add_channel(
        connection, ORG, name="owners", kind="email", target="a@b.org,c@d.org", min_severity="high"
    )
    with pytest.raises(HubError, match="is taken"):
        channel_admin.add_channel(connection, ORG, name="owners", kind="slack", target="#alerts")
    with pytest.raises(HubError, match="severity"):
        channel_admin.add_channel(connection, ORG, name="x", kind="slack", target="#alerts", min_severity="awful")
    with pytest.raises(HubError, match="kind of insight"):
        channel_admin.add_channel(connection, ORG, name="x", kind="slack", target="#alerts", insight_kinds=["unknown"])
    with pytest.raises(HubError, match=", ".join(CHANNELS)):
        channel_admin.add_channel(connection, ORG, name="x", kind="pigeon", target="loft")
    with pytest.raises(HubError, match="#name"):
        channel_admin.add_channel(connection, ORG, name="x", kind="slack", target="alerts")
    (listed,) = channel_admin.list_channels(connection, ORG)
    assert (listed["target"], listed["min_severity"], listed["waiting"]) == ("a@b.org, c@d.org", "high", 0)


def test_a_test_message_is_sent_like_alerts(connection: psycopg.Connection, wired: Settings, mail: MailServer) -> None:
    channel_admin.add_channel(connection, ORG, name="owners", kind="email", target="a@b.org, c@d.org")
    assert channel_admin.test_channel(connection, wired, ORG, "owners", now=NOW) == ["a@b.org", "c@d.org"]
    assert mail.recipients == ["a@b.org", "c@d.org"]
    assert "owners" in mail.mails[0]["Subject"]
    mail.script.append("554 no")
    with pytest.raises(HubError, match=r"failed.*554 no"):
        channel_admin.test_channel(connection, wired, ORG, "owners", now=NOW)
    with pytest.raises(HubError, match="no channel named"):
        channel_admin.test_channel(connection, wired, ORG, "strangers", now=NOW)
