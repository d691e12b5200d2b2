"""What an account asks of itself: orders, trades, balances, fees, counts, wallet."""

from __future__ import annotations

from typing import Any

import pytest

from engine.venue.keys import Permission
from tests.venue.quiet import Quiet

BUY, SELL = "BUY", "SELL"


async def _four_orders(quiet: Quiet) -> list[int]:
    """One filled, one cancelled, two open."""
    ids = []
    for price, quantity in (("100.10", "10"), ("99.00", "10"), ("98.00", "10"), ("97.00", "10")):
        order = await quiet.new("LIMIT", BUY, timeInForce="GTC", price=price, quantity=quantity)
        ids.append(order["orderId"])
    await quiet.send("DELETE", "/api/v3/order", orderId=ids[1])
    return ids


async def test_open_and_all_orders_are_told_oldest_first(quiet: Quiet) -> None:
    ids = await _four_orders(quiet)
    opened = await quiet.send("GET", "/api/v3/openOrders")
    assert [order["orderId"] for order in opened] == ids[2:]
    everywhere = (await quiet.signed("GET", "/api/v3/openOrders")).json()
    assert everywhere == opened
    every = await quiet.send("GET", "/api/v3/allOrders")
    assert [order["status"] for order in every] == ["FILLED", "CANCELED", "NEW", "NEW"]
    assert [order["orderId"] for order in every] == ids
    after = await quiet.send("GET", "/api/v3/allOrders", orderId=ids[1], limit=2)
    assert [order["orderId"] for order in after] == ids[1:3]
    last = await quiet.send("GET", "/api/v3/allOrders", limit=1)
    assert [order["orderId"] for order in last] == ids[3:]
    begin = every[1]["time"]
    some = await quiet.send("GET", "/api/v3/allOrders", startTime=begin, endTime=every[2]["time"])
    assert [order["orderId"] for order in some] == ids[1:3]
    by_name = await quiet.send("GET", "/api/v3/order", origClientOrderId=every[0]["clientOrderId"])
    assert by_name == every[0]
    assert set(by_name) >= {
        "symbol", "orderId", "orderListId", "clientOrderId", "price", "origQty", "executedQty",
        "cummulativeQuoteQty", "status", "timeInForce", "type", "side", "stopPrice", "icebergQty", "time",
        "updateTime", "isWorking", "workingTime", "origQuoteOrderQty", "selfTradePreventionMode",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"limit": 1001}, -1130),
        ({"limit": 0}, -1130),
        ({"startTime": 5, "endTime": 4}, -1130),
        ({"startTime": 0, "endTime": 86_400_001}, -1127),
        ({"orderId": "x"}, -1100),
        ({"orderId": 2**63}, -1108),
    ],
)
async def test_ranges_that_make_no_sense_are_refused(quiet: Quiet, params: dict[str, Any], code: int) -> None:
    for path in ("/api/v3/allOrders", "/api/v3/myTrades"):
        assert (await quiet.send("GET", path, **params))["code"] == code, path


async def test_own_trades_carry_their_fees_and_pages(quiet: Quiet) -> None:
    bought = await quiet.new("LIMIT", BUY, timeInForce="IOC", price="100.20", quantity="150")
    trades = await quiet.send("GET", "/api/v3/myTrades")
    assert [(trade["price"], trade["qty"], trade["commission"]) for trade in trades] == [
        ("100.10000000", "100.00000000", "2.00200000"),
        ("100.20000000", "50.00000000", "1.00200000"),
    ]
    assert [trade["id"] for trade in trades] == [fill["tradeId"] for fill in bought["fills"]]
    assert {(trade["isBuyer"], trade["isMaker"], trade["orderId"]) for trade in trades} == {
        (True, False, bought["orderId"])
    }
    assert trades[0]["quoteQty"] == "10010.00000000"
    theirs = await quiet.send("GET", "/api/v3/myTrades", key=quiet.other)
    assert [(trade["isMaker"], trade["commission"]) for trade in theirs][-1] == (True, "0.50100000")
    later = await quiet.send("GET", "/api/v3/myTrades", fromId=trades[1]["id"])
    assert later == trades[1:]
    first = await quiet.send("GET", "/api/v3/myTrades", startTime=trades[0]["time"], limit=1)
    assert first == trades[:1]
    mixed = await quiet.send("GET", "/api/v3/myTrades", startTime=1, orderId=1)
    assert mixed == {"code": -1128, "msg": "Combination of optional parameters invalid."}


async def test_the_account_says_what_it_owns_pays_and_may(quiet: Quiet) -> None:
    account = (await quiet.signed("GET", "/api/v3/account")).json()
    assert account["commissionRates"]["maker"] == "0.00010000"
    assert account["commissionRates"]["taker"] == "0.00020000"
    assert (account["makerCommission"], account["takerCommission"]) == (1, 2)
    assert (account["canTrade"], account["accountType"], account["permissions"]) == (True, "SPOT", ["SPOT"])
    assert [balance["asset"] for balance in account["balances"]] == ["ACME", "USD"]
    await quiet.new("MARKET", SELL, quantity="200")
    await quiet.quote(BUY, "99.00", "800")
    await quiet.new("MARKET", SELL, quantity="800")
    account = (await quiet.signed("GET", "/api/v3/account", omitZeroBalances="true")).json()
    assert [balance["asset"] for balance in account["balances"]] == ["USD"]
    rates = await quiet.send("GET", "/api/v3/account/commission")
    assert rates["standardCommission"] == {
        "maker": "0.00010000", "taker": "0.00020000", "buyer": "0.00000000", "seller": "0.00000000",
    }  # fmt: skip
    assert rates["symbol"] == "ACMEUSD"


