"""Noise trader: random side, random size, mostly passive, forgets its orders after a while."""

from __future__ import annotations

from math import sqrt
from typing import Any, NamedTuple

from engine.agents.base import Agent, interval_ns
from engine.core.clock import NS_PER_S
from engine.core.types import Side

__all__ = ["Noise", "NoiseParams"]


class NoiseParams(NamedTuple):
    """Behaviour of a noise trader."""

    rate_per_s: float = 4.0
    """Decisions per second."""
    market_share: float = 0.1
    """Share of decisions that take liquidity."""
    size_lots: int = 4
    """Smallest order; sizes have tail exponent 2."""
    max_size_lots: int = 100
    max_distance_ticks: int = 25
    """Farthest limit price from the best of its own side (tail exponent 2)."""
    lifetime_s: float = 3.0
    """Mean life of a resting order."""


class Noise(Agent):
    """See the module."""

    kind = "noise"

    def __init__(self, *, params: NoiseParams, **base: Any) -> None:
        super().__init__(**base)
        self.params = params

    def act(self, now_ns: int) -> int:
        p, rng = self.params, self.rng
        side = rng.below(2)
        size = rng.pareto(p.size_lots, p.max_size_lots)
        takes = rng.chance(p.market_share)
        distance = self._distance()
        life_ns = rng.exponential_ns(int(p.lifetime_s * NS_PER_S))
        if takes:
            self.take(side, size)
        else:
            order_id = self.limit(side, self._price(side, distance), size, post_only=True)
            self.cancel(order_id, after_ns=life_ns)
        return interval_ns(rng, p.rate_per_s)

    def _distance(self) -> int:
        """Ticks behind the best; -1 (one in eight) improves it."""
        u = self.rng.uniform()
        if u < 0.125:
            return -1
        return min(self.params.max_distance_ticks, int(1.2 / sqrt((1.0 - u) / 0.875)) - 1)

    def _price(self, side: int, distance: int) -> int:
        if side == Side.BID:
            best = self.exchange.best_bid
            return (self.reference_ticks() - 1 if best is None else best) - distance
        best = self.exchange.best_ask
        return (self.reference_ticks() + 1 if best is None else best) + distance
