"""Every error that clients match on: code, text to the letter, HTTP status."""

# ruff: noqa: E501

from __future__ import annotations

from typing import Any

import pytest

from engine.broker.terms import OpenAccount, Refusal, Reply, Told
from engine.venue.binance import errors
from engine.venue.binance.limits import Limits
from tests.venue.quiet import Quiet, serve_quiet
from tests.venue.rig import Rig, quiet_scenario

LIMIT = {"type": "LIMIT", "side": "BUY", "timeInForce": "GTC", "price": "99.00", "quantity": "10"}
STOP = {"type": "STOP_LOSS", "side": "BUY", "stopPrice": "100.05", "quantity": "10"}

# What is wrong -> status, code, text. `None` takes a parameter away.
WRONG: dict[str, tuple[dict[str, Any], int, str]] = {
    "no quantity": ({"quantity": None}, -1102, "Mandatory parameter 'quantity' was not sent, was empty/null, or malformed."),
    "no price": ({"price": None}, -1102, "Mandatory parameter 'price' was not sent, was empty/null, or malformed."),
    "no symbol": ({"symbol": None}, -1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed."),
    "market without size": (
        {"type": "MARKET", "timeInForce": None, "price": None, "quantity": None},
        -1102, "Param 'quantity' or 'quoteOrderQty' must be sent, but both were empty/null!",
    ),
    "market with both sizes": (
        {"type": "MARKET", "timeInForce": None, "price": None, "quoteOrderQty": "10"},
        -1128, "Combination of optional parameters invalid.",
    ),
    "market with a price": (
        {"type": "MARKET", "timeInForce": None}, -1106, "Parameter 'price' sent when not required.",
    ),
    "market with a time in force": (
        {"type": "MARKET", "price": None}, -1106, "Parameter 'timeInForce' sent when not required.",
    ),
    "maker with a time in force": (
        {"type": "LIMIT_MAKER"}, -1106, "Parameter 'timeInForce' sent when not required.",
    ),
    "limit with quote quantity": (
        {"quoteOrderQty": "10"}, -1106, "Parameter 'quoteOrderQty' sent when not required.",
    ),
    "stop without a stop price": (
        STOP | {"stopPrice": None, "price": None, "timeInForce": None},
        -1102, "Param 'stopPrice' or 'trailingDelta' must be sent, but both were empty/null!",
    ),
    "letters in a number": (
        {"quantity": "ten"}, -1100,
        r"Illegal characters found in parameter 'quantity'; legal range is '^([0-9]{1,20})(\.[0-9]{1,20})?$'.",
    ),
    "negative price": (
        {"price": "-1"}, -1100,
        r"Illegal characters found in parameter 'price'; legal range is '^([0-9]{1,20})(\.[0-9]{1,20})?$'.",
    ),
    "exponent": (
        {"quantity": "1e3"}, -1100,
        r"Illegal characters found in parameter 'quantity'; legal range is '^([0-9]{1,20})(\.[0-9]{1,20})?$'.",
    ),
    "too precise": ({"quantity": "10.000000001"}, -1111, "Parameter 'quantity' has too much precision."),
    "overflow": ({"strategyId": "9223372036854775808"}, -1108, "Parameter 'strategyId' overflowed."),
    "strategy type": ({"strategyType": "999999"}, -1134, "'strategyType' was less than 1000000."),
    "response type": ({"newOrderRespType": "ALL"}, -1130, "Data sent for parameter 'newOrderRespType' is not valid."),
    "zero quantity": ({"quantity": "0"}, -1013, "Invalid quantity."),
    "zero price": ({"price": "0.00"}, -1013, "Invalid price."),
    "tick": ({"price": "99.005"}, -1013, "Filter failure: PRICE_FILTER"),
    "step": ({"quantity": "10.5"}, -1013, "Filter failure: LOT_SIZE"),
    "too much": ({"quantity": "1000001"}, -1013, "Filter failure: LOT_SIZE"),
    "too much at market": (
        {"type": "MARKET", "timeInForce": None, "price": None, "quantity": "100001"},
        -1013, "Filter failure: MARKET_LOT_SIZE",
    ),
    "worth more than maxNotional": (
        {"price": "99.00", "quantity": "90910"}, -1013, "Filter failure: NOTIONAL",
    ),
    "far from the market": ({"price": "500.01"}, -1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
    "iceberg of too many parts": (
        {"quantity": "510", "icebergQty": "10"}, -1013, "Filter failure: ICEBERG_PARTS",
    ),
    "iceberg larger than the order": ({"icebergQty": "11"}, -2010, "IcebergQty exceeds QTY."),
    "iceberg that cannot rest": (
        {"icebergQty": "5", "timeInForce": "IOC"}, -1014, "Unsupported order combination.",
    ),
    "trailing delta": (
        STOP | {"stopPrice": None, "price": None, "timeInForce": None, "trailingDelta": "5"},
        -1013, "Filter failure: TRAILING_DELTA",
    ),
    "no money": ({"quantity": "5000"}, -2010, "Account has insufficient balance for requested action."),
    "nothing to sell": (
        {"side": "SELL", "price": "101.00", "quantity": "1001"},
        -2010, "Account has insufficient balance for requested action.",
    ),
    "maker that would take": (
        {"type": "LIMIT_MAKER", "timeInForce": None, "price": "100.10"},
        -2010, "Order would immediately match and take.",
    ),
    "stop that would trigger": (
        STOP | {"stopPrice": "99.99", "price": None, "timeInForce": None},
        -2010, "Order would trigger immediately.",
    ),
    "foreign symbol": ({"symbol": "BTCUSDT"}, -1121, "Invalid symbol."),
    "small letters": ({"symbol": "acmeusd"}, -1100, "Illegal characters found in parameter 'symbol'; legal range is '^[A-Z0-9-_.]{1,20}$'."),
    "window": ({"recvWindow": "60001"}, -1131, "recvWindow must be less than 60000."),
    "old": ({"timestamp": 1}, -1021, "Timestamp for this request is outside of the recvWindow."),
    "from the future": (
        {"timestamp": 1_790_000_001_000}, -1021,
        "Timestamp for this request was 1000ms ahead of the server's time.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
async def test_a_wrong_order_is_refused_to_the_letter(quiet: Quiet, name: str) -> None:
    change, code, text = WRONG[name]
    params = {"symbol": quiet.symbol} | LIMIT | change
    sent = {key: value for key, value in params.items() if value is not None}
    answer = await quiet.signed("POST", "/api/v3/order", **sent)
    assert (answer.status_code, answer.json()) == (400, {"code": code, "msg": text})
    assert "x-mbx-used-weight-1m" in answer.headers
    assert quiet.rig.gateway.internal_errors == 0


async def test_orders_that_are_not_there_and_names_that_are(quiet: Quiet) -> None:
    first = await quiet.signed("POST", "/api/v3/order", symbol=quiet.symbol, newClientOrderId="x", **LIMIT)
    assert first.status_code == 200
    again = await quiet.signed("POST", "/api/v3/order", symbol=quiet.symbol, newClientOrderId="x", **LIMIT)
    assert (again.status_code, again.json()) == (400, {"code": -2010, "msg": "Duplicate order sent."})
    assert again.headers["x-mbx-order-count-10s"] == "2"
    for method, code, text in (
        ("GET", -2013, "Order does not exist."),
        ("DELETE", -2011, "Unknown order sent."),
    ):
        for params in ({"orderId": 999}, {"orderId": 0}, {"origClientOrderId": "nobody"}):
            answer = await quiet.signed(method, "/api/v3/order", symbol=quiet.symbol, **params)
            assert (answer.status_code, answer.json()) == (400, {"code": code, "msg": text})
        nameless = await quiet.send(method, "/api/v3/order")
        assert nameless == {
            "code": -1102,
            "msg": "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!",
        }
    await quiet.send("DELETE", "/api/v3/openOrders")
    nothing = await quiet.send("DELETE", "/api/v3/openOrders")
    assert nothing == {"code": -2011, "msg": "Unknown order sent."}


async def test_orders_worth_less_than_the_minimum_are_refused() -> None:
    async with Rig(scenario=quiet_scenario()).client() as rest:
        order = LIMIT | {"symbol": rest.rig.symbol, "quantity": "1"}
        small = await rest.signed("POST", "/api/v3/order", **(order | {"price": "4.99"}))
        assert small.json() == {"code": -1013, "msg": "Filter failure: NOTIONAL"}
        large = await rest.signed("POST", "/api/v3/order", **(order | {"price": "5.00"}))
        assert large.json()["status"] == "NEW"


@pytest.mark.parametrize(
    ("legs", "code", "text"),
    [
        ({"aboveType": "LIMIT", "belowType": "STOP_LOSS"}, -1158, "Order type not supported in OCO."),
        ({"aboveType": "LIMIT_MAKER", "belowType": "LIMIT_MAKER"}, -1168, "At least one OCO order must be contingent."),
        ({"side": "BUY", "aboveType": "LIMIT_MAKER", "belowType": "TAKE_PROFIT"}, -1165, "A limit order in a buy OCO must be below."),
        ({"aboveType": "TAKE_PROFIT", "belowType": "LIMIT_MAKER"}, -1166, "A limit order in a sell OCO must be above."),
        ({"side": "BUY", "aboveType": "STOP_LOSS", "belowType": "STOP_LOSS"}, -1196, "A stop loss order in a buy OCO must be above."),
        ({"aboveType": "STOP_LOSS", "belowType": "STOP_LOSS"}, -1197, "A stop loss order in a sell OCO must be below."),
        ({"side": "BUY", "aboveType": "TAKE_PROFIT", "belowType": "LIMIT_MAKER"}, -1198, "A take profit order in a buy OCO must be below."),
        ({"aboveType": "TAKE_PROFIT", "belowType": "TAKE_PROFIT"}, -1199, "A take profit order in a sell OCO must be above."),
        (
            {"aboveType": "LIMIT_MAKER", "belowType": "STOP_LOSS", "abovePrice": "99.94"},
            -2010, "The relationship of the prices for the orders is not correct.",
        ),
        (
            {"aboveType": "LIMIT_MAKER", "belowType": "STOP_LOSS", "belowStopPrice": "100.01"},
            -2010, "The relationship of the prices for the orders is not correct.",
        ),
    ],
)  # fmt: skip
async def test_lists_that_make_no_sense_are_refused(
    quiet: Quiet, legs: dict[str, str], code: int, text: str
) -> None:
    params = {"side": "SELL", "quantity": "10"} | legs
    for leg, price, stop in (("above", "100.05", "100.05"), ("below", "99.95", "99.95")):
        kind = legs[f"{leg}Type"]
        if kind.startswith("LIMIT"):
            params.setdefault(f"{leg}Price", price)
            if kind == "LIMIT":
                params[f"{leg}TimeInForce"] = "GTC"
        else:
            params.setdefault(f"{leg}StopPrice", stop)
    answer = await quiet.send("POST", "/api/v3/orderList/oco", **params)
    assert answer == {"code": code, "msg": text}


async def test_too_many_open_and_waiting_orders_are_refused(quiet: Quiet) -> None:
    stop = {"type": "STOP_LOSS", "side": "BUY", "stopPrice": "100.05", "quantity": "1"}
    for _ in range(20):
        assert "orderId" in await quiet.send("POST", "/api/v3/order", **stop)
    algo = await quiet.send("POST", "/api/v3/order", **stop)
    assert algo == {"code": -1013, "msg": "Filter failure: MAX_NUM_ALGO_ORDERS"}
    for _ in range(180):
        assert "orderId" in await quiet.send("POST", "/api/v3/order", **(LIMIT | {"quantity": "1"}))
    full = await quiet.send("POST", "/api/v3/order", **LIMIT)
    assert full == {"code": -1013, "msg": "Filter failure: MAX_NUM_ORDERS"}


async def test_a_halted_market_takes_cancels_and_no_orders(quiet: Quiet) -> None:
    order = await quiet.send("POST", "/api/v3/order", **LIMIT)
    quiet.rig.port.boundary.market_open = False
    refused = await quiet.signed("POST", "/api/v3/order", symbol=quiet.symbol, **LIMIT)
    assert (refused.status_code, refused.json()) == (400, {"code": -1013, "msg": "Market is closed."})
    tested = await quiet.send("POST", "/api/v3/order/test", **LIMIT)
    assert tested == {"code": -1013, "msg": "Market is closed."}
    info = (await quiet.get("/api/v3/exchangeInfo")).json()
    assert info["symbols"][0]["status"] == "BREAK"
    gone = await quiet.send("DELETE", "/api/v3/order", orderId=order["orderId"])
    assert gone["status"] == "CANCELED"


@pytest.mark.parametrize(
    ("refusal", "status", "code", "text"),
    [
        (Refusal.TIMEOUT_UNKNOWN, 503, -1007,
         "Timeout waiting for response from backend server. Send status unknown; execution status unknown."),
        (Refusal.OVERLOADED, 503, -1008,
         "Server is currently overloaded with other requests. Please try again in a few minutes."),
        (Refusal.DISCONNECTED, 500, -1001,
         "Internal error; unable to process your request. Please try again."),
        (Refusal.RATE_LIMITED, 429, -1003, "Too many requests queued."),
        (Refusal.REJECTED, 400, -2010, "NEW_ORDER_REJECTED"),
        (Refusal.NO_ACCOUNT, 401, -2015, "Invalid API-key, IP, or permissions for action."),
    ],
)  # fmt: skip
async def test_what_faults_of_the_venue_say(
    quiet: Quiet, monkeypatch: pytest.MonkeyPatch, refusal: Refusal, status: int, code: int, text: str
) -> None:
    await quiet.balances()
    boundary = quiet.rig.port.boundary
    monkeypatch.setattr(
        boundary, "refuse", lambda request: Refusal.NONE if isinstance(request, OpenAccount) else refusal
    )
    answer = await quiet.signed("POST", "/api/v3/order", symbol=quiet.symbol, **LIMIT)
    assert (answer.status_code, answer.json()) == (status, {"code": code, "msg": text})
    if status == 429:
        assert int(answer.headers["retry-after"]) >= 1


async def test_a_ban_says_until_when_also_to_a_request_that_was_queued_before_it(
    quiet: Quiet, monkeypatch: pytest.MonkeyPatch
) -> None:
    await quiet.balances()
    port = quiet.rig.port
    monkeypatch.setattr(port.boundary, "refuse", lambda request: Refusal.BANNED)
    answer = await quiet.signed("POST", "/api/v3/order", symbol=quiet.symbol, **LIMIT)
    until_ms = int(answer.json()["msg"].split("until ")[1].split(".")[0])
    assert answer.status_code == 418
    assert answer.json()["msg"] == errors.banned(until_ms).message
    assert until_ms * 1_000_000 <= port.epoch_ns + port.boundary._kernel.now_ns
    assert answer.headers["retry-after"] == "1"


async def test_an_unknown_answer_may_hide_an_order_that_lives(
    quiet: Quiet, monkeypatch: pytest.MonkeyPatch
) -> None:
    await quiet.balances()
    monkeypatch.setattr(quiet.rig.port.boundary, "loses_reply", lambda request: True)
    answer = await quiet.signed(
        "POST", "/api/v3/order", symbol=quiet.symbol, newClientOrderId="lost", **LIMIT
    )
    assert (answer.status_code, answer.json()["code"]) == (503, -1007)
    monkeypatch.undo()
    found = await quiet.send("GET", "/api/v3/order", origClientOrderId="lost")
    assert found["status"] == "NEW"


async def test_a_reply_that_nobody_waits_for_is_dropped() -> None:
    async with serve_quiet(Rig(scenario=quiet_scenario(), limits=Limits(weight_1m=10**6))) as quiet:
        gateway = quiet.rig.gateway
        gateway._take(Told(10**9, 0, 0, 0, Reply(10**9, 0)))
        assert gateway.internal_errors == 0
        assert (await quiet.get("/api/v3/ping")).json() == {}
