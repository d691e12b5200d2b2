"""STUFFING: messages without meaning, by the thousand, at and near the touch.

Every 10 ms it sends up to forty orders of one lot, 20 us apart, on both sides at 0 to 2 ticks from the touch,
and with each its cancel, which takes it away a millisecond later.

Effect: public events per second rise with severity, by up to 8,000; hardly any of it trades.
Harm: whoever reads every message falls behind, whoever follows the touch chases what is gone, and the
attacker's own line is the only one that knows which messages can be left out.
"""

from __future__ import annotations

from engine.core.clock import NS_PER_MS
from engine.core.types import StormKind
from engine.storms.base import Budget, Storm

__all__ = ["Stuffing"]

ORDERS_PER_STEP = 40
SPACING_NS = 20_000
LIFE_NS = NS_PER_MS
DISTANCE_TICKS = 2
ORDER_LIMIT = 540_000
"""Forty in the shortest of all steps, for the longest of all storms."""


class Stuffing(Storm):
    """See the module."""

    kind = StormKind.STUFFING
    step_ms = 10
    budget = Budget(orders=ORDER_LIMIT, depths=0)

    def step(self, now_ns: int) -> None:
        for number in range(max(1, int(ORDERS_PER_STEP * self.severity))):
            side, away = self.rng.below(2), self.rng.below(DISTANCE_TICKS + 1)
            touch = self.best(side)
            if touch is None:
                continue
            after_ns = number * SPACING_NS
            order_id = self.show(side, self.behind(side, touch, away), 1, after_ns=after_ns)
            if order_id:
                self.cancel(order_id, after_ns=after_ns + LIFE_NS)
