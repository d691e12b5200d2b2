"""The hot book: the rules of interface.py over records in raw memory. The worker.

This file owns the tables: it makes them in an arena, grows them when a kernel asks for room, and reads
results out of them; kernels.py describes them and changes them. The invariant of the pair: a kernel never
allocates and never writes past a table; it returns instead, and resumes after the growth.

Depth, ids and live orders have no bound but memory (and MAX_LIVE_ORDERS). Changes cost O(1) at a
standing level; opening or closing one moves the rungs between it and the touch.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

import numpy as np

from engine.arena.leaves import signed
from engine.arena.machine import live, load
from engine.arena.memory import Arena, Rows
from engine.arena.wordmap import MapEntry, move_entries
from engine.book import kernels
from engine.book.digest import book_digest_by
from engine.book.hashing import fold_side
from engine.book.interface import (
    ApplyCounts,
    BookStatistics,
    EventArray,
    Level,
    TopArray,
    as_event_array,
    as_top_array,
)
from engine.core.errors import DataError

__all__ = ["MAX_LIVE_ORDERS", "HotBook"]

MAX_LIVE_ORDERS = 2**31 - 1
"""Orders link to each other by 32-bit slots, of which slot 0 means "none"."""
IDS_PER_ORDER = 4
"""Entries of the id map per slot for an order: at a quarter full few ids meet, so that most searches end
where they begin, as the processor foresees."""
NEAR_LEVELS = 1_024
"""Entries of each side's memory of recent levels; a power of two."""
_MASK = 2**64 - 1


