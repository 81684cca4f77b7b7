"""Settings whose channels use local servers, and a clock that tests control."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from pydantic import SecretStr

from sources.settings import Settings
from tests.notifications import servers
from tests.notifications.examples import NOW

TOKEN = "xoxb-local-test-token"


@dataclass
class Clock:
    """A clock that tests move forward."""

    at: datetime = NOW

    def __call__(self) -> datetime:
        return self.at

    def forward(self, **units: float) -> None:
        self.at += timedelta(**units)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def slack() -> Iterator[servers.SlackServer]:
    with servers.slack_server() as server:
        yield server


@pytest.fixture
def mail() -> Iterator[servers.MailServer]:
    with servers.mail_server() as server:
        yield server


@pytest.fixture
def webhook() -> Iterator[servers.WebhookServer]:
    with servers.webhook_server() as server:
        yield server


@pytest.fixture
def wired(settings: Settings, slack: servers.SlackServer, mail: servers.MailServer) -> Settings:
    """The test's settings, with mail and Slack at the local servers."""
    return settings.model_copy(
        update={"slack_token": SecretStr(TOKEN), "slack_base_url": slack.url, "smtp_url": SecretStr(mail.url)}
    )
