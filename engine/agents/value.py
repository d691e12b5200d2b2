"""Value trader: compares the price with its own noisy estimate of the fundamental and trades the gap.

Together they pull the price back: this is where a market recovers from a storm.
"""

from __future__ import annotations

from math import sqrt
from typing import Any, NamedTuple

from engine.agents.base import Agent, interval_ns
from engine.core.clock import NS_PER_S
from engine.core.types import Side

__all__ = ["Value", "ValueParams"]


class ValueParams(NamedTuple):
    """Behaviour of a value trader."""

    rate_per_s: float = 1.0
    bias_ticks: float = 1.5
    """Standard deviation of an agent's lasting error about the value."""
    noise_ticks: float = 1.0
    """Standard deviation of each reading's error."""
    threshold_ticks: float = 2.0
    """Gap beyond the touch at which it takes liquidity."""
    size_lots: int = 40
    max_multiple: float = 16.0
    """An aggressive order grows with the square root of the gap (impact is concave), up to this many
    sizes."""
    patience_ticks: int = 8
    """Distance of its passive orders from its estimate."""
    lifetime_s: float = 8.0
    limit_lots: int = 6_000


class Value(Agent):
    """See the module."""

    kind = "value"

    def __init__(self, *, params: ValueParams, **base: Any) -> None:
        super().__init__(**base)
        self.params = params
        self._bias = params.bias_ticks * self.rng.normal()

    @property
    def limit_lots(self) -> int:
        return self.params.limit_lots

    def act(self, now_ns: int) -> int:
        p, rng = self.params, self.rng
        assert self.fundamental is not None
        value = self.fundamental.value_ticks(now_ns) + self._bias + p.noise_ticks * rng.normal()
        life_ns = rng.exponential_ns(int(p.lifetime_s * NS_PER_S))
        side = rng.below(2)
        delay_ns = interval_ns(rng, p.rate_per_s)
        bid, ask = self.exchange.best_bid, self.exchange.best_ask
        position = self.position_lots
        if ask is not None and value > ask + p.threshold_ticks and position < p.limit_lots:
            self.take(Side.BID, self._size(value - ask), limit_ticks=int(value))
        elif bid is not None and value < bid - p.threshold_ticks and position > -p.limit_lots:
            self.take(Side.ASK, self._size(bid - value), limit_ticks=int(value) + 1)
        else:
            offset = p.patience_ticks if side == Side.ASK else -p.patience_ticks
            order_id = self.limit(side, int(value) + offset, p.size_lots, post_only=True)
            self.cancel(order_id, after_ns=life_ns)
        return delay_ns

    def _size(self, gap_ticks: float) -> int:
        p = self.params
        return int(p.size_lots * min(p.max_multiple, sqrt(gap_ticks / p.threshold_ticks)))
