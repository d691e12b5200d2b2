"""Further books for the tests: an independent witness, and hot books that run in other ways."""

from __future__ import annotations

import importlib.util
import struct
from collections import Counter
from types import ModuleType
from unittest import mock

import numpy as np
import xxhash

from engine.book import kernels
from engine.book.hot import HotBook

_TOP = 2**64 - 1


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
        if kind in (1, 3) and qty == 0:
            return "rejected_quantity"
        mine = [row for row in self.rows if row[0] == order_id]
        if kind == 1 and mine:
            return "rejected_duplicate"
        if kind == 1 or (kind == 3 and not mine):
            if self.total(side, price) + qty > _TOP:
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
        if self.total(side, price) - (row[3] if stays else 0) + qty > _TOP:
            return "rejected_quantity"
        if stays and qty <= row[3]:
            row[3] = qty
        else:
            self.rows.remove(row)
            self.rows.append([row[0], side, price, qty])
        return "modified"


def _load_interpreted_kernels() -> ModuleType:
    """A second copy of the kernels, whose functions are left as Python."""
    spec = importlib.util.spec_from_file_location("interpreted_kernels", kernels.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with mock.patch.multiple("engine.book.compiler", entry=lambda f: f, inlined=lambda f: f):
        spec.loader.exec_module(module)
    return module


class InterpretedHotBook(HotBook):
    """The hot book as it runs without a compiler."""

    compiled = False
    _kernels = _load_interpreted_kernels()


class SmallHotBook(HotBook):
    """A hot book whose arrays start with room for next to nothing, so that it grows all the time."""

    _first_order_capacity = 2
    _first_rungs = 1


class SmallInterpretedHotBook(InterpretedHotBook, SmallHotBook):
    """Both."""