async def test_a_key_s_own_fees_are_told_and_charged(quiet: Quiet) -> None:
    vip = quiet.rig.keys.create("vip", maker_ppm=-50, taker_ppm=0)
    rates = await quiet.send("GET", "/api/v3/account/commission", key=vip)
    assert rates["standardCommission"]["maker"] == "-0.00005000"
    free = await quiet.new("MARKET", BUY, key=vip, quantity="10")
    assert free["fills"][0]["commission"] == "0.00000000"
    (fee,) = (await quiet.signed("GET", "/sapi/v1/asset/tradeFee", key=vip)).json()
    assert fee == {"symbol": "ACMEUSD", "makerCommission": "-0.00005000", "takerCommission": "0.00000000"}


async def test_order_counts_are_those_of_the_account(quiet: Quiet) -> None:
    await _four_orders(quiet)
    counts = (await quiet.signed("GET", "/api/v3/rateLimit/order")).json()
    assert [(entry["interval"], entry["intervalNum"], entry["count"]) for entry in counts] == [
        ("SECOND", 10, 4),
        ("DAY", 1, 4),
    ]
    assert all(entry["rateLimitType"] == "ORDERS" for entry in counts)


async def test_the_wallet_says_what_clients_ask_at_their_start(quiet: Quiet) -> None:
    assets = (await quiet.signed("GET", "/sapi/v1/capital/config/getall")).json()
    assert [(asset["coin"], asset["trading"]) for asset in assets] == [("ACME", True), ("USD", True)]
    assert all(not asset["withdrawAllEnable"] for asset in assets)
    owned = (await quiet.signed("POST", "/sapi/v3/asset/getUserAsset", asset="USD")).json()
    assert [asset["asset"] for asset in owned] == ["USD"]
    headers = {"X-MBX-APIKEY": quiet.rig.key.api_key}
    pairs = await quiet.http.get("/sapi/v1/margin/allPairs", headers=headers)
    assert pairs.json() == []
    assert (await quiet.signed("GET", "/sapi/v1/margin/isolated/allPairs")).json() == []
    reader = quiet.rig.keys.create("reader", permissions=(Permission.READ,))
    restrictions = (await quiet.signed("GET", "/sapi/v1/account/apiRestrictions", key=reader)).json()
    assert restrictions["enableSpotAndMarginTrading"] is False
    assert restrictions["enableReading"] is True


@pytest.mark.parametrize("room", ["fapi", "dapi"])
async def test_the_futures_exchanges_are_there_and_empty(quiet: Quiet, room: str) -> None:
    answer = await quiet.http.get(f"/{room}/v1/exchangeInfo", headers={"Host": f"{room}.binance.com"})
    assert answer.status_code == 200
    assert answer.json()["symbols"] == []
    assert (await quiet.http.get(f"/{room}/v1/depth")).json()["code"] == -5000


async def test_a_read_only_key_may_look_and_not_touch(quiet: Quiet) -> None:
    reader = quiet.rig.keys.create("reader", permissions=(Permission.READ,))
    order = {"type": "LIMIT", "side": BUY, "timeInForce": "GTC", "price": "99.00", "quantity": "10"}
    before = len(quiet.rig.port.requests)
    for method, path, params in (
        ("POST", "/api/v3/order", order),
        ("POST", "/api/v3/order/test", order),
        ("DELETE", "/api/v3/order", {"orderId": 1}),
        ("DELETE", "/api/v3/openOrders", {}),
        ("POST", "/api/v3/order/cancelReplace", order | {"cancelReplaceMode": "ALLOW_FAILURE"}),
        ("PUT", "/api/v3/order/amend/keepPriority", {"orderId": 1, "newQty": "1"}),
        ("POST", "/api/v3/orderList/oco", {}),
        ("DELETE", "/api/v3/orderList", {"orderListId": 0}),
    ):
        answer = await quiet.signed(method, path, key=reader, symbol=quiet.symbol, **params)
        assert answer.status_code == 401, path
        assert answer.json() == {
            "code": -2015,
            "msg": "Invalid API-key, IP, or permissions for action.",
        }, path
    assert len(quiet.rig.port.requests) == before
    assert await quiet.send("GET", "/api/v3/openOrders", key=reader) == []


async def test_no_account_sees_or_touches_the_orders_of_another(quiet: Quiet) -> None:
    theirs = await quiet.quote(BUY, "99.00", "10")
    number = theirs["orderId"]
    assert (await quiet.send("GET", "/api/v3/order", orderId=number))["code"] == -2013
    assert (await quiet.send("DELETE", "/api/v3/order", orderId=number))["code"] == -2011
    assert (await quiet.send("PUT", "/api/v3/order/amend/keepPriority", orderId=number, newQty="1"))[
        "code"
    ] == -2013
    assert await quiet.send("GET", "/api/v3/allOrders") == []
    assert await quiet.send("GET", "/api/v3/myTrades") == []
