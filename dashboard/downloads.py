"""Tables that a browser saves as CSV."""

import csv
import io
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Final

from fastapi import Response
from fastapi.responses import StreamingResponse

FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would calculate


MEDIA_TYPE: Final = "text/csv; charset=utf-8"
Rows = Iterable[Sequence[object]]


def csv_download(name: str, columns: Sequence[str], rows: Rows) -> Response:
    """Return the response that a browser saves as the file `name`. Texts that people wrote have to be `inert`."""
    return Response(_lines([columns, *rows]), media_type=MEDIA_TYPE, headers=_headers(name))


def csv_stream(name: str, columns: Sequence[str], batches: AsyncIterator[Rows]) -> Response:
    """Return the same response for many rows, which are sent batch by batch."""

    async def lines() -> AsyncIterator[str]:
        yield _lines([columns])
        async for rows in batches:
            yield _lines(rows)

    return StreamingResponse(lines(), media_type=MEDIA_TYPE, headers=_headers(name))


def _lines(rows: Rows) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


def _headers(name: str) -> dict[str, str]:
    return {"content-disposition": f'attachment; filename="{name}"', "cache-control": "private, no-store"}


def inert(text: str) -> str:
    """Return a text that a spreadsheet shows and does not calculate."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text
