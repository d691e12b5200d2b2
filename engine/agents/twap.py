"""Institution: works one large order after another in equal slices at equal times (TWAP)."""

from __future__ import annotations

from typing import Any, NamedTuple

from engine.agents.base import Agent
from engine.core.clock import NS_PER_S

__all__ = ["Twap", "TwapParams"]


class TwapParams(NamedTuple):
    """Behaviour of an institution."""

    parent_lots: int = 1_500
    """Size of a parent order (half to one and a half times this)."""
    slice_lots: int = 50
    slice_s: float = 1.5
    """Time between slices, +-10 %."""
    rest_s: float = 30.0
    """Mean pause between parents."""


class Twap(Agent):
    """See the module."""

    kind = "twap"

    def __init__(self, *, params: TwapParams, **base: Any) -> None:
        super().__init__(**base)
        self.params = params
        self._left_lots = 0
        self._side = 0
        self._rested = False

    def act(self, now_ns: int) -> int:
        p, rng = self.params, self.rng
        if not self._left_lots:
            if not self._rested:
                self._rested = True
                return rng.exponential_ns(int(p.rest_s * NS_PER_S))
            self._rested = False
            self._side = rng.below(2)
            self._left_lots = rng.between(p.parent_lots // 2, p.parent_lots * 3 // 2)
        size = min(p.slice_lots, self._left_lots)
        self._left_lots -= size
        self.take(self._side, size)
        slice_ns = int(p.slice_s * NS_PER_S)
        return slice_ns * 9 // 10 + rng.below(slice_ns // 5)
