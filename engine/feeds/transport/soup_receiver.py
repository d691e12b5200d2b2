"""A live SoupBinTCP session over real connections, in asyncio.

Stop on the data path: the network's edge; messages in sequence go into an inbox. Invariant: nothing is lost
silently: what the inbox has no room for is left in the TCP connection, whose sender then waits, and what a
server cannot give again ends the feed with a gap.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from engine.core.clock import NS_PER_S, monotonic_ns
from engine.core.errors import DataError, FeedGap, StormdeskError, UsageError
from engine.feeds.transport import soup_client as soup
from engine.feeds.transport.addresses import REMOTE_OPTION, SoupAddress, require_local
from engine.feeds.transport.inbox import Inbox
from engine.feeds.transport.moldudp64 import SESSION_BYTES, Packet, frame_messages

__all__ = ["SoupReceiver"]

TICK_S = 0.02
"""How often time is looked at."""
CONNECT_PATIENCE_S = 10.0
RECONNECTS = 8
"""Connections in a row that bring no message and do not last, before the feed is given up."""
LASTING_NS = 60 * NS_PER_S
"""How long one lasts that was none of them."""
BACKOFF_S = 0.25
"""Wait before the next connection, doubled each time."""
LONGEST_BACKOFF_S = 10.0
READ_BYTES = 1 << 16


class SoupReceiver:
    """Reads one SoupBinTCP session until it ends, has a gap, or `run` is cancelled; connects again when the
    connection is lost, and goes on with the message that was due."""

    def __init__(
        self,
        address: SoupAddress,
        password: str,
        inbox: Inbox,
        *,
        allow_remote: bool = False,
        clock: Callable[[], int] = monotonic_ns,
        backoff_s: float = BACKOFF_S,
    ) -> None:
        """Raises UsageError for a server beyond this machine without `allow_remote`, and for a login that
        does not fit the protocol."""
        require_local(address.server, None, allow_remote=allow_remote, option=REMOTE_OPTION)
        self.inbox = inbox
        self.client = soup.SoupClient(
            address.user, password, session=address.session, sequence=address.sequence
        )
        self.is_ready = asyncio.Event()
        """Set once it runs."""
        self._address = address
        self._clock = clock
        self._backoff_s = backoff_s
        self._has_room = asyncio.Event()
        self._counts = dict.fromkeys(("bytes", "connect_errors", "waits_for_room"), 0)

    async def run(self) -> None:
        """Receive; the inbox says how it ended."""
        loop = asyncio.get_running_loop()

        def tell_room() -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(self._has_room.set)

        self.inbox.on_drain = tell_room
        self.is_ready.set()
        failures = 0
        try:
            while not self.inbox.is_over:
                due, began_ns = self.client.next_sequence, self._clock()
                reason = await self._connect()
                if self.inbox.is_over:
                    break
                is_good = self.client.next_sequence != due or self._clock() - began_ns >= LASTING_NS
                failures = 0 if is_good else failures + 1
                self.client.disconnected()
                if failures > RECONNECTS:
                    self.inbox.finish(
                        DataError(f"{self._address.server}: {reason}; given up after {failures} tries")
                    )
                    break
                await asyncio.sleep(min(self._backoff_s * 2**failures, LONGEST_BACKOFF_S))
        finally:
            self.inbox.on_drain = None
            self.inbox.stop(str(self._address.server))

    def statistics(self) -> dict[str, int]:
        """Everything between the connection and the consumer."""
        return {
            **self._counts,
            **self.client.statistics(),
            **{f"inbox_{name}": value for name, value in self.inbox.statistics().items()},
        }

    async def _connect(self) -> str:
        """One connection, to its end; gives the reason."""
        try:
            async with asyncio.timeout(CONNECT_PATIENCE_S):
                reader, writer = await asyncio.open_connection(*self._address.server, limit=READ_BYTES)
        except (OSError, TimeoutError) as error:
            self._counts["connect_errors"] += 1
            return str(error) or "no answer"
        try:
            self.client.connected(self._clock())
            writer.write(self.client.outgoing())
            return await self._read(reader, writer)
        except OSError as error:
            return str(error)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        while True:
            data = await self._next_bytes(reader)
            now_ns = self._clock()
            if data == b"":
                return "the server closed the connection"
            events: list[soup.ClientEvent] = []
            if data is not None:
                self._counts["bytes"] += len(data)
                events = self.client.receive(data, now_ns)
            elif self.inbox.room == 0:
                self.client.receive(b"", now_ns)  # it is not the server that is silent: nobody listens to it
            events += self.client.tick(now_ns)
            lost = self._take(events)
            if self.inbox.is_over:
                self.client.log_out(now_ns)
            output = self.client.outgoing()
            if output:
                writer.write(output)
            if lost is not None or self.inbox.is_over:
                return lost or "over"

    async def _next_bytes(self, reader: asyncio.StreamReader) -> bytes | None:
        """Bytes of the connection, empty at its end; None: none for a while, or no room for them."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TICK_S):
                if self.inbox.room == 0:
                    self._counts["waits_for_room"] += 1
                    self._has_room.clear()
                    if self.inbox.room == 0:
                        await self._has_room.wait()
                return await reader.read(READ_BYTES)
        return None

    def _take(self, events: list[soup.ClientEvent]) -> str | None:
        """Put messages into the inbox; gives the reason when the connection is of no use any more."""
        messages: list[soup.SequencedMessage] = []
        lost: str | None = None
        error: StormdeskError | None = None
        is_over = False
        where = f"{self._address.server}: session {self.client.session}"
        for event in events:
            if isinstance(event, soup.SequencedMessage):
                messages.append(event)
            elif isinstance(event, soup.ConnectionLost):
                lost = event.reason
            elif isinstance(event, soup.SoupGap):
                error = FeedGap(where, expected=event.expected, got=event.got)
                break
            elif isinstance(event, soup.LoggedIn) and event.is_new_session:
                error = DataError(
                    f"{where}: another session than before the connection was lost. Open it again."
                )
                break
            elif isinstance(event, soup.LoginRefused):
                error = UsageError(f"{self._address.server}: the login was refused: {event.reason}")
            elif isinstance(event, soup.SessionEnded):
                is_over = True
        if messages:
            blocks = frame_messages([event.message for event in messages])
            session = self.client.session.encode().ljust(SESSION_BYTES)
            self.inbox.put([Packet(session, messages[0].sequence, len(messages), blocks)])
        if error is not None or is_over:
            self.inbox.finish(error)
        return lost
