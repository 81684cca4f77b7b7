"""Cursors of keyset pages: the end of a page as an opaque text that the next request sends back."""

import base64
import binascii
import json
from typing import Final
from uuid import UUID

from sources.operations.errors import Refusal

MAX_LENGTH: Final = 300


def encode(sort: str, key: str, row_id: UUID) -> str:
    """Return a cursor for the rows after the row with this key in this order."""
    return base64.urlsafe_b64encode(json.dumps([sort, key, str(row_id)]).encode()).decode().rstrip("=")


def decode(cursor: str, sort: str) -> tuple[str, UUID]:
    """Return the key and the id of a cursor. Raises Refusal where the cursor is malformed or of another order."""
    try:
        cursor_sort, key, row_id = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True))
        if cursor_sort == sort and isinstance(key, str):
            return key, UUID(row_id)
    except (ValueError, TypeError, AttributeError, binascii.Error):
        pass
    raise bad_cursor()


def bad_cursor() -> Refusal:
    """Return the refusal for a cursor that is not from this list in this order."""
    return Refusal("invalid", "invalid_cursor", "The cursor is not from this list in this order.", field="after")
