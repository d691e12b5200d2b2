"""Handlers of order lists: OCO in both spellings, OTO, OTOCO; cancel and query.

Place on the data path: as orders.py.
"""

from __future__ import annotations

from typing import Any

from engine.broker.terms import (
    CancelList,
    ListKind,
    ListState,
    OrderTerms,
    OrderType,
    PlaceList,
    Reply,
)
from engine.core.types import Side
from engine.venue.binance import errors
from engine.venue.binance.call import Answer, Call, Route, Waiting
from engine.venue.binance.errors import RequestRefused
from engine.venue.binance.order_terms import new_client_id, order_terms, side_of
from engine.venue.binance.orders import cancelled_list, check_range, order_answer
from engine.venue.binance.parameters import whole

__all__ = ["ROUTES"]

_SHARED: tuple[str, ...] = (
    "symbol",
    "side",
    "quantity",
    "listClientOrderId",
    "newOrderRespType",
    "selfTradePreventionMode",
)
"""Parameters that both spellings of an OCO share."""
_STOPS = frozenset({OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT})
_PROFITS = frozenset({OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT})
_WORKING = frozenset({OrderType.LIMIT, OrderType.LIMIT_MAKER})


def place_oco(call: Call) -> Answer:
    """POST orderList/oco."""
    return _place_oco(call, call.params)


def place_old_oco(call: Call) -> Answer:
    """POST order/oco: a limit order at `price`, a stop at `stopPrice` (deprecated form)."""
    sent = call.params
    limit, stop = ("below", "above") if sent["side"] == "BUY" else ("above", "below")
    params = {name: sent[name] for name in _SHARED if name in sent}
    params[f"{limit}Type"] = "LIMIT_MAKER"
    params[f"{stop}Type"] = "STOP_LOSS_LIMIT" if "stopLimitPrice" in sent else "STOP_LOSS"
    if "stopLimitPrice" in sent and "stopLimitTimeInForce" not in sent:
        raise errors.mandatory("stopLimitTimeInForce")
    if "stopPrice" not in sent and "trailingDelta" not in sent:
        raise errors.mandatory_one_of("stopPrice", "trailingDelta")
    renamed = {
        "price": f"{limit}Price",
        "limitClientOrderId": f"{limit}ClientOrderId",
        "limitIcebergQty": f"{limit}IcebergQty",
        "limitStrategyId": f"{limit}StrategyId",
        "limitStrategyType": f"{limit}StrategyType",
        "stopPrice": f"{stop}StopPrice",
        "trailingDelta": f"{stop}TrailingDelta",
        "stopLimitPrice": f"{stop}Price",
        "stopLimitTimeInForce": f"{stop}TimeInForce",
        "stopClientOrderId": f"{stop}ClientOrderId",
        "stopIcebergQty": f"{stop}IcebergQty",
        "stopStrategyId": f"{stop}StrategyId",
        "stopStrategyType": f"{stop}StrategyType",
    }
    params |= {new: sent[old] for old, new in renamed.items() if old in sent}
    return _place_oco(call, params)


def place_oto(call: Call) -> Answer:
    """POST orderList/oto."""
    codec, params = call.gateway.codec, call.params
    working = order_terms(codec, params, prefix="working")
    pending = order_terms(codec, params, prefix="pending")
    _check_working(working)
    return _place(call, ListKind.OTO, (working, pending))


def place_otoco(call: Call) -> Answer:
    """POST orderList/otoco."""
    codec, params = call.gateway.codec, call.params
    working = order_terms(codec, params, prefix="working")
    side, quantity = side_of(params, "pendingSide"), params["pendingQuantity"]
    above = order_terms(codec, params, prefix="pendingAbove", side=side, quantity=quantity)
    below = order_terms(codec, params, prefix="pendingBelow", side=side, quantity=quantity)
    _check_working(working)
    _check_legs(above, below)
    return _place(call, ListKind.OTOCO, (working, above, below))


def _place_oco(call: Call, params: dict[str, str]) -> Answer:
    codec, side, quantity = call.gateway.codec, side_of(params), params["quantity"]
    above = order_terms(codec, params, prefix="above", side=side, quantity=quantity)
    below = order_terms(codec, params, prefix="below", side=side, quantity=quantity)
    _check_legs(above, below)
    return _place(call, ListKind.OCO, (above, below))


def _check_working(working: OrderTerms) -> None:
    if working.type not in _WORKING:
        raise RequestRefused(-1116, "Invalid orderType.")


