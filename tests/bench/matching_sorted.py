"""A matching engine as one would write it in Python: sorted containers, a queue per price.

Price-time priority without accounts, reports or a log: only what every matching engine has to do, so that it
is quick for what it is.
"""

from __future__ import annotations

from collections import OrderedDict

from sortedcontainers import SortedList

from engine.book.digest import book_digest

__all__ = ["SortedMatcher"]

Queue = OrderedDict[int, int]
"""Lots by order id, oldest first. No plain dict: from its front one gets past holes only."""


class SortedMatcher:
    """Resting orders by price and time; `limit`, `ioc`, `market` and `cancel` change them."""

    def __init__(self) -> None:
        self.orders: dict[int, tuple[int, int]] = {}
        """(side, key of the level) of each resting order."""
        # Both sides best first: a bid's key is its negative price. A dict beside the sorted keys is quicker
        # than a SortedDict, because most orders come to a level that is there.
        self._keys: tuple[SortedList[int], SortedList[int]] = (SortedList(), SortedList())
        self._queues: tuple[dict[int, Queue], dict[int, Queue]] = ({}, {})
        self.trades = 0
        self.lots_traded = 0

    def limit(self, order_id: int, side: int, price: int, lots: int) -> None:
        """Trades what can trade at this price or better, and rests the rest."""
        lots = self._match(side, price, lots)
        if lots:
            key = price if side else -price
            queue = self._queues[side].get(key)
            if queue is None:
                queue = self._queues[side][key] = OrderedDict()
                self._keys[side].add(key)
            queue[order_id] = lots
            self.orders[order_id] = (side, key)

    def ioc(self, order_id: int, side: int, price: int, lots: int) -> None:
        """Trades what can trade at this price or better."""
        self._match(side, price, lots)

    def market(self, order_id: int, side: int, lots: int) -> None:
        """Trades at any price."""
        self._match(side, None, lots)

    def cancel(self, order_id: int) -> None:
        """The order leaves; one that does not rest is none of our business."""
        place = self.orders.pop(order_id, None)
        if place is None:
            return
        side, key = place
        queue = self._queues[side][key]
        del queue[order_id]
        if not queue:
            del self._queues[side][key]
            self._keys[side].remove(key)

    def digest(self) -> int:
        """Canonical L2 digest."""
        bids, asks = (
            [(abs(key), sum(queues[key].values())) for key in keys]
            for keys, queues in zip(self._keys, self._queues, strict=True)
        )
        return book_digest(bids, asks)

    def _match(self, side: int, price: int | None, lots: int) -> int:
        """Lots that are left."""
        keys, queues = self._keys[1 - side], self._queues[1 - side]
        limit = None if price is None else -price if side else price
        while lots and keys:
            key = keys[0]
            if limit is not None and key > limit:
                break
            queue = queues[key]
            while lots and queue:
                maker = next(iter(queue))
                rests = queue[maker]
                traded = min(lots, rests)
                lots -= traded
                self.trades += 1
                self.lots_traded += traded
                if traded < rests:
                    queue[maker] = rests - traded
                else:
                    del queue[maker]
                    del self.orders[maker]
            if not queue:
                del queues[key]
                keys.remove(key)
        return lots
