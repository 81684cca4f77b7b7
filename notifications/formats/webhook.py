"""Format JSON for programs, in the structure of Standard Webhooks: type, timestamp, data."""

import json
from dataclasses import asdict
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from notifications.messages import Message


def render(message: Message, *, at: datetime) -> str:
    """Return the body: `type`, `timestamp` (of the attempt), and `data` with the facts, the subject and the blocks."""
    blocks = [{"block": type(block).__name__.lower(), **asdict(block)} for block in message.blocks]
    data = {"id": message.id, "subject": message.subject, **message.data, "blocks": blocks}
    body = {"type": message.type, "timestamp": at, "data": data}
    return json.dumps(body, default=_plain, ensure_ascii=False, separators=(",", ":"))


def _plain(value: Any) -> str | float:
    """Return a JSON value: a Decimal becomes a number (a double holds the 15 digits that amounts have in practice)."""
    match value:
        case Decimal():
            return float(value)
        case date():
            return value.isoformat()
        case UUID():
            return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON representation")
