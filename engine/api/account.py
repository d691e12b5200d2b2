"""What an account's execution reports add up to: its open orders and its position.

Invariant: after report n of an unbroken sequence from 1, `orders` and `position_lots` are exactly the
account's in the market at report n. After a break they are the best that is known, and `complete` is False.
"""

from __future__ import annotations

from typing import NamedTuple

from engine.core.types import Side
from engine.market.orders import ExecutionReport, Reason, ReportKind

__all__ = ["ORDER_LIMIT", "AccountState", "OpenOrder"]

ORDER_LIMIT = 10_000
"""Open orders remembered; the risk gate allows half as many."""


class OpenOrder(NamedTuple):
    """A resting order as its owner knows it."""

    client_id: int
    order_id: int
    side: str
    price_ticks: int
    qty_lots: int
    remaining_lots: int


class AccountState:
    """Open orders by client id, position, and the last sequence they stand on."""

    def __init__(self) -> None:
        self.orders: dict[int, OpenOrder] = {}
        self.position_lots = 0
        self.sequence = 0
        self.complete = True
        self.forgotten = 0
        """Orders beyond ORDER_LIMIT."""

    def apply(self, report: ExecutionReport) -> bool:
        """Take the next report. False when reports between the last one and this one are missing."""
        gapless = report.sequence == self.sequence + 1
        self.complete = self.complete and gapless
        self.sequence = report.sequence
        if report.filled_lots_last:
            sign = 1 if report.side == Side.BID else -1
            self.position_lots += sign * report.filled_lots_last
        self._keep_order(report)
        return gapless

    def _keep_order(self, report: ExecutionReport) -> None:
        known = report.client_id in self.orders
        if report.kind == ReportKind.REJECTED:
            # Only this reason speaks of an order that should live; the others of one that never did,
            # perhaps under the id of one that still does.
            if report.reason == Reason.UNKNOWN_ORDER:
                self.orders.pop(report.client_id, None)
        elif report.kind in (ReportKind.FILLED, ReportKind.CANCELLED):
            self.orders.pop(report.client_id, None)
        elif not known and len(self.orders) >= ORDER_LIMIT:
            self.forgotten += 1
            self.complete = False
        elif known or report.kind == ReportKind.ACCEPTED:
            self.orders[report.client_id] = OpenOrder(
                client_id=report.client_id,
                order_id=report.order_id,
                side="buy" if report.side == Side.BID else "sell",
                price_ticks=report.price_ticks,
                qty_lots=report.qty_lots,
                remaining_lots=report.remaining_lots,
            )
