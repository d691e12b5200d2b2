"""SPOOFING: layers on one side, so that the other side's small order trades.

In turns of two seconds it rests a small real order at the touch of one side, and layers of orders that are
not meant to trade at 1 to 5 ticks behind the touch of the other. Who leans on displayed depth gives way, the
real order is hit, and in the next step (50 ms) everything is withdrawn. Then the sides change, and the next
turn trades the inventory back. With `where` it works that side alone.

Effect: the displayed imbalance swings to the layers' side and back, by more the more severe it is.
Harm: makers lean away from the layers and sell to the spoofer below what the real flow supports.
"""

from __future__ import annotations

from typing import Any

from engine.core.clock import NS_PER_MS, NS_PER_S
from engine.core.types import StormKind
from engine.storms.base import Budget, Storm
from engine.storms.request import Where

__all__ = ["Spoofing"]

TURN_NS = 2 * NS_PER_S
PAUSE_NS = 200 * NS_PER_MS
"""Between a withdrawal and the next turn."""
LAYERS = 5
LAYERS_MULTIPLE = 2.0
"""All layers together."""
REAL_MULTIPLE = 0.04


class Spoofing(Storm):
    """See the module."""

    kind = StormKind.SPOOFING
    step_ms = 50
    budget = Budget(orders=20_000, depths=2_000)

    def begin(self) -> None:
        self._real_side = self.book_side()
        self._turn_ends_ns = 0
        """0 = between two turns."""
        self._next_ns = self.exchange.kernel.now_ns
        self._position = 0
        """As the turn began."""

    def memory(self) -> Any:
        return [self._real_side, self._turn_ends_ns, self._next_ns, self._position]

    def remember(self, memory: Any) -> None:
        self._real_side, self._turn_ends_ns, self._next_ns, self._position = memory

    def step(self, now_ns: int) -> None:
        if not self._turn_ends_ns:
            if now_ns >= self._next_ns:
                self._begin_turn(now_ns)
        elif self.position_lots != self._position or now_ns >= self._turn_ends_ns:
            self.withdraw()
            self._turn_ends_ns = 0
            self._next_ns = now_ns + PAUSE_NS
            if self.request.where == Where.ANYWHERE:
                self._real_side = 1 - self._real_side
        else:
            self._keep_away()

    def _begin_turn(self, now_ns: int) -> None:
        real, layered = self._real_side, 1 - self._real_side
        near, far = self.best(real), self.best(layered)
        if near is None or far is None:
            return
        self._turn_ends_ns = now_ns + TURN_NS
        self._position = self.position_lots
        self.show(real, near, self.scaled(REAL_MULTIPLE))
        for away in range(1, LAYERS + 1):
            self.show(layered, self.behind(layered, far, away), self.scaled(LAYERS_MULTIPLE / LAYERS))

    def _keep_away(self) -> None:
        """Layers that the touch has come to are taken away: they are not meant to trade."""
        layered = 1 - self._real_side
        touch = self.best(layered)
        for order_id, order in self.open_orders.items():
            if order.side == layered and order.price_ticks == touch:
                self.cancel(order_id)
