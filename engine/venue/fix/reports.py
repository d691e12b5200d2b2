"""What became of an order -> ExecutionReport, OrderCancelReject, ListStatus, in the session's dialect.

Place on the data path: between what the broker tells and a session's outgoing messages. Decimals are plain
(QuickFIX refuses 0E-8), times UTC with microseconds. Invariant: a report is made of one order state alone,
so a report sent again says what the first one said.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from engine.broker.money import MIN_DECIMALS, Money, Step
from engine.broker.terms import (
    Execution,
    Fill,
    ListEvent,
    ListKind,
    OrderEvent,
    OrderState,
    OrderStatus,
    OrderType,
    Refusal,
)
from engine.core.types import SelfTrade, Side, TimeInForce
from engine.venue.fix.rules import Dialect
from engine.venue.fix.wire import timestamp

__all__ = [
    "NOTHING_CARRIED",
    "Carried",
    "Pair",
    "Reporter",
    "cancel_reason",
    "echo_order",
    "order_reason",
    "status_code",
]

Pair = tuple[int, str]


class Carried(NamedTuple):
    """What the orders before a replacement have traded: FIX counts it to the order that replaced them."""

    lots: int = 0
    micro: int = 0


NOTHING_CARRIED = Carried()
_STATUS = {
    OrderStatus.NEW: "0",
    OrderStatus.PENDING_NEW: "A",
    OrderStatus.PARTIALLY_FILLED: "1",
    OrderStatus.FILLED: "2",
    OrderStatus.CANCELED: "4",
    OrderStatus.REJECTED: "8",
    OrderStatus.EXPIRED: "C",
    OrderStatus.EXPIRED_IN_MATCH: "C",
}
_EXECUTION = {
    Execution.NEW: "0",
    Execution.TRADE: "F",
    Execution.CANCELED: "4",
    Execution.REPLACED: "5",
    Execution.REJECTED: "8",
    Execution.EXPIRED: "C",
    Execution.TRADE_PREVENTION: "C",
}
_TYPES = {
    OrderType.LIMIT: "2",
    OrderType.LIMIT_MAKER: "2",
    OrderType.MARKET: "1",
    OrderType.STOP_LOSS: "3",
    OrderType.TAKE_PROFIT: "3",
    OrderType.STOP_LOSS_LIMIT: "4",
    OrderType.TAKE_PROFIT_LIMIT: "4",
}
_TIMES = {TimeInForce.GTC: "1", TimeInForce.IOC: "3", TimeInForce.FOK: "4"}
_SELF_TRADES = {
    SelfTrade.ALLOW: "1",
    SelfTrade.CANCEL_TAKER: "2",
    SelfTrade.CANCEL_MAKER: "3",
    SelfTrade.CANCEL_BOTH: "4",
    SelfTrade.DECREMENT: "5",
}
_ECHOED = (38, 40, 18, 44, 99, 54, 55, 59, 111, 152, 847, 7940, 25001, 1100, 1101, 1102, 1107, 1109, 25009)
_STANDARD_ECHOED = frozenset({38, 40, 18, 44, 99, 54, 55, 59, 111, 152})
_ORDER_REASONS = {
    Refusal.MARKET_CLOSED: "2",
    Refusal.INSUFFICIENT_BALANCE: "3",
    Refusal.MAX_ORDERS: "3",
    Refusal.MAX_ALGO_ORDERS: "3",
    Refusal.GATE: "3",
    Refusal.UNKNOWN_ORDER: "5",
    Refusal.DUPLICATE_ORDER: "6",
    Refusal.LOT_SIZE: "13",
    Refusal.MARKET_LOT_SIZE: "13",
}


def order_reason(refusal: Refusal, dialect: Dialect) -> str:
    """OrdRejReason (103)."""
    return "99" if dialect is Dialect.BINANCE else _ORDER_REASONS.get(refusal, "99")


def cancel_reason(refusal: Refusal, *, is_known: bool) -> str:
    """CxlRejReason (102): an order that is known and cannot be cancelled any more is too late."""
    if refusal is Refusal.DUPLICATE_ORDER:
        return "6"
    if refusal in (Refusal.UNKNOWN_ORDER, Refusal.CANCEL_FAILED, Refusal.RESTRICTED):
        return "0" if is_known else "1"
    return "99" if refusal is not Refusal.AMEND_NOT_LESS else "2"


def echo_order(fields: Mapping[int, str], dialect: Dialect) -> list[Pair]:
    """The order's fields as they were asked for, for the report that rejects it."""
    tags = _ECHOED if dialect is Dialect.BINANCE else [tag for tag in _ECHOED if tag in _STANDARD_ECHOED]
    return [(tag, fields[tag]) for tag in tags if tag in fields]


