"""The columnar book: a book whose state is the log that makes it. The third witness.

`apply` joins that log with the new events, solves the whole at once (reconstruction.py) and keeps the
resting orders as ADDs in queue order: the shortest log that makes the same book. So a long file can go
through in pieces, each with its own whole-log solution.

It stands beside the hot book, to disagree with it; `stormdesk digest FILE --book columnar` asks it.
Invariant: the levels, which come from running sums over the changes of levels, are those of the orders,
which come from their stories. `_check` compares the two.

Cost: `apply` O((n + k) log(n + k)) for n events and k resting orders, so few large batches are better
than many small ones; single orders and levels are searched for, O(k).
"""

from __future__ import annotations

import numpy as np

from engine.book.digest import book_digest
from engine.book.interface import (
    MAX_LEVEL_LOTS,
    ApplyCounts,
    BookStatistics,
    EventArray,
    Level,
    TopArray,
    as_event_array,
    as_top_array,
)
from engine.book.reconstruction import reconstruct
from engine.core.types import EVENT_DTYPE, EventType

__all__ = ["MAX_ROUNDS", "ColumnarBook"]

MAX_ROUNDS = 16
"""Rounds for the limits of levels after which a batch is halved instead. Fewer events than this always
settle, so a log full of refusals costs O(n log n) and not O(n * n)."""


class ColumnarBook:
    """An L3 book of one instrument, solved anew with every batch. Prices in ticks, quantities in lots.

    Batch       apply counts
    One order   order
    One level   orders_at
    The book    best_bid best_ask crossed levels level_count order_count digest statistics orders

    Methods hold what BookInterface says. It pickles and deep-copies as its orders, levels and counts.
    """

    def __init__(self) -> None:
        self._orders: EventArray = np.zeros(0, EVENT_DTYPE)
        self._levels: tuple[list[Level], list[Level]] = ([], [])
        self._counts = ApplyCounts()

    def apply(self, events: EventArray, tops: TopArray | None = None) -> ApplyCounts:
        """Applies events, shape (n,), dtype EVENT_DTYPE, in order. Raises UsageError on another array.

        `tops`, shape (n,), dtype TOP_DTYPE, gets the top of the book after each event.
        """
        events = as_event_array(events)
        if tops is not None:
            tops = as_top_array(tops, len(events))
        before = self._counts
        self._solve(events, tops)
        return ApplyCounts(*(now - then for now, then in zip(self._counts, before, strict=True)))

    @property
    def counts(self) -> ApplyCounts:
        """What became of all events since the book was made."""
        return self._counts

    @property
    def orders(self) -> EventArray:
        """The resting orders as ADDs that make this book out of an empty one. A copy."""
        return self._orders.copy()

    @property
    def best_bid(self) -> int | None:
        """Highest bid price in ticks; None without bids."""
        return self._levels[0][0].price_ticks if self._levels[0] else None

    @property
    def best_ask(self) -> int | None:
        """Lowest ask price in ticks; None without asks."""
        return self._levels[1][0].price_ticks if self._levels[1] else None

    @property
    def crossed(self) -> bool:
        """True when the best bid is at or above the best ask: legal in an event log, flagged here."""
        bid, ask = self.best_bid, self.best_ask
        return bid is not None and ask is not None and bid >= ask

    def order(self, order_id: int) -> tuple[int, int, int] | None:
        """(side, price_ticks, qty_lots) of a resting order, or None."""
        for order in self._orders[self._orders["order_id"] == order_id]:
            return int(order["side"]), int(order["price"]), int(order["qty"])
        return None

    def orders_at(self, side: int, price_ticks: int) -> tuple[int, ...]:
        """Ids at a price in queue order."""
        there = (self._orders["side"] == side) & (self._orders["price"] == price_ticks)
        return tuple(self._orders["order_id"][there].tolist())

    def levels(self, side: int, n: int | None = None) -> list[Level]:
        """The best n levels of a side (all of them for None), best first."""
        return self._levels[side][:n]

    def level_count(self, side: int) -> int:
        """Number of levels of a side."""
        return len(self._levels[side])

    @property
    def order_count(self) -> int:
        """Number of live orders."""
        return len(self._orders)

    def digest(self) -> int:
        """Canonical L2 digest (u64, digest.py)."""
        bids, asks = (((price, total) for price, total, _ in side) for side in self._levels)
        return book_digest(bids, asks)

    def statistics(self) -> BookStatistics:
        """Fill and counts; nothing is allocated ahead, so there is no room to name."""
        bids, asks = self._levels
        return BookStatistics(len(self._orders), len(bids), len(asks), None, None, self._counts)

    def _solve(self, events: EventArray, tops: TopArray | None) -> None:
        log = np.concatenate([self._orders, events])
        solved = reconstruct(log, opening=len(self._orders), max_rounds=MAX_ROUNDS)
        if solved is None:
            assert len(events) > 1, "a single event that does not settle"
            half = len(events) // 2
            self._solve(events[:half], None if tops is None else tops[:half])
            self._solve(events[half:], None if tops is None else tops[half:])
            return
        if tops is not None:
            tops[:] = solved.tops()
        self._orders = solved.orders_at(solved.end)
        self._levels = (solved.levels_at(solved.end, 0), solved.levels_at(solved.end, 1))
        self._counts = ApplyCounts(*map(sum, zip(self._counts, solved.counts, strict=True)))

    def _check(self) -> None:
        """Verifies that orders and levels tell the same book. Raises AssertionError."""
        orders = self._orders
        assert (orders["event_type"] == EventType.ADD).all(), "an order that is no ADD"
        assert len(np.unique(orders["order_id"])) == len(orders), "an id with two orders"
        assert (orders["qty"] > 0).all(), "an order without lots"
        for side, levels in enumerate(self._levels):
            prices = [level.price_ticks for level in levels]
            assert prices == sorted(set(prices), reverse=side == 0), "levels out of order"
            assert all(level.qty_lots <= MAX_LEVEL_LOTS for level in levels), "a total above the limit"
            assert sorted(levels) == _grouped(orders[orders["side"] == side]), "levels of other orders"
        again = reconstruct(orders)
        assert again is not None
        assert again.counts == ApplyCounts(added=len(orders)), "orders that do not make a book"
        assert (again.orders_at(again.end) == orders).all(), "a queue in another order"


def _grouped(orders: EventArray) -> list[Level]:
    """The levels of these orders by ascending price: exact sums over a sort by price."""
    orders = orders[np.argsort(orders["price"], kind="stable")]
    prices, begins, counts = np.unique(orders["price"], return_index=True, return_counts=True)
    totals = np.add.reduceat(orders["qty"].astype(object), begins) if len(orders) else begins
    rows = zip(prices.tolist(), totals.tolist(), counts.tolist(), strict=True)
    return [Level(*row) for row in rows]
