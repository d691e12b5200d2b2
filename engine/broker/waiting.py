"""Orders that wait for a price: stops, take-profits and trailing stops.

They compare with the last price. The market is told the nearest prices above and below at which any of them
might move (`set_triggers`), and calls for attention in the instant of such a trade, so nobody polls.

A buy stop and a sell take-profit wait for the price to rise to them, the other two for it to fall. A
trailing order follows the best price at a distance (in bips): a sell waits for the price to fall so far from
its highest, a buy for it to rise so far from its lowest, since it was activated: at once, or at its stop
price. Source: trailing-stop-faq.md of the public Binance Spot API documentation.
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.broker.terms import OrderState, OrderTerms, OrderType
from engine.core.types import Side
from engine.market.exchange import Exchange

__all__ = ["BIPS", "Waiting", "is_reached"]

BIPS = 10_000
_RISING = {
    (Side.BID, OrderType.STOP_LOSS),
    (Side.BID, OrderType.STOP_LOSS_LIMIT),
    (Side.ASK, OrderType.TAKE_PROFIT),
    (Side.ASK, OrderType.TAKE_PROFIT_LIMIT),
}


def is_reached(order: OrderTerms | OrderState, last_ticks: int) -> bool:
    """Whether the last price stands at or beyond an order's stop price."""
    if (Side(order.side), order.type) in _RISING:
        return last_ticks >= order.stop_price_ticks
    return last_ticks <= order.stop_price_ticks


class Waiting:
    """All waiting orders of a session, and how far trailing ones have followed."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._orders: dict[int, OrderState] = {}
        self._extremes: dict[int, int] = {}
        """Lowest (buys) or highest (sells) price since activation, by order id."""

    def __contains__(self, order_id: int) -> bool:
        return order_id in self._orders

    def __len__(self) -> int:
        return len(self._orders)

    def add(self, order: OrderState) -> None:
        """An order begins to wait."""
        self._orders[order.order_id] = order
        last = self._exchange.last_price_ticks
        if order.trailing_bips and order.stop_price_ticks == 0 and last is not None:
            self._extremes[order.order_id] = last
        self._set_triggers()

    def remove(self, order_id: int) -> None:
        """It waits no longer."""
        if self._orders.pop(order_id, None) is not None:
            self._extremes.pop(order_id, None)
            self._set_triggers()

    def take_triggered(self) -> list[OrderState]:
        """Those that the last price sets off, oldest first; they wait no longer."""
        last = self._exchange.last_price_ticks
        if last is None or not self._orders:
            return []
        triggered = [order for order in self._orders.values() if self._looks(order, last)]
        for order in triggered:
            del self._orders[order.order_id]
            self._extremes.pop(order.order_id, None)
        self._set_triggers()
        return triggered

    def _looks(self, order: OrderState, last: int) -> bool:
        if not order.trailing_bips:
            return is_reached(order, last)
        number = order.order_id
        if number not in self._extremes:
            if order.stop_price_ticks and not is_reached(order, last):
                return False
            self._extremes[number] = last
        best = min if order.side == Side.BID else max
        self._extremes[number] = best(self._extremes[number], last)
        limit = self._trailing_limit(order)
        return last >= limit if order.side == Side.BID else last <= limit

    def _trailing_limit(self, order: OrderState) -> int:
        """Price at which an activated trailing order is set off."""
        extreme = self._extremes[order.order_id]
        if order.side == Side.BID:
            return -(-extreme * (BIPS + order.trailing_bips) // BIPS)
        return extreme * (BIPS - order.trailing_bips) // BIPS

    def _set_triggers(self) -> None:
        above = below = 0
        for price_ticks, rising in self._prices():
            if rising:
                above = price_ticks if above == 0 else min(above, price_ticks)
            else:
                below = max(below, price_ticks)
        self._exchange.set_triggers(above, below)

    def _prices(self) -> Iterator[tuple[int, bool]]:
        """(price, whether above) at which an order moves: is set off, activated or follows."""
        for order in self._orders.values():
            if not order.trailing_bips or order.order_id not in self._extremes:
                price_ticks = order.stop_price_ticks or 1
                rising = (Side(order.side), order.type) in _RISING or order.stop_price_ticks == 0
                yield price_ticks, rising
                continue
            limit, extreme = self._trailing_limit(order), self._extremes[order.order_id]
            is_buy = order.side == Side.BID
            yield limit, is_buy
            yield (max(1, extreme - 1), False) if is_buy else (extreme + 1, True)

    # -- state -----------------------------------------------------------------------------------------

    def state(self) -> list[list[int | None]]:
        """[order id, account, extreme or None], in the order of waiting."""
        return [[o.order_id, o.account, self._extremes.get(o.order_id)] for o in self._orders.values()]

    def restore(self, orders: list[tuple[OrderState, int | None]]) -> None:
        """Goes on with these orders; the market's triggers are in its own image."""
        self._orders = {order.order_id: order for order, _ in orders}
        self._extremes = {order.order_id: extreme for order, extreme in orders if extreme is not None}
