"""Orders, fills, lists and balances as clients read them: field names, their order, decimals, times.

Place on the data path: last thing before JSON. Numbers come in as ticks, lots and micro, and leave as plain
decimals of at least eight digits after the point; times leave as ms since 1970. Invariant: nothing here
depends on who asks, so a value is built once for all its readers.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import msgspec

from engine.broker.money import Money
from engine.broker.terms import (
    Balances,
    Fill,
    ListKind,
    ListState,
    OrderState,
    OrderStatus,
    OrderType,
)
from engine.core.types import SelfTrade, Side, TimeInForce
from engine.market.ledger import MICRO

__all__ = [
    "DEFAULT_SELF_TRADE",
    "SELF_TRADE_MODES",
    "SIDES",
    "TIMES_IN_FORCE",
    "Codec",
    "encode",
    "list_kind_name",
    "self_trade_name",
]

TEXT_CACHE = 16_384
"""Decimals of each kind that are remembered: a market repeats its prices and sizes."""
NS_PER_MS = 1_000_000
SIDES = {int(Side.BID): "BUY", int(Side.ASK): "SELL"}
TIMES_IN_FORCE = {int(one): one.name for one in (TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK)}
SELF_TRADE_MODES = {
    "NONE": int(SelfTrade.ALLOW),
    "EXPIRE_TAKER": int(SelfTrade.CANCEL_TAKER),
    "EXPIRE_MAKER": int(SelfTrade.CANCEL_MAKER),
    "EXPIRE_BOTH": int(SelfTrade.CANCEL_BOTH),
    "DECREMENT": int(SelfTrade.DECREMENT),
}
DEFAULT_SELF_TRADE = "EXPIRE_MAKER"
"""Of an order that names no mode, as on the exchange."""
_SELF_TRADE_NAMES = {number: name for name, number in SELF_TRADE_MODES.items()}
_TYPES = {kind: kind.name for kind in OrderType}
_STATUSES = {status: status.value for status in OrderStatus}
_LIST_KINDS = {ListKind.OCO: "OCO", ListKind.OTO: "OTO", ListKind.OTOCO: "OTO"}

encode = msgspec.json.Encoder().encode
"""Any answer -> JSON."""


def self_trade_name(mode: int) -> str:
    """A self-trade prevention mode as clients write it."""
    return _SELF_TRADE_NAMES[mode]


def list_kind_name(kind: ListKind) -> str:
    """The contingency type; an OTOCO is an OTO to its readers."""
    return _LIST_KINDS[kind]


class Codec:
    """Texts of one instrument in one session.

    Orders    order_ack order_result order_full order_cancelled order_query
    Lists     order_list
    Others    own_trade balances
    Times     ms
    """

    def __init__(self, money: Money, epoch_ns: int) -> None:
        self.money = money
        self.symbol = money.symbol
        self.base = money.base
        self.quote = money.quote
        self._epoch_ns = epoch_ns
        self.price = lru_cache(TEXT_CACHE)(money.price_text)
        self.quantity = lru_cache(TEXT_CACHE)(money.quantity_text)
        self.amount = lru_cache(TEXT_CACHE)(money.amount_text)
        self.ticks = lru_cache(TEXT_CACHE)(money.ticks)
        self.lots = lru_cache(TEXT_CACHE)(money.lots)

    def ms(self, time_ns: int) -> int:
        """Session time as ms since 1970."""
        return (self._epoch_ns + time_ns) // NS_PER_MS

    def session_ns(self, ms: int) -> int:
        """The session time at which this ms began."""
        return ms * NS_PER_MS - self._epoch_ns

    # -- orders --------------------------------------------------------------------------------------------

    def order_ack(self, order: OrderState) -> dict[str, Any]:
        """newOrderRespType ACK."""
        return {
            "symbol": self.symbol,
            "orderId": order.order_id,
            "orderListId": order.list_id,
            "clientOrderId": order.client_order_id,
            "transactTime": self.ms(order.updated_ns),
        }

    def order_result(self, order: OrderState) -> dict[str, Any]:
        """newOrderRespType RESULT."""
        answer = {
            "symbol": self.symbol,
            "orderId": order.order_id,
            "orderListId": order.list_id,
            "clientOrderId": order.client_order_id,
            "transactTime": self.ms(order.updated_ns),
            "price": self.price(order.price_ticks),
            "origQty": self.quantity(order.qty_lots),
            "executedQty": self.quantity(order.executed_lots),
            "origQuoteOrderQty": self.amount(order.quote_micro),
            "cummulativeQuoteQty": self.amount(order.executed_micro),
            "status": _STATUSES[order.status],
            "timeInForce": TIMES_IN_FORCE[order.time_in_force],
            "type": _TYPES[order.type],
            "side": SIDES[order.side],
        }
        self._add_conditional(answer, order)
        answer["workingTime"] = self._working_ms(order)
        answer["selfTradePreventionMode"] = _SELF_TRADE_NAMES[order.self_trade]
        return answer

    def order_full(self, order: OrderState, fills: Iterable[Fill]) -> dict[str, Any]:
        """newOrderRespType FULL."""
        answer = self.order_result(order)
        answer["fills"] = [
            {
                "price": self.price(fill.price_ticks),
                "qty": self.quantity(fill.qty_lots),
                "commission": self.amount(fill.fee_micro),
                "commissionAsset": self.quote,
                "tradeId": fill.trade_id,
            }
            for fill in fills
        ]
        return answer

    def order_cancelled(self, order: OrderState) -> dict[str, Any]:
        """An order that a request has cancelled."""
        answer = {
            "symbol": self.symbol,
            "origClientOrderId": order.client_order_id,
            "orderId": order.order_id,
            "orderListId": order.list_id,
            "clientOrderId": order.cancel_id or order.client_order_id,
            "transactTime": self.ms(order.updated_ns),
            "price": self.price(order.price_ticks),
            "origQty": self.quantity(order.qty_lots),
            "executedQty": self.quantity(order.executed_lots),
            "origQuoteOrderQty": self.amount(order.quote_micro),
            "cummulativeQuoteQty": self.amount(order.executed_micro),
            "status": _STATUSES[order.status],
            "timeInForce": TIMES_IN_FORCE[order.time_in_force],
            "type": _TYPES[order.type],
            "side": SIDES[order.side],
        }
        self._add_conditional(answer, order)
        answer["selfTradePreventionMode"] = _SELF_TRADE_NAMES[order.self_trade]
        return answer

    def order_query(self, order: OrderState) -> dict[str, Any]:
        """An order that somebody asks about."""
        answer = {
            "symbol": self.symbol,
            "orderId": order.order_id,
            "orderListId": order.list_id,
            "clientOrderId": order.client_order_id,
            "price": self.price(order.price_ticks),
            "origQty": self.quantity(order.qty_lots),
            "executedQty": self.quantity(order.executed_lots),
            "cummulativeQuoteQty": self.amount(order.executed_micro),
            "status": _STATUSES[order.status],
            "timeInForce": TIMES_IN_FORCE[order.time_in_force],
            "type": _TYPES[order.type],
            "side": SIDES[order.side],
            "stopPrice": self.price(order.stop_price_ticks),
            "icebergQty": self.quantity(order.iceberg_lots),
            "time": self.ms(order.created_ns),
            "updateTime": self.ms(order.updated_ns),
            "isWorking": order.working_ns >= 0,
            "workingTime": self._working_ms(order),
            "origQuoteOrderQty": self.amount(order.quote_micro),
        }
        self._add_labels(answer, order)
        answer["selfTradePreventionMode"] = _SELF_TRADE_NAMES[order.self_trade]
        return answer

    def order_amended(self, order: OrderState, original_id: str, execution_id: int) -> dict[str, Any]:
        """Answer to an amendment."""
        amended = {
            "symbol": self.symbol,
            "orderId": order.order_id,
            "orderListId": order.list_id,
            "origClientOrderId": original_id,
            "clientOrderId": order.client_order_id,
            "price": self.price(order.price_ticks),
            "qty": self.quantity(order.qty_lots),
            "executedQty": self.quantity(order.executed_lots),
            "preventedQty": self.quantity(order.prevented_lots),
            "quoteOrderQty": self.amount(order.quote_micro),
            "cumulativeQuoteQty": self.amount(order.executed_micro),
            "status": _STATUSES[order.status],
            "timeInForce": TIMES_IN_FORCE[order.time_in_force],
            "type": _TYPES[order.type],
            "side": SIDES[order.side],
            "workingTime": self._working_ms(order),
            "selfTradePreventionMode": _SELF_TRADE_NAMES[order.self_trade],
        }
        return {
            "transactTime": self.ms(order.updated_ns),
            "executionId": execution_id,
            "amendedOrder": amended,
        }

    def _working_ms(self, order: OrderState) -> int:
        return self.ms(order.working_ns) if order.working_ns >= 0 else -1

    def _add_conditional(self, answer: dict[str, Any], order: OrderState) -> None:
        """Fields that only some orders have."""
        if order.stop_price_ticks or order.type.waits:
            answer["stopPrice"] = self.price(order.stop_price_ticks)
        if order.iceberg_lots:
            answer["icebergQty"] = self.quantity(order.iceberg_lots)
        self._add_labels(answer, order)

    def _add_labels(self, answer: dict[str, Any], order: OrderState) -> None:
        if order.trailing_bips:
            answer["trailingDelta"] = order.trailing_bips
            answer["trailingTime"] = self.ms(order.trailing_ns) if order.trailing_ns >= 0 else -1
        if order.strategy_id is not None:
            answer["strategyId"] = order.strategy_id
        if order.strategy_type is not None:
            answer["strategyType"] = order.strategy_type
        if order.prevented_lots:
            answer["preventedMatchId"] = order.order_id
            answer["preventedQuantity"] = self.quantity(order.prevented_lots)

    # -- lists ---------------------------------------------------------------------------------------------

    def order_list(
        self, state: ListState, client_ids: Iterable[str], reports: list[dict[str, Any]] | None = None
    ) -> dict[str, Any]:
        """An order list; `client_ids` of its orders, in the order of `state.order_ids`."""
        answer: dict[str, Any] = {
            "orderListId": state.list_id,
            "contingencyType": _LIST_KINDS[state.kind],
            "listStatusType": "EXEC_STARTED" if state.status == "EXECUTING" else "ALL_DONE",
            "listOrderStatus": state.status,
            "listClientOrderId": state.list_client_order_id,
            "transactionTime": self.ms(state.time_ns),
            "symbol": self.symbol,
            "orders": [
                {"symbol": self.symbol, "orderId": order_id, "clientOrderId": client_id}
                for order_id, client_id in zip(state.order_ids, client_ids, strict=True)
            ],
        }
        if reports is not None:
            answer["orderReports"] = reports
        return answer

    # -- others --------------------------------------------------------------------------------------------

    def own_trade(self, fill: Fill) -> dict[str, Any]:
        """One of myTrades."""
        return {
            "symbol": self.symbol,
            "id": fill.trade_id,
            "orderId": fill.order_id,
            "orderListId": fill.list_id,
            "price": self.price(fill.price_ticks),
            "qty": self.quantity(fill.qty_lots),
            "quoteQty": self.worth(fill),
            "commission": self.amount(fill.fee_micro),
            "commissionAsset": self.quote,
            "time": self.ms(fill.time_ns),
            "isBuyer": fill.side == Side.BID,
            "isMaker": fill.is_maker,
            "isBestMatch": True,
        }

    def worth(self, fill: Fill) -> str:
        """Price times quantity of a fill."""
        return self.amount(fill.price_ticks * fill.qty_lots * MICRO)

    def balances(self, balances: Balances) -> tuple[tuple[str, str, str], ...]:
        """(asset, free, locked) of base and quote."""
        return (
            (
                self.base,
                self.quantity(balances.base_lots - balances.base_locked_lots),
                self.quantity(balances.base_locked_lots),
            ),
            (
                self.quote,
                self.amount(balances.quote_micro - balances.quote_locked_micro),
                self.amount(balances.quote_locked_micro),
            ),
        )