def _check_legs(above: OrderTerms, below: OrderTerms) -> None:
    """Which types may stand above and below the market, by side."""
    for leg in (above, below):
        if leg.type in (OrderType.MARKET, OrderType.LIMIT):
            raise RequestRefused(-1158, "Order type not supported in OCO.")
    if not above.type.waits and not below.type.waits:
        raise RequestRefused(-1168, "At least one OCO order must be contingent.")
    if above.side == Side.BID:
        if above.type is OrderType.LIMIT_MAKER:
            raise RequestRefused(-1165, "A limit order in a buy OCO must be below.")
        if below.type in _STOPS:
            raise RequestRefused(-1196, "A stop loss order in a buy OCO must be above.")
        if above.type in _PROFITS:
            raise RequestRefused(-1198, "A take profit order in a buy OCO must be below.")
        return
    if below.type is OrderType.LIMIT_MAKER:
        raise RequestRefused(-1166, "A limit order in a sell OCO must be above.")
    if above.type in _STOPS:
        raise RequestRefused(-1197, "A stop loss order in a sell OCO must be below.")
    if below.type in _PROFITS:
        raise RequestRefused(-1199, "A take profit order in a sell OCO must be above.")


def _place(call: Call, kind: ListKind, orders: tuple[OrderTerms, ...]) -> Answer:
    codec = call.gateway.codec
    response = call.params.get("newOrderRespType", "RESULT")
    request = PlaceList(
        call.account,
        call.gateway.host.next_request_id(),
        kind,
        call.params.get("listClientOrderId") or new_client_id(),
        orders,
    )

    def render(reply: Reply) -> Any:
        if reply.refusal or reply.list_state is None:
            raise errors.refused(reply.refusal, reply.detail)
        reports = [order_answer(codec, response, order, reply) for order in reply.orders]
        return codec.order_list(reply.list_state, [order.client_order_id for order in reply.orders], reports)

    return Waiting(request, render)


def cancel_list(call: Call) -> Answer:
    """DELETE orderList."""
    params = call.params
    if "orderListId" not in params and "listClientOrderId" not in params:
        raise errors.mandatory_one_of("orderListId", "listClientOrderId")
    request = CancelList(
        call.account,
        call.gateway.host.next_request_id(),
        list_id=whole(params, "orderListId", -1),
        list_client_order_id=params.get("listClientOrderId", ""),
        new_client_order_id=params.get("newClientOrderId") or new_client_id(),
    )

    def render(reply: Reply) -> Any:
        if reply.refusal or reply.list_state is None:
            raise errors.refused(reply.refusal, reply.detail, cancelling=True)
        return cancelled_list(call, reply.list_state.list_id, reply)

    return Waiting(request, render)


def query_list(call: Call) -> Answer:
    """GET orderList."""
    params, broker = call.params, call.gateway.host.broker
    state: ListState | None = None
    if "orderListId" in params:
        state = broker.order_list(call.account, int(params["orderListId"]))
    elif "origClientOrderId" in params:
        for one in broker.order_lists(call.account):
            if one.list_client_order_id == params["origClientOrderId"]:
                state = one
    else:
        raise errors.mandatory_one_of("orderListId", "origClientOrderId")
    if state is None:
        raise RequestRefused(-2018, "Order list does not exist.")
    return _described(call, state)


def all_lists(call: Call) -> Answer:
    """GET allOrderList."""
    codec, params = call.gateway.codec, call.params
    states = call.gateway.host.broker.order_lists(call.account)
    limit = whole(params, "limit", 500)
    start, end = params.get("startTime"), params.get("endTime")
    check_range(start, end)
    if "fromId" in params:
        if start is not None or end is not None:
            raise errors.bad_combination()
        first = int(params["fromId"])
        states = [state for state in states if state.list_id >= first][:limit]
    else:
        low = int(start) if start is not None else 0
        high = int(end) if end is not None else 1 << 62
        states = [state for state in states if low <= codec.ms(state.time_ns) <= high]
        states = states[:limit] if start is not None else states[-limit:]
    return [_described(call, state) for state in states]


def open_lists(call: Call) -> Answer:
    """GET openOrderList."""
    states = call.gateway.host.broker.order_lists(call.account)
    return [_described(call, state) for state in states if state.status == "EXECUTING"]


def _described(call: Call, state: ListState) -> dict[str, Any]:
    broker = call.gateway.host.broker
    orders = [broker.order(call.account, order_id) for order_id in state.order_ids]
    ids = [order.client_order_id if order is not None else "" for order in orders]
    return call.gateway.codec.order_list(state, ids)


ROUTES: tuple[Route, ...] = (
    ("POST", "/api/v3/orderList/oco", place_oco),
    ("POST", "/api/v3/order/oco", place_old_oco),
    ("POST", "/api/v3/orderList/oto", place_oto),
    ("POST", "/api/v3/orderList/otoco", place_otoco),
    ("DELETE", "/api/v3/orderList", cancel_list),
    ("GET", "/api/v3/orderList", query_list),
    ("GET", "/api/v3/allOrderList", all_lists),
    ("GET", "/api/v3/openOrderList", open_lists),
)
