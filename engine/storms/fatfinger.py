"""FATFINGER: one enormous order at market, by mistake.

Within its first second it sends a single order at market, of up to 1.6 times the base depth of a side; what
finds no counterpart is cancelled. From half of its time on the desk that erred works out of the position, in
equal parts until the end.

Effect: the mid jumps in one instant, by an amount that grows with severity, and comes back within seconds.
Harm: resting orders far from the touch are executed, stops fire, and who follows the jump buys its top.
"""

from __future__ import annotations

from typing import Any

from engine.core.clock import NS_PER_S
from engine.core.types import StormKind
from engine.storms.base import Budget, Storm

__all__ = ["FatFinger"]

ORDER_MULTIPLE = 1.6
WITHIN_NS = NS_PER_S
UNWIND_SHARE = 0.5


class FatFinger(Storm):
    """See the module."""

    kind = StormKind.FATFINGER
    budget = Budget(orders=1_500, depths=4)

    def begin(self) -> None:
        self._side = self.book_side()
        self._at_ns = self.started_ns + self.rng.below(WITHIN_NS)
        """When the finger slips; 0 = it has."""

    def memory(self) -> Any:
        return [self._side, self._at_ns]

    def remember(self, memory: Any) -> None:
        self._side, self._at_ns = memory

    def step(self, now_ns: int) -> None:
        if self._at_ns:
            if now_ns >= self._at_ns:
                self._at_ns = 0
                self.take(1 - self._side, self.scaled(ORDER_MULTIPLE))
        elif self.progress >= UNWIND_SHARE:
            self.unwind(now_ns, self.ends_ns)
