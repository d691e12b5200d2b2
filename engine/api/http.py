"""One HTTP connection: how long request and answer may take, and how much of a request there may be.

Place on the data path: under uvicorn, whose own time-out begins only after the first answer. A client that
trickles its request ("slow loris"), or sends headers without end, loses its connection, and so does the one
that comes when OVERFLOW more than the limit are open. Invariant: a request that has begun is complete after
REQUEST_PATIENCE_S, its answer taken ANSWER_PATIENCE_S after the client stopped reading, or its connection is
gone.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["ANSWER_PATIENCE_S", "HEADER_LIMIT_BYTES", "OVERFLOW", "REQUEST_PATIENCE_S", "GuardedHttp"]

REQUEST_PATIENCE_S = 10.0
"""For the whole of a request, from the connection or the first byte of the next request on."""
ANSWER_PATIENCE_S = 30.0
"""How long a client may leave unread what was sent to it."""
HEADER_LIMIT_BYTES = 16_384
"""URL and headers together."""
OVERFLOW = 64
"""Connections beyond uvicorn's limit that still hear a 503; further ones are closed at once."""


class GuardedHttp(HttpToolsProtocol):
    """uvicorn's HTTP protocol with a clock and a measure."""

    _clock: asyncio.TimerHandle | None = None
    _unread_clock: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _hosts = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        limit = self.config.limit_concurrency
        if limit is not None and len(self.connections) >= limit + OVERFLOW:
            transport.abort()
        super().connection_made(transport)
        self._start_clock()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_clock()
        self._stop_unread_clock()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        if self._unread_clock is None:
            self._unread_clock = self.loop.call_later(ANSWER_PATIENCE_S, self._give_up)
        super().pause_writing()

    def resume_writing(self) -> None:
        self._stop_unread_clock()
        super().resume_writing()

    def handle_websocket_upgrade(self) -> None:
        self._stop_clock()
        super().handle_websocket_upgrade()

    def on_message_begin(self) -> None:
        self._head_bytes = self._hosts = 0
        self._start_clock()
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        if len(name) == 4 and name.lower() == b"host":
            self._hosts += 1
            if self._hosts > 1:
                raise ValueError("more than one Host")  # becomes a 400: which of them is looked at is a guess
        super().on_header(name, value)

    def on_message_complete(self) -> None:
        self._stop_clock()
        super().on_message_complete()

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > HEADER_LIMIT_BYTES:
            self._give_up()

    def _start_clock(self) -> None:
        if self._clock is None:
            self._clock = self.loop.call_later(REQUEST_PATIENCE_S, self._give_up)

    def _stop_clock(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None

    def _stop_unread_clock(self) -> None:
        if self._unread_clock is not None:
            self._unread_clock.cancel()
            self._unread_clock = None

    def _give_up(self) -> None:
        transport: Any = self.transport
        if transport is not None and not transport.is_closing():
            transport.abort()
