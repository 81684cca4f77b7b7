"""Cursors of keyset pages: where a page ended, as an opaque text that the next request brings back."""

import base64
import binascii
import json
from typing import Final
from uuid import UUID

from sources.operations.errors import Refusal

MAX_LENGTH: Final = 300


def encode(sort: str, key: str, row_id: UUID) -> str:
    """A cursor behind the row with this key in this order."""
    return base64.urlsafe_b64encode(json.dumps([sort, key, str(row_id)]).encode()).decode().rstrip("=")


def decode(cursor: str, sort: str) -> tuple[str, UUID]:
    """The key and the id that `encode` was given. Raises Refusal where it is of another order."""
    try:
        made_for, key, row_id = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True))
        if made_for == sort and isinstance(key, str):
            return key, UUID(row_id)
    except (ValueError, TypeError, AttributeError, binascii.Error):
        pass
    raise bad_cursor()


def bad_cursor() -> Refusal:
    """For a cursor that no page of this list gave out."""
    return Refusal("invalid", "invalid_cursor", "The cursor is not one of this list in this order.", field="after")
