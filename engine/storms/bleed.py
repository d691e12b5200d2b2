"""BLEED: small, persistent selling that no single order gives away.

It takes from one side (bids, where nobody says otherwise) at times a quarter of a second apart on average,
each time up to 0.05 x severity of the base depth, of a size drawn anew: within what the market trades anyway.

Effect: the mid slides, a little for each second and more with severity; messages, depth and spread stay as
they were.
Harm: makers fill up with inventory on the wrong side before anything has looked unusual.
"""

from __future__ import annotations

from typing import Any

from engine.core.types import Side, StormKind
from engine.storms.base import Budget, Storm
from engine.storms.request import Where

__all__ = ["Bleed"]

CHILD_MULTIPLE = 0.05


class Bleed(Storm):
    """See the module."""

    kind = StormKind.BLEED
    step_ms = 125
    budget = Budget(orders=1_500, depths=60)

    def begin(self) -> None:
        side = self.book_side()
        self._side = int(Side.BID) if self.request.where == Where.ANYWHERE else side

    def memory(self) -> Any:
        return self._side

    def remember(self, memory: Any) -> None:
        self._side = memory

    def step(self, now_ns: int) -> None:
        acts, size = self.rng.chance(0.5), self.rng.between(1, self.scaled(CHILD_MULTIPLE))
        if acts:
            self.take(1 - self._side, size)