class HotBook:
    """An L3 book of one instrument. Prices in ticks, quantities in lots, exact up to 2^63-1.

    Batch       apply counts warm_up
    One order   order quantity_ahead
    One level   level orders_at
    The book    best_bid best_ask crossed front depth lots_within levels level_arrays level_count
                order_count digest resting_orders statistics
    Inside      row slot make_room

    Methods hold what BookInterface says. It pickles and deep-copies as its tables.
    """

    first_orders = 1_024
    """Slots for orders to begin with; a power of two, as the id map's search needs."""
    first_rungs = 64

    def __init__(self, arena: Arena | None = None) -> None:
        self.arena = Arena() if arena is None else arena
        new = self.arena.new
        row = new("book", kernels.Book)[0]
        row.orders = new("orders", kernels.BookOrder, self.first_orders)
        row.ids = new("ids", MapEntry, IDS_PER_ORDER * self.first_orders)
        row.levels = new("levels", kernels.Level, 2 * self.first_rungs + 1)
        row.counts = new("counts", kernels.Count, kernels.COUNTS)
        row.sides = new("sides", kernels.BookSide, 2)
        for side, name in enumerate(("bid", "ask")):
            row.sides[side].rungs = new(f"{name}_rungs", kernels.Rung, self.first_rungs)
            row.sides[side].near = new(f"{name}_near", kernels.Near, NEAR_LEVELS)

    @staticmethod
    def warm_up() -> None:
        """Loads the machine code, or compiles it (seconds)."""
        load()

    @property
    def compiled(self) -> bool:
        """Whether `apply` runs machine code now."""
        return live(kernels.apply_events) is not kernels.apply_events

    @property
    def row(self) -> kernels.Book:
        """The book's root."""
        return self.arena.row("book", kernels.Book)

    def apply(self, events: EventArray, tops: TopArray | None = None) -> ApplyCounts:
        """Applies events, shape (n,), dtype EVENT_DTYPE, in order. Raises UsageError on another array.

        `tops`, shape (n,), dtype TOP_DTYPE: row i becomes the best prices after event i.
        """
        events = as_event_array(events)
        tops_address = 0 if tops is None else as_top_array(tops, len(events)).ctypes.data
        before = self.arena.rows("counts")["value"].copy()
        apply, events_address = live(kernels.apply_events), events.ctypes.data
        book_address = self.row.address
        done = 0
        while (done := apply(book_address, events_address, done, len(events), tops_address)) < len(events):
            self.make_room()
        return ApplyCounts(*(self.arena.rows("counts")["value"] - before).tolist())

    @property
    def counts(self) -> ApplyCounts:
        """What became of all events since the book was made."""
        return ApplyCounts(*self.arena.rows("counts")["value"].tolist())

    @property
    def best_bid(self) -> int | None:
        """Highest bid price in ticks; None without bids."""
        return self._best_price(0)

    @property
    def best_ask(self) -> int | None:
        """Lowest ask price in ticks; None without asks."""
        return self._best_price(1)

    @property
    def crossed(self) -> bool:
        """True when the best bid is at or above the best ask: legal in an event log, flagged here."""
        bid, ask = self.best_bid, self.best_ask
        return bid is not None and ask is not None and bid >= ask

    def order(self, order_id: int) -> tuple[int, int, int] | None:
        """(side, price_ticks, qty_lots) of a resting order, or None."""
        slot = self.slot(order_id)
        if slot == 0:
            return None
        order = self.row.orders[slot]
        level = self.row.levels[order.level]
        return level.side, level.price, order.qty

    def slot(self, order_id: int) -> int:
        """Where a live order stands in `orders`; 0 for an unknown id."""
        return kernels.find_slot(self.row.address, signed(order_id))

    def quantity_ahead(self, order_id: int) -> int:
        """Lots that stand before a resting order at its price; 0 for an unknown id. O(orders there)."""
        slot, orders = self.slot(order_id), self.row.orders
        lots = 0
        while slot and (slot := orders[slot].previous):
            lots += orders[slot].qty
        return lots

    def level(self, side: int, price_ticks: int) -> tuple[int, int]:
        """(total lots, number of orders) at a price; (0, 0) where there is no level."""
        rank = price_ticks if side == 0 else -price_ticks
        rungs = self._rungs(side)["rank"]
        at = int(rungs.searchsorted(rank))
        if at == len(rungs) or rungs[at] != rank:
            return 0, 0
        level = self.row.levels[self.row.sides[side].rungs[at].level]
        return level.total, level.count

    def front(self, side: int) -> int | None:
        """The order that trades first on a side."""
        level = self.row.levels[self.row.sides[side].best]
        return self.row.orders[level.head].order_id & _MASK if level.count else None

    def depth(self, side: int, n: int) -> int:
        """Lots of the best n levels."""
        return int(self._best_levels(side, n)["total"].sum())

    def lots_within(self, side: int, span_ticks: int) -> int:
        """Lots of all levels less than span_ticks away from the best."""
        rungs = self._rungs(side)
        if not len(rungs):
            return 0
        ranks = rungs["rank"]
        first = int(ranks.searchsorted(ranks[-1] - span_ticks, side="right"))
        return int(self.arena.rows("levels")["total"][rungs["level"][first:]].sum())

    def orders_at(self, side: int, price_ticks: int) -> tuple[int, ...]:
        """Ids at a price in queue order. O(levels + orders there): for checks and displays."""
        rank = price_ticks if side == 0 else -price_ticks
        rungs = self._rungs(side)
        at = bisect_left(rungs["rank"].tolist(), rank)
        if at == len(rungs) or rungs[at]["rank"] != rank:
            return ()
        orders = self.arena.rows("orders")
        head = self.arena.rows("levels")[rungs[at]["level"]]["head"]
        return tuple(i & _MASK for i in orders["order_id"][_chain(orders, "next", head)].tolist())

    def resting_orders(self) -> Iterator[tuple[int, int, int, int]]:
        """(order id, side, price in ticks, lots) of all orders, side by side, level by level from the best,
        each queue in its order."""
        for side in (0, 1):
            for level in self.levels(side):
                for order_id in self.orders_at(side, level.price_ticks):
                    order = self.order(order_id)
                    assert order is not None
                    yield order_id, side, level.price_ticks, order[2]

    def levels(self, side: int, n: int | None = None) -> list[Level]:
        """The best n levels of a side (all of them for None), best first."""
        found = self._best_levels(side, n)
        columns = (found[name].tolist() for name in ("price", "total", "count"))
        return [Level(*row) for row in zip(*columns, strict=True)]

    def level_arrays(self, side: int, n: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """(prices in ticks, total lots) of the best n levels of a side (all of them for None), best first:
        two int64 arrays of their own, shape (levels,)."""
        rungs = self._rungs(side)
        best = rungs[max(len(rungs) - n, 0) if n is not None else 0 :][::-1]
        ranks = best["rank"]
        return (
            ranks.copy() if side == 0 else np.negative(ranks),
            self.arena.rows("levels")["total"][best["level"]],
        )

    def level_count(self, side: int) -> int:
        """Number of levels of a side."""
        return self.row.sides[side].count

    @property
    def order_count(self) -> int:
        """Number of live orders."""
        return self.row.live_orders

    def digest(self) -> int:
        """Canonical L2 digest (u64, digest.py)."""
        fold, address = live(fold_side), self.row.address
        return book_digest_by(lambda side, state: fold(address, side, signed(state)) & _MASK)

    def statistics(self) -> BookStatistics:
        """Fill, room before the next growth, and counts."""
        return BookStatistics(
            orders=self.order_count,
            bid_levels=self.level_count(0),
            ask_levels=self.level_count(1),
            order_room=len(self.row.orders) - 1,
            level_room=len(self.row.sides[0].rungs),
            counts=self.counts,
        )

    def make_room(self, orders: int = 1) -> None:
        """Doubles what is too short for so many more orders, each at a level of its own."""
        while self.order_count + orders >= len(self.row.orders):
            self._grow_orders()
        while max(self.level_count(0), self.level_count(1)) + orders > len(self.row.sides[0].rungs):
            self._grow_levels()

    def _best_price(self, side: int) -> int | None:
        book_side = self.row.sides[side]
        return self.row.levels[book_side.best].price if book_side.count else None

    def _rungs(self, side: int) -> Rows:
        return self.arena.rows(("bid_rungs", "ask_rungs")[side])[: self.level_count(side)]

    def _best_levels(self, side: int, n: int | None = None) -> Rows:
        """Rows of `levels` (a copy), best first."""
        rungs = self._rungs(side)
        slots = rungs["level"][max(len(rungs) - n, 0) if n is not None else 0 :][::-1]
        found: Rows = self.arena.rows("levels")[slots]
        return found

    def _grow_orders(self) -> None:
        row, capacity = self.row, 2 * len(self.row.orders)
        if self.order_count >= MAX_LIVE_ORDERS:
            raise DataError(
                f"book: more than {MAX_LIVE_ORDERS} live orders. "
                "Give every instrument its own book, or check that the stream holds its cancels."
            )
        row.orders = self.arena.grow("orders", kernels.BookOrder, capacity)
        old = self.arena.renew("ids", MapEntry, IDS_PER_ORDER * capacity)
        row.ids = self.arena.table("ids", MapEntry)
        live(move_entries)(old.ctypes.data, len(old), row.ids.address, len(row.ids))

    def _grow_levels(self) -> None:
        row, rungs = self.row, 2 * len(self.row.sides[0].rungs)
        row.levels = self.arena.grow("levels", kernels.Level, 2 * rungs + 1)
        for side, name in enumerate(("bid_rungs", "ask_rungs")):
            row.sides[side].rungs = self.arena.grow(name, kernels.Rung, rungs)

    def _check(self) -> None:
        """Verifies every internal invariant. Raises AssertionError."""
        orders, levels = self.arena.rows("orders"), self.arena.rows("levels")
        live_slots = [slot for side in (0, 1) for slot in self._check_side(side)]
        assert len(live_slots) == self.order_count < len(orders), "wrong number of live orders"
        free_slots = _chain(orders, "next", self.row.free_order)
        used = list(range(1, self.row.used_orders + 1))
        assert sorted(live_slots + free_slots) == used, "an order slot lost or used twice"
        self._check_id_map(live_slots)
        standing = [slot for side in (0, 1) for slot in self._rungs(side)["level"].tolist()]
        free_levels = _chain(levels, "head", self.row.free_level)
        used = list(range(1, self.row.used_levels + 1))
        assert sorted(standing + free_levels) == used, "a level slot lost or used twice"
        assert len(levels) == 2 * len(self.row.sides[0].rungs) + 1, "too few levels for the rungs"
        assert levels[0].tolist() == (0,) * 6, "level 0 means none and stays empty"
        assert not levels["count"][free_levels].any(), "a free level that still counts orders"

    def _check_side(self, side: int) -> list[int]:
        """Checks the rungs and the queues of a side; the slots of its orders."""
        slots: list[int] = []
        orders, rungs = self.arena.rows("orders"), self._rungs(side).tolist()
        ranks = [rank for rank, _ in rungs]
        assert ranks == sorted(set(ranks)), "rungs out of order"
        best = self.row.sides[side].best
        assert best == (rungs[-1][1] if rungs else 0), "another level called best"
        for rank, level_slot in rungs:
            level = self.row.levels[level_slot]
            assert level.side == side, "a level on the wrong side"
            assert level.price == (rank if side == 0 else -rank), "a level at a wrong rung"
            queue = _chain(orders, "next", level.head)
            assert len(queue) == level.count > 0, "a queue of another length"
            assert queue[-1] == level.tail, "a queue that ends elsewhere"
            assert orders["previous"][queue].tolist() == [0, *queue[:-1]], "broken backward links"
            assert set(orders["level"][queue].tolist()) == {level_slot}, "an order that names another level"
            quantities = orders["qty"][queue].tolist()
            assert min(quantities) > 0, "an order without lots"
            assert sum(quantities) == level.total, "wrong total"
            slots += queue
        return slots

    def _check_id_map(self, live_slots: list[int]) -> None:
        ids, orders = self.arena.rows("ids"), self.arena.rows("orders")
        assert len(ids) == IDS_PER_ORDER * len(orders), "the id map is too small"
        entries = ids[ids["value"] != 0]
        assert sorted(entries["value"].tolist()) == sorted(live_slots), "wrong ids in the map"
        assert (orders["order_id"][entries["value"]] == entries["key"]).all(), "an id of another order"
        find, address = live(kernels.find_slot), self.row.address
        found = [find(address, order_id) for order_id in entries["key"].tolist()]
        assert found == entries["value"].tolist(), "an id that its search does not reach"


def _chain(rows: Rows, link: str, first: int) -> list[int]:
    """The slots of a linked chain, from its first to the one that links to 0."""
    links = rows[link]
    chain: list[int] = []
    slot = int(first)
    while slot:
        assert len(chain) < len(rows), "a chain that runs in a circle"
        chain.append(slot)
        slot = int(links[slot])
    return chain
