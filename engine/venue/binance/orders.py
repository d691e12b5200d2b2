"""Handlers of single orders: place, test, cancel, cancel-replace, amend, query.

Place on the data path: behind the parameter check; they build the broker's requests and read its replies.
"""

from __future__ import annotations

from typing import Any

from engine.broker.terms import (
    AmendOrder,
    CancelAllOrders,
    CancelOrder,
    CancelReplace,
    OrderState,
    OrderTerms,
    OrderType,
    PlaceOrder,
    Refusal,
    Reply,
)
from engine.venue.binance import errors
from engine.venue.binance.account import rates_of
from engine.venue.binance.call import Answer, Call, Route, Waiting
from engine.venue.binance.codec import Codec
from engine.venue.binance.errors import RequestRefused
from engine.venue.binance.order_terms import new_client_id, order_terms, quantity_lots
from engine.venue.binance.parameters import boolean, whole

__all__ = ["ROUTES", "order_answer"]

_FULL_BY_DEFAULT = frozenset({OrderType.LIMIT, OrderType.MARKET})
HOURS_24_MS = 86_400_000


def place(call: Call) -> Answer:
    """POST order."""
    codec = call.gateway.codec
    terms = order_terms(codec, call.params)
    kind = call.params.get("newOrderRespType") or _default_response(terms)
    request = PlaceOrder(call.account, call.gateway.host.next_request_id(), terms)

    def render(reply: Reply) -> Any:
        if reply.refusal:
            raise errors.refused(reply.refusal, reply.detail)
        return order_answer(codec, kind, reply.orders[0], reply)

    return Waiting(request, render)


def test(call: Call) -> Answer:
    """POST order/test: every check that needs no broker."""
    terms = order_terms(call.gateway.codec, call.params)
    broker = call.gateway.host.broker
    if not broker.market_open:
        raise errors.refused(Refusal.MARKET_CLOSED)
    refusal = broker.filters.check(terms, call.gateway.last_price_ticks())
    if refusal:
        raise errors.refused(refusal)
    if not boolean(call.params, "computeCommissionRates"):
        return {}
    return rates_of(call, suffix="ForOrder", with_sides=False)


def cancel(call: Call) -> Answer:
    """DELETE order."""
    codec = call.gateway.codec
    request_id = call.gateway.host.next_request_id()
    request = _cancel_request(call, request_id, "orderId", "origClientOrderId", "newClientOrderId")

    def render(reply: Reply) -> Any:
        if reply.refusal:
            raise errors.refused(reply.refusal, reply.detail, cancelling=True)
        order = reply.orders[0]
        if order.list_id >= 0:
            return cancelled_list(call, order.list_id, reply)
        return codec.order_cancelled(order)

    return Waiting(request, render)


def cancel_all(call: Call) -> Answer:
    """DELETE openOrders."""
    codec = call.gateway.codec
    request = CancelAllOrders(call.account, call.gateway.host.next_request_id())

    def render(reply: Reply) -> Any:
        if reply.refusal:
            raise errors.refused(reply.refusal, reply.detail, cancelling=True)
        answer = [codec.order_cancelled(order) for order in reply.orders if order.list_id < 0]
        lists = dict.fromkeys(order.list_id for order in reply.orders if order.list_id >= 0)
        return answer + [cancelled_list(call, list_id, reply) for list_id in lists]

    return Waiting(request, render)


def cancelled_list(call: Call, list_id: int, reply: Reply) -> dict[str, Any]:
    """An order list that was cancelled, with reports of its orders."""
    codec, broker = call.gateway.codec, call.gateway.host.broker
    cancelled = {order.order_id: order for order in reply.orders if order.list_id == list_id}
    state = reply.list_state or broker.order_list(call.account, list_id)
    if state is None:  # forgotten meanwhile
        return codec.order_cancelled(next(iter(cancelled.values())))
    orders = [cancelled.get(number) or broker.order(call.account, number) for number in state.order_ids]
    known = [order for order in orders if order is not None]
    ids = [order.client_order_id if order is not None else "" for order in orders]
    return codec.order_list(state, ids, [codec.order_cancelled(order) for order in known])


def cancel_replace(call: Call) -> Answer:
    """POST order/cancelReplace."""
    codec, params = call.gateway.codec, call.params
    terms = order_terms(codec, params)
    kind = params.get("newOrderRespType") or _default_response(terms)
    request_id = call.gateway.host.next_request_id()
    request = CancelReplace(
        call.account,
        request_id,
        _cancel_request(
            call, request_id, "cancelOrderId", "cancelOrigClientOrderId", "cancelNewClientOrderId"
        ),
        terms,
        params["cancelReplaceMode"] == "ALLOW_FAILURE",
    )

    def render(reply: Reply) -> Any:
        return _replaced(codec, kind, reply)

    return Waiting(request, render)


def _replaced(codec: Codec, kind: str, reply: Reply) -> dict[str, Any]:
    failed = (Refusal.CANCEL_FAILED, Refusal.REPLACE_PARTLY)
    if reply.refusal and reply.refusal not in failed:
        raise errors.refused(reply.refusal, reply.detail)
    cancelled, placed = reply.was_cancelled, reply.orders
    if cancelled is not None:
        cancel_result, cancel_body = "SUCCESS", codec.order_cancelled(cancelled)
    else:
        cancel_result = "FAILURE"
        cancel_body = errors.refused(reply.cancel_refusal, cancelling=True).body()
    new_body: dict[str, Any] | None
    if placed:
        new_result, new_body = "SUCCESS", order_answer(codec, kind, placed[0], reply)
    elif reply.order_refusal:
        new_result, new_body = "FAILURE", errors.refused(reply.order_refusal, reply.detail).body()
    else:
        new_result, new_body = "NOT_ATTEMPTED", None
    answer = {
        "cancelResult": cancel_result,
        "newOrderResult": new_result,
        "cancelResponse": cancel_body,
        "newOrderResponse": new_body,
    }
    if not reply.refusal:
        return answer
    refusal = errors.refused(reply.refusal)
    raise RequestRefused(refusal.code, refusal.message, status=refusal.status, data=answer)


