"""The HTTP server of the API: uvicorn, with a limit of the time that a request may take to arrive."""

import asyncio
from typing import Any, Final

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEADERS_S: Final = 10.0  # from the opening of a connection, or the first byte of a request, to the end of its headers
BODY_S: Final = 30.0  # from the end of the headers to the end of the body


class PunctualProtocol(HttpToolsProtocol):
    """HTTP/1.1 that closes a connection whose request does not arrive in time; uvicorn limits idle ones alone."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._close_after(HEADERS_S)

    def connection_lost(self, exc: Exception | None) -> None:
        self._arrived()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # uvicorn ends the limit of an idle connection with any data, also with an empty line, which begins no request.
        is_answered = self.cycle is None or self.cycle.response_complete
        is_open = not self.transport.is_closing() and self.transport.get_protocol() is self
        if is_open and is_answered and self._deadline is None and self.timeout_keep_alive_task is None:
            self._close_after(HEADERS_S)

    def on_message_begin(self) -> None:
        self._close_after(HEADERS_S)
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._close_after(BODY_S)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._arrived()
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        self._arrived()
        super().handle_websocket_upgrade()

    def _close_after(self, seconds: float) -> None:
        self._arrived()
        self._deadline = self.loop.call_later(seconds, self.transport.close)

    def _arrived(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def make_config(app: FastAPI | str, **options: Any) -> uvicorn.Config:
    """Return the configuration of uvicorn; `options` are its other parameters.

    X-Forwarded-For is the application's business: uvicorn would believe every program of this machine.
    """
    return uvicorn.Config(
        app, http=PunctualProtocol, proxy_headers=False, access_log=False, server_header=False, **options
    )
