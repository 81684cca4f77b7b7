"""The last page that each session saw at each address, for times when the database does not answer."""

import gzip
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from fastapi import FastAPI, Request

from sources.api import sessions

PAGES_MAX: Final = 1000  # of about 10 kB
KEPT_S: Final = 3600.0
COMPRESSION: Final = 1
PLACE: Final = "<!-- the notice of a last known page -->"  # in the page, where the notice goes
NOTICE: Final = (
    '<p class="notice" role="status">The database does not answer. This is the page as it was at {shown_at}; '
    "reload it to try again.</p>"
)


@dataclass(frozen=True, slots=True)
class _Page:
    compressed: bytes
    shown_at: str  # in words
    at: float  # of time.monotonic


class LastPages:
    """Keeps pages for an hour, in the memory of this process."""

    def __init__(self) -> None:
        self._pages: OrderedDict[tuple[str, str], _Page] = OrderedDict()

    def forget(self) -> None:
        """Forget all pages: somebody who had access may have lost it."""
        self._pages.clear()

    def keep(self, request: Request, text: str, shown_at: str) -> None:
        """Keep the page that the request gets; `shown_at`: the time of day, in words."""
        key = _key(request)
        self._pages[key] = _Page(gzip.compress(text.encode(), COMPRESSION), shown_at, time.monotonic())
        self._pages.move_to_end(key)
        if len(self._pages) > PAGES_MAX:
            self._pages.popitem(last=False)

    def of(self, request: Request) -> str | None:
        """Return the last page of the request's session at its address, with a notice; None where none is known."""
        known = self._pages.get(_key(request))
        if known is None or time.monotonic() - known.at > KEPT_S:
            return None
        return gzip.decompress(known.compressed).decode().replace(PLACE, NOTICE.format(shown_at=known.shown_at), 1)


def _key(request: Request) -> tuple[str, str]:
    return sessions.form_token(request), f"{request.url.path}?{request.url.query}"


def install(app: FastAPI) -> None:
    """Give the application its last pages; they are forgotten where somebody may have lost access."""
    app.state.last_pages = LastPages()
    app.state.on_access_change.append(app.state.last_pages.forget)
