"""Public updates on their way to clients, as faults have them (stop 6b on the data path).

One filter for each path to clients; every update passes it once, in order. What becomes of one follows from
its number and the faults in force (`Boundary.public_fate`), however the updates are sliced into batches.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

from engine.broker.boundary import PublicFate

__all__ = ["HELD_LIMIT", "Numbered", "PublicFeed", "PublicSource"]

HELD_LIMIT = 4_096
"""Updates held back while the feed stands still; older ones are lost, as from any full ring."""


class Numbered(Protocol):
    """An update."""

    @property
    def number(self) -> int: ...


class PublicSource(Protocol):
    """The part of engine.broker.boundary.Boundary that a feed asks."""

    @property
    def is_stale(self) -> bool: ...

    def public_fate(self, number: int, /) -> PublicFate: ...


_Update = TypeVar("_Update", bound=Numbered)


class PublicFeed(Generic[_Update]):
    """Holds back, drops, repeats and swaps updates."""

    def __init__(self, boundary: PublicSource) -> None:
        self.boundary = boundary
        self._held: deque[_Update] = deque(maxlen=HELD_LIMIT)
        self._swapped: dict[type[_Update], _Update] = {}
        """By kind: the one that waits for its successor of the same kind. Of different kinds clients hear in
        different streams, where an exchange of places would not be seen."""
        self._counts = {"dropped": 0, "repeated": 0, "swapped": 0, "lost": 0}

    def __call__(self, updates: Sequence[_Update]) -> Sequence[_Update]:
        """What clients are told now. Without a fault: the updates themselves."""
        told: list[_Update] = []
        if self.boundary.is_stale:
            self._hold(updates)
            return told
        if self._held:
            updates = [*self._held, *updates]
            self._held.clear()
        for update in updates:
            self._pass(update, told)
        return told

    def statistics(self) -> dict[str, int]:
        """Fill and what faults did."""
        return {"held": len(self._held), "limit": HELD_LIMIT, **self._counts}

    def _hold(self, updates: Sequence[_Update]) -> None:
        self._counts["lost"] += max(0, len(self._held) + len(updates) - HELD_LIMIT)
        self._held.extend(updates)

    def _pass(self, update: _Update, told: list[_Update]) -> None:
        fate = self.boundary.public_fate(update.number)
        if fate == PublicFate.DROP:
            self._counts["dropped"] += 1
            return
        kind = type(update)
        if fate == PublicFate.SWAP and kind not in self._swapped:
            self._counts["swapped"] += 1
            self._swapped[kind] = update
            return
        told.append(update)
        if fate == PublicFate.REPEAT:
            self._counts["repeated"] += 1
            told.append(update)
        if (swapped := self._swapped.pop(kind, None)) is not None:
            told.append(swapped)