class Reporter:
    """Reports of one instrument in one dialect."""

    def __init__(self, money: Money, dialect: Dialect, epoch_ns: int) -> None:
        self._money = money
        self._dialect = dialect
        self._epoch_ns = epoch_ns
        self._average = Step(1, money.price.decimals + 6)

    def event(
        self, event: OrderEvent, exec_id: str, *, carried: Carried = NOTHING_CARRIED, pending: str = ""
    ) -> list[Pair]:
        """The report of an order event. `pending`: OrdStatus while a cancel or replacement is under way."""
        order = event.order
        kind, status = _EXECUTION[event.execution], _STATUS[order.status]
        ids = [(11, order.client_order_id)]
        if event.execution is Execution.CANCELED and order.cancel_id:
            ids = [(11, order.cancel_id), (41, order.client_order_id)]
        elif event.execution is Execution.REPLACED and order.cancel_id:
            ids.append((41, order.cancel_id))
        if self._dialect is Dialect.STANDARD:
            if kind == "C" and not order.status.is_open and _ends_at_once(order):
                kind = status = "4"
            elif kind == "C" and order.status.is_open:
                kind = "D"
        if pending and order.status.is_open:
            status = pending
        fields = self.state(order, kind, status, exec_id, ids, event.fill, carried)
        if self._dialect is Dialect.BINANCE and event.execution is Execution.TRADE_PREVENTION:
            lots = self._money.quantity_text
            fields += [(25030, lots(order.prevented_lots)), (25031, lots(event.prevented_lots))]
        elif kind == "D":
            fields.append((378, "5"))
        if event.execution is Execution.TRADE_PREVENTION and self._dialect is Dialect.STANDARD:
            fields.append((58, "self-trade prevention"))
        return fields

    def state(
        self,
        order: OrderState,
        kind: str,
        status: str,
        exec_id: str,
        ids: list[Pair],
        fill: Fill | None = None,
        carried: Carried = NOTHING_CARRIED,
    ) -> list[Pair]:
        """A report of an order as it is: `kind` is ExecType, `status` OrdStatus."""
        lots, price = self._money.quantity_text, self._money.price_text
        leaves = order.remaining_lots if order.status.is_open else 0
        executed = carried.lots + order.executed_lots
        fields: list[Pair] = [
            (37, str(order.order_id)),
            *ids,
            (17, exec_id),
            (150, kind),
            (39, status),
            (55, self._money.symbol),
            (54, "1" if order.side == Side.BID else "2"),
            *self._terms(order, carried),
            (32, lots(fill.qty_lots if fill is not None else 0)),
            (151, lots(leaves)),
            (14, lots(executed)),
            (60, timestamp(self._epoch_ns + order.updated_ns)),
        ]
        if fill is not None:
            fields.append((31, price(fill.price_ticks)))
        if self._dialect is Dialect.BINANCE:
            return fields + self._binance(order, fill)
        return fields + self._standard(order, fill, carried)

    def list_status(self, event: ListEvent) -> list[Pair]:
        """The ListStatus of a list that began or ended (Binance)."""
        state = event.state
        done = state.status != "EXECUTING"
        fields = [
            (55, self._money.symbol),
            (66, str(state.list_id)),
            (25014, state.list_client_order_id),
            (1385, "1" if state.kind == ListKind.OCO else "2"),
            (429, "5" if done else "4"),
            (431, "6" if done else "3"),
            (60, timestamp(self._epoch_ns + state.time_ns)),
            (73, str(len(event.orders))),
        ]
        for order in event.orders:
            fields += [(11, order.client_order_id), (55, self._money.symbol), (37, str(order.order_id))]
        return fields

    def _terms(self, order: OrderState, carried: Carried) -> list[Pair]:
        money = self._money
        fields: list[Pair] = []
        if order.qty_lots:
            fields.append((38, money.quantity_text(carried.lots + order.qty_lots)))
        fields.append((40, _TYPES[order.type]))
        if order.type is OrderType.LIMIT_MAKER:
            fields.append((18, "6"))
        if order.price_ticks:
            fields.append((44, money.price_text(order.price_ticks)))
        fields.append((59, _TIMES.get(TimeInForce(order.time_in_force), "1")))
        if order.iceberg_lots:
            fields.append((111, money.quantity_text(order.iceberg_lots)))
        if order.quote_micro:
            fields.append((152, money.amount_text(order.quote_micro)))
        if order.stop_price_ticks and self._dialect is Dialect.STANDARD:
            fields.append((99, money.price_text(order.stop_price_ticks)))
        return fields

    def _standard(self, order: OrderState, fill: Fill | None, carried: Carried) -> list[Pair]:
        executed = carried.lots + order.executed_lots
        average = "0." + "0" * MIN_DECIMALS
        if executed:
            micro = carried.micro + order.executed_micro
            digits = self._money.price.digits
            average = self._average.text((2 * micro * digits + executed) // (2 * executed))
        fields: list[Pair] = [(6, average)]
        if fill is not None:
            fields += [
                (12, self._money.amount_text(fill.fee_micro)),
                (13, "3"),
                (479, self._money.quote),
                (851, "1" if fill.is_maker else "2"),
            ]
        return fields

    def _binance(self, order: OrderState, fill: Fill | None) -> list[Pair]:
        money = self._money
        fields: list[Pair] = [
            (25001, _SELF_TRADES[SelfTrade(order.self_trade)]),
            (25017, money.amount_text(order.executed_micro)),
            (25018, timestamp(self._epoch_ns + order.created_ns)),
            (636, "Y" if order.market_id and order.status.is_open else "N"),
        ]
        if order.working_ns >= 0:
            fields.append((25023, timestamp(self._epoch_ns + order.working_ns)))
        if order.list_id >= 0:
            fields.append((66, str(order.list_id)))
        if order.strategy_type is not None:
            fields.append((847, str(order.strategy_type)))
        if order.strategy_id is not None:
            fields.append((7940, str(order.strategy_id)))
        if order.type.waits:
            fields += self._trigger(order)
        if fill is not None:
            fields += [
                (1057, "N" if fill.is_maker else "Y"),
                (1003, str(fill.trade_id)),
                (136, "1"),
                (137, money.amount_text(fill.fee_micro)),
                (138, money.quote),
                (139, "4"),
            ]
        return fields

    def _trigger(self, order: OrderState) -> list[Pair]:
        is_loss = order.type in (OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT)
        fields = [(1100, "4"), (1101, "1"), (1107, "2")]
        fields.append((1109, "U" if is_loss == (order.side == Side.BID) else "D"))
        if order.stop_price_ticks:
            fields.append((1102, self._money.price_text(order.stop_price_ticks)))
        if order.trailing_bips:
            fields.append((25009, str(order.trailing_bips)))
        if order.trailing_ns >= 0:
            fields.append((25022, timestamp(self._epoch_ns + order.trailing_ns)))
        return fields


def status_code(order: OrderState) -> str:
    """OrdStatus (39) of an order."""
    return _STATUS[order.status]


def _ends_at_once(order: OrderState) -> bool:
    """Whether FIX calls the end of its rest a cancel: IOC, FOK and market orders, and self-trades."""
    return (
        order.status is OrderStatus.EXPIRED_IN_MATCH
        or order.type.is_market
        or order.time_in_force in (TimeInForce.IOC, TimeInForce.FOK)
    )
