"""The reference book: sorted containers, obviously right. It judges the hot book.

It is also the live book of the simulated market, so next to `apply` it has scalar operations, each of
which follows the rules of its event type in interface.py and is counted like the event.

Invariant: a level exists exactly while it has orders, its total is the sum of their quantities, and
`_best` is the best level of each side. `_check` verifies it.

Cost, with L levels on a side and K orders at a price:

    O(1)        best_bid best_ask crossed front order quantity has level order_count level_count
                add cancel trade modify, while no level appears or disappears
    O(log L)    add cancel trade modify, when one does
    O(n)        levels depth
    O(K)        orders_at quantity_ahead
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from itertools import islice
from typing import Any

from sortedcontainers import SortedList

from engine.book.digest import book_digest
from engine.book.interface import (
    MAX_LEVEL_LOTS,
    MAX_PRICE_TICKS,
    ApplyCounts,
    BookStatistics,
    EventArray,
    Level,
    TopArray,
    as_event_array,
    as_top_array,
)
from engine.core.types import EventType

__all__ = ["ReferenceBook"]

_ADD, _CANCEL, _MODIFY, _TRADE = (
    int(kind) for kind in (EventType.ADD, EventType.CANCEL, EventType.MODIFY, EventType.TRADE)
)
# Places in `_tally`, in the order of ApplyCounts.
(
    _ADDED,
    _CANCELLED,
    _PARTIALLY_CANCELLED,
    _MODIFIED,
    _TRADED,
    _UNKNOWN_ORDER,
    _REJECTED_DUPLICATE,
    _REJECTED_SIDE,
    _REJECTED_PRICE,
    _REJECTED_QUANTITY,
    _IGNORED,
) = range(len(ApplyCounts._fields))
_U64_MAX = (1 << 64) - 1


class _Queue:
    """One level: its orders by id, in time order.

    An OrderedDict, because a plain dict from whose front orders leave scans over the holes.
    """

    __slots__ = ("orders", "price", "side", "total")

    def __init__(self, side: int, price: int) -> None:
        self.side = side
        self.price = price
        self.total = 0
        self.orders: OrderedDict[int, _Order] = OrderedDict()


class _Order:
    """One resting order; side and price are its level's."""

    __slots__ = ("qty", "queue")

    def __init__(self, qty: int, queue: _Queue) -> None:
        self.qty = qty
        self.queue = queue


