"""Many hot books over shared tables: one feed, thousands of instruments.

Stop on the data path: behind a full-depth decoder (engine/feeds/itch). kernels.py describes the tables,
rows.py changes them; this file owns them, makes room when a kernel asks for it, and reads results out.
Invariant: each instrument's book equals a book of its own that saw only its events, digest for digest.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from engine.arena.leaves import signed
from engine.arena.machine import live
from engine.arena.memory import Arena
from engine.arena.wordmap import MapEntry, move_entries
from engine.book import kernels
from engine.book.digest import book_digest_by
from engine.book.hashing import fold_side
from engine.book.hot import IDS_PER_ORDER, MAX_LIVE_ORDERS
from engine.book.interface import TOP_DTYPE, ApplyCounts, Level, TopArray
from engine.book.rows import FeedRow, apply_rows
from engine.core.errors import DataError
from engine.core.types import NO_SIDE

__all__ = ["ROW_DTYPE", "HotBooks", "RowArray"]

ROW_DTYPE = FeedRow.dtype()
"""A FeedRow: EVENT_DTYPE with `letter` and `flags` in its padding."""
RowArray = npt.NDArray[np.void]
"""Shape (n,), dtype ROW_DTYPE."""

MAX_INSTRUMENTS = 1 << 16
"""Instruments of one feed: an ITCH locate code has 16 bits."""
_MASK = 2**64 - 1


class HotBooks:
    """The books of all instruments of a feed.

    Batch       apply counts
    One book    best_bid best_ask levels level_count digest
    All         order_count instruments statistics
    """

    first_orders = 4_096
    """A power of two."""
    first_rungs = 16
    near_levels = 64
    """Entries of a side's memory of recent levels, a power of two; small, for there are many sides."""

    def __init__(self, *, near_shift: int = 0) -> None:
        """`near_shift`: low bits in which the feed's prices hardly differ; 2 for cents in ITCH's 1e-4."""
        self.arena = Arena()
        new = self.arena.new
        row = new("book", kernels.Book)[0]
        row.orders = new("orders", kernels.BookOrder, self.first_orders)
        row.ids = new("ids", MapEntry, IDS_PER_ORDER * self.first_orders)
        row.levels = new("levels", kernels.Level, self.first_orders)
        row.counts = new("counts", kernels.Count, kernels.COUNTS)
        row.sides = new("sides", kernels.BookSide, 2)
        row.near_shift = near_shift
        self._sides_ready = 0
        self._prepare_sides()

    @property
    def row(self) -> kernels.Book:
        """The root of all books."""
        return self.arena.row("book", kernels.Book)

    def apply(self, rows: RowArray, tops: TopArray | None = None) -> None:
        """Completes `rows` in place (side and price of the resting order) and applies them in order.

        `tops`, shape (n,), dtype TOP_DTYPE: row i becomes the best prices of row i's instrument after it.
        """
        assert rows.dtype == ROW_DTYPE
        assert rows.flags.c_contiguous
        assert tops is None or (tops.dtype == TOP_DTYPE and len(tops) >= len(rows))
        apply, address = live(apply_rows), rows.ctypes.data
        tops_address = 0 if tops is None else tops.ctypes.data
        done = 0
        while (done := apply(self.row.address, address, done, len(rows), tops_address)) < len(rows):
            self._make_room(rows[done])

    @property
    def counts(self) -> ApplyCounts:
        """What became of all rows since the books were made."""
        return ApplyCounts(*self.arena.rows("counts")["value"].tolist())

    @property
    def order_count(self) -> int:
        """Live orders in all books."""
        return self.row.live_orders

    @property
    def instruments(self) -> int:
        """One more than the highest instrument number for which there is room."""
        return len(self.row.sides) // 2

    def best_bid(self, instrument_id: int) -> int | None:
        """Highest bid price in ticks; None without bids."""
        return self._best_price(2 * instrument_id)

    def best_ask(self, instrument_id: int) -> int | None:
        """Lowest ask price in ticks; None without asks."""
        return self._best_price(2 * instrument_id + 1)

    def levels(self, instrument_id: int, side: int, n: int | None = None) -> list[Level]:
        """The best n levels of a side (all of them for None), best first."""
        book_side = self._side(2 * instrument_id + side)
        if book_side is None:
            return []
        count = book_side.count
        first = 0 if n is None else max(count - n, 0)
        levels = [self.row.levels[book_side.rungs[at].level] for at in range(count - 1, first - 1, -1)]
        return [Level(level.price, level.total, level.count) for level in levels]

    def level_count(self, instrument_id: int, side: int) -> int:
        """Number of levels of a side."""
        book_side = self._side(2 * instrument_id + side)
        return 0 if book_side is None else book_side.count

    def digest(self, instrument_id: int) -> int:
        """Canonical L2 digest (u64, digest.py) of one book."""
        fold, address, first = live(fold_side), self.row.address, 2 * instrument_id
        if self._side(first) is None:
            return book_digest_by(lambda _side, state: state)
        return book_digest_by(lambda side, state: fold(address, first + side, signed(state)) & _MASK)

    def statistics(self) -> dict[str, int]:
        """Fill, and room before the next growth."""
        row = self.row
        return {
            "orders": self.order_count,
            "order_room": len(row.orders) - 1,
            "level_room": len(row.levels) - 1,
            "instruments": self.instruments,
            "instrument_limit": MAX_INSTRUMENTS,
            "memory_bytes": self.arena.nbytes,
        }

    def _side(self, number: int) -> kernels.BookSide | None:
        sides = self.row.sides
        return sides[number] if number < len(sides) else None

    def _best_price(self, number: int) -> int | None:
        side = self._side(number)
        return None if side is None or not side.count else self.row.levels[side.best].price

    def _make_room(self, wanted: np.void) -> None:
        """For one more row: whatever is too short for it is doubled."""
        row, instrument_id = self.row, int(wanted["instrument_id"])
        if instrument_id >= self.instruments:
            if instrument_id >= MAX_INSTRUMENTS:
                raise DataError(f"books: instrument {instrument_id} of at most {MAX_INSTRUMENTS}.")
            self._grow_sides(instrument_id)
            return
        if row.free_order == 0 and row.used_orders >= len(row.orders) - 1:
            self._grow_orders()
        if row.free_level == 0 and row.used_levels >= len(row.levels) - 1:
            row.levels = self.arena.grow("levels", kernels.Level, 2 * len(row.levels))
        side = int(wanted["side"])
        if side < NO_SIDE and row.sides[number := 2 * instrument_id + side].count >= len(
            row.sides[number].rungs
        ):
            self._grow_rungs(number)

    def _grow_sides(self, instrument_id: int) -> None:
        sides = len(self.row.sides)
        while sides < 2 * instrument_id + 2:
            sides *= 2
        self.row.sides = self.arena.grow("sides", kernels.BookSide, sides)
        self._prepare_sides()

    def _prepare_sides(self) -> None:
        """Gives the new sides their first rungs and their memory of recent levels: one table for all of
        them, in which each has its stretch."""
        first, sides = self._sides_ready, self.row.sides
        count = len(sides) - first
        rungs = self.arena.new(f"rungs_from_{first}", kernels.Rung, count * self.first_rungs)
        near = self.arena.new(f"near_from_{first}", kernels.Near, count * self.near_levels)
        rows = self.arena.rows("sides")[first:]
        steps = np.arange(count)
        rows["rungs"][:, 0] = rungs.address + steps * self.first_rungs * kernels.Rung.itemsize
        rows["rungs"][:, 1] = self.first_rungs
        rows["near"][:, 0] = near.address + steps * self.near_levels * kernels.Near.itemsize
        rows["near"][:, 1] = self.near_levels
        self._sides_ready = len(sides)

    def _grow_rungs(self, number: int) -> None:
        """A longer table for one side; its old stretch is not used again."""
        side = self.row.sides[number]
        length, name = len(side.rungs), f"rungs_of_{number}"
        if name in self.arena.names():
            side.rungs = self.arena.grow(name, kernels.Rung, 2 * length)
            return
        old = side.rungs
        side.rungs = self.arena.new(name, kernels.Rung, 2 * length)
        for at in range(length):
            side.rungs[at].rank, side.rungs[at].level = old[at].rank, old[at].level

    def _grow_orders(self) -> None:
        row, capacity = self.row, 2 * len(self.row.orders)
        if self.order_count >= MAX_LIVE_ORDERS:
            raise DataError(f"books: more than {MAX_LIVE_ORDERS} live orders.")
        row.orders = self.arena.grow("orders", kernels.BookOrder, capacity)
        old = self.arena.renew("ids", MapEntry, IDS_PER_ORDER * capacity)
        row.ids = self.arena.table("ids", MapEntry)
        live(move_entries)(old.ctypes.data, len(old), row.ids.address, len(row.ids))
