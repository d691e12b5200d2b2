"""The one risk gate: every order, whoever sends it, passes here before it can touch the book.

This slice holds what keeps the market well-formed (ranges, open-order limit, kill switch); the full set
of guards joins in the same place and with the same reasons enum.
"""

from __future__ import annotations

from typing import NamedTuple

from engine.arena.functions import inlined
from engine.arena.memory import Arena
from engine.core.types import Account
from engine.market.orders import REASON_CODES, Reason
from engine.market.records import Market, MarketReader

__all__ = ["MAX_OPEN_ORDERS", "RiskGate", "RiskLimits", "gate_order"]

MAX_OPEN_ORDERS = 5_000
"""Most open orders that any limit may allow an account: what one wake-up can cancel has a bound."""
_HISTORY = int(Account.HISTORY)
_NONE = REASON_CODES[Reason.NONE]
_KILL_SWITCH = REASON_CODES[Reason.KILL_SWITCH]
_QUANTITY = REASON_CODES[Reason.QUANTITY]
_PRICE = REASON_CODES[Reason.PRICE]
_TOO_MANY_ORDERS = REASON_CODES[Reason.TOO_MANY_ORDERS]


@inlined
def gate_order(market: Market, account: int, price_ticks: int, qty_lots: int, open_orders: int) -> int:
    """The code of the first reason against an order (price 0 = market), or of Reason.NONE."""
    reason = _first_reason(market, account, price_ticks, qty_lots, open_orders)
    if reason == _NONE:
        market.passed += 1
    else:
        market.refused[reason].value += 1
    return reason


@inlined
def _first_reason(market: Market, account: int, price_ticks: int, qty_lots: int, open_orders: int) -> int:
    if market.accounts[account].killed != 0:
        return _KILL_SWITCH
    if qty_lots <= 0 or qty_lots > market.max_order_lots:
        return _QUANTITY
    if price_ticks < 0 or price_ticks > market.max_price_ticks:
        return _PRICE
    if open_orders >= market.max_open_orders and account != _HISTORY:
        return _TOO_MANY_ORDERS
    return _NONE


class RiskLimits(NamedTuple):
    """Limits per order and account."""

    max_order_lots: int = 1 << 40
    max_price_ticks: int = 1 << 50
    max_open_orders: int = MAX_OPEN_ORDERS
    """Per account, at most MAX_OPEN_ORDERS; HISTORY is exempt (its orders are a whole exchange)."""


class RiskGate(MarketReader):
    """The gate of a market, for readers, and its kill switches."""

    def __init__(self, arena: Arena, limits: RiskLimits) -> None:
        assert 0 <= limits.max_open_orders <= MAX_OPEN_ORDERS
        super().__init__(arena)
        self.limits = limits
        market = self.market
        market.max_order_lots = limits.max_order_lots
        market.max_price_ticks = limits.max_price_ticks
        market.max_open_orders = limits.max_open_orders

    def kill(self, account: int, *, on: bool = True) -> None:
        """Turns an account's kill switch: while it is on, its orders are refused."""
        self.market.accounts[account].killed = int(on)

    def statistics(self) -> dict[str, int]:
        """Orders passed and refused, by reason."""
        refused = {
            f"refused_{reason.value}": self.market.refused[code].value
            for reason, code in REASON_CODES.items()
        }
        return {
            "passed": self.market.passed,
            **{name: count for name, count in sorted(refused.items()) if count},
        }
