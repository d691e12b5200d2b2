"""Every order type and time in force over REST, in a market where each answer is known to the digit."""

from __future__ import annotations

from typing import Any

import pytest

from tests.venue.quiet import Quiet

BUY, SELL = "BUY", "SELL"


@pytest.mark.parametrize(
    ("kind", "side", "terms", "status", "executed", "worth"),
    [
        ("LIMIT", BUY, {"timeInForce": "GTC", "price": "99.00"}, "NEW", "0", "0"),
        ("LIMIT", BUY, {"timeInForce": "GTC", "price": "100.10"}, "FILLED", "10", "1001"),
        ("LIMIT", SELL, {"timeInForce": "GTC", "price": "99.90"}, "FILLED", "10", "999"),
        (
            "LIMIT", BUY, {"timeInForce": "GTC", "price": "100.10", "quantity": "150"},
            "PARTIALLY_FILLED", "100", "10010",
        ),
        ("LIMIT", BUY, {"timeInForce": "IOC", "price": "99.00"}, "EXPIRED", "0", "0"),
        (
            "LIMIT", BUY, {"timeInForce": "IOC", "price": "100.10", "quantity": "150"},
            "EXPIRED", "100", "10010",
        ),
        ("LIMIT", BUY, {"timeInForce": "FOK", "price": "100.20", "quantity": "201"}, "EXPIRED", "0", "0"),
        (
            "LIMIT", BUY, {"timeInForce": "FOK", "price": "100.20", "quantity": "200"},
            "FILLED", "200", "20030",
        ),
        ("LIMIT_MAKER", BUY, {"price": "100.09"}, "NEW", "0", "0"),
        ("MARKET", BUY, {}, "FILLED", "10", "1001"),
        ("MARKET", SELL, {"quantity": "150"}, "FILLED", "150", "14980"),
        ("MARKET", SELL, {"quantity": "500"}, "EXPIRED", "200", "19970"),
        ("MARKET", SELL, {"quantity": None, "quoteOrderQty": "1000"}, "FILLED", "10", "999"),
        # Commission comes out of the quote asset here, so the budget has to pay for it too.
        ("MARKET", BUY, {"quantity": None, "quoteOrderQty": "1001"}, "FILLED", "9", "900.9"),
        ("MARKET", BUY, {"quantity": None, "quoteOrderQty": "1001.2002"}, "FILLED", "10", "1001"),
    ],
)  # fmt: skip
async def test_an_order_that_works_at_once_ends_as_its_type_and_time_in_force_say(
    quiet: Quiet, kind: str, side: str, terms: dict[str, Any], status: str, executed: str, worth: str
) -> None:
    sent = {"quantity": "10"} | terms
    sent = {name: value for name, value in sent.items() if value is not None}
    answer = await quiet.new(kind, side, newOrderRespType="FULL", **sent)
    assert answer["status"] == status, answer
    assert float(answer["executedQty"]) == float(executed)
    assert float(answer["cummulativeQuoteQty"]) == float(worth)
    assert sum(float(fill["qty"]) for fill in answer["fills"]) == float(executed)
    found = await quiet.find(answer["orderId"])
    for name in ("status", "executedQty", "cummulativeQuoteQty", "origQty", "price", "type", "side"):
        assert found[name] == answer[name], name
    if found["status"] not in ("NEW", "PARTIALLY_FILLED"):
        locked = await quiet.balances()
        assert {amount for _, amount in locked.values()} == {"0.00000000"}


async def test_fees_and_balances_add_up_to_the_digit(quiet: Quiet) -> None:
    before = await quiet.balances()
    await quiet.new("LIMIT", BUY, timeInForce="GTC", price="100.10", quantity="150")
    after = await quiet.balances()
    assert before["ACME"] == ("1000.00000000", "0.00000000")
    assert after["ACME"] == ("1100.00000000", "0.00000000")
    # 10,010 for 100, 2.002 of fee (200 ppm); 50 rest at 100.10, with the dearer fee of the two.
    assert after["USD"] == ("84981.99700000", "5006.00100000"), after
    assert float(before["USD"][0]) == 100_000
    assert float(after["USD"][0]) + float(after["USD"][1]) == pytest.approx(100_000 - 10_012.002, abs=1e-9)


