"""User events over the WS-API: what is told, in which order, and what a reconnect finds."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from websockets.asyncio.client import connect

from tests.venue.quiet import Quiet, serve_quiet
from tests.venue.rig import Api, Rig, new_port, quiet_scenario

BUY, SELL = "BUY", "SELL"


class Listener(Api):
    """A connection that listens to the first key's account; `tell` collects what comes of one action."""

    async def listen(self) -> None:
        await self.ask("account.status", signed=True)
        answer = await self.ask("userDataStream.subscribe.signature", signed=True)
        assert answer["result"] == {"subscriptionId": 0}

    async def until_balances(self) -> list[dict[str, Any]]:
        """The events of one instant: up to its balances, which end it."""
        events: list[dict[str, Any]] = []
        while not events or events[-1]["e"] != "outboundAccountPosition":
            message = await self.receive()
            assert message["subscriptionId"] == 0
            events.append(message["event"])
        return events


@contextlib.asynccontextmanager
async def listening(quiet: Quiet) -> AsyncIterator[Listener]:
    async with connect(f"ws://{quiet.rig.url}/ws-api/v3", compression=None) as connection:
        listener = Listener(quiet.rig, connection)
        await listener.listen()
        yield listener


def short(events: list[dict[str, Any]]) -> list[str]:
    """Kind, client id and status of each event."""
    texts = []
    for event in events:
        if event["e"] == "executionReport":
            texts.append(f"{event['x']} {event['c']} {event['X']}")
        elif event["e"] == "listStatus":
            texts.append(f"list {event['C']} {event['L']}")
        else:
            texts.append("balances")
    return texts


async def test_an_order_s_life_is_told_before_its_balances(quiet: Quiet) -> None:
    async with listening(quiet) as listener:
        order = await quiet.new(
            "LIMIT", BUY, timeInForce="GTC", price="99.95", quantity="10", newClientOrderId="a"
        )
        assert short(await listener.until_balances()) == ["NEW a NEW", "balances"]
        await quiet.new("LIMIT", SELL, key=quiet.other, timeInForce="IOC", price="99.95", quantity="4")
        partly, balances = await listener.until_balances()
        assert short([partly]) == ["TRADE a PARTIALLY_FILLED"]
        assert (partly["l"], partly["L"], partly["z"]) == ("4.00000000", "99.95000000", "4.00000000")
        assert (partly["Z"], partly["Y"]) == ("399.80000000", "399.80000000")
        assert (partly["n"], partly["N"]) == ("0.03998000", "USD")
        assert (partly["m"], partly["w"], partly["i"]) == (True, True, order["orderId"])
        assert [entry["a"] for entry in balances["B"]] == ["ACME", "USD"]
        await quiet.send(
            "PUT", "/api/v3/order/amend/keepPriority", orderId=order["orderId"], newQty="9",
            newClientOrderId="b",
        )  # fmt: skip
        replaced, _ = await listener.until_balances()
        assert (replaced["x"], replaced["c"], replaced["C"], replaced["q"]) == (
            "REPLACED", "b", "a", "9.00000000",
        )  # fmt: skip
        await quiet.send("DELETE", "/api/v3/order", orderId=order["orderId"], newClientOrderId="bye")
        gone, balances = await listener.until_balances()
        assert (gone["x"], gone["X"], gone["c"], gone["C"]) == ("CANCELED", "CANCELED", "bye", "b")
        assert {entry["l"] for entry in balances["B"]} == {"0.00000000"}
        await quiet.new("LIMIT", BUY, timeInForce="IOC", price="99.95", quantity="7", newClientOrderId="c")
        events = await listener.until_balances()
        assert short(events) == ["NEW c NEW", "EXPIRED c EXPIRED", "balances"]
        assert events[1]["eR"] == 1


