"""Rows that one thread appends and others read without a lock: the memory of public market data.

Place on the data path: between the engine thread, which appends trades and candles, and gateways. Invariant:
a row never changes once `count` covers it, and memory is bounded: the oldest chunk leaves when there are too
many, counted in `forgotten`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["RowLog"]

CHUNK_ROWS = 4_096

Rows = npt.NDArray[Any]


class RowLog:
    """Rows of one dtype in which field `key` never decreases; at least the last `kept` of them are kept."""

    def __init__(self, dtype: npt.DTypeLike, *, key: str, kept: int) -> None:
        self._dtype = np.dtype(dtype)
        self._key = key
        self._limit = -(-kept // CHUNK_ROWS) + 1
        self._view: tuple[tuple[Rows, ...], int] = ((), 0)
        """(chunks, oldest first; rows in the last one). Replaced as a whole, so readers see one state."""
        self.forgotten = 0
        """Rows that have left."""

    def __len__(self) -> int:
        """Rows kept."""
        chunks, filled = self._view
        return CHUNK_ROWS * (len(chunks) - 1) + filled if chunks else 0

    @property
    def limit(self) -> int:
        """Rows that are kept at the most."""
        return CHUNK_ROWS * self._limit

    def append(self, rows: Rows) -> None:
        """Adds rows; on the writer's thread only."""
        done = 0
        while done < len(rows):
            chunks, filled = self._view
            if not chunks or filled == CHUNK_ROWS:
                if len(chunks) == self._limit:
                    chunks = chunks[1:]
                    self.forgotten += CHUNK_ROWS
                chunks, filled = (*chunks, np.zeros(CHUNK_ROWS, self._dtype)), 0
            room = min(CHUNK_ROWS - filled, len(rows) - done)
            chunks[-1][filled : filled + room] = rows[done : done + room]
            done += room
            self._view = (chunks, filled + room)  # only now can readers see them

    def since(self, value: int, *, inclusive: bool = False, key: str | None = None) -> Rows:
        """The kept rows whose key is greater than (or equal to) `value`, oldest first: an array of its own.
        `key`: another field that never decreases either."""
        key = self._key if key is None else key
        chunks, filled = self._view
        found: list[Rows] = []
        for number in range(len(chunks) - 1, -1, -1):
            chunk = chunks[number] if number < len(chunks) - 1 else chunks[number][:filled]
            at = int(chunk[key].searchsorted(value, side="left" if inclusive else "right"))
            found.append(chunk[at:])
            if at > 0:
                break
        return self._join(found)

    def last(self, count: int) -> Rows:
        """The last `count` rows (fewer if fewer are kept), oldest first; an array of its own."""
        chunks, filled = self._view
        found: list[Rows] = []
        for number in range(len(chunks) - 1, -1, -1):
            if count <= 0:
                break
            chunk = chunks[number] if number < len(chunks) - 1 else chunks[number][:filled]
            found.append(chunk[max(0, len(chunk) - count) :])
            count -= len(chunk)
        return self._join(found)

    def first(self) -> Rows | None:
        """The oldest row that is kept; None without one."""
        chunks, _ = self._view
        return chunks[0][0] if chunks else None

    def before(self, value: int) -> Rows | None:
        """The last row whose key is less than `value`; None without one that is kept."""
        chunks, filled = self._view
        for number in range(len(chunks) - 1, -1, -1):
            chunk = chunks[number] if number < len(chunks) - 1 else chunks[number][:filled]
            at = int(chunk[self._key].searchsorted(value))
            if at > 0:
                row: Rows = chunk[at - 1]
                return row
        return None

    def statistics(self) -> dict[str, int]:
        """Fill, limit and rows that have left."""
        return {"kept": len(self), "limit": self.limit, "forgotten": self.forgotten}

    def _join(self, newest_first: list[Rows]) -> Rows:
        if not newest_first:
            return np.zeros(0, self._dtype)
        return np.concatenate(newest_first[::-1])
