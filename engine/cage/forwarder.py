"""Carries the bot's connections from inside the cage to the venue gateway outside.

    bot ──TLS──► listener of the cage ──► Forwarder (thread, outside) ──plain TCP──► venue gateway

Place on the data path: between a caged bot and engine/venue. The listening sockets were made in the cage's
network namespace and handed over; a socket stays where it was made, so this process serves addresses of a
network that it is not in, and the cage needs neither a relay nor the server's key. Invariant: bytes pass as
they are (HTTP, WebSocket, whatever follows an upgrade), and they pass to the one gateway only.

Streams live as long as they like: no time limit on an open connection. Memory is bounded by
CONNECTION_LIMIT x 2 directions x (reader 2 x BUFFER_BYTES + writer 64 KiB + BUFFER_BYTES).
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Sequence
from contextlib import suppress

from engine.venue.binance.guard import CAGE_ADDRESS

__all__ = ["Forwarder"]

CONNECTION_LIMIT = 256
"""Connections at the same time; one more is closed at once."""
BUFFER_BYTES = 1 << 16
"""Read at once, and half of what waits unread before the sender is made to wait."""
HANDSHAKE_PATIENCE_S = 10.0
CONNECT_PATIENCE_S = 5.0
CLOSE_PATIENCE_S = 2.0
"""How long a peer gets to take the last bytes."""
ACCEPT_PAUSE_S = 0.1
"""When the process is out of descriptors."""
JOIN_PATIENCE_S = 5.0

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Forwarder:
    """Forwards what comes in on listening sockets to `gateway` (host, port)."""

    def __init__(self, gateway: tuple[str, int], context: ssl.SSLContext) -> None:
        self._gateway = gateway
        self._own_address = (CAGE_ADDRESS, 0) if gateway[0] == "127.0.0.1" else None
        """By which the venue knows a cage, and counts its requests apart from those of others."""
        self._context = context
        self._listeners: list[tuple[socket.socket, ssl.SSLContext | None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._serving: asyncio.Task[None] | None = None
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name="cage-forwarder", daemon=True)
        self._open = 0
        self._total = 0
        self._refused = 0
        self._distrusted = 0
        self._unreachable = 0

    def start(self, tls: Sequence[socket.socket], plain: Sequence[socket.socket] = ()) -> None:
        """Serve these listening sockets in a thread; they are the forwarder's from now on."""
        self._listeners = [(listener, self._context) for listener in tls]
        self._listeners += [(listener, None) for listener in plain]
        self._thread.start()
        self._started.wait()

    def stop(self) -> None:
        """Close all connections and listeners and end the thread."""
        if self._loop is not None and self._serving is not None:
            with suppress(RuntimeError):  # the loop has ended by itself
                self._loop.call_soon_threadsafe(self._serving.cancel)
            self._thread.join(JOIN_PATIENCE_S)
        for listener, _ in self._listeners:
            listener.close()

    def statistics(self) -> dict[str, int]:
        """Fill and drops. `distrusted`: clients that broke off the handshake, as one does that does not know
        the authority; `unreachable`: the gateway did not answer."""
        return {
            "connections": self._open,
            "connection_limit": CONNECTION_LIMIT,
            "connections_total": self._total,
            "refused": self._refused,
            "distrusted": self._distrusted,
            "unreachable": self._unreachable,
        }

    def _run(self) -> None:
        with suppress(asyncio.CancelledError):
            asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._serving = asyncio.current_task()
        self._started.set()
        async with asyncio.TaskGroup() as connections:
            for listener, context in self._listeners:
                connections.create_task(self._accept(connections, listener, context))

    async def _accept(
        self, connections: asyncio.TaskGroup, listener: socket.socket, context: ssl.SSLContext | None
    ) -> None:
        loop = asyncio.get_running_loop()
        listener.setblocking(False)
        while True:
            try:
                client, _ = await loop.sock_accept(listener)
            except OSError:
                await asyncio.sleep(ACCEPT_PAUSE_S)
                continue
            if self._open >= CONNECTION_LIMIT:
                self._refused += 1
                client.close()
                continue
            self._open += 1
            self._total += 1
            connections.create_task(self._forward(client, context))

    async def _forward(self, client: socket.socket, context: ssl.SSLContext | None) -> None:
        """One connection, until either side ends it."""
        try:
            try:
                bot = await _accepted(client, context)
            except OSError:
                self._distrusted += 1
                return
            try:
                await self._forward_to_gateway(bot)
            finally:
                bot[1].transport.abort()
        finally:
            self._open -= 1

    async def _forward_to_gateway(self, bot: Stream) -> None:
        try:
            # Not wait_for: until Python 3.12 it could swallow the cancellation that stop() sends.
            async with asyncio.timeout(CONNECT_PATIENCE_S):
                gateway = await asyncio.open_connection(
                    *self._gateway, limit=BUFFER_BYTES, local_addr=self._own_address
                )
        except OSError:
            self._unreachable += 1
            return
        try:
            await _pipe_both(bot, gateway)
        finally:
            gateway[1].transport.abort()


async def _accepted(client: socket.socket, context: ssl.SSLContext | None) -> Stream:
    """The connection as a stream, after its handshake if it has one."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=BUFFER_BYTES, loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    patience = (HANDSHAKE_PATIENCE_S, CLOSE_PATIENCE_S) if context else (None, None)
    transport, _ = await loop.connect_accepted_socket(
        lambda: protocol,
        client,
        ssl=context,
        ssl_handshake_timeout=patience[0],
        ssl_shutdown_timeout=patience[1],
    )
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


async def _pipe_both(left: Stream, right: Stream) -> None:
    """Both directions, until one of them ends; what was read by then still arrives."""
    directions = [
        asyncio.create_task(_pipe(left[0], right[1])),
        asyncio.create_task(_pipe(right[0], left[1])),
    ]
    try:
        await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for direction in directions:
            direction.cancel()
        await asyncio.gather(*directions, return_exceptions=True)
    await _close(right[1])
    await _close(left[1])


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await reader.read(BUFFER_BYTES):
            writer.write(chunk)
            await writer.drain()


async def _close(writer: asyncio.StreamWriter) -> None:
    """Send what waits, then close; no longer than a peer may take for it."""
    if not writer.is_closing():  # a second close() makes asyncio's TLS transport deaf to abort()
        writer.close()
    with suppress(OSError):
        async with asyncio.timeout(CLOSE_PATIENCE_S):
            await writer.wait_closed()
