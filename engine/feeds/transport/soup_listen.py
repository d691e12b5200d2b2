"""Serving SoupBinTCP: a small server on an event loop that runs, or on one of its own in a thread.

Stop on the data path: the way out, behind the retained messages (which a MoldUDP64 publisher may share), and
the way in of what clients say. Invariant: a client that does not read costs nothing but its place: its
messages stay in the log, and when they are forgotten there the connection ends with that reason.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Mapping

from engine.core.clock import NS_PER_S, monotonic_ns
from engine.core.errors import UsageError
from engine.feeds.transport.addresses import PUBLISH_OPTION, Address, require_local
from engine.feeds.transport.retained import RetainedMessages
from engine.feeds.transport.soup_server import (
    LOGIN_REFUSED,
    ClientMessage,
    Door,
    LoggedOut,
    ServerState,
    SoupServer,
    UserLoggedIn,
    one_log_for,
)

__all__ = ["MAX_CLIENTS", "SoupListener", "SoupPublisher"]

MAX_CLIENTS = 32
"""Connections at the same time; more are closed at once (counted)."""
TICK_S = 0.02
CLOSE_PATIENCE_S = 5.0
"""How long clients get to take what is left."""
ABORT_TICKS = 50
"""Ticks for which the end of connections that were cut is awaited."""
DRAIN_PATIENCE_S = 15.0
"""How long a connection may take nothing at all."""
READ_BYTES = 1 << 12

Hear = Callable[[RetainedMessages, bytes], bool]
"""hear(log, message): takes what a client says, who reads this log; False: too much nonsense, its connection
ends."""


class _Connection:
    """One client that is connected."""

    def __init__(self, server: SoupServer, writer: asyncio.StreamWriter) -> None:
        self.server = server
        self.writer = writer
        self.bell = asyncio.Event()
        """Rung when there may be something to send."""

    def close(self, reason: str) -> None:
        self.server.close(reason)
        self.bell.set()


class SoupListener:
    """Any number of clients on the event loop that runs.

    start, ring, drop_all, drop_strangers, stop    on that loop
    tell                                           news in a log: from any thread
    address, client_count, statistics
    """

    def __init__(
        self,
        address: Address,
        *,
        session: Callable[[], str],
        door: Door,
        hear: Hear | None = None,
        allow_remote: bool = False,
        option: str = PUBLISH_OPTION,
        clock: Callable[[], int] = monotonic_ns,
    ) -> None:
        """`session`: asked for each connection. Without `hear`, what clients say is dropped. Raises
        UsageError for an address beyond this machine without `allow_remote` (which `option` gives), and for
        a session name that is none."""
        require_local(address, None, allow_remote=allow_remote, option=option)
        SoupServer(door, session=session(), now_ns=0)  # says now what would not fit then
        self.address: Address | None = None
        """Where it listens; None before it does."""
        self._wanted = address
        self._session = session
        self._door = door
        self._hear = hear
        self._clock = clock
        self._listener: asyncio.Server | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_told = False
        self._connections: dict[_Connection, None] = {}
        self._counts = dict.fromkeys(("connections", "too_many", "logins", "refused", "sequenced"), 0)

    async def start(self, listener: socket.socket | None = None) -> None:
        """Take the port and serve, or serve on `listener`, which has it. Raises UsageError when it cannot be
        had."""
        try:
            self._listener = (
                await asyncio.start_server(self._meet, *self._wanted, limit=READ_BYTES)
                if listener is None
                else await asyncio.start_server(self._meet, sock=listener, limit=READ_BYTES)
            )
        except OSError as error:
            reason = error.strerror or error
            raise UsageError(f"cannot serve on {self._wanted}: {reason}. Choose another port.") from error
        self._loop = asyncio.get_running_loop()
        self.address = Address(*self._listener.sockets[0].getsockname()[:2])

    def tell(self) -> None:
        """There is news in a log; many calls are one."""
        if not self._is_told and self._loop is not None:
            self._is_told = True
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self.ring)

    def ring(self) -> None:
        """There is news in a log: the same, on the loop."""
        self._is_told = False
        for connection in self._connections:
            connection.bell.set()

    def drop_all(self, reason: str) -> None:
        """Close every connection; clients may come again."""
        for connection in self._connections:
            connection.close(reason)

    def drop_strangers(self, reason: str) -> None:
        """Close the connections that have not logged in."""
        for connection in self._connections:
            if connection.server.state is ServerState.EXPECTING_LOGIN:
                connection.close(reason)

    async def stop(self, patience_s: float = CLOSE_PATIENCE_S) -> None:
        """Meet nobody any more; who is here has so long to take what is left of logs that are closed."""
        if self._listener is None:
            return
        self._listener.close()
        self.ring()
        until_ns = self._clock() + int(patience_s * NS_PER_S)
        while self._connections and self._clock() < until_ns:
            await asyncio.sleep(TICK_S)
        for connection in self._connections:
            connection.close("closing")
            connection.writer.transport.abort()
        for _ in range(ABORT_TICKS):  # their tasks notice, and close what they hold
            if not self._connections:
                break
            await asyncio.sleep(TICK_S)

    @property
    def client_count(self) -> int:
        """Connections now."""
        return len(self._connections)

    def statistics(self) -> dict[str, int]:
        """Connections, and messages sent to all of them."""
        return {**self._counts, "clients": len(self._connections), "clients_limit": MAX_CLIENTS}

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, to its end."""
        self._counts["connections"] += 1
        if len(self._connections) >= MAX_CLIENTS:
            self._counts["too_many"] += 1
            writer.close()
            return
        server = SoupServer(self._door, session=self._session(), now_ns=self._clock())
        connection = _Connection(server, writer)
        self._connections[connection] = None
        listening = asyncio.create_task(self._listen(connection, reader))
        try:
            await self._send(connection, listening)
        except (OSError, TimeoutError):
            pass  # the client is gone, or takes nothing
        finally:
            listening.cancel()
            del self._connections[connection]
            self._counts["sequenced"] += server.statistics()["sequenced"]
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _listen(self, connection: _Connection, reader: asyncio.StreamReader) -> None:
        server = connection.server
        with contextlib.suppress(OSError):
            while server.state is not ServerState.CLOSING and (data := await reader.read(READ_BYTES)):
                for event in server.receive(data, self._clock()):
                    if isinstance(event, ClientMessage):
                        if not self._is_heard(server, event.message):
                            server.close("too much that cannot be read")
                            break
                    elif isinstance(event, UserLoggedIn):
                        self._counts["logins"] += 1
                    elif isinstance(event, LoggedOut) and event.reason == LOGIN_REFUSED:
                        self._counts["refused"] += 1
                connection.bell.set()
        connection.bell.set()

    def _is_heard(self, server: SoupServer, message: bytes) -> bool:
        return self._hear is None or server.log is None or self._hear(server.log, message)

    async def _send(self, connection: _Connection, listening: asyncio.Task[None]) -> None:
        server, bell, writer = connection.server, connection.bell, connection.writer
        while True:
            now_ns = self._clock()
            server.pump(now_ns)
            server.tick(now_ns)
            output = server.outgoing()
            if output:
                writer.write(output)
                async with asyncio.timeout(DRAIN_PATIENCE_S):
                    await writer.drain()
            if server.state is ServerState.CLOSING or listening.done():
                return
            if not output:
                bell.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(TICK_S):
                        await bell.wait()