async def test_a_prevented_self_trade_is_told_of_both_orders(quiet: Quiet) -> None:
    async with listening(quiet) as listener:
        for name, side, quantity in (("a", SELL, "10"), ("b", BUY, "4")):
            await quiet.new("LIMIT", side, timeInForce="GTC", price="100.02", quantity=quantity,
                            newClientOrderId=name, selfTradePreventionMode="DECREMENT")  # fmt: skip
        await listener.until_balances()
        events = await listener.until_balances()
        assert short(events) == [
            "NEW b NEW", "TRADE_PREVENTION a NEW", "TRADE_PREVENTION b EXPIRED_IN_MATCH", "balances",
        ]  # fmt: skip
        assert [(event["A"], event["B"]) for event in events[1:3]] == [("4.00000000", "4.00000000")] * 2
        assert events[2]["eR"] == 2


async def test_an_oco_goes_on_with_the_leg_that_trades(quiet: Quiet) -> None:
    async with listening(quiet) as listener:
        await quiet.send(
            "POST", "/api/v3/orderList/oco", side=SELL, quantity="10", listClientOrderId="L",
            aboveType="LIMIT_MAKER", abovePrice="100.05", aboveClientOrderId="up",
            belowType="STOP_LOSS", belowStopPrice="99.95", belowClientOrderId="down",
        )  # fmt: skip
        events = await listener.until_balances()
        assert short(events) == ["list L EXECUTING", "NEW down NEW", "NEW up NEW", "balances"]
        assert [event["w"] for event in events[1:3]] == [False, True]
        assert events[-1]["B"][0]["l"] == "10.00000000", "one of the two locks, not both"
        await quiet.new("LIMIT", BUY, key=quiet.other, timeInForce="IOC", price="100.05", quantity="4")
        assert short(await listener.until_balances()) == [
            "TRADE up PARTIALLY_FILLED", "EXPIRED down EXPIRED", "balances",
        ]  # fmt: skip
        await quiet.new("LIMIT", BUY, key=quiet.other, timeInForce="IOC", price="100.05", quantity="6")
        assert short(await listener.until_balances()) == ["TRADE up FILLED", "list L ALL_DONE", "balances"]


async def test_a_triggered_leg_of_an_oco_works_on_as_a_limit_order(quiet: Quiet) -> None:
    async with listening(quiet) as listener:
        await quiet.send(
            "POST", "/api/v3/orderList/oco", side=SELL, quantity="10", listClientOrderId="L",
            aboveType="LIMIT_MAKER", abovePrice="100.05", aboveClientOrderId="up",
            belowType="STOP_LOSS_LIMIT", belowStopPrice="99.95", belowPrice="99.94",
            belowTimeInForce="GTC", belowClientOrderId="down",
        )  # fmt: skip
        await listener.until_balances()
        await quiet.trade_at("99.95", "5")
        events = await listener.until_balances()
        assert short(events) == ["EXPIRED up EXPIRED", "NEW down NEW", "balances"]
        assert events[1]["w"] is True
        lists = await quiet.signed("GET", "/api/v3/openOrderList")
        assert [entry["listClientOrderId"] for entry in lists.json()] == ["L"]


async def test_pending_orders_of_an_otoco_begin_with_the_fill_of_the_working_one(quiet: Quiet) -> None:
    async with listening(quiet) as listener:
        placed = await quiet.send(
            "POST", "/api/v3/orderList/otoco", listClientOrderId="L", workingType="LIMIT", workingSide=BUY,
            workingPrice="99.95", workingQuantity="10", workingTimeInForce="GTC", workingClientOrderId="in",
            pendingSide=SELL, pendingQuantity="10", pendingAboveType="LIMIT_MAKER",
            pendingAbovePrice="100.05", pendingAboveClientOrderId="up", pendingBelowType="STOP_LOSS",
            pendingBelowStopPrice="99.85", pendingBelowClientOrderId="down",
        )  # fmt: skip
        assert placed["contingencyType"] == "OTO"
        assert [report["status"] for report in placed["orderReports"]] == [
            "NEW",
            "PENDING_NEW",
            "PENDING_NEW",
        ]
        events = await listener.until_balances()
        assert short(events) == [
            "NEW up PENDING_NEW", "NEW down PENDING_NEW", "list L EXECUTING", "NEW in NEW", "balances",
        ]  # fmt: skip
        await quiet.new("LIMIT", SELL, key=quiet.other, timeInForce="IOC", price="99.95", quantity="10")
        told = short(await listener.until_balances())
        assert told[0] == "TRADE in FILLED"
        assert sorted(told[1:3]) == ["NEW down NEW", "NEW up NEW"]
        gone = await quiet.send("DELETE", "/api/v3/orderList", listClientOrderId="L")
        assert gone["listOrderStatus"] == "ALL_DONE"
        events = await listener.until_balances()
        assert sorted(event["X"] for event in events if "X" in event) == ["CANCELED", "CANCELED"]
        assert "list L ALL_DONE" in short(events)


