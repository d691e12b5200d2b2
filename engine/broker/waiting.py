"""Orders that wait for a price: stops, take-profits and trailing stops.

They compare with the price of every trade, in order. The market is told the nearest prices above and below
at which any of them might move (`set_triggers`), and calls for attention in the instant of such a trade, so
nobody polls: the trades of that instant are all there is to look at.

A buy stop and a sell take-profit wait for the price to rise to them, the other two for it to fall. A
trailing order follows the best price at a distance (in bips): a sell waits for the price to fall so far from
its highest, a buy for it to rise so far from its lowest, since it was activated: at once, or at its stop
price. Source: trailing-stop-faq.md of the public Binance Spot API documentation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from msgspec.structs import replace

from engine.broker.terms import OrderState, OrderTerms, OrderType
from engine.core.types import Side
from engine.market.exchange import Exchange
from engine.market.tape import Trade

__all__ = ["BIPS", "Waiting", "is_reached"]

BIPS = 10_000
FEW_TRADES = 16
"""Trades of one instant that are read at first."""
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
        self.on_follow: Callable[[OrderState], None] = lambda _order: None
        """Hears of each trailing order, as it is, when it begins to follow the price."""
        self._exchange = exchange
        self._orders: dict[int, OrderState] = {}
        self._extremes: dict[int, int] = {}
        """Lowest (buys) or highest (sells) price since activation, by order id."""
        self._since: dict[int, int] = {}
        """Trades before an order began to wait, by order id; none: before the session went on."""
        self._looked = 0
        """Trades that have been looked at, or needed no look."""

    def __contains__(self, order_id: int) -> bool:
        return order_id in self._orders

    def __len__(self) -> int:
        return len(self._orders)

    def add(self, order: OrderState) -> None:
        """An order begins to wait."""
        self._orders[order.order_id] = order
        self._since[order.order_id] = self._exchange.trade_count
        last = self._exchange.last_price_ticks
        if order.trailing_bips and order.stop_price_ticks == 0 and last is not None:
            self._begin_to_follow(order, last)
        self._set_triggers()

    def change(self, order: OrderState) -> None:
        """An order was amended; if it waits, it goes on waiting as it is now."""
        if order.order_id in self._orders:
            self._orders[order.order_id] = order

    def remove(self, order_id: int) -> None:
        """It waits no longer."""
        if order_id in self._orders:
            self._forget(order_id)
            self._set_triggers()

    def take_triggered(self) -> list[OrderState]:
        """Those that the trades since the last time set off, in the order of trades, of one trade the oldest
        first; they wait no longer."""
        if self._looked == self._exchange.trade_count:
            return []
        trades = self._new_trades() if self._orders else []
        self._looked = self._exchange.trade_count
        triggered = []
        for trade in trades:
            for order in tuple(self._orders.values()):
                number = order.order_id
                if trade.trade_id > self._since.get(number, 0) and self._looks(order, trade.price_ticks):
                    triggered.append(self._orders[number])
                    self._forget(number)
        if trades:
            self._set_triggers()
        return triggered

    def _new_trades(self) -> list[Trade]:
        """Those of this instant that have not been looked at, oldest first. Earlier ones called nobody."""
        exchange, count = self._exchange, FEW_TRADES
        now_ns, new = exchange.kernel.now_ns, exchange.trade_count - self._looked
        trades = exchange.tape.recent(min(count, new))
        while count < new and len(trades) >= count and trades[0].time_ns == now_ns:
            count *= 2
            trades = exchange.tape.recent(min(count, new))
        return [trade for trade in trades if trade.time_ns == now_ns]

    def _forget(self, order_id: int) -> None:
        del self._orders[order_id]
        self._extremes.pop(order_id, None)
        self._since.pop(order_id, None)

    def _looks(self, order: OrderState, last: int) -> bool:
        """Whether a trade at this price sets an order off; a trailing one follows it."""
        if not order.trailing_bips:
            return is_reached(order, last)
        number = order.order_id
        if number not in self._extremes:
            if order.stop_price_ticks and not is_reached(order, last):
                return False
            self._begin_to_follow(order, last)
        best = min if order.side == Side.BID else max
        self._extremes[number] = best(self._extremes[number], last)
        limit = self._trailing_limit(order)
        return last >= limit if order.side == Side.BID else last <= limit

    def _begin_to_follow(self, order: OrderState, price_ticks: int) -> None:
        self._extremes[order.order_id] = price_ticks
        following = replace(order, trailing_ns=self._exchange.kernel.now_ns)
        self._orders[order.order_id] = following
        self.on_follow(following)

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
        self._since = {}
        self._looked = self._exchange.trade_count
