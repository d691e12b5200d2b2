"""What the orders of a symbol may look like: Binance's symbol filters in ticks and lots.

Source: filters.md of the public Binance Spot API documentation. Price multiples of the tick and quantities
in whole lots are the gateway's business (it turns decimals into integers).
"""

from __future__ import annotations

from typing import NamedTuple

from engine.broker.terms import OrderTerms, OrderType, Refusal
from engine.core.types import Instrument, Side, TimeInForce
from engine.market.ledger import MICRO

__all__ = ["PARTS", "Filters"]

PARTS = 10_000
"""Multipliers are in parts of this."""
MIN_NOTIONAL = 5
MAX_NOTIONAL = 9_000_000
"""In the quote asset."""
MAX_UNITS = 100_000
MAX_MARKET_UNITS = 10_000


class Filters(NamedTuple):
    """Limits of one symbol."""

    max_price_ticks: int
    min_qty_lots: int
    max_qty_lots: int
    market_max_qty_lots: int
    min_notional: int
    """Price x quantity, in tick-lots."""
    max_notional: int
    """The same; for orders with a limit price."""
    max_orders: int = 200
    max_algo_orders: int = 20
    """Of orders that wait for a price."""
    iceberg_parts: int = 50
    bid_up: int = 5 * PARTS
    bid_down: int = PARTS // 5
    ask_up: int = 5 * PARTS
    ask_down: int = PARTS // 5
    """A limit price may lie between these shares of the last price."""
    min_trailing_bips: int = 10
    max_trailing_bips: int = 2_000

    @classmethod
    def of(cls, instrument: Instrument) -> Filters:
        """The filters of an instrument."""
        return cls(
            max_price_ticks=1 << 40,
            min_qty_lots=1,
            max_qty_lots=MAX_UNITS * instrument.unit_lots,
            market_max_qty_lots=MAX_MARKET_UNITS * instrument.unit_lots,
            min_notional=max(1, round(MIN_NOTIONAL / (instrument.tick_size * instrument.lot_size))),
            max_notional=max(1, round(MAX_NOTIONAL / (instrument.tick_size * instrument.lot_size))),
        )

    def check(self, order: OrderTerms, reference_ticks: int | None) -> Refusal:
        """The first filter against an order (with the last price, where one is known), or NONE."""
        if not order.type.is_market and not 0 < order.price_ticks <= self.max_price_ticks:
            return Refusal.PRICE_FILTER
        least = 0 if order.trailing_bips else 1
        if order.type.waits and not least <= order.stop_price_ticks <= self.max_price_ticks:
            return Refusal.PRICE_FILTER
        if order.quote_micro == 0:
            refusal = self.check_lots(order, order.qty_lots)
        else:  # for money instead of a quantity: only a market order, whose lots are known when it enters
            is_for_money = order.type == OrderType.MARKET and order.quote_micro > 0 and order.qty_lots == 0
            refusal = Refusal.NONE if is_for_money else Refusal.LOT_SIZE
        return refusal or self._check_worth(order, reference_ticks) or self._check_parts(order)

    def check_lots(self, order: OrderTerms, lots: int) -> Refusal:
        """Whether an order may be of so many lots."""
        if not self.min_qty_lots <= lots <= self.max_qty_lots:
            return Refusal.LOT_SIZE
        if order.type.is_market and lots > self.market_max_qty_lots:
            return Refusal.MARKET_LOT_SIZE
        return Refusal.NONE

    def _check_worth(self, order: OrderTerms, reference_ticks: int | None) -> Refusal:
        if not order.type.is_market and reference_ticks is not None:
            up, down = (
                (self.bid_up, self.bid_down) if order.side == Side.BID else (self.ask_up, self.ask_down)
            )
            if not down * reference_ticks <= PARTS * order.price_ticks <= up * reference_ticks:
                return Refusal.PERCENT_PRICE
        price_ticks = reference_ticks if order.type.is_market else order.price_ticks
        if order.quote_micro:
            worth_micro = order.quote_micro
        elif price_ticks is None:
            return Refusal.NONE
        else:
            worth_micro = price_ticks * order.qty_lots * MICRO
        is_enough = worth_micro >= self.min_notional * MICRO
        is_too_much = not order.type.is_market and worth_micro > self.max_notional * MICRO
        return Refusal.NOTIONAL if is_too_much or not is_enough else Refusal.NONE

    def _check_parts(self, order: OrderTerms) -> Refusal:
        if order.iceberg_lots and not self._may_hide(order):
            return Refusal.ICEBERG_PARTS
        if (
            order.trailing_bips
            and not self.min_trailing_bips <= order.trailing_bips <= self.max_trailing_bips
        ):
            return Refusal.TRAILING_DELTA
        return Refusal.NONE

    def _may_hide(self, order: OrderTerms) -> bool:
        rests = order.time_in_force == TimeInForce.GTC and not order.type.is_market
        parts = -(-order.qty_lots // order.iceberg_lots)
        return rests and order.iceberg_lots > 0 and parts <= self.iceberg_parts
