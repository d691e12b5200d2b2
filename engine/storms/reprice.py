"""decoy REPRICE: news, and people who trade on it until the price is right (beside ignition).

At its start the fundamental jumps by up to 40 bps, as in NEWS. From then on informed orders take towards the
new value every 100 ms, 0.06 x severity of the base depth each, and stop when the touch is there. Nobody takes
anything back.

Effect: the price runs like an ignition's, by an amount that grows with severity, and stays.
Harmless: the price was wrong before.
"""

from __future__ import annotations

from engine.core.types import Side, StormKind
from engine.storms.base import Budget
from engine.storms.news import News

__all__ = ["Reprice"]

JUMP_BPS = 40.0
TAKE_MULTIPLE = 0.06


class Reprice(News):
    """See the module."""

    kind = StormKind.REPRICE
    budget = Budget(orders=1_500, depths=90)
    jump_bps = JUMP_BPS

    def step(self, now_ns: int) -> None:
        value, touch = self.lead.ticks(now_ns), self.best(self._side)
        if value is None or touch is None:
            return
        if value < touch if self._side == Side.BID else value > touch:
            self.take(1 - self._side, self.scaled(TAKE_MULTIPLE))
