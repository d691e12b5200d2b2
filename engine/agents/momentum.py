"""Momentum trader: buys what rises and sells what falls, then closes when the move fades."""

from __future__ import annotations

from typing import Any, NamedTuple

from engine.agents.base import Agent
from engine.core.clock import NS_PER_MS
from engine.core.types import Side

__all__ = ["Momentum", "MomentumParams"]


class MomentumParams(NamedTuple):
    """Behaviour of a momentum trader."""

    interval_ms: int = 500
    fast: float = 0.3
    """Weight of the newest mid in the fast average."""
    slow: float = 0.05
    threshold_ticks: float = 3.0
    """Fast minus slow average that opens a position."""
    size_lots: int = 30
    limit_lots: int = 300


class Momentum(Agent):
    """See the module."""

    kind = "momentum"

    def __init__(self, *, params: MomentumParams, **base: Any) -> None:
        super().__init__(**base)
        self.params = params
        self._fast: float | None = None
        self._slow = 0.0

    @property
    def limit_lots(self) -> int:
        return self.params.limit_lots

    def act(self, now_ns: int) -> int:
        p = self.params
        delay_ns = (p.interval_ms * 3 // 4) * NS_PER_MS + self.rng.below(p.interval_ms // 2 * NS_PER_MS)
        twice_mid = self.exchange.twice_mid_ticks
        if twice_mid is None:
            return delay_ns
        mid = twice_mid / 2.0
        if self._fast is None:
            self._fast = self._slow = mid
            return delay_ns
        self._fast += p.fast * (mid - self._fast)
        self._slow += p.slow * (mid - self._slow)
        self._trade(self._fast - self._slow)
        return delay_ns

    def _trade(self, trend_ticks: float) -> None:
        p = self.params
        position = self.position_lots
        if trend_ticks > p.threshold_ticks and position < p.limit_lots:
            self.take(Side.BID, min(p.size_lots, p.limit_lots - position))
        elif trend_ticks < -p.threshold_ticks and position > -p.limit_lots:
            self.take(Side.ASK, min(p.size_lots, p.limit_lots + position))
        elif position > 0 and trend_ticks < p.threshold_ticks / 3:
            self.take(Side.ASK, min(p.size_lots, position))
        elif position < 0 and trend_ticks > -p.threshold_ticks / 3:
            self.take(Side.BID, min(p.size_lots, -position))