@pytest.mark.parametrize(
    ("kind", "side", "terms", "trigger", "status"),
    [
        ("STOP_LOSS", BUY, {"stopPrice": "100.05"}, "100.05", "FILLED"),
        ("STOP_LOSS", SELL, {"stopPrice": "99.95"}, "99.95", "FILLED"),
        ("TAKE_PROFIT", BUY, {"stopPrice": "99.95"}, "99.95", "FILLED"),
        ("TAKE_PROFIT", SELL, {"stopPrice": "100.05"}, "100.05", "FILLED"),
        ("STOP_LOSS_LIMIT", BUY, {"stopPrice": "100.05", "price": "100.10"}, "100.05", "FILLED"),
        ("STOP_LOSS_LIMIT", BUY, {"stopPrice": "100.05", "price": "100.06"}, "100.05", "NEW"),
        ("TAKE_PROFIT_LIMIT", SELL, {"stopPrice": "100.05", "price": "100.06"}, "100.05", "NEW"),
        (
            "STOP_LOSS_LIMIT", BUY, {"stopPrice": "100.05", "price": "100.06", "timeInForce": "IOC"},
            "100.05", "EXPIRED",
        ),
        ("STOP_LOSS", SELL, {"trailingDelta": "10"}, "99.89", "FILLED"),
        ("TAKE_PROFIT", BUY, {"stopPrice": "99.95", "trailingDelta": "10"}, "99.95 100.06", "FILLED"),
    ],
)  # fmt: skip
async def test_a_waiting_order_works_when_the_last_price_comes_to_it(
    quiet: Quiet, kind: str, side: str, terms: dict[str, Any], trigger: str, status: str
) -> None:
    if kind.endswith("LIMIT"):
        terms = {"timeInForce": "GTC"} | terms
    placed = await quiet.new(kind, side, quantity="10", newOrderRespType="RESULT", **terms)
    assert (placed["status"], placed["executedQty"]) == ("NEW", "0.00000000"), placed
    assert placed["workingTime"] == -1
    assert float(placed["stopPrice"]) == float(terms.get("stopPrice", 0))
    waiting = await quiet.find(placed["orderId"])
    assert (waiting["isWorking"], waiting["status"]) == (False, "NEW")
    for price in trigger.split():
        if price == "99.89":  # below the best bid: it has to go first
            await quiet.new("LIMIT", SELL, key=quiet.other, timeInForce="IOC", price="99.90", quantity="100",
                            selfTradePreventionMode="EXPIRE_MAKER")  # fmt: skip
        await quiet.trade_at(price, "5")
    worked = await quiet.find(placed["orderId"])
    assert (worked["isWorking"], worked["status"]) == (True, status), worked
    assert worked["workingTime"] > 0


async def test_an_iceberg_shows_its_parts_one_after_the_other(quiet: Quiet) -> None:
    placed = await quiet.new("LIMIT", BUY, timeInForce="GTC", price="99.95", quantity="50", icebergQty="10")
    assert placed["icebergQty"] == "10.00000000"
    quiet.publish()
    depth = (await quiet.get("/api/v3/depth", symbol=quiet.symbol)).json()
    assert depth["bids"][0] == ["99.95000000", "10.00000000"]
    for quantity in ("10", "15"):  # an arriving order meets what is shown; the next part comes after it
        await quiet.new("LIMIT", SELL, key=quiet.other, timeInForce="IOC", price="99.95", quantity=quantity)
    found = await quiet.find(placed["orderId"])
    assert (found["status"], found["executedQty"]) == ("PARTIALLY_FILLED", "20.00000000")
    quiet.publish()
    depth = (await quiet.get("/api/v3/depth", symbol=quiet.symbol)).json()
    assert depth["bids"][0] == ["99.95000000", "10.00000000"]


@pytest.mark.parametrize(
    ("kind", "asked", "has_status", "has_fills"),
    [
        ("LIMIT", None, True, True),
        ("MARKET", None, True, True),
        ("LIMIT_MAKER", None, False, False),
        ("STOP_LOSS", None, False, False),
        ("LIMIT", "ACK", False, False),
        ("LIMIT", "RESULT", True, False),
        ("LIMIT_MAKER", "FULL", True, True),
    ],
)
async def test_the_answer_has_the_detail_that_was_asked_for(
    quiet: Quiet, kind: str, asked: str | None, has_status: bool, has_fills: bool
) -> None:
    terms: dict[str, Any] = {
        "LIMIT": {"timeInForce": "GTC", "price": "99.00"},
        "MARKET": {},
        "LIMIT_MAKER": {"price": "99.00"},
        "STOP_LOSS": {"stopPrice": "100.05"},
    }[kind]
    if asked:
        terms["newOrderRespType"] = asked
    answer = await quiet.new(kind, quantity="10", newClientOrderId="x", **terms)
    assert ("status" in answer, "fills" in answer) == (has_status, has_fills)
    common = {"symbol": "ACMEUSD", "orderId": answer["orderId"], "orderListId": -1, "clientOrderId": "x"}
    assert answer.items() >= common.items()
    assert answer["transactTime"] > 0


