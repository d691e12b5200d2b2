"""The public feed of one market as it leaves the book (stop 4 on the data path).

Every change of the book is one 40-byte event. The log packs it, folds it into the running event digest
`s = xxh3_64(s_le8 + event40)` (flowlab.md section 2) and keeps the most recent ones for readers. The
digest's state is one integer, so a snapshot carries it and slicing of time cannot change it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import xxhash

from engine.core.types import EVENT_BYTES, EVENT_DTYPE, EventType, pack_event

__all__ = ["EventLog"]

RECENT_EVENTS = 65_536
"""Events kept for readers; older ones are only in the digest (and in a sink, when one is set)."""

_xxh3 = xxhash.xxh3_64_intdigest


class EventLog:
    """Appends events, digests them, keeps the recent ones, hands batches to a sink."""

    def __init__(self, instrument_id: int) -> None:
        self.instrument_id = instrument_id
        self.count = 0
        self.digest = 0
        """Running digest over all events, from 0."""
        self.by_type = [0] * 32
        self._recent = bytearray()
        self.sink: Callable[[bytes], None] | None = None
        """Receives each event's 40 bytes; not part of a snapshot."""

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "sink": None}

    def append(self, time_ns: int, kind: EventType, side: int, order_id: int, price: int, qty: int) -> None:
        """Publish one event."""
        data = pack_event(time_ns, price, qty, order_id, self.instrument_id, kind, side)
        self.digest = _xxh3(self.digest.to_bytes(8, "little") + data)
        self.count += 1
        self.by_type[kind] += 1
        self._recent += data
        if len(self._recent) >= 2 * RECENT_EVENTS * EVENT_BYTES:
            del self._recent[: RECENT_EVENTS * EVENT_BYTES]
        if self.sink is not None:
            self.sink(data)

    def recent(self, count: int) -> np.ndarray:
        """The last `count` events (fewer if fewer are kept), oldest first: 1-d array of EVENT_DTYPE."""
        data = bytes(self._recent[-count * EVENT_BYTES :]) if count > 0 else b""
        return np.frombuffer(data, dtype=EVENT_DTYPE)

    def statistics(self) -> dict[str, int]:
        """Events so far, kept, and the limit of what is kept."""
        return {
            "events": self.count,
            "kept": len(self._recent) // EVENT_BYTES,
            "kept_limit": 2 * RECENT_EVENTS,
        }
