"""The books that tests compare, a witness of their own, and hot books that run in other ways.

`BOOKS` is what every comparison runs over: a class that is added to it takes part in all of them.
"""

from __future__ import annotations

import os
import struct
from collections import Counter
from unittest import mock

import numpy as np
import xxhash

from engine.book import ApplyCounts, ColumnarBook, HotBook, ReferenceBook, hot
from engine.book.interface import BookInterface, EventArray, TopArray

COMPILED = os.environ.get("STORMDESK_JIT") != "0"
"""Whether hot books run machine code where nothing else is said."""

_LIMIT = 2**63 - 1


class ListBook:
    """The rules once more, by brute force over one list of [order_id, side, price, qty] in time order.

    It shares no code with the books of the engine: not the rules, not the digest.
    """

    def __init__(self) -> None:
        self.rows: list[list[int]] = []
        self.counts: Counter[str] = Counter()

    def apply_one(self, row: np.void) -> None:
        """Applies one event of an event array."""
        _ts, price, qty, order_id, _instrument, kind, side = row.tolist()
        self.counts[self._outcome(kind, order_id, side, price, qty)] += 1

    def total(self, side: int, price: int) -> int:
        """Lots at a price."""
        return sum(row[3] for row in self.rows if row[1:3] == [side, price])

    def prices(self, side: int) -> list[int]:
        """Prices of a side, best first."""
        return sorted({row[2] for row in self.rows if row[1] == side}, reverse=side == 0)

    def orders_at(self, side: int, price: int) -> tuple[int, ...]:
        """Ids at a price in queue order."""
        return tuple(row[0] for row in self.rows if row[1:3] == [side, price])

    def top(self) -> tuple[int, int, int, int]:
        """Best price and total of the bids, and of the asks; 0 and 0 for an empty side."""
        best = [prices[0] if prices else None for prices in (self.prices(0), self.prices(1))]
        bid, ask = (
            (0, 0) if price is None else (price, self.total(side, price)) for side, price in enumerate(best)
        )
        return *bid, *ask

    def digest(self) -> int:
        """The L2 digest."""
        h = xxhash.xxh3_64(b"FLOWLAB-L2-v1").intdigest()
        for side in (0, 1):
            for price in self.prices(side):
                h ^= xxhash.xxh3_64(struct.pack("<QQ", price, self.total(side, price)), seed=h).intdigest()
            if side == 0:
                h = xxhash.xxh3_64(b"|", seed=h).intdigest()
        return h

    def _outcome(self, kind: int, order_id: int, side: int, price: int, qty: int) -> str:
        if kind not in (1, 2, 3, 4):
            return "ignored"
        if kind in (1, 3) and side > 1:
            return "rejected_side"
        if kind in (1, 3) and price > _LIMIT:
            return "rejected_price"
        if kind in (1, 3) and not 1 <= qty <= _LIMIT:
            return "rejected_quantity"
        mine = [row for row in self.rows if row[0] == order_id]
        if kind == 1 and mine:
            return "rejected_duplicate"
        if kind == 1 or (kind == 3 and not mine):
            if self.total(side, price) + qty > _LIMIT:
                return "rejected_quantity"
            self.rows.append([order_id, side, price, qty])
            return "added"
        if not mine:
            return "unknown_order"
        (row,) = mine
        if kind == 3:
            return self._replace(row, side, price, qty)
        if kind == 4 and qty == 0:
            return "rejected_quantity"
        if qty == 0 or qty >= row[3]:
            self.rows.remove(row)
            return "cancelled" if kind == 2 else "traded"
        row[3] -= qty
        return "partially_cancelled" if kind == 2 else "traded"

    def _replace(self, row: list[int], side: int, price: int, qty: int) -> str:
        stays = row[1:3] == [side, price]
        if self.total(side, price) - (row[3] if stays else 0) + qty > _LIMIT:
            return "rejected_quantity"
        if stays and qty <= row[3]:
            row[3] = qty
        else:
            self.rows.remove(row)
            self.rows.append([row[0], side, price, qty])
        return "modified"


class InterpretedHotBook(HotBook):
    """The hot book as it runs without a compiler."""

    def apply(self, events: EventArray, tops: TopArray | None = None) -> ApplyCounts:
        with mock.patch.object(hot, "live", lambda entry: entry):
            return super().apply(events, tops)


class SmallHotBook(HotBook):
    """A hot book whose tables start with room for next to nothing, so that it grows all the time."""

    first_orders = 2
    first_rungs = 1


class SmallInterpretedHotBook(InterpretedHotBook, SmallHotBook):
    """Both."""


BOOKS: tuple[type[BookInterface], ...] = (
    ReferenceBook,
    ColumnarBook,
    HotBook,
    SmallHotBook,
    *((InterpretedHotBook, SmallInterpretedHotBook) if COMPILED else ()),
)
