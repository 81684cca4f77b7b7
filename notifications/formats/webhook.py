"""A message as JSON for machines, in the shape that Standard Webhooks proposes: type, timestamp, data."""

import json
from dataclasses import asdict
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from notifications.messages import Message


def render(message: Message, *, at: datetime) -> str:
    """The body: `type`, `timestamp` (of the attempt), and `data` with the facts, the subject and the blocks."""
    blocks = [{"block": type(block).__name__.lower(), **asdict(block)} for block in message.blocks]
    data = {"id": message.id, "subject": message.subject, **message.data, "blocks": blocks}
    body = {"type": message.type, "timestamp": at, "data": data}
    return json.dumps(body, default=_plain, ensure_ascii=False, separators=(",", ":"))


def _plain(value: Any) -> str | float:
    """Decimals become numbers: those of the ledger have at most 15 digits in practice, which a double keeps."""
    match value:
        case Decimal():
            return float(value)
        case date():
            return value.isoformat()
        case UUID():
            return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