class SoupPublisher:
    """Serves one session to any number of clients, in a thread: `start`, append to `log`, `close`."""

    def __init__(
        self,
        address: Address,
        *,
        session: str,
        accounts: Mapping[str, str],
        log: RetainedMessages,
        allow_remote: bool = False,
        clock: Callable[[], int] = monotonic_ns,
    ) -> None:
        """Raises UsageError for an address beyond this machine without `allow_remote`."""
        self.log = log
        self._listener = SoupListener(
            address,
            session=lambda: session,
            door=one_log_for(accounts, log),
            allow_remote=allow_remote,
            clock=clock,
        )
        self._is_up = threading.Event()
        self._error: UsageError | None = None
        self._thread = threading.Thread(target=self._run, name="soup-publisher", daemon=True)
        log.on_append(self._listener.tell)

    @property
    def address(self) -> Address | None:
        """Where it listens; None before it does."""
        return self._listener.address

    def start(self) -> None:
        """Take the port and serve. Raises UsageError when it cannot be had."""
        self._thread.start()
        self._is_up.wait()
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """The session is complete: clients get what is left and its end; then the thread ends."""
        self.log.close()
        if self._thread.is_alive():
            self._thread.join(2 * CLOSE_PATIENCE_S)

    def statistics(self) -> dict[str, int]:
        """Connections, and messages sent to all of them."""
        return self._listener.statistics()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        finally:
            self._is_up.set()  # nobody may wait for a server that is gone

    async def _serve(self) -> None:
        try:
            await self._listener.start()
        except UsageError as error:
            self._error = error
            return
        self._is_up.set()
        await asyncio.sleep(TICK_S)  # also the log of a session that is over finds its readers
        while not self.log.is_closed:
            await asyncio.sleep(TICK_S)
        await self._listener.stop()
