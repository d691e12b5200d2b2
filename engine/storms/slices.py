"""decoy SLICES: the children of a TWAP parent (what the TWAP detector is to find, and others are not).

Every 500 ms, +-10 %, it takes the same number of lots from one side: severity x 0.03 of the base depth.

Effect: equal prints at equal times, whose size grows with severity.
Harmless: an institution that is in no hurry.
"""

from __future__ import annotations

from typing import Any

from engine.core.types import StormKind
from engine.storms.base import Budget, Storm

__all__ = ["Slices"]

SLICE_MULTIPLE = 0.03


class Slices(Storm):
    """See the module."""

    kind = StormKind.SLICES
    step_ms = 500
    budget = Budget(orders=300, depths=10)

    def begin(self) -> None:
        self._side = self.book_side()

    def memory(self) -> Any:
        return self._side

    def remember(self, memory: Any) -> None:
        self._side = memory

    def step(self, now_ns: int) -> None:
        self.take(1 - self._side, self.scaled(SLICE_MULTIPLE))
