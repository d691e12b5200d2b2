"""PHANTOM: liquidity that is only shown.

Every 100 ms it shows large post-only orders on levels 2-6 of one side (the side changes every two
seconds), and takes away whatever is older than 300 ms or has come within one level of the touch.

Effect: displayed depth (ten levels, both sides) rises by about 3 x severity of its base, and with it the
imbalance that others lean on; almost nothing of it trades.
Harm: makers lean towards the shown side and quote worse prices than the real flow supports.
"""

from __future__ import annotations

from typing import Any

from engine.core.clock import NS_PER_MS, NS_PER_S
from engine.core.types import Side, StormKind
from engine.storms.base import Storm

__all__ = ["Phantom"]

SHOWN_MULTIPLE = 4.0
LIFE_NS = 300 * NS_PER_MS
LEVELS = 5


class Phantom(Storm):
    """See the module."""

    kind = StormKind.PHANTOM

    def begin(self) -> None:
        self._born_ns: dict[int, int] = {}

    def memory(self) -> Any:
        return list(self._born_ns.items())

    def remember(self, memory: Any) -> None:
        self._born_ns = dict(memory)

    def step(self, now_ns: int) -> None:
        self._withdraw(now_ns)
        turn = (now_ns - self.started_ns) // (2 * NS_PER_S)
        side = (turn + self.request.seed) % 2
        prices = self.level_prices(side, LEVELS + 1)[1:]
        if not prices:
            return
        # Three generations of orders are alive at a time: each shows a third.
        size = max(1, self.scaled(SHOWN_MULTIPLE) // (3 * len(prices)))
        for price_ticks in prices:
            self.show(side, price_ticks, size)

    def _withdraw(self, now_ns: int) -> None:
        alive = self.open_orders
        self._born_ns = {i: self._born_ns.get(i, now_ns) for i in alive}
        bid, ask = self.exchange.best_bid, self.exchange.best_ask
        for order_id, order in alive.items():
            touch = bid if order.side == Side.BID else ask
            if order.price_ticks == touch or now_ns - self._born_ns[order_id] >= LIFE_NS:
                self.cancel(order_id)