class ReferenceBook:
    """An L3 book of one instrument. Prices in ticks, quantities in lots, all of them exact integers.

    Batch       apply counts
    Change      add cancel modify trade
    One order   has order quantity quantity_ahead
    One level   front level orders_at
    The book    best_bid best_ask crossed depth levels level_count order_count digest statistics

    It pickles and deep-copies as its list of orders in queue order.
    """

    __slots__ = ("_best", "_orders", "_prices", "_queues", "_tally")

    def __init__(self) -> None:
        self._orders: dict[int, _Order] = {}
        self._queues: tuple[dict[int, _Queue], dict[int, _Queue]] = ({}, {})
        # Next to the dicts rather than SortedDicts, because levels come and go often: half the time.
        self._prices: tuple[SortedList[int], SortedList[int]] = (SortedList(), SortedList())
        self._best: list[_Queue | None] = [None, None]
        self._tally = [0] * len(ApplyCounts._fields)

    # Batch

    def apply(self, events: EventArray, tops: TopArray | None = None) -> ApplyCounts:
        """Applies events, shape (n,), dtype EVENT_DTYPE, in order. Raises UsageError on another array.

        `tops`, shape (n,), dtype TOP_DTYPE, gets the top of the book after each event.
        """
        events = as_event_array(events)
        if tops is not None:
            tops = as_top_array(tops, len(events))
        before = list(self._tally)
        columns = (events[name].tolist() for name in ("event_type", "order_id", "side", "price", "qty"))
        for i, (kind, order_id, side, price, qty) in enumerate(zip(*columns, strict=True)):
            if kind == _ADD:
                self.add(order_id, side, price, qty)
            elif kind == _CANCEL:
                self.cancel(order_id, qty)
            elif kind == _MODIFY:
                self.modify(order_id, side, price, qty)
            elif kind == _TRADE:
                self.trade(order_id, qty)
            else:
                self._tally[_IGNORED] += 1
            if tops is not None:
                tops[i] = self._top()
        return ApplyCounts(*(now - then for now, then in zip(self._tally, before, strict=True)))

    @property
    def counts(self) -> ApplyCounts:
        """What became of all events and scalar operations since the book was made."""
        return ApplyCounts(*self._tally)

    # Change

    def add(self, order_id: int, side: int, price_ticks: int, qty_lots: int) -> bool:
        """A new order at the back of its level. False when it was rejected."""
        if not 0 <= side <= 1:
            self._tally[_REJECTED_SIDE] += 1
            return False
        if price_ticks > MAX_PRICE_TICKS:
            self._tally[_REJECTED_PRICE] += 1
            return False
        if not 0 < qty_lots <= MAX_LEVEL_LOTS:
            self._tally[_REJECTED_QUANTITY] += 1
            return False
        if order_id in self._orders:
            self._tally[_REJECTED_DUPLICATE] += 1
            return False
        queue = self._queues[side].get(price_ticks)
        if qty_lots > MAX_LEVEL_LOTS - (queue.total if queue is not None else 0):
            self._tally[_REJECTED_QUANTITY] += 1
            return False
        assert 0 <= order_id <= _U64_MAX, order_id
        assert price_ticks >= 0, price_ticks
        self._orders[order_id] = order = _Order(qty_lots, queue or self._open(side, price_ticks))
        order.queue.orders[order_id] = order
        order.queue.total += qty_lots
        self._tally[_ADDED] += 1
        return True

    def cancel(self, order_id: int, qty_lots: int = 0) -> int:
        """Takes lots out of an order (0 or more than rest: all of it). Lots removed; 0 = unknown id."""
        assert qty_lots >= 0, qty_lots
        order = self._orders.get(order_id)
        if order is None:
            self._tally[_UNKNOWN_ORDER] += 1
            return 0
        if qty_lots == 0 or qty_lots >= order.qty:
            self._tally[_CANCELLED] += 1
            qty_lots = order.qty
        else:
            self._tally[_PARTIALLY_CANCELLED] += 1
        self._take(order_id, order, qty_lots)
        return qty_lots

    def modify(self, order_id: int, side: int, price_ticks: int, qty_lots: int) -> bool:
        """Replaces an order; an unknown id is an add. False when it was rejected (nothing changed)."""
        order = self._orders.get(order_id)
        if order is None:
            return self.add(order_id, side, price_ticks, qty_lots)
        if not 0 <= side <= 1:
            self._tally[_REJECTED_SIDE] += 1
            return False
        if price_ticks > MAX_PRICE_TICKS:
            self._tally[_REJECTED_PRICE] += 1
            return False
        if not 0 < qty_lots <= MAX_LEVEL_LOTS:
            self._tally[_REJECTED_QUANTITY] += 1
            return False
        queue = order.queue
        if queue.side == side and queue.price == price_ticks:
            total_of_others = queue.total - order.qty
            keeps_place = qty_lots <= order.qty
        else:
            target = self._queues[side].get(price_ticks)
            total_of_others = target.total if target is not None else 0
            keeps_place = False
        if qty_lots > MAX_LEVEL_LOTS - total_of_others:
            self._tally[_REJECTED_QUANTITY] += 1
            return False
        assert price_ticks >= 0, price_ticks
        self._tally[_MODIFIED] += 1
        if keeps_place:
            queue.total = total_of_others + qty_lots
            order.qty = qty_lots
            return True
        self._take(order_id, order, order.qty)
        order.qty = qty_lots
        order.queue = self._queues[side].get(price_ticks) or self._open(side, price_ticks)
        order.queue.orders[order_id] = order
        order.queue.total += qty_lots
        self._orders[order_id] = order
        return True

    def trade(self, order_id: int, qty_lots: int) -> int:
        """Executes up to qty lots of a resting order. Lots filled; 0 = unknown id or qty 0."""
        order = self._orders.get(order_id)
        if order is None:
            self._tally[_UNKNOWN_ORDER] += 1
            return 0
        if qty_lots <= 0:
            self._tally[_REJECTED_QUANTITY] += 1
            return 0
        if qty_lots > order.qty:
            qty_lots = order.qty
        self._tally[_TRADED] += 1
        self._take(order_id, order, qty_lots)
        return qty_lots

    # One order

    def has(self, order_id: int) -> bool:
        """True while the order rests."""
        return order_id in self._orders

    def order(self, order_id: int) -> tuple[int, int, int] | None:
        """(side, price_ticks, qty_lots) of a resting order, or None."""
        order = self._orders.get(order_id)
        return None if order is None else (order.queue.side, order.queue.price, order.qty)

    def quantity(self, order_id: int) -> int:
        """Lots of the order that rest; 0 for an unknown id."""
        order = self._orders.get(order_id)
        return 0 if order is None else order.qty

    def quantity_ahead(self, order_id: int) -> int:
        """Lots before the order in its level's queue; 0 for an unknown id."""
        ahead = 0
        order = self._orders.get(order_id)
        if order is not None:
            for other_id, other in order.queue.orders.items():
                if other_id == order_id:
                    break
                ahead += other.qty
        return ahead

    # One level

    def front(self, side: int) -> int | None:
        """Id of the order that trades first on this side: best price, oldest. None without orders."""
        best = self._best[side]
        return None if best is None else next(iter(best.orders))

    def level(self, side: int, price_ticks: int) -> tuple[int, int]:
        """(total lots, number of orders) at a price; (0, 0) where nothing rests."""
        queue = self._queues[side].get(price_ticks)
        return (0, 0) if queue is None else (queue.total, len(queue.orders))

    def orders_at(self, side: int, price_ticks: int) -> tuple[int, ...]:
        """Ids at a price in queue order. A copy: the book may change while it is walked."""
        queue = self._queues[side].get(price_ticks)
        return () if queue is None else tuple(queue.orders)

    # The book

    @property
    def best_bid(self) -> int | None:
        """Highest bid price in ticks; None without bids."""
        best = self._best[0]
        return None if best is None else best.price

    @property
    def best_ask(self) -> int | None:
        """Lowest ask price in ticks; None without asks."""
        best = self._best[1]
        return None if best is None else best.price

    @property
    def crossed(self) -> bool:
        """True when the best bid is at or above the best ask: legal in an event log, flagged here."""
        bid, ask = self._best
        return bid is not None and ask is not None and bid.price >= ask.price

    def depth(self, side: int, n: int) -> int:
        """Total lots on the best n levels of a side."""
        return sum(queue.total for queue in islice(self._best_first(side), n))

    def levels(self, side: int, n: int | None = None) -> list[Level]:
        """The best n levels of a side (all of them for None), best first."""
        return [Level(q.price, q.total, len(q.orders)) for q in islice(self._best_first(side), n)]

    def level_count(self, side: int) -> int:
        """Number of levels of a side."""
        return len(self._queues[side])

    @property
    def order_count(self) -> int:
        """Number of live orders."""
        return len(self._orders)

    def digest(self) -> int:
        """Canonical L2 digest (u64, digest.py)."""
        bids, asks = (((q.price, q.total) for q in self._best_first(side)) for side in (0, 1))
        return book_digest(bids, asks)

    def statistics(self) -> BookStatistics:
        """Fill and counts; nothing is allocated ahead, so there is no room to name."""
        bids, asks = self._queues
        return BookStatistics(len(self._orders), len(bids), len(asks), None, None, self.counts)

    # Snapshots: the orders in queue order say everything.

    def __getstate__(self) -> tuple[list[int], list[tuple[int, int, int, int]]]:
        orders = [
            (order_id, side, queue.price, order.qty)
            for side in (0, 1)
            for queue in self._best_first(side)
            for order_id, order in queue.orders.items()
        ]
        return list(self._tally), orders

    def __setstate__(self, state: tuple[list[int], list[tuple[int, int, int, int]]]) -> None:
        ReferenceBook.__init__(self)
        tally, orders = state
        for order in orders:
            self.add(*order)
        self._tally = list(tally)

    def __deepcopy__(self, memo: dict[int, Any]) -> ReferenceBook:
        copy = ReferenceBook.__new__(type(self))
        copy.__setstate__(self.__getstate__())
        return copy

    # Inside

    def _top(self) -> tuple[int, int, int, int]:
        """One row of TOP_DTYPE."""
        bid, ask = self._best
        return (
            0 if bid is None else bid.price,
            0 if bid is None else bid.total,
            0 if ask is None else ask.price,
            0 if ask is None else ask.total,
        )

    def _best_first(self, side: int) -> Iterator[_Queue]:
        """The levels of a side, best first."""
        prices = self._prices[side]
        return map(self._queues[side].__getitem__, reversed(prices) if side == 0 else iter(prices))

    def _open(self, side: int, price: int) -> _Queue:
        """A new, empty level; the caller puts the first order into it."""
        self._prices[side].add(price)
        self._queues[side][price] = queue = _Queue(side, price)
        best = self._best[side]
        if best is None or (price > best.price if side == 0 else price < best.price):
            self._best[side] = queue
        return queue

    def _take(self, order_id: int, order: _Order, qty: int) -> None:
        """Takes qty lots out of an order; an order without lots and a level without orders leave."""
        queue = order.queue
        queue.total -= qty
        order.qty -= qty
        if order.qty:
            return
        del self._orders[order_id]
        del queue.orders[order_id]
        if not queue.orders:
            self._close(queue)

    def _close(self, queue: _Queue) -> None:
        side = queue.side
        prices = self._prices[side]
        prices.remove(queue.price)
        del self._queues[side][queue.price]
        if self._best[side] is queue:
            self._best[side] = self._queues[side][prices[-1 if side == 0 else 0]] if prices else None

    def _check(self) -> None:
        """Verifies every internal invariant. Raises AssertionError."""
        seen = 0
        for side in (0, 1):
            queues = list(self._best_first(side))
            prices = [queue.price for queue in queues]
            assert prices == sorted(set(prices), reverse=side == 0), "levels out of order"
            assert self._queues[side].keys() == set(prices), "a level without a price, or the reverse"
            assert self._best[side] is (queues[0] if queues else None), "stale best level"
            for queue in queues:
                assert queue.side == side, "a level on the wrong side"
                assert queue.orders, "an empty level"
                assert queue.total == sum(order.qty for order in queue.orders.values()), "wrong total"
                assert queue.total <= MAX_LEVEL_LOTS, "a total above the limit"
                seen += len(queue.orders)
                for order_id, order in queue.orders.items():
                    assert order.qty > 0, "an order without lots"
                    assert order.queue is queue, "an order that names another level"
                    assert self._orders.get(order_id) is order, "an order that its id does not find"
        assert seen == len(self._orders), "an id without an order in a level"
