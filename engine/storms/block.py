"""decoy BLOCK: one large order that is meant (beside phantom liquidity and spoofing).

It rests up to 0.8 of the base depth at the touch of one side, whole and visible, and leaves it there to be
traded. Where the touch has been elsewhere for two seconds what is left follows it; a second after all has
traded the next block comes.

Effect: lots traded by a single resting order, which grow with severity.
Harmless: what is displayed is for sale.
"""

from __future__ import annotations

from typing import Any

from engine.core.clock import NS_PER_S
from engine.core.types import StormKind
from engine.storms.base import Budget, Storm

__all__ = ["Block"]

BLOCK_MULTIPLE = 0.8
FOLLOW_NS = 2 * NS_PER_S
PAUSE_NS = NS_PER_S


class Block(Storm):
    """See the module."""

    kind = StormKind.BLOCK
    budget = Budget(orders=200, depths=200)

    def begin(self) -> None:
        self._side = self.book_side()
        self._next_ns = self.started_ns
        """When it acts next."""

    def memory(self) -> Any:
        return [self._side, self._next_ns]

    def remember(self, memory: Any) -> None:
        self._side, self._next_ns = memory

    def step(self, now_ns: int) -> None:
        touch, resting = self.best(self._side), self.open_orders
        if touch is None:
            return
        if any(order.price_ticks == touch for order in resting.values()):
            self._next_ns = now_ns + FOLLOW_NS
        elif now_ns >= self._next_ns:
            left_lots = sum(order.remaining_lots for order in resting.values())
            self.withdraw()
            self.show(self._side, touch, left_lots or self.scaled(BLOCK_MULTIPLE))
            self._next_ns = now_ns + FOLLOW_NS
        elif not resting:
            self._next_ns = min(self._next_ns, now_ns + PAUSE_NS)