async def test_an_order_test_checks_and_leaves_no_order(quiet: Quiet) -> None:
    terms = {"type": "LIMIT", "side": BUY, "timeInForce": "GTC", "price": "99.00", "quantity": "10"}
    before = len(await quiet.send("GET", "/api/v3/allOrders"))
    assert await quiet.send("POST", "/api/v3/order/test", **terms) == {}
    rates = await quiet.send("POST", "/api/v3/order/test", computeCommissionRates="true", **terms)
    assert rates["standardCommissionForOrder"] == {"maker": "0.00010000", "taker": "0.00020000"}
    wrong = await quiet.send("POST", "/api/v3/order/test", **(terms | {"price": "0.01"}))
    assert wrong == {"code": -1013, "msg": "Filter failure: PERCENT_PRICE_BY_SIDE"}
    assert len(await quiet.send("GET", "/api/v3/allOrders")) == before


async def test_cancel_replace_has_both_modes_and_tells_each_half(quiet: Quiet) -> None:
    first = await quiet.new("LIMIT", BUY, timeInForce="GTC", price="99.00", quantity="10")
    terms = {"type": "LIMIT", "side": BUY, "timeInForce": "GTC", "price": "99.50", "quantity": "10"}
    path = "/api/v3/order/cancelReplace"
    done = await quiet.send(
        "POST", path, cancelReplaceMode="STOP_ON_FAILURE", cancelOrderId=first["orderId"],
        cancelNewClientOrderId="bye", **terms,
    )  # fmt: skip
    assert (done["cancelResult"], done["newOrderResult"]) == ("SUCCESS", "SUCCESS")
    assert done["cancelResponse"]["clientOrderId"] == "bye"
    assert done["newOrderResponse"]["price"] == "99.50000000"
    second = done["newOrderResponse"]["orderId"]
    # The cancel succeeds, the new order does not.
    half = await quiet.signed("POST", path, symbol=quiet.symbol, cancelReplaceMode="STOP_ON_FAILURE",
                              cancelOrderId=second, **(terms | {"quantity": "2000"}))  # fmt: skip
    assert (half.status_code, half.json()["code"]) == (409, -2021)
    data = half.json()["data"]
    assert (data["cancelResult"], data["newOrderResult"]) == ("SUCCESS", "FAILURE")
    assert data["newOrderResponse"] == {
        "code": -2010,
        "msg": "Account has insufficient balance for requested action.",
    }
    assert (await quiet.find(second))["status"] == "CANCELED"
    # The cancel fails: one mode stops, the other goes on.
    stop = await quiet.signed("POST", path, symbol=quiet.symbol, cancelReplaceMode="STOP_ON_FAILURE",
                              cancelOrderId=second, **terms)  # fmt: skip
    assert (stop.status_code, stop.json()["code"], stop.json()["msg"]) == (
        400, -2022, "Order cancel-replace failed.",
    )  # fmt: skip
    assert stop.json()["data"]["cancelResponse"] == {"code": -2011, "msg": "Unknown order sent."}
    assert stop.json()["data"]["newOrderResponse"] is None
    partly = await quiet.signed("POST", path, symbol=quiet.symbol, cancelReplaceMode="ALLOW_FAILURE",
                                cancelOrderId=second, **terms)  # fmt: skip
    assert (partly.status_code, partly.json()["msg"]) == (409, "Order cancel-replace partially failed.")
    assert partly.json()["data"]["newOrderResult"] == "SUCCESS"
    both = await quiet.signed("POST", path, symbol=quiet.symbol, cancelReplaceMode="ALLOW_FAILURE",
                              cancelOrderId=second, **(terms | {"quantity": "2000"}))  # fmt: skip
    assert (both.status_code, both.json()["code"]) == (400, -2022)
    restricted = await quiet.send("POST", path, cancelReplaceMode="STOP_ON_FAILURE",
                                  cancelOrderId=partly.json()["data"]["newOrderResponse"]["orderId"],
                                  cancelRestrictions="ONLY_PARTIALLY_FILLED", **terms)  # fmt: skip
    assert restricted["data"]["cancelResponse"] == {
        "code": -2011,
        "msg": "Order was not canceled due to cancel restrictions.",
    }