async def test_an_oto_waits_and_ends_with_its_working_order(quiet: Quiet) -> None:
    async with listening(quiet) as listener:
        await quiet.send(
            "POST", "/api/v3/orderList/oto", listClientOrderId="L", workingType="LIMIT_MAKER",
            workingSide=BUY, workingPrice="99.95", workingQuantity="10", workingClientOrderId="in",
            pendingType="MARKET", pendingSide=SELL, pendingQuantity="10", pendingClientOrderId="out",
        )  # fmt: skip
        await listener.until_balances()
        await quiet.send("DELETE", "/api/v3/order", origClientOrderId="in")
        events = await listener.until_balances()
        assert [event["X"] for event in events if "X" in event] == ["CANCELED", "CANCELED"]
        assert "list L ALL_DONE" in short(events)


async def test_a_reconnect_finds_everything_as_it_was(quiet: Quiet) -> None:
    async with listening(quiet) as listener:
        order = await quiet.new("LIMIT", BUY, timeInForce="GTC", price="99.95", quantity="10")
        await listener.until_balances()
        before = await quiet.balances()
    # Nobody listens while it is filled in part.
    await quiet.new("LIMIT", SELL, key=quiet.other, timeInForce="IOC", price="99.95", quantity="4")
    async with listening(quiet) as listener:
        opened = await listener.ask("openOrders.status", signed=True)
        assert [(one["orderId"], one["executedQty"]) for one in opened["result"]] == [
            (order["orderId"], "4.00000000")
        ]
        trades = await listener.ask("myTrades", signed=True, symbol=quiet.symbol, orderId=order["orderId"])
        assert [trade["qty"] for trade in trades["result"]] == ["4.00000000"]
        assert (await quiet.balances())["ACME"] == ("1004.00000000", "0.00000000") != before["ACME"]
        await listener.ask("order.cancel", signed=True, symbol=quiet.symbol, orderId=order["orderId"])
        assert short(await listener.until_balances())[-1] == "balances"


async def test_each_account_hears_of_itself_only(quiet: Quiet) -> None:
    async with listening(quiet) as mine, connect(f"ws://{quiet.rig.url}/ws-api/v3") as connection:
        theirs = Listener(quiet.rig, connection)
        theirs.key = quiet.other
        await theirs.listen()
        await quiet.quote(BUY, "99.93", "10")
        await quiet.new("LIMIT", BUY, timeInForce="GTC", price="99.94", quantity="10", newClientOrderId="m")
        assert short(await mine.until_balances()) == ["NEW m NEW", "balances"]
        assert (await theirs.until_balances())[0]["p"] == "99.93000000"
        await quiet.quote(BUY, "99.92", "10")
        assert (await theirs.until_balances())[0]["p"] == "99.92000000"


async def test_whose_key_is_removed_hears_no_more() -> None:
    async with serve_quiet(Rig(scenario=quiet_scenario())) as quiet, listening(quiet) as listener:
        quiet.rig.keys.remove("one")
        await quiet.quote(BUY, "99.92", "10")
        message = await listener.receive()
        assert message["event"]["e"] == "eventStreamTerminated"
        refused = await listener.ask("userDataStream.subscribe.signature", signed=True)
        assert refused["error"]["code"] == -2015


async def test_subscriptions_end_with_their_market_and_begin_anew(quiet: Quiet) -> None:
    async with listening(quiet) as listener:
        quiet.rig.app.attach(new_port("two", quiet_scenario()))
        assert (await listener.receive())["event"]["e"] == "eventStreamTerminated"
        assert (await listener.ask("userDataStream.subscribe.signature", signed=True))["status"] == 200
        assert (await listener.receive())["event"]["e"] == "outboundAccountPosition", "opened there too"
        assert (await listener.ask("openOrders.status", signed=True))["result"] == []
