"""The kernel: one heap of future happenings, ordered by (time_ns, sequence), int64 time.

Stop 2 on the data path. Everything that will happen (a wake-up, an order's arrival, a feed record, a
storm's next step) is one entry; `run_until` is the only loop that moves time. Equal times run in the
order in which they were scheduled, so the result never depends on how time is sliced.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

__all__ = ["Kernel"]

Callback = Callable[[int, Any], None]
"""callback(time_ns, payload); a bound method of a session part, so that snapshots can carry it."""

QUEUE_LIMIT = 4_000_000
"""Future happenings at the most; more means an actor that schedules without end."""


class Kernel:
    """Event heap and session clock."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.processed = 0
        self._sequence = 0
        self._heap: list[tuple[int, int, Callback, Any]] = []

    def schedule(self, time_ns: int, callback: Callback, payload: Any = None) -> None:
        """Run callback(time_ns, payload) at time_ns, which may not lie in the past."""
        assert time_ns >= self.now_ns, f"scheduled {self.now_ns - time_ns} ns into the past"
        assert len(self._heap) < QUEUE_LIMIT, "event queue full"
        self._sequence += 1
        heappush(self._heap, (time_ns, self._sequence, callback, payload))

    def run_until(self, until_ns: int) -> int:
        """Process everything with time <= until_ns, then stand at until_ns. Returns how many ran."""
        assert until_ns >= self.now_ns, "time does not run backwards"
        heap = self._heap
        ran = 0
        while heap and heap[0][0] <= until_ns:
            time_ns, _, callback, payload = heappop(heap)
            self.now_ns = time_ns
            callback(time_ns, payload)
            ran += 1
        self.now_ns = until_ns
        self.processed += ran
        return ran

    def next_time_ns(self) -> int | None:
        """When the next happening is due."""
        return self._heap[0][0] if self._heap else None

    def statistics(self) -> dict[str, int]:
        """Entries waiting, their limit, and how many have run."""
        return {"waiting": len(self._heap), "limit": QUEUE_LIMIT, "processed": self.processed}
