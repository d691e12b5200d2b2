"""Market maker: several levels a side around a centre that leans with imbalance and away from inventory.

Its limits are what breaks in a crash: at the inventory limit it stops quoting the side that would add,
and when the price moves fast it widens, then pulls its quotes for a while.
"""

from __future__ import annotations

from math import ceil, floor
from typing import Any, NamedTuple

from engine.agents.base import Agent
from engine.core.clock import NS_PER_MS
from engine.core.types import Side

__all__ = ["Maker", "MakerParams"]

_DEPTH_LEVELS = 5
_VOLATILITY_WEIGHT = 0.2


class MakerParams(NamedTuple):
    """Behaviour of a market maker."""

    interval_ms: int = 250
    """Mean time between looks; quotes are stale in between."""
    levels: int = 5
    step_ticks: int = 1
    """Distance between its levels."""
    half_spread_ticks: float = 1.0
    size_lots: int = 40
    """At the first level; deeper levels show more (1, 1.5, 2 ... times)."""
    limit_lots: int = 1_000
    skew_ticks: float = 4.0
    """Shift of the centre at full inventory."""
    lean_ticks: float = 1.0
    """Shift of the centre at full depth imbalance."""
    panic_ticks: float = 6.0
    """Average move per look at which it pulls its quotes."""
    pause_ms: int = 1_500
    """For how long it pulls them."""


class Maker(Agent):
    """See the module."""

    kind = "maker"

    def __init__(self, *, params: MakerParams, **base: Any) -> None:
        super().__init__(**base)
        self.params = params
        self._last_mid: float | None = None
        self._move = 0.0
        """Moving average of absolute mid changes per look, in ticks."""

    @property
    def limit_lots(self) -> int:
        return self.params.limit_lots

    def act(self, now_ns: int) -> int:
        p = self.params
        jitter_ns = self.rng.below(p.interval_ms // 2 * NS_PER_MS)
        mid = self._observe()
        if self._move > p.panic_ticks:
            for order_id in list(self.open_orders):
                self.cancel(order_id)
            self._move *= 0.5
            return p.pause_ms * NS_PER_MS + jitter_ns
        self._requote(mid)
        return (p.interval_ms * 3 // 4) * NS_PER_MS + jitter_ns

    def _observe(self) -> float:
        twice_mid = self.exchange.twice_mid_ticks
        if twice_mid is None:
            best = self.exchange.best_bid if self.exchange.best_bid is not None else self.exchange.best_ask
            return float(self.reference_ticks() if best is None else best)
        mid = twice_mid / 2.0
        if self._last_mid is not None:
            self._move += _VOLATILITY_WEIGHT * (abs(mid - self._last_mid) - self._move)
        self._last_mid = mid
        return mid

    def _requote(self, mid: float) -> None:
        p = self.params
        position = self.position_lots
        book = self.exchange.book
        bid_depth, ask_depth = book.depth(Side.BID, _DEPTH_LEVELS), book.depth(Side.ASK, _DEPTH_LEVELS)
        total = bid_depth + ask_depth
        lean = p.lean_ticks * (bid_depth - ask_depth) / total if total else 0.0
        centre = mid + lean - p.skew_ticks * position / p.limit_lots
        half = p.half_spread_ticks + self._move
        wanted: dict[tuple[int, int], int] = {}
        for level in range(p.levels):
            size = p.size_lots * (2 + level) // 2
            offset = half + level * p.step_ticks
            if position + size <= p.limit_lots:
                wanted[(Side.BID, floor(centre - offset))] = size
            if position - size >= -p.limit_lots:
                wanted[(Side.ASK, ceil(centre + offset))] = size
        self._move_to(wanted)

    def _move_to(self, wanted: dict[tuple[int, int], int]) -> None:
        """Cancel what is not wanted any more, send what is missing."""
        for order_id, order in list(self.open_orders.items()):
            size = wanted.get((order.side, order.price_ticks))
            if size is not None and 2 * order.remaining_lots >= size:
                del wanted[(order.side, order.price_ticks)]
            else:
                self.cancel(order_id)
        for (side, price_ticks), size in wanted.items():
            self.limit(side, price_ticks, size, post_only=True)