async def test_an_amended_order_keeps_its_place_and_only_gets_smaller(quiet: Quiet) -> None:
    mine = await quiet.new("LIMIT", BUY, timeInForce="GTC", price="99.95", quantity="20")
    await quiet.quote(BUY, "99.95", "20")
    path = "/api/v3/order/amend/keepPriority"
    amended = await quiet.send("PUT", path, orderId=mine["orderId"], newQty="8", newClientOrderId="less")
    order = amended["amendedOrder"]
    assert (order["qty"], order["clientOrderId"]) == ("8.00000000", "less")
    assert order["origClientOrderId"] == mine["clientOrderId"]
    await quiet.new("MARKET", SELL, key=quiet.other, quantity="8", selfTradePreventionMode="NONE")
    assert (await quiet.find(mine["orderId"]))["status"] == "FILLED", "it was first in the queue"
    late = await quiet.send("PUT", path, orderId=mine["orderId"], newQty="1")
    assert late == {"code": -2013, "msg": "Order does not exist."}
    other = await quiet.new("LIMIT", BUY, timeInForce="GTC", price="99.95", quantity="20")
    more = await quiet.send("PUT", path, orderId=other["orderId"], newQty="21")
    assert more == {"code": -2038, "msg": "Order amend (quantity increase) is not supported."}
    same = await quiet.send("PUT", path, orderId=other["orderId"], newQty="20")
    assert same == {"code": -2038, "msg": "The requested action would change no state; rejecting."}


@pytest.mark.parametrize(
    ("mode", "maker", "taker"),
    [
        (None, ("EXPIRED_IN_MATCH", "0"), ("EXPIRED", "0")),
        ("EXPIRE_MAKER", ("EXPIRED_IN_MATCH", "0"), ("EXPIRED", "0")),
        ("EXPIRE_TAKER", ("NEW", "0"), ("EXPIRED_IN_MATCH", "0")),
        ("EXPIRE_BOTH", ("EXPIRED_IN_MATCH", "0"), ("EXPIRED_IN_MATCH", "0")),
        ("DECREMENT", ("EXPIRED_IN_MATCH", "0"), ("EXPIRED", "0")),
        ("NONE", ("FILLED", "10"), ("EXPIRED", "10")),
    ],
)
async def test_self_trades_are_prevented_as_the_arriving_order_says(
    quiet: Quiet, mode: str | None, maker: tuple[str, str], taker: tuple[str, str]
) -> None:
    resting = await quiet.new("LIMIT", SELL, timeInForce="GTC", price="100.02", quantity="10")
    terms = {} if mode is None else {"selfTradePreventionMode": mode}
    arriving = await quiet.new("LIMIT", BUY, timeInForce="IOC", price="100.02", quantity="15", **terms)
    assert arriving["selfTradePreventionMode"] == (mode or "EXPIRE_MAKER")
    assert (arriving["status"], float(arriving["executedQty"])) == (taker[0], float(taker[1]))
    found = await quiet.find(resting["orderId"])
    assert (found["status"], float(found["executedQty"])) == (maker[0], float(maker[1]))
    if mode == "DECREMENT":
        assert (found["preventedQuantity"], arriving["preventedQuantity"]) == ("10.00000000",) * 2
    if maker[0] == "EXPIRED_IN_MATCH":
        matches = await quiet.send("GET", "/api/v3/myPreventedMatches", orderId=resting["orderId"])
        assert matches[0]["makerPreventedQuantity"] == "10.00000000"


async def test_the_exchange_s_self_trade_default_is_what_it_announces(quiet: Quiet) -> None:
    info = (await quiet.get("/api/v3/exchangeInfo", symbol=quiet.symbol)).json()["symbols"][0]
    described = (await quiet.get("/api/v3/openapi.json")).json()["paths"]["/api/v3/order"]["post"]
    schema = next(
        entry["schema"] for entry in described["parameters"] if entry["name"] == "selfTradePreventionMode"
    )
    assert info["defaultSelfTradePreventionMode"] == schema["default"] == "EXPIRE_MAKER"
    assert info["allowedSelfTradePreventionModes"] == schema["enum"]
    placed = await quiet.new("LIMIT", BUY, timeInForce="GTC", price="99.00", quantity="10")
    assert placed["selfTradePreventionMode"] == "EXPIRE_MAKER"
    foreign = await quiet.new("LIMIT", BUY, timeInForce="GTC", price="99.00", quantity="10",
                              selfTradePreventionMode="TRANSFER")  # fmt: skip
    assert foreign == {
        "code": -1013,
        "msg": "This symbol does not allow the specified self-trade prevention mode.",
    }
