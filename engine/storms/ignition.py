"""IGNITION: start a move, let others follow, sell it to them.

For the first 60 % of its time it takes liquidity in one direction (drawn from its stream) every 100 ms;
then it closes its inventory in equal parts until the end.

Effect: the price drifts its way by an amount that grows with severity, momentum traders join, and it
falls back when the attacker unloads.
Harm: whoever quotes against the move holds the wrong inventory, whoever follows it buys the top.
"""

from __future__ import annotations

from typing import Any

from engine.core.types import StormKind
from engine.storms.base import Storm

__all__ = ["Ignition"]

PUSH_SHARE = 0.6
PUSH_MULTIPLE = 0.06


class Ignition(Storm):
    """See the module."""

    kind = StormKind.IGNITION

    def begin(self) -> None:
        self.direction = self.book_side()
        if self.request.where:  # whose orders it takes
            self.direction = 1 - self.direction

    def memory(self) -> Any:
        return self.direction

    def remember(self, memory: Any) -> None:
        self.direction = memory

    def step(self, now_ns: int) -> None:
        if self.progress < PUSH_SHARE:
            self.take(self.direction, self.scaled(PUSH_MULTIPLE))
            return
        self.unwind(now_ns, self.ends_ns)
