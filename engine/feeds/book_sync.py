"""The exchange's sequence rules: which depth updates may be applied, and when the book is known.

Stop on the data path: between a source's records and whoever keeps a book. Invariant: what comes out is
one unbroken chain of updates; a hole raises FeedGap and nothing is skipped silently.

Binance's documented rules: updates that end before the snapshot are dropped; the first one applied after a
snapshot S contains S + 1 (spot) or S (futures); each later one must name its predecessor's last id.
"""

from __future__ import annotations

from engine.core.errors import FeedGap
from engine.feeds.records import DepthUpdate

__all__ = ["BookSync"]

WAITING_LIMIT = 10_000
"""Updates held back while the snapshot is awaited; beyond that the oldest are dropped (counted)."""


class BookSync:
    """Passes updates on in their one legal order."""

    def __init__(self, where: str, *, waits_for_snapshot: bool) -> None:
        self.where = where
        self.synchronised = not waits_for_snapshot
        """False until a snapshot has come."""
        self.dropped_old = 0
        """Updates that the snapshot already contained."""
        self.dropped_waiting = 0
        self._waiting: list[DepthUpdate] = []
        self._last_id: int | None = None
        self._joined = not waits_for_snapshot
        """The first update after the snapshot has been applied: from here on each names its predecessor."""

    def apply(self, update: DepthUpdate) -> list[DepthUpdate]:
        """Updates that may be applied now, in order. Raises FeedGap at a hole."""
        if update.is_snapshot:
            return self._start_from(update)
        if not self.synchronised:
            self._hold(update)
            return []
        return [update] if self._follows(update) else []

    def statistics(self) -> dict[str, int]:
        """Fill, limit and drops."""
        return {
            "waiting": len(self._waiting),
            "waiting_limit": WAITING_LIMIT,
            "dropped_old": self.dropped_old,
            "dropped_waiting": self.dropped_waiting,
        }

    def _start_from(self, snapshot: DepthUpdate) -> list[DepthUpdate]:
        if self._last_id is not None and snapshot.last_id < self._last_id:
            self.dropped_old += 1  # older than the book: it would turn time back
            return []
        self.synchronised = True
        self._joined = False
        self._last_id = snapshot.last_id
        waiting, self._waiting = self._waiting, []
        return [snapshot, *(update for update in waiting if self._follows(update))]

    def _hold(self, update: DepthUpdate) -> None:
        self._waiting.append(update)
        if len(self._waiting) > WAITING_LIMIT:
            del self._waiting[0]
            self.dropped_waiting += 1

    def _follows(self, update: DepthUpdate) -> bool:
        """Whether it is the next one; False for one that the book contains already."""
        if self._last_id is not None and update.last_id <= self._last_id:
            self.dropped_old += 1
            return False
        if self._last_id is None:
            pass  # a file without a snapshot: the first update is where the chain begins
        elif self._joined:
            if update.previous_id != self._last_id:
                raise FeedGap(self.where, expected=self._last_id, got=update.previous_id)
        elif update.previous_id > self._last_id:
            raise FeedGap(self.where, expected=self._last_id, got=update.previous_id)
        self._joined = True
        self._last_id = update.last_id
        return True
