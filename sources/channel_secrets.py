"""Secrets of channels: with which receivers verify signatures (Standard Webhooks), and those within targets."""

import base64
import hmac
from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

SIGNED_KIND: Final = "webhook"  # the kind of channel whose messages are signed
FORMER_VALID_FOR: Final = timedelta(days=7)  # after a rotation, for which messages carry signatures of both secrets


def channel_secret(key: str, channel_id: UUID, number: int = 0) -> str:
    """Return a channel's secret of this number, which each rotation raises by one, in the form whsec_<base64>.

    It is derived from `key` (HUB_WEBHOOK_SECRET): who knows the secret can sign for no other channel, nor with another
    number.
    """
    derived = hmac.digest(key.encode(), channel_id.bytes + (str(number).encode() if number else b""), "sha256")
    return encoded(derived)


def encoded(key: bytes) -> str:
    return "whsec_" + base64.b64encode(key).decode()


def without_secret(target: str) -> str:
    """Return a target or recipient without what may be a secret: of an address with a scheme, its server alone."""
    url = urlsplit(target)
    return f"{url.scheme}://{url.netloc}/..." if url.netloc else target
