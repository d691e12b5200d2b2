"""CRASH: a sell programme into a book that it also holds down.

For 70 % of its time it sells at market every 100 ms, a share of the base depth that grows with severity
(ramped up over the first fifth), and keeps a wall of post-only offers on the best three ask levels; then
it stops and lets the market find itself.

Effect: the mid falls, by ten to more than a hundred bps with severity; the spread blows out as makers reach
their inventory limits and pull their quotes. Value traders bring the price back afterwards.
Harm: whoever keeps buying on the way down.
"""

from __future__ import annotations

from engine.core.types import Side, StormKind
from engine.storms.base import Storm

__all__ = ["Crash"]

SELL_SHARE = 0.7
SELL_MULTIPLE = 0.08
WALL_MULTIPLE = 0.5
RAMP = 0.2


class Crash(Storm):
    """See the module."""

    kind = StormKind.CRASH

    def step(self, now_ns: int) -> None:
        progress = self.progress
        for order_id in self.open_orders:
            self.cancel(order_id)
        if progress >= SELL_SHARE:
            return
        ramp = min(1.0, (progress + 0.02) / RAMP)
        self.take(Side.ASK, self.scaled(SELL_MULTIPLE * ramp))
        prices = self.level_prices(Side.ASK, 3)
        for price_ticks in prices:
            self.show(Side.ASK, price_ticks, max(1, self.scaled(WALL_MULTIPLE) // len(prices)))
