"""The bounded way from a network thread to the consumer: packets in sequence, then the reason for the end.

Stop on the data path: behind sequencer or SoupBinTCP client, before the decoder. Invariant: nothing is
dropped here; who puts asks for room first, and what has no room is refused before it is sequenced, where a
loss shows.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from engine.core.errors import DataError, StormdeskError
from engine.core.queues import BoundedQueue
from engine.feeds.transport.moldudp64 import Packet

__all__ = ["INBOX_PACKETS", "Inbox"]

INBOX_PACKETS = 65_536
"""Packets that wait for the consumer."""


class Inbox:
    """One feed's packets.

    Network side     room, put, finish, stop
    Consumer's side  drain, wait, is_over, error
    """

    def __init__(
        self,
        *,
        limit: int = INBOX_PACKETS,
        on_arrival: Callable[[], None] | None = None,
        on_drain: Callable[[], None] | None = None,
    ) -> None:
        """`on_arrival` is called in the network's thread, `on_drain` in the consumer's: be quick there."""
        self.error: StormdeskError | None = None
        """Why the feed ended; None: it goes on, or its session is complete."""
        self.is_over = False
        """Nothing more will be put."""
        self.on_drain = on_drain
        self._queue: BoundedQueue[Packet] = BoundedQueue("inbox", limit)
        self._arrived = threading.Event()
        self._on_arrival = on_arrival

    @property
    def room(self) -> int:
        """Packets that can still be put."""
        return self._queue.limit - len(self._queue)

    def put(self, packets: Iterable[Packet]) -> None:
        """Add packets in sequence; the caller has looked for `room`."""
        for packet in packets:
            was_put = self._queue.put(packet)
            assert was_put, "whoever puts asks for room"
        self._tell()

    def finish(self, error: StormdeskError | None = None) -> None:
        """Nothing more will come; the first call counts."""
        if not self.is_over:
            self.error = error
            self.is_over = True
            self._tell()

    def stop(self, where: str) -> None:
        """The network side ends; if that is before the session's end, that is the error."""
        self.finish(DataError(f"{where}: the feed was stopped before its session had ended"))

    def drain(self) -> list[Packet]:
        """All packets that are there."""
        self._arrived.clear()
        packets = self._queue.drain()
        if packets and self.on_drain is not None:
            self.on_drain()
        return packets

    def wait(self, timeout_s: float) -> bool:
        """Wait until there is something to drain, or the end has come; False after the timeout."""
        return self._arrived.wait(timeout_s) or self.is_over

    def statistics(self) -> dict[str, int]:
        """Fill and limit."""
        return self._queue.statistics()

    def _tell(self) -> None:
        if not self._arrived.is_set():
            self._arrived.set()
        if self._on_arrival is not None:
            self._on_arrival()
