"""CANCEL: a storm of orders that live for one step.

Every 25 ms it cancels all it has and shows up to sixteen x severity small orders on the best five levels
of both sides.

Effect: cancellations per second rise in proportion to severity (by at most 640 x severity a second).
Harm: queues at the touch flicker, quotes that follow them chase noise, feeds and bots pay for the load.
"""

from __future__ import annotations

from engine.core.types import StormKind
from engine.storms.base import Storm

__all__ = ["CancelStorm"]

ORDERS_PER_STEP = 16


class CancelStorm(Storm):
    """See the module."""

    kind = StormKind.CANCEL
    step_ms = 25

    def step(self, now_ns: int) -> None:
        for order_id in self.open_orders:
            self.cancel(order_id)
        prices = (self.level_prices(0, 5), self.level_prices(1, 5))
        size = max(1, self.base_depth_lots // 50)
        for _ in range(max(1, int(ORDERS_PER_STEP * self.severity))):
            side = self.rng.below(2)
            if prices[side]:
                price_ticks = prices[side][self.rng.below(len(prices[side]))]
                self.show(side, price_ticks, size)