def amend(call: Call) -> Answer:
    """PUT order/amend/keepPriority."""
    codec, params = call.gateway.codec, call.params
    original = _wanted_order(call)
    lots = quantity_lots(codec, "newQty", params["newQty"])
    request = AmendOrder(
        call.account,
        call.gateway.host.next_request_id(),
        order_id=whole(params, "orderId", 0),
        client_order_id=params.get("origClientOrderId", ""),
        new_client_order_id=params.get("newClientOrderId") or new_client_id(),
        new_qty_lots=lots,
    )

    def render(reply: Reply) -> Any:
        if reply.refusal is Refusal.AMEND_NOT_LESS and lots == original.qty_lots:
            raise RequestRefused(-2038, "The requested action would change no state; rejecting.")
        if reply.refusal is Refusal.UNKNOWN_ORDER:
            raise errors.no_such_order()
        if reply.refusal:
            raise errors.refused(reply.refusal, reply.detail)
        order = reply.orders[0]
        return codec.order_amended(order, order.cancel_id or original.client_order_id, reply.request_id)

    return Waiting(request, render)


def query(call: Call) -> Answer:
    """GET order."""
    order = _wanted_order(call)
    call.gateway.host.note_answer(call.account, [order])
    return call.gateway.codec.order_query(order)


def open_orders(call: Call) -> Answer:
    """GET openOrders."""
    codec, host = call.gateway.codec, call.gateway.host
    host.note_answer(call.account, None)
    return [codec.order_query(order) for order in host.broker.open_orders(call.account)]


def all_orders(call: Call) -> Answer:
    """GET allOrders: from an id on, in a time range, or the latest."""
    codec, params = call.gateway.codec, call.params
    orders = call.gateway.host.broker.orders(call.account)
    limit = whole(params, "limit", 500)
    start, end = params.get("startTime"), params.get("endTime")
    check_range(start, end)
    if "orderId" in params:
        first = int(params["orderId"])
        orders = [order for order in orders if order.order_id >= first][:limit]
    elif start is not None or end is not None:
        low = int(start) if start is not None else 0
        high = int(end) if end is not None else 1 << 62
        orders = [order for order in orders if low <= codec.ms(order.created_ns) <= high]
        orders = orders[:limit] if start is not None else orders[-limit:]
    else:
        orders = orders[-limit:]
    call.gateway.host.note_answer(call.account, orders)
    return [codec.order_query(order) for order in orders]


def check_range(start: str | None, end: str | None) -> None:
    """A time range is no longer than a day, and its end is not before its start."""
    if start is None or end is None:
        return
    if int(end) < int(start):
        raise errors.invalid_data("endTime")
    if int(end) - int(start) > HOURS_24_MS:
        raise RequestRefused(-1127, "More than 24 hours between startTime and endTime.")


def order_answer(codec: Codec, kind: str, order: OrderState, reply: Reply) -> dict[str, Any]:
    """A new order as newOrderRespType asks."""
    if kind == "ACK":
        return codec.order_ack(order)
    if kind == "RESULT":
        return codec.order_result(order)
    return codec.order_full(order, [fill for fill in reply.fills if fill.order_id == order.order_id])


def _default_response(terms: OrderTerms) -> str:
    return "FULL" if terms.type in _FULL_BY_DEFAULT else "ACK"


def _cancel_request(
    call: Call, request_id: int, id_name: str, original_name: str, new_name: str
) -> CancelOrder:
    params = call.params
    if id_name not in params and original_name not in params:
        raise errors.mandatory_one_of(original_name, id_name)
    return CancelOrder(
        call.account,
        request_id,
        order_id=_known_id(params[id_name]) if id_name in params else 0,
        client_order_id=params.get(original_name, ""),
        new_client_order_id=params.get(new_name) or new_client_id(),
        only_status=params.get("cancelRestrictions", ""),
    )


def _known_id(text: str) -> int:
    """An order id; 0 means "none" to the broker, so a zero that was asked for becomes an id nobody has."""
    return int(text) or -1


def _wanted_order(call: Call) -> OrderState:
    """The order that orderId or origClientOrderId name; both, when both are sent."""
    params, broker = call.params, call.gateway.host.broker
    client_id = params.get("origClientOrderId")
    if "orderId" in params:
        order = broker.order(call.account, int(params["orderId"]))
        if order is not None and client_id is not None and order.client_order_id != client_id:
            order = None
    elif client_id is not None:
        order = broker.order_by_client_id(call.account, client_id)
    else:
        raise errors.mandatory_one_of("origClientOrderId", "orderId")
    if order is None:
        raise errors.no_such_order()
    return order


ROUTES: tuple[Route, ...] = (
    ("POST", "/api/v3/order", place),
    ("POST", "/api/v3/order/test", test),
    ("GET", "/api/v3/order", query),
    ("DELETE", "/api/v3/order", cancel),
    ("POST", "/api/v3/order/cancelReplace", cancel_replace),
    ("PUT", "/api/v3/order/amend/keepPriority", amend),
    ("GET", "/api/v3/openOrders", open_orders),
    ("DELETE", "/api/v3/openOrders", cancel_all),
    ("GET", "/api/v3/allOrders", all_orders),
)
