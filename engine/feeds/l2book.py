"""The exchange's own book as its depth updates state it: totals per price level, nobody's orders.

Stop on the data path: behind BookSync; the replay reconciles the market against it, quote_agreement judges
it. Invariant: after each update it holds, for every level stated so far, exactly the last stated total.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from sortedcontainers import SortedDict

from engine.core.errors import FeedGap
from engine.core.types import Side
from engine.feeds.book_sync import BookSync
from engine.feeds.records import DepthUpdate, Level
from engine.feeds.source import HistoricalSource

__all__ = ["BookRebuild", "L2Book", "LevelChange"]


class LevelChange(NamedTuple):
    """A level whose total is now another one."""

    side: Side
    price_ticks: int
    before_lots: int
    after_lots: int


class L2Book:
    """One instrument's price levels.

    Change   apply: O(levels in the update x log of levels in the book)
    Look     best_bid, best_ask, levels, level_count, quantity, is_crossed
    """

    def __init__(self) -> None:
        self._sides: tuple[SortedDict[int, int], SortedDict[int, int]] = (SortedDict(), SortedDict())

    def apply(self, update: DepthUpdate) -> tuple[LevelChange, ...]:
        """Take over the stated totals; the levels that changed, bids first, in the order stated.

        A snapshot states every level: those it does not name are gone, and come first, by price.
        """
        changes: list[LevelChange] = []
        for side, stated in ((Side.BID, update.bids), (Side.ASK, update.asks)):
            if update.is_snapshot:
                named = {price_ticks for price_ticks, _ in stated}
                gone = [price_ticks for price_ticks in self._sides[side] if price_ticks not in named]
                self._set_levels(side, tuple((price_ticks, 0) for price_ticks in gone), changes)
            self._set_levels(side, stated, changes)
        return tuple(changes)

    @property
    def best_bid(self) -> Level | None:
        """Highest bid as (price_ticks, qty_lots)."""
        bids = self._sides[Side.BID]
        return bids.peekitem(-1) if bids else None

    @property
    def best_ask(self) -> Level | None:
        """Lowest ask as (price_ticks, qty_lots)."""
        asks = self._sides[Side.ASK]
        return asks.peekitem(0) if asks else None

    @property
    def is_crossed(self) -> bool:
        """Whether the best bid is at or above the best ask."""
        bids, asks = self._sides
        return bool(bids) and bool(asks) and bids.peekitem(-1)[0] >= asks.peekitem(0)[0]

    def levels(self, side: Side, n: int | None = None) -> list[Level]:
        """The best `n` levels of a side (None: all), best first."""
        book = self._sides[side]
        prices = reversed(book) if side == Side.BID else iter(book)
        return [(price_ticks, book[price_ticks]) for price_ticks in islice(prices, n)]

    def level_count(self, side: Side) -> int:
        """Number of price levels of a side."""
        return len(self._sides[side])

    def quantity(self, side: Side, price_ticks: int) -> int:
        """Total at this price, 0 when there is no level."""
        return self._sides[side].get(price_ticks, 0)

    def _set_levels(self, side: Side, stated: tuple[Level, ...], changes: list[LevelChange]) -> None:
        book = self._sides[side]
        for price_ticks, after_lots in stated:
            before_lots = book.get(price_ticks, 0)
            if before_lots == after_lots:
                continue
            if after_lots:
                book[price_ticks] = after_lots
            else:
                del book[price_ticks]
            changes.append(LevelChange(side, price_ticks, before_lots, after_lots))


class BookRebuild:
    """The book of a whole source, update by update: iterate once, and look at `book` after each.

    Past a sequence gap it goes on at the next snapshot; `sync` tells how many gaps there were.
    """

    def __init__(self, source: HistoricalSource) -> None:
        self.book = L2Book()
        self.sync = BookSync(
            source.kind, where=source.name, starts_without_snapshot=source.starts_without_snapshot
        )
        self._source = source

    def __iter__(self) -> Iterator[DepthUpdate]:
        for record in self._source.records():
            if not isinstance(record, DepthUpdate):
                continue
            try:
                ready = self.sync.apply(record)
            except FeedGap:
                continue
            for update in ready:
                self.book.apply(update)
                yield update
