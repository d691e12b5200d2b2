"""DRAIN: drives the market makers out, by their own rules.

Every 150 ms it sweeps the book, one side and then the other, so that its inventory goes to and fro between
plus and minus a share of the base depth that grows with severity. The mid jumps: makers that measure how far
it moves between two looks widen, and from their panic limit on they pull their quotes for a while, as in a
real liquidity drain; nobody is blocked, and no maker's parameter is touched. It pays the spread each time.

Effect: displayed depth (ten levels, both sides) falls with severity while it lasts, and for some seconds
after it.
Harm: whoever has to trade meanwhile finds a wide and empty book. A recorded exchange does not react: there
only the swept lots are missing.
"""

from __future__ import annotations

from typing import Any

from engine.core.types import Side, StormKind
from engine.storms.base import Budget, Storm

__all__ = ["Drain"]

SWEEP_MULTIPLE = 0.6


class Drain(Storm):
    """See the module."""

    kind = StormKind.DRAIN
    step_ms = 150
    budget = Budget(orders=2_000, depths=1_200)

    def begin(self) -> None:
        self._side = self.rng.below(2)

    def memory(self) -> Any:
        return self._side

    def remember(self, memory: Any) -> None:
        self._side = memory

    def step(self, now_ns: int) -> None:
        size = self.scaled(SWEEP_MULTIPLE)
        wanted_lots = size if self._side == Side.BID else -size
        qty_lots = abs(wanted_lots - self.position_lots)
        if qty_lots:
            self.take(Side.BID if wanted_lots > self.position_lots else Side.ASK, qty_lots)
        self._side = 1 - self._side
