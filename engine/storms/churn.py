"""decoy CHURN: an honest market maker who replaces its quotes all the time (beside spoofing and stuffing).

Every 20 ms it cancels its quotes that no longer stand where it wants them, and shows one to three levels on
both sides from the touch on, of severity x 0.03 of the base depth each; every other look it replaces all.
What it shows trades; from an inventory of 0.3 of the base depth on it quotes only the side that leads back.

Effect: cancellations per second rise with severity, and it trades on both sides.
Harmless: both sides are shown alike, at prices at which it is glad to trade.
"""

from __future__ import annotations

from math import ceil

from engine.core.types import Side, StormKind
from engine.storms.base import Budget, Storm

__all__ = ["Churn"]

LEVELS = 3
QUOTE_MULTIPLE = 0.03
REPLACE_CHANCE = 0.5
LIMIT_MULTIPLE = 0.3
"""Inventory at which it quotes one side only."""


class Churn(Storm):
    """See the module."""

    kind = StormKind.CHURN
    step_ms = 20
    budget = Budget(orders=40_000, depths=1_200)

    def step(self, now_ns: int) -> None:
        levels = ceil(LEVELS * self.severity)
        replaces_all = self.rng.chance(REPLACE_CHANCE)
        wanted = self._wanted(levels)
        for order_id, order in self.open_orders.items():
            place = (order.side, order.price_ticks)
            if place in wanted and not replaces_all:
                del wanted[place]
            else:
                self.cancel(order_id)
        for (side, price_ticks), size in wanted.items():
            self.show(side, price_ticks, size)

    def _wanted(self, levels: int) -> dict[tuple[int, int], int]:
        position, most = self.position_lots, max(1, int(self.base_depth_lots * LIMIT_MULTIPLE))
        wanted: dict[tuple[int, int], int] = {}
        for side in Side:
            touch = self.best(side)
            inventory = position if side == Side.BID else -position
            if touch is None or inventory >= most:
                continue
            for away in range(levels):
                wanted[int(side), self.behind(side, touch, away)] = self.scaled(QUOTE_MULTIPLE)
        return wanted
