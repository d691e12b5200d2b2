"""Order entry as a bot writes it; how a request travels is its subclass's business.

The rule of prices: positional numbers are whole ticks and lots; exact decimals have names, price= and
quantity=. The two never mix silently: a float is refused, and so is a price between two ticks.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from engine.client.state import Exact, Request, TimeInForce, Wanted
from engine.client.words import Order, Side

__all__ = ["OrderEntry"]

Placed = TypeVar("Placed", covariant=True)
Told = TypeVar("Told", covariant=True)


class OrderEntry(Generic[Placed, Told]):
    """buy sell buy_market sell_market cancel cancel_all."""

    def buy(
        self,
        price_ticks: int | None = None,
        qty_lots: int | None = None,
        *,
        price: Exact | None = None,
        quantity: Exact | None = None,
        time_in_force: TimeInForce = "GTC",
        client_id: int | None = None,
    ) -> Placed:
        """A limit order to buy: buy(10050, 5), or buy(price="100.50", quantity="5").

        Gives the order once the desk has it under way; what becomes of it is told by reports. `client_id` is
        your own number for it, unique among live orders. Raises InvalidRequest, RequestRefused.
        """
        return self._limit("buy", price_ticks, qty_lots, price, quantity, time_in_force, client_id)

    def sell(
        self,
        price_ticks: int | None = None,
        qty_lots: int | None = None,
        *,
        price: Exact | None = None,
        quantity: Exact | None = None,
        time_in_force: TimeInForce = "GTC",
        client_id: int | None = None,
    ) -> Placed:
        """A limit order to sell; as `buy`."""
        return self._limit("sell", price_ticks, qty_lots, price, quantity, time_in_force, client_id)

    def buy_market(
        self, qty_lots: int | None = None, *, quantity: Exact | None = None, client_id: int | None = None
    ) -> Placed:
        """Buy at any price; what finds no seller is cancelled. Raises InvalidRequest, RequestRefused."""
        return self._place(Wanted("buy", True, None, qty_lots, None, quantity, "GTC", client_id))

    def sell_market(
        self, qty_lots: int | None = None, *, quantity: Exact | None = None, client_id: int | None = None
    ) -> Placed:
        """Sell at any price; as `buy_market`."""
        return self._place(Wanted("sell", True, None, qty_lots, None, quantity, "GTC", client_id))

    def cancel(self, order: Order | int) -> Told:
        """Cancel one order, given as what `buy` gave or as its client id. Raises RequestRefused."""
        client_id = order.client_id if isinstance(order, Order) else order
        return self._tell({"op": "cancel", "client_id": client_id})

    def cancel_all(self) -> Told:
        """Cancel all resting orders of the account. Raises RequestRefused."""
        return self._tell({"op": "cancel_all"})

    def _limit(
        self,
        side: Side,
        price_ticks: int | None,
        qty_lots: int | None,
        price: Exact | None,
        quantity: Exact | None,
        time_in_force: TimeInForce,
        client_id: int | None,
    ) -> Placed:
        wanted = Wanted(side, False, price_ticks, qty_lots, price, quantity, time_in_force, client_id)
        return self._place(wanted)

    def _place(self, wanted: Wanted) -> Placed:
        raise NotImplementedError

    def _tell(self, request: Request) -> Told:
        raise NotImplementedError
