"""The hot book: the rules of interface.py over arrays, compiled by numba. The worker.

This file owns the arrays: it makes them, hands them to kernels.py (which documents them), grows them
when the kernel asks for room, and reads results out of them. The invariant of the pair: the kernel
never allocates and never writes past an array; it returns instead, and resumes after the growth.

Depth, ids and live orders have no bound but memory (and MAX_LIVE_ORDERS). Changes cost O(1) at a
standing level; opening or closing one moves the rungs between it and the touch.
"""

from __future__ import annotations

from bisect import bisect_left
from types import ModuleType
from typing import ClassVar, cast

import numpy as np

from engine.book import kernels
from engine.book.compiler import COMPILED
from engine.book.digest import book_digest
from engine.book.interface import (
    MAX_LEVEL_LOTS,
    ApplyCounts,
    BookStatistics,
    EventArray,
    Level,
    as_event_array,
)
from engine.book.kernels import Records
from engine.core.errors import DataError
from engine.core.types import EVENT_DTYPE

__all__ = ["MAX_LIVE_ORDERS", "HotBook"]

MAX_LIVE_ORDERS = 2**31 - 1
"""Orders link to each other by 32-bit slots, of which slot 0 means "none"."""


class HotBook:
    """An L3 book of one instrument in arrays. Prices in ticks, quantities in lots, exact up to 2^64-1.

    Batch       apply counts warm_up
    One order   order
    One level   orders_at
    The book    best_bid best_ask crossed levels level_count order_count digest statistics

    Methods hold what BookInterface says. It pickles and deep-copies as its arrays.
    """

    compiled: ClassVar[bool] = COMPILED
    """Whether `apply` runs machine code."""

    _kernels: ClassVar[ModuleType] = kernels
    _first_order_capacity: ClassVar[int] = 1024  # a power of two, as the id map's search needs
    _first_rungs: ClassVar[int] = 64

    def __init__(self) -> None:
        self._state = np.zeros(kernels.STATE_WORDS, np.int64)
        self._orders = np.zeros(self._first_order_capacity, kernels.ORDER_DTYPE)
        self._id_map = np.zeros(2 * self._first_order_capacity, kernels.ENTRY_DTYPE)
        self._levels = np.zeros(2 * self._first_rungs + 1, kernels.LEVEL_DTYPE)
        self._ladder = np.zeros((2, self._first_rungs), kernels.RUNG_DTYPE)

    @classmethod
    def warm_up(cls) -> None:
        """Loads the machine code from disk, or compiles it (seconds). The first `apply` does it otherwise."""
        book = cls()
        book.apply(np.zeros(1, EVENT_DTYPE))
        book.order(0)
        book._grow_orders()

    def apply(self, events: EventArray) -> ApplyCounts:
        """Applies events, shape (n,), dtype EVENT_DTYPE, in order. Raises UsageError on another array."""
        events = as_event_array(events)
        before = self._state[: kernels.COUNT_WORDS].copy()
        done = 0
        while True:
            done = self._kernels.apply_events(
                events, done, self._state, self._id_map, self._orders, self._levels, self._ladder
            )
            if done == len(events):
                break
            self._make_room()
        return ApplyCounts(*(self._state[: kernels.COUNT_WORDS] - before).tolist())

    @property
    def counts(self) -> ApplyCounts:
        """What became of all events since the book was made."""
        return ApplyCounts(*self._state[: kernels.COUNT_WORDS].tolist())

    @property
    def best_bid(self) -> int | None:
        """Highest bid price in ticks; None without bids."""
        count = self.level_count(0)
        return int(self._ladder[0, count - 1]["rank"]) if count else None

    @property
    def best_ask(self) -> int | None:
        """Lowest ask price in ticks; None without asks."""
        count = self.level_count(1)
        return MAX_LEVEL_LOTS - int(self._ladder[1, count - 1]["rank"]) if count else None

    @property
    def crossed(self) -> bool:
        """True when the best bid is at or above the best ask: legal in an event log, flagged here."""
        bid, ask = self.best_bid, self.best_ask
        return bid is not None and ask is not None and bid >= ask

    def order(self, order_id: int) -> tuple[int, int, int] | None:
        """(side, price_ticks, qty_lots) of a resting order, or None."""
        order = self._orders[self._kernels.find_slot(np.uint64(order_id), self._id_map)]
        if order["level"] == 0:
            return None
        level = self._levels[order["level"]]
        return int(level["side"]), int(level["price"]), int(order["qty"])

    def orders_at(self, side: int, price_ticks: int) -> tuple[int, ...]:
        """Ids at a price in queue order. O(levels + orders there): for checks and displays."""
        rank = price_ticks if side == 0 else MAX_LEVEL_LOTS - price_ticks
        ranks = self._ladder[side, : self.level_count(side)]["rank"].tolist()
        rung = bisect_left(ranks, rank)
        if rung == len(ranks) or ranks[rung] != rank:
            return ()
        level = self._levels[self._ladder[side, rung]["level"]]
        return tuple(self._orders["order_id"][_chain(self._orders, "next", level["head"])].tolist())

    def levels(self, side: int, n: int | None = None) -> list[Level]:
        """The best n levels of a side (all of them for None), best first."""
        found = self._best_levels(side, n)
        columns = (found[name].tolist() for name in ("price", "total", "count"))
        return [Level(*row) for row in zip(*columns, strict=True)]

    def level_count(self, side: int) -> int:
        """Number of levels of a side."""
        return int(self._state[kernels.LEVEL_COUNTS + side])

    @property
    def order_count(self) -> int:
        """Number of live orders."""
        return int(self._state[kernels.LIVE_ORDERS])

    def digest(self) -> int:
        """Canonical L2 digest (u64, digest.py)."""
        sides = [self._best_levels(side) for side in (0, 1)]
        bids, asks = (zip(side["price"].tolist(), side["total"].tolist(), strict=True) for side in sides)
        return book_digest(bids, asks)

    def statistics(self) -> BookStatistics:
        """Fill, room before the next growth, and counts."""
        return BookStatistics(
            orders=self.order_count,
            bid_levels=self.level_count(0),
            ask_levels=self.level_count(1),
            order_room=len(self._orders) - 1,
            level_room=self._ladder.shape[1],
            counts=self.counts,
        )

    def _best_levels(self, side: int, n: int | None = None) -> Records:
        """Rows of `levels` (a copy), best first."""
        count = self.level_count(side)
        low = 0 if n is None else max(count - n, 0)
        slots = self._ladder[side, low:count]["level"][::-1]
        return cast(Records, self._levels[slots])

    def _make_room(self) -> None:
        """Doubles what the kernel found too short for the next event."""
        needs_orders = self.order_count + 1 >= len(self._orders)
        needs_levels = max(self.level_count(0), self.level_count(1)) >= self._ladder.shape[1]
        assert needs_orders or needs_levels, "the kernel stopped although there is room"
        if needs_orders:
            self._grow_orders()
        if needs_levels:
            self._grow_levels()

    def _grow_orders(self) -> None:
        capacity = 2 * len(self._orders)
        if self.order_count >= MAX_LIVE_ORDERS:
            raise DataError(
                f"book: more than {MAX_LIVE_ORDERS} live orders. "
                "Give every instrument its own book, or check that the stream holds its cancels."
            )
        id_map = np.zeros(2 * capacity, kernels.ENTRY_DTYPE)
        self._kernels.rehash(self._id_map, id_map)
        self._id_map = id_map
        self._orders = _lengthened(self._orders, capacity)

    def _grow_levels(self) -> None:
        rungs = self._ladder.shape[1]
        ladder = np.zeros((2, 2 * rungs), kernels.RUNG_DTYPE)
        ladder[:, :rungs] = self._ladder
        self._ladder = ladder
        self._levels = _lengthened(self._levels, 4 * rungs + 1)

    def _check(self) -> None:
        """Verifies every internal invariant. Raises AssertionError."""
        live_slots = [slot for side in (0, 1) for slot in self._check_side(side)]
        used = int(self._state[kernels.USED_ORDERS])
        assert len(live_slots) == self.order_count < len(self._orders), "wrong number of live orders"
        free_slots = _chain(self._orders, "next", self._state[kernels.FREE_ORDER])
        assert sorted(live_slots + free_slots) == list(range(1, used + 1)), "an order slot lost or used twice"
        self._check_id_map(live_slots)
        rungs = [
            slot for side in (0, 1) for slot in self._ladder[side, : self.level_count(side)]["level"].tolist()
        ]
        free_levels = _chain(self._levels, "head", self._state[kernels.FREE_LEVEL])
        used = int(self._state[kernels.USED_LEVELS])
        assert sorted(rungs + free_levels) == list(range(1, used + 1)), "a level slot lost or used twice"
        assert len(self._levels) == 2 * self._ladder.shape[1] + 1, "too few levels for the ladder"

    def _check_side(self, side: int) -> list[int]:
        """Checks the ladder and the queues of a side; the slots of its orders."""
        slots: list[int] = []
        ranks = self._ladder[side, : self.level_count(side)]["rank"].tolist()
        assert ranks == sorted(set(ranks)), "rungs out of order"
        for rank, level_slot in self._ladder[side, : len(ranks)].tolist():
            price, total, count, _head, tail, level_side = self._levels[level_slot].tolist()
            assert level_side == side, "a level on the wrong side"
            assert price == (rank if side == 0 else MAX_LEVEL_LOTS - rank), "a level at a wrong rung"
            queue = _chain(self._orders, "next", self._levels[level_slot]["head"])
            assert len(queue) == count > 0, "a queue of another length"
            assert queue[-1] == tail, "a queue that ends elsewhere"
            orders = self._orders[queue]
            assert orders["previous"].tolist() == [0, *queue[:-1]], "broken backward links"
            assert set(orders["level"].tolist()) == {level_slot}, "an order that names another level"
            quantities = orders["qty"].tolist()
            assert min(quantities) > 0, "an order without lots"
            assert sum(quantities) == total, "wrong total"
            slots += queue
        return slots

    def _check_id_map(self, live_slots: list[int]) -> None:
        assert len(self._id_map) == 2 * len(self._orders), "the id map is too small"
        entries = self._id_map["slot"].nonzero()[0]
        assert sorted(self._id_map["slot"][entries].tolist()) == sorted(live_slots), "wrong ids in the map"
        ids = self._orders["order_id"][self._id_map["slot"][entries]]
        assert (ids == self._id_map["order_id"][entries]).all(), "an id that leads to another order"
        found = [self._kernels.find_slot(order_id, self._id_map) for order_id in ids]
        assert found == self._id_map["slot"][entries].tolist(), "an id that its search does not reach"


def _lengthened(records: Records, length: int) -> Records:
    longer = np.zeros(length, records.dtype)
    longer[: len(records)] = records
    return longer


def _chain(records: Records, link: str, first: int) -> list[int]:
    """The slots of a linked chain, from its first to the one that links to 0."""
    chain: list[int] = []
    slot = int(first)
    while slot:
        assert len(chain) < len(records), "a chain that runs in a circle"
        chain.append(slot)
        slot = int(records[slot][link])
    return chain
