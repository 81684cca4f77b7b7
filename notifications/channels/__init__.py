"""The channels: one file each, and one entry here."""

from collections.abc import Mapping
from typing import Final

from notifications.channels import email, slack, webhook
from notifications.channels.base import Channel

CHANNELS: Final[Mapping[str, Channel]] = {"email": email, "slack": slack, "webhook": webhook}
