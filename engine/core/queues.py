"""The one bounded queue between threads: full means refused and counted, never silently lost."""

from __future__ import annotations

from collections import deque
from threading import Lock
from typing import Generic, TypeVar

__all__ = ["BoundedQueue"]

T = TypeVar("T")


class BoundedQueue(Generic[T]):
    """First in, first out, at most `limit` items."""

    def __init__(self, name: str, limit: int) -> None:
        assert limit > 0
        self.name = name
        self.limit = limit
        self.refused = 0
        self._items: deque[T] = deque()
        self._lock = Lock()

    def put(self, item: T) -> bool:
        """Append an item; False (and counted) when the queue is full."""
        with self._lock:
            if len(self._items) >= self.limit:
                self.refused += 1
                return False
            self._items.append(item)
            return True

    def drain(self) -> list[T]:
        """Take everything that is there."""
        with self._lock:
            items = list(self._items)
            self._items.clear()
            return items

    def __len__(self) -> int:
        return len(self._items)

    def statistics(self) -> dict[str, int]:
        """Fill, limit and refusals."""
        return {"fill": len(self._items), "limit": self.limit, "refused": self.refused}
