"""User events: what became of orders, balances and lists, told to whoever of the account listens.

Place on the data path: from the gateway's wake-up to the outlets of connections. An event is encoded once
per account, whatever the number of its listeners, and not at all when nobody listens. Invariant: listeners
get events in exactly the order in which they were told; one that cannot keep up is dropped by its outlet.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from engine.broker.terms import (
    BalanceEvent,
    Execution,
    ListEvent,
    OrderEvent,
    OrderState,
    OrderStatus,
    Told,
)
from engine.venue.binance.codec import SIDES, TIMES_IN_FORCE, encode, list_kind_name, self_trade_name

if TYPE_CHECKING:
    from engine.venue.binance.gateway import Gateway

__all__ = ["Outlet", "UserStreams", "balance_report", "execution_report", "list_report"]

Outlet = Callable[[bytes], None]
"""Takes an encoded event (not its envelope); must return at once."""


class Listener:
    """Somebody who listens to one account."""

    __slots__ = ("account", "end", "put")

    def __init__(self, account: int, put: Outlet, end: Callable[[], None]) -> None:
        self.account = account
        self.put = put
        self.end = end
        """Called when the stream ends by itself: it says eventStreamTerminated and forgets the stream."""


class UserStreams:
    """Who listens to which account.

    Connections   listen unlisten
    Gateway       feed terminate terminate_all
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._listeners: dict[int, list[Listener]] = {}
        self.events = 0

    def listen(self, account: int, put: Outlet, end: Callable[[], None]) -> Listener:
        """Feed `put` from now on."""
        listener = Listener(account, put, end)
        self._listeners.setdefault(account, []).append(listener)
        return listener

    def unlisten(self, listener: Listener) -> None:
        """Feed it no longer."""
        listeners = self._listeners.get(listener.account, [])
        if listener in listeners:
            listeners.remove(listener)
            if not listeners:
                del self._listeners[listener.account]

    def feed(self, told: Told) -> None:
        """Hand one message to the listeners of its account."""
        listeners = self._listeners.get(told.account)
        if not listeners:
            return
        message = told.message
        if type(message) is OrderEvent:
            event = execution_report(self._gateway, told, message)
        elif type(message) is BalanceEvent:
            event = balance_report(self._gateway, told, message)
        elif type(message) is ListEvent:
            event = list_report(self._gateway, told, message)
        else:
            return
        data = encode(event)
        self.events += 1
        for listener in tuple(listeners):
            listener.put(data)

    def terminate_all(self) -> None:
        """Another session, or a gap: every stream ends, and its owner has to subscribe anew."""
        for account in tuple(self._listeners):
            self.terminate(account)

    def terminate(self, account: int) -> None:
        """End the streams of one account."""
        for listener in self._listeners.pop(account, []):
            listener.end()

    def terminated(self) -> bytes:
        """The event that ends a stream."""
        return encode({"e": "eventStreamTerminated", "E": self._gateway.now_ms()})

    def shutting_down(self) -> bytes:
        """The event before the venue closes."""
        return encode({"e": "serverShutdown", "E": self._gateway.now_ms()})

    def statistics(self) -> dict[str, int]:
        """Listeners and events."""
        return {
            "listeners": sum(len(listeners) for listeners in self._listeners.values()),
            "events": self.events,
        }


def execution_report(gateway: Gateway, told: Told, message: OrderEvent) -> dict[str, Any]:
    """executionReport."""
    codec = gateway.codec
    order, fill, execution = message.order, message.fill, message.execution
    client_id, original_id = order.client_order_id, ""
    if execution is Execution.CANCELED:
        client_id, original_id = order.cancel_id or order.client_order_id, order.client_order_id
    elif execution is Execution.REPLACED:
        original_id = order.cancel_id
    report = {
        "e": "executionReport",
        "E": codec.ms(told.told_ns),
        "s": codec.symbol,
        "c": client_id,
        "S": SIDES[order.side],
        "o": order.type.name,
        "f": TIMES_IN_FORCE[order.time_in_force],
        "q": codec.quantity(order.qty_lots),
        "p": codec.price(order.price_ticks),
        "P": codec.price(order.stop_price_ticks),
        "F": codec.quantity(order.iceberg_lots),
        "g": order.list_id,
        "C": original_id,
        "x": execution.value,
        "X": order.status.value,
        "r": message.refusal.value or "NONE",
        "i": order.order_id,
        "l": codec.quantity(fill.qty_lots if fill else 0),
        "z": codec.quantity(order.executed_lots),
        "L": codec.price(fill.price_ticks if fill else 0),
        "n": codec.amount(fill.fee_micro) if fill else "0",
        "N": codec.quote if fill else None,
        "T": codec.ms(told.happened_ns),
        "t": fill.trade_id if fill else -1,
        "I": told.sequence,
        "w": _is_on_book(order),
        "m": fill is not None and fill.is_maker,
        "M": fill is not None,
        "O": codec.ms(order.created_ns),
        "Z": codec.amount(order.executed_micro),
        "Y": codec.worth(fill) if fill else codec.amount(0),
        "Q": codec.amount(order.quote_micro),
    }
    _add_conditional(gateway, report, message)
    return report


def _add_conditional(gateway: Gateway, report: dict[str, Any], message: OrderEvent) -> None:
    codec, order = gateway.codec, message.order
    if order.working_ns >= 0:
        report["W"] = codec.ms(order.working_ns)
    report["V"] = self_trade_name(order.self_trade)
    if order.trailing_bips:
        report["d"] = order.trailing_bips
        if order.trailing_ns >= 0:
            report["D"] = codec.ms(order.trailing_ns)
    if order.strategy_id is not None:
        report["j"] = order.strategy_id
    if order.strategy_type is not None:
        report["J"] = order.strategy_type
    if message.prevented_lots:
        report["v"] = order.order_id
        report["A"] = codec.quantity(order.prevented_lots)
        report["B"] = codec.quantity(message.prevented_lots)
    if order.status in (OrderStatus.EXPIRED, OrderStatus.EXPIRED_IN_MATCH):
        report["eR"] = _EXPIRY_MATCH if order.status is OrderStatus.EXPIRED_IN_MATCH else _EXPIRY_TERMS


_EXPIRY_TERMS = 1
"""eR: by the order's own terms."""
_EXPIRY_MATCH = 2
"""eR: by self-trade prevention."""


def _is_on_book(order: OrderState) -> bool:
    return order.working_ns >= 0 and order.status in (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED)


def balance_report(gateway: Gateway, told: Told, message: BalanceEvent) -> dict[str, Any]:
    """outboundAccountPosition."""
    codec = gateway.codec
    return {
        "e": "outboundAccountPosition",
        "E": codec.ms(told.told_ns),
        "u": codec.ms(message.balances.updated_ns),
        "B": [
            {"a": asset, "f": free, "l": locked} for asset, free, locked in codec.balances(message.balances)
        ],
    }


def list_report(gateway: Gateway, told: Told, message: ListEvent) -> dict[str, Any]:
    """listStatus."""
    codec, state = gateway.codec, message.state
    executing = state.status == "EXECUTING"
    return {
        "e": "listStatus",
        "E": codec.ms(told.told_ns),
        "s": codec.symbol,
        "g": state.list_id,
        "c": list_kind_name(state.kind),
        "l": "EXEC_STARTED" if executing else "ALL_DONE",
        "L": state.status,
        "r": "NONE",
        "C": state.list_client_order_id,
        "T": codec.ms(state.time_ns),
        "O": [
            {"s": codec.symbol, "i": order.order_id, "c": order.client_order_id} for order in message.orders
        ],
    }
