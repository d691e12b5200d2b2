"""Plays the orders of a recorded full-depth feed into the book as the account HISTORY (stop 1b).

The rules stand in replay_orders.py, whose kernels do the work; this file keeps the clock. Rows of one moment
are played together. Invariant: with nobody else in the market its book is the feed's, digest for digest.
"""

from __future__ import annotations

from engine.feeds.history import LEAD_NS, HistoryPlayer
from engine.feeds.itch.source import ItchSource
from engine.feeds.replay_orders import PlayCounts, play_rows
from engine.market.exchange import Exchange

__all__ = ["OrderPlayer"]


class OrderPlayer(HistoryPlayer):
    """Plays the rows of an ItchSource."""

    source: ItchSource

    def __init__(self, exchange: Exchange, source: ItchSource) -> None:
        super().__init__(exchange, source)
        exchange.arena.new("history_counts", PlayCounts)

    @property
    def counts(self) -> PlayCounts:
        """What became of the rows so far."""
        return self.exchange.arena.row("history_counts", PlayCounts)

    @property
    def update_count(self) -> int:
        return self.counts.added + self.counts.cancelled

    @property
    def trade_count(self) -> int:
        return self.counts.executed + self.counts.prints

    def statistics(self) -> dict[str, int]:
        """What was played and what was left out."""
        counts = {name: getattr(self.counts, name) for name in PlayCounts.fields}
        return counts | {"gaps": self.gaps, "rows": self.source.record_count, "played": self._index}

    def lead_twice_mid(self, now_ns: int) -> int | None:
        return self.source.twice_mid_at(now_ns + LEAD_NS)

    def _play_from(self, index: int) -> int:
        rows, stop = self.source.rows, self.source.next_time_index(index)
        self.exchange.enter_batch(play_rows, rows[index:stop], self.counts.address)
        return stop

    def _end(self, now_ns: int) -> None:
        if self.source.gap is None:
            super()._end(now_ns)
        else:
            self._halt(now_ns, self.source.gap)
