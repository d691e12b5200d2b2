"""NEWS: the instrument is worth something else from one moment to the next.

It sends no order. At its start the fundamental jumps by 80 bps x severity, less up to a tenth by its seed,
and with it the level to which it reverts: value traders and the faster venue know, everybody who quotes does
not yet. At the session's beginning it is an opening gap. Only in a simulated market: what a recorded exchange
did was the news.

Effect: the mid goes to the new value, by an amount that grows with severity, and stays there.
Harm: quotes of the moment before are all wrong on one side; who does not pull them is picked off.
"""

from __future__ import annotations

from typing import Any

from engine.core.types import Side, StormKind
from engine.storms.base import Budget, Storm
from engine.storms.request import MILLION

__all__ = ["News"]

JUMP_BPS = 80.0
LEAST_SHARE = 0.1


class News(Storm):
    """See the module."""

    kind = StormKind.NEWS
    budget = Budget(orders=0, depths=0)
    jump_bps = JUMP_BPS

    def begin(self) -> None:
        self._side = self.book_side()
        """Whose orders are wrong now: bids when the news is bad."""
        less = self.rng.below(MILLION) * LEAST_SHARE / MILLION
        ticks = self.ticks_of(self.jump_bps * self.severity * (1 - less))
        self.lead.jump(self.exchange.kernel.now_ns, -ticks if self._side == Side.BID else ticks)

    def memory(self) -> Any:
        return self._side

    def remember(self, memory: Any) -> None:
        self._side = memory

    def step(self, now_ns: int) -> None:
        """All has happened at its start."""
