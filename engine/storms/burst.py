"""decoy BURST: noise that happens to come all at once (beside TWAP children and ignition).

At random times, thirty x severity a second on average, it trades 1 to 0.02 of the base depth at market, on a
side drawn anew each time.

Effect: trades per second rise with severity; direction there is none.
Harmless: many people with different minds, no plan.
"""

from __future__ import annotations

from engine.core.types import StormKind
from engine.storms.base import Budget, Storm

__all__ = ["Burst"]

TRADES_PER_STEP = 0.3
SIZE_SHARE = 50


class Burst(Storm):
    """See the module."""

    kind = StormKind.BURST
    step_ms = 10
    budget = Budget(orders=15_000, depths=150)

    def step(self, now_ns: int) -> None:
        acts, side = self.rng.chance(TRADES_PER_STEP * self.severity), self.rng.below(2)
        size = self.rng.between(1, max(1, self.base_depth_lots // SIZE_SHARE))
        if acts:
            self.take(side, size)
