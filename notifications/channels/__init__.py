"""The registry of channels: one module per kind of channel, registered under the kind's name."""

from collections.abc import Mapping
from typing import Final

from notifications.channels import email, slack, webhook
from notifications.channels.base import Channel, Undeliverable

CHANNELS: Final[Mapping[str, Channel]] = {"email": email, "slack": slack, "webhook": webhook}


def channel_of_kind(kind: str) -> Channel:
    """Return the channel module of this kind. Raises Undeliverable where none is registered."""
    if kind not in CHANNELS:
        raise Undeliverable(f"The kind of channel {kind!r} is unknown: choose one of {', '.join(CHANNELS)}.")
    return CHANNELS[kind]


def recipients_of(kind: str, target: str) -> list[str]:
    """Return the recipients of a channel's target; of an unknown kind the target itself, whose delivery then fails."""
    return CHANNELS[kind].recipients(target) if kind in CHANNELS else [target]
