"""ICEBERG: a wall of hidden size, as a venue's own iceberg order shows it.

At the touch of one side it shows a tip. Each time the tip is executed the next one appears, in the same
instant and behind everybody who waits at that price, until the hidden size is used up: severity x 0.05 of
the base depth for each second of its duration. Where the touch has moved away the wall follows after two
seconds. (One order that is larger than the tip goes through it before the next one is there.)

Effect: far more trades at its price than was ever displayed there: lots executed grow with severity.
Harm: the price stands where the displayed depth says it should move; who sells into the wall sells into
somebody who knows more, and when it is used up the price goes on with nothing behind it.
"""

from __future__ import annotations

from typing import Any

from engine.core.clock import NS_PER_S
from engine.core.types import StormKind
from engine.market.orders import ExecutionReport
from engine.storms.base import Budget, Storm

__all__ = ["Iceberg"]

TIP_MULTIPLE = 0.04
"""Of the base depth, whatever the severity."""
HIDDEN_MULTIPLE = 0.05
"""For each second of its duration."""
FOLLOW_NS = 2 * NS_PER_S


class Iceberg(Storm):
    """See the module."""

    kind = StormKind.ICEBERG
    budget = Budget(orders=10_000, depths=100)

    def enter(self) -> None:
        self.exchange.hear(self.account, self._hear, acts=True)

    def leave(self) -> None:
        self.exchange.hear_no_more(self.account)

    def begin(self) -> None:
        self._side = self.book_side()
        self._price_ticks = 0
        """Of the wall; 0 = it stands nowhere."""
        self._away_since_ns = 0
        """Since when the touch is elsewhere; 0 = it is not."""
        self._hidden_lots = self.scaled(HIDDEN_MULTIPLE * self.request.duration_s)
        self._is_empty = False
        """Whether a tip was executed whole in this instant."""

    def memory(self) -> Any:
        return [self._side, self._price_ticks, self._away_since_ns, self._hidden_lots]

    def remember(self, memory: Any) -> None:
        self._side, self._price_ticks, self._away_since_ns, self._hidden_lots = memory
        self._is_empty = False

    def step(self, now_ns: int) -> None:
        touch = self.best(self._side)
        if touch is None:
            return
        if self.open_orders and touch == self._price_ticks:
            self._away_since_ns = 0
        elif not self._away_since_ns:
            self._away_since_ns = now_ns
        if not self._price_ticks or (self._away_since_ns and now_ns - self._away_since_ns >= FOLLOW_NS):
            self._move_to(touch)

    def attend(self) -> None:
        """The next tip, in the instant in which the last one went."""
        if self._is_empty and self.active:
            self._is_empty = False
            self._show_tip()

    def _move_to(self, price_ticks: int) -> None:
        for order_id in self.open_orders:
            self._hidden_lots += self.exchange.cancel_now(account=self.account, order_id=order_id)
        self._price_ticks, self._away_since_ns = price_ticks, 0
        self._show_tip()

    def _show_tip(self) -> None:
        size = min(self._hidden_lots, max(1, int(self.base_depth_lots * TIP_MULTIPLE)))
        if not size or not self.can_spend(size):
            return
        self._hidden_lots -= size
        self.exchange.count_order(self.account)
        # What has just gone through the last tip and rests at this price now would have met this one.
        self.exchange.enter(
            account=self.account, side=self._side, price_ticks=self._price_ticks, qty_lots=size
        )

    def _hear(self, report: ExecutionReport) -> None:
        if report.filled_lots_last and not report.remaining_lots:
            self._is_empty = True
