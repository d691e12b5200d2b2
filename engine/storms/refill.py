"""decoy REFILL: an iceberg that its owner's own machine refills (beside the venue's native one).

At the touch of one side it shows a tip of 0.04 of the base depth; it looks every 10 ms, and when the tip is
gone sends the next one, which is there up to 16 ms later, behind everybody. Up to severity x 0.05 of the base
depth trades for each second of its duration; where the touch has been elsewhere for two seconds it follows.

Effect: more trades at its price than was displayed there, with a latency before each refill; lots grow with
severity.
Harmless: somebody who does not want to show all of an order.
"""

from __future__ import annotations

from typing import Any

from engine.core.clock import NS_PER_MS
from engine.core.types import StormKind
from engine.storms.base import Budget, Storm

__all__ = ["Refill"]

TIP_MULTIPLE = 0.04
HIDDEN_MULTIPLE = 0.05
FOLLOW_NS = 2_000 * NS_PER_MS


class Refill(Storm):
    """See the module."""

    kind = StormKind.REFILL
    step_ms = 10
    budget = Budget(orders=15_000, depths=100)

    def begin(self) -> None:
        self._side = self.book_side()
        self._price_ticks = 0
        self._away_since_ns = 0
        self._hidden_lots = self.scaled(HIDDEN_MULTIPLE * self.request.duration_s)
        """To be traded altogether."""

    def memory(self) -> Any:
        return [self._side, self._price_ticks, self._away_since_ns, self._hidden_lots]

    def remember(self, memory: Any) -> None:
        self._side, self._price_ticks, self._away_since_ns, self._hidden_lots = memory

    def step(self, now_ns: int) -> None:
        touch, resting = self.best(self._side), self.open_orders
        left_lots = self._hidden_lots - self.standing().lots
        after_ns = self.rng.below(5 * NS_PER_MS)
        if touch is None or left_lots <= 0:
            return
        if touch == self._price_ticks:
            self._away_since_ns = 0
        elif not self._away_since_ns:
            self._away_since_ns = now_ns
        if self._away_since_ns and (not self._price_ticks or now_ns - self._away_since_ns >= FOLLOW_NS):
            self._price_ticks, self._away_since_ns = touch, 0
            self.withdraw()
            resting = {}
        if not resting:
            size = min(left_lots, max(1, int(self.base_depth_lots * TIP_MULTIPLE)))
            self.show(self._side, self._price_ticks, size, after_ns=after_ns)
