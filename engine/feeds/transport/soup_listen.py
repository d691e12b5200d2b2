"""Publishing over SoupBinTCP: a small server on loopback, in a thread of its own.

Stop on the data path: the way out, behind the retained messages that a MoldUDP64 publisher may share.
Invariant: a client that does not read costs nothing but its place: its messages stay in the log, and when
they are forgotten there the connection ends with that reason.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Mapping

from engine.core.clock import NS_PER_S, monotonic_ns
from engine.core.errors import UsageError
from engine.feeds.transport.addresses import PUBLISH_OPTION, Address, require_local
from engine.feeds.transport.retained import RetainedMessages
from engine.feeds.transport.soup_server import (
    LOGIN_REFUSED,
    LoggedOut,
    ServerState,
    SoupServer,
    UserLoggedIn,
)

__all__ = ["MAX_CLIENTS", "SoupPublisher"]

MAX_CLIENTS = 32
"""Connections at the same time; more are closed at once (counted)."""
TICK_S = 0.02
CLOSE_PATIENCE_S = 5.0
"""How long clients get to take what is left."""
DRAIN_PATIENCE_S = 15.0
"""How long a connection may take nothing at all."""
READ_BYTES = 1 << 12


class SoupPublisher:
    """Serves one session to any number of clients: `start`, append to `log`, `close`."""

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
        require_local(address, None, allow_remote=allow_remote, option=PUBLISH_OPTION)
        SoupServer(log, session=session, accounts=accounts, now_ns=0)  # says now what would not fit then
        self.log = log
        self.address: Address | None = None
        """Where it listens; None before it does."""
        self._wanted = address
        self._session = session
        self._accounts = accounts
        self._clock = clock
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_up = threading.Event()
        self._is_told = False
        self._error: str | None = None
        self._bells: set[asyncio.Event] = set()
        """One of each connection."""
        self._counts = dict.fromkeys(("connections", "too_many", "logins", "refused", "sequenced"), 0)
        self._thread = threading.Thread(target=self._run, name="soup-publisher", daemon=True)
        log.on_append(self._tell)

    def start(self) -> None:
        """Take the port and serve. Raises UsageError when it cannot be had."""
        self._thread.start()
        self._is_up.wait()
        if self._error is not None:
            raise UsageError(f"cannot serve on {self._wanted}: {self._error}. Choose another port.")

    def close(self) -> None:
        """The session is complete: clients get what is left and its end; then the thread ends."""
        self.log.close()
        if self._thread.is_alive():
            self._thread.join(2 * CLOSE_PATIENCE_S)

    def statistics(self) -> dict[str, int]:
        """Connections, and messages sent to all of them."""
        return {**self._counts, "clients": len(self._bells), "clients_limit": MAX_CLIENTS}

    def _tell(self) -> None:
        """News in the log; called by whoever appends."""
        if not self._is_told and self._loop is not None:
            self._is_told = True
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._ring)

    def _ring(self) -> None:
        self._is_told = False
        for bell in self._bells:
            bell.set()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        finally:
            self._is_up.set()  # nobody may wait for a server that is gone

    async def _serve(self) -> None:
        try:
            listener = await asyncio.start_server(self._meet, *self._wanted, limit=READ_BYTES)
        except OSError as error:
            self._error = str(error.strerror or error)
            self._is_up.set()
            return
        self.address = Address(*listener.sockets[0].getsockname()[:2])
        self._loop = asyncio.get_running_loop()
        self._is_up.set()
        closing_at_ns: int | None = None
        while closing_at_ns is None or (self._bells and self._clock() < closing_at_ns):
            await asyncio.sleep(TICK_S)
            if self.log.is_closed and closing_at_ns is None:
                closing_at_ns = self._clock() + int(CLOSE_PATIENCE_S * NS_PER_S)
        listener.close()

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, to its end."""
        self._counts["connections"] += 1
        if len(self._bells) >= MAX_CLIENTS:
            self._counts["too_many"] += 1
            writer.close()
            return
        bell = asyncio.Event()
        self._bells.add(bell)
        server = SoupServer(self.log, session=self._session, accounts=self._accounts, now_ns=self._clock())
        listening = asyncio.create_task(self._listen(server, reader, bell))
        try:
            await self._send(server, writer, listening, bell)
        except (OSError, TimeoutError):
            pass  # the client is gone, or takes nothing
        finally:
            listening.cancel()
            self._bells.discard(bell)
            self._counts["sequenced"] += server.statistics()["sequenced"]
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _listen(self, server: SoupServer, reader: asyncio.StreamReader, bell: asyncio.Event) -> None:
        with contextlib.suppress(OSError):
            while server.state is not ServerState.CLOSING and (data := await reader.read(READ_BYTES)):
                for event in server.receive(data, self._clock()):
                    if isinstance(event, UserLoggedIn):
                        self._counts["logins"] += 1
                    elif isinstance(event, LoggedOut) and event.reason == LOGIN_REFUSED:
                        self._counts["refused"] += 1
                bell.set()
        bell.set()

    async def _send(
        self,
        server: SoupServer,
        writer: asyncio.StreamWriter,
        listening: asyncio.Task[None],
        bell: asyncio.Event,
    ) -> None:
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
