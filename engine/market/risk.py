"""The one risk gate: every order, whoever sends it, passes here before it can touch the book.

This slice holds what keeps the market well-formed (ranges, open-order limit, kill switch); the full set
of guards joins in the same place and with the same reasons enum.
"""

from __future__ import annotations

from typing import NamedTuple

from engine.market.orders import Reason

__all__ = ["RiskGate", "RiskLimits"]


class RiskLimits(NamedTuple):
    """Limits per order and account."""

    max_order_lots: int = 1 << 40
    max_price_ticks: int = 1 << 50
    max_open_orders: int = 5_000
    """Per account; HISTORY is exempt (its orders are a whole exchange)."""


class RiskGate:
    """Says NONE or the first reason against an order."""

    def __init__(self, limits: RiskLimits = RiskLimits()) -> None:  # noqa: B008 - an immutable tuple
        self.limits = limits
        self.killed: set[int] = set()
        """Accounts whose kill switch is on."""
        self.passed = 0
        self.refused: dict[str, int] = {}

    def check(self, account: int, *, price_ticks: int, qty_lots: int, open_orders: int) -> Reason:
        """The verdict on one new order (price 0 = market)."""
        reason = self._first_reason(account, price_ticks, qty_lots, open_orders)
        if reason is Reason.NONE:
            self.passed += 1
        else:
            self.refused[reason.value] = self.refused.get(reason.value, 0) + 1
        return reason

    def _first_reason(self, account: int, price_ticks: int, qty_lots: int, open_orders: int) -> Reason:
        limits = self.limits
        if account in self.killed:
            return Reason.KILL_SWITCH
        if not 0 < qty_lots <= limits.max_order_lots:
            return Reason.QUANTITY
        if not 0 <= price_ticks <= limits.max_price_ticks:
            return Reason.PRICE
        if open_orders >= limits.max_open_orders:
            return Reason.TOO_MANY_ORDERS
        return Reason.NONE

    def statistics(self) -> dict[str, int]:
        """Orders passed and refused, by reason."""
        return {"passed": self.passed, **{f"refused_{k}": v for k, v in sorted(self.refused.items())}}
