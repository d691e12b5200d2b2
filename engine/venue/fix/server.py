"""The FIX port: connections of counterparties on the gateway's event loop.

Place on the data path: outermost; bytes in and out. Invariant: nobody waits for a client. What is written
goes into the connection's buffer, and a client whose buffer is full is dropped; its reports wait in the
session and are sent again when it asks. The rest of the FIX gateway is imported by `start`.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from engine.core.clock import NS_PER_S, wall_ns
from engine.core.errors import UsageError

if TYPE_CHECKING:
    from engine.venue.fix.gateway import FixGateway, Link
    from engine.venue.host import VenueHost
    from engine.venue.keys import KeyStore

__all__ = ["CONNECTION_LIMIT", "OUT_BYTES", "FixServer"]

CONNECTION_LIMIT = 64
"""Connections at the same time; more are closed as they come."""
OUT_BYTES = 2 << 20
"""What one client may leave unread; more, and it is dropped."""
TICK_S = 0.1


class FixServer:
    """FIX 4.4 on tcp://{host_name}:{port}, over whatever host `host_provider` gives.

    `start` and `stop` run on the loop that serves it. Raises UsageError when the port is taken.
    """

    def __init__(
        self,
        host_provider: Callable[[], VenueHost | None],
        keys: KeyStore,
        port: int = 0,
        *,
        host_name: str = "127.0.0.1",
        comp_id: str = "STORMDESK",
    ) -> None:
        self._host_provider = host_provider
        self._keys = keys
        self._port = port
        self._host_name = host_name
        self._comp_id = comp_id
        self._server: asyncio.Server | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._gateway: FixGateway | None = None
        self._ticking: asyncio.Task[None] | None = None
        self._heard_host: VenueHost | None = None
        self._end_hearing: Callable[[], None] | None = None
        self._woken = False
        self._connections: dict[_Connection, None] = {}
        self.refused = 0
        """Connections beyond the limit."""
        self.dropped = 0
        """Clients that did not read."""

    @property
    def address(self) -> tuple[str, int] | None:
        """Where it listens; None while it does not."""
        if self._server is None or not self._server.sockets:
            return None
        host_name, port = self._server.sockets[0].getsockname()[:2]
        return str(host_name), int(port)

    @property
    def client_count(self) -> int:
        """Connections now."""
        return len(self._connections)

    async def start(self, listener: socket.socket | None = None) -> None:
        """Begins to listen; on `listener` when its port is taken already."""
        from engine.venue.fix.gateway import FixGateway

        assert self._server is None, "started twice"
        self._loop = loop = asyncio.get_running_loop()
        self._gateway = FixGateway(
            self._host_provider,
            self._keys,
            clock=wall_ns,
            later=self._later,
            comp_id=self._comp_id,
        )
        try:
            self._server = (
                await loop.create_server(lambda: _Connection(self), self._host_name, self._port)
                if listener is None
                else await loop.create_server(lambda: _Connection(self), sock=listener)
            )
        except OSError as error:
            raise UsageError(
                f"FIX port {self._host_name}:{self._port}: {error.strerror}; choose another port"
            ) from error
        self._ticking = loop.create_task(self._tick())

    async def stop(self) -> None:
        """Logs everybody out and stops listening."""
        if self._server is None or self._gateway is None:
            return
        if self._ticking is not None:
            self._ticking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._ticking
        self._hear(None)
        self._server.close()
        self._gateway.close_all("The venue is closing.")
        await asyncio.sleep(0)  # what was written is on its way; who does not take it is not waited for
        for connection in tuple(self._connections):
            connection.abort()
        await self._server.wait_closed()
        self._server = None

    def statistics(self) -> dict[str, int]:
        """Fill and drops; no names of keys, no secrets."""
        inner = self._gateway.statistics() if self._gateway is not None else {}
        return {
            "connections": len(self._connections),
            "connection_limit": CONNECTION_LIMIT,
            "refused": self.refused,
            "dropped": self.dropped,
            **inner,
        }

    def _later(self, delay_ns: int, action: Callable[[], None]) -> None:
        if self._loop is not None:
            self._loop.call_later(delay_ns / NS_PER_S, action)

    async def _tick(self) -> None:
        while True:
            self._hear(self._host_provider())
            self._news()
            if self._gateway is not None:
                self._gateway.tick()
            await asyncio.sleep(TICK_S)

    def _hear(self, host: VenueHost | None) -> None:
        """Is woken by this host from now on."""
        if host is self._heard_host:
            return
        if self._end_hearing is not None:
            self._end_hearing()
        self._heard_host = host
        self._end_hearing = host.on_news(self._wake) if host is not None else None

    def _wake(self) -> None:
        """On the engine's thread: one call of the loop, however much news there is."""
        loop = self._loop
        if self._woken or loop is None or not self._connections:
            return  # what happens while nobody is connected is taken with the next tick
        self._woken = True
        try:
            loop.call_soon_threadsafe(self._news)
        except RuntimeError:  # the loop has been closed: nobody is there to hear
            self._woken = False

    def _news(self) -> None:
        self._woken = False
        if self._gateway is not None:
            self._gateway.news()

    def accept(self, connection: _Connection) -> Link | None:
        """A link for a new connection; None: there are too many."""
        if len(self._connections) >= CONNECTION_LIMIT or self._gateway is None:
            self.refused += 1
            return None
        self._connections[connection] = None
        self._hear(self._host_provider())
        return self._gateway.open(connection)

    def forget(self, connection: _Connection) -> None:
        """A connection is gone."""
        self._connections.pop(connection, None)


class _Connection(asyncio.Protocol):
    """One TCP connection; the wire of its link."""

    def __init__(self, server: FixServer) -> None:
        self._server = server
        self._link: Link | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one, though not by its class
        self._link = self._server.accept(self)
        if self._link is None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        if self._link is not None:
            self._link.feed(data)

    def connection_lost(self, error: Exception | None) -> None:
        link, self._link, self._transport = self._link, None, None
        if link is not None:
            self._server.forget(self)
            link.lost()

    def write(self, data: bytes) -> None:
        """Queues bytes; a client that does not read is dropped."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        transport.write(data)
        if transport.get_write_buffer_size() > OUT_BYTES:
            self._server.dropped += 1
            transport.abort()

    def close(self) -> None:
        """Closes after what was written."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Closes without more ado."""
        if self._transport is not None:
            self._transport.abort()
