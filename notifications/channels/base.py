"""The interface of channels: the delivery that they send, their errors, and the redaction of secrets."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from typing import Final, Protocol
from urllib.parse import quote, unquote, urlsplit
from uuid import UUID

from pydantic import SecretStr

from notifications.messages import Message
from sources.settings import Settings

NETWORK_TIMEOUT_S: Final = 10.0  # of each step of a connection
RETRY_AFTER_MAX_S: Final = 6 * 3600.0  # a longer Retry-After is cut to this
HIDDEN: Final = "***"


@dataclass(frozen=True)
class ChannelRow:
    """The columns of app.notification_channels that sending needs."""

    id: UUID
    org_id: UUID
    name: str
    kind: str


@dataclass(frozen=True)
class Delivery:
    """A claimed row of app.notification_deliveries, with the number and time of this attempt."""

    id: UUID
    org_id: UUID
    channel_id: UUID
    insight_id: UUID | None
    digest_day: date | None
    recipient: str
    occasion: str  # of Occasion
    attempt: int
    attempted_at: datetime
    view_id: UUID | None = None  # of the dashboard that is sent
    opened_receipt_ref: str | None = None  # of a later one: the receiver's own id of the opened message
    secret_numbers: Sequence[int] = (0,)  # of the valid secrets of the channel, the present one first


class RetryLater(Exception):
    """A failure that may not occur again; `after_s`: the wait that the receiver asked for."""

    def __init__(self, after_s: float | None, reason: str) -> None:
        super().__init__(reason)
        self.after_s = after_s


class Undeliverable(Exception):
    """A permanent failure: the receiver refuses this message, or does not exist any more."""


class Channel(Protocol):
    """A module that sends messages of one kind of channel."""

    def check_target(self, target: str, /) -> str:
        """Return `target` in the form in which it is stored. Raises HubError that describes a valid target."""
        ...

    def recipients(self, target: str, /) -> list[str]:
        """Return the recipients that a stored target consists of; each gets deliveries of its own."""
        ...

    def send(self, settings: Settings, delivery: Delivery, message: Message, /) -> str | None:
        """Send `message` to `delivery.recipient` once and return the receiver's own id of it, if there is one.

        Raises RetryLater or Undeliverable, with a sentence for people. The ledger repeats and logs attempts.
        """
        ...


def retry_after_s(value: str | None, now: datetime) -> float | None:
    """Return the wait that a Retry-After header asks for, in seconds (RFC 9110 10.2.3: seconds or a date)."""
    if value is None:
        return None
    try:
        wait = float(value) if value.strip().isdigit() else (_http_date(value) - now).total_seconds()
    except ValueError:
        return None
    return min(max(wait, 0.0), RETRY_AFTER_MAX_S)


def _http_date(value: str) -> datetime:
    parsed = parsedate_to_datetime(value)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def redacted(settings: Settings, text: str) -> str:
    """Return `text` without any secret of the settings, plain or percent-encoded."""
    for secret in _secrets(settings):
        for form in (secret, quote(secret, safe=""), unquote(secret)):
            text = text.replace(form, HIDDEN)
    return text


def _secrets(settings: Settings) -> list[str]:
    values = [
        value.get_secret_value()
        for name in type(settings).model_fields
        if isinstance(value := getattr(settings, name), SecretStr)
    ]
    values.append(urlsplit(settings.smtp_url.get_secret_value()).password or "")
    return sorted(filter(None, values), key=len, reverse=True)
