"""Every method of the WS-API that trades or reads an account, beside what REST says of the same."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from websockets.asyncio.client import connect

from engine.venue.binance.endpoints import ENDPOINTS
from engine.venue.keys import Permission
from tests.venue.quiet import Quiet
from tests.venue.rig import Api

LIMIT = {"side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": "99.00", "quantity": "10"}
OCO = {
    "side": "SELL", "quantity": "10", "aboveType": "LIMIT_MAKER", "abovePrice": "100.05",
    "belowType": "STOP_LOSS", "belowStopPrice": "99.95",
}  # fmt: skip


class Caller(Api):
    """Signed calls with the symbol; what comes back must have worked."""

    async def call(self, method: str, **params: Any) -> Any:
        answer = await self.ask(method, signed=True, symbol=self.rig.symbol, **params)
        assert answer["status"] == 200, answer
        return answer["result"]

    async def plain(self, method: str, **params: Any) -> Any:
        """The same without the symbol."""
        answer = await self.ask(method, signed=True, **params)
        assert answer["status"] == 200, answer
        return answer["result"]


@contextlib.asynccontextmanager
async def calling(quiet: Quiet) -> AsyncIterator[Caller]:
    async with connect(f"ws://{quiet.rig.url}/ws-api/v3", compression=None) as connection:
        yield Caller(quiet.rig, connection)


async def test_an_order_from_its_test_to_its_cancel(quiet: Quiet) -> None:
    async with calling(quiet) as api:
        assert await api.call("order.test", **LIMIT) == {}
        rates = await api.call("order.test", computeCommissionRates="true", **LIMIT)
        assert rates["standardCommissionForOrder"]["maker"] == "0.00010000"
        placed = await api.call("order.place", newClientOrderId="a", **LIMIT)
        number = placed["orderId"]
        assert (placed["status"], placed["fills"]) == ("NEW", [])
        assert await api.call("order.status", orderId=number) == await quiet.find(number)
        assert await api.call("order.status", origClientOrderId="a") == await quiet.find(number)
        amended = await api.call("order.amend.keepPriority", orderId=number, newQty="9")
        assert amended["amendedOrder"]["qty"] == "9.00000000"
        replaced = await api.call(
            "order.cancelReplace", cancelReplaceMode="STOP_ON_FAILURE", cancelOrderId=number, **LIMIT
        )
        assert replaced["cancelResponse"]["orderId"] == number
        number = replaced["newOrderResponse"]["orderId"]
        gone = await api.call("order.cancel", orderId=number, newClientOrderId="bye")
        assert (gone["status"], gone["clientOrderId"]) == ("CANCELED", "bye")
        failed = await api.ask(
            "order.cancelReplace", signed=True, symbol=quiet.symbol, cancelReplaceMode="ALLOW_FAILURE",
            cancelOrderId=number, **LIMIT,
        )  # fmt: skip
        assert (failed["status"], failed["error"]["code"]) == (409, -2021)
        assert failed["error"]["data"]["newOrderResponse"]["status"] == "NEW"
        assert [one["status"] for one in await api.call("openOrders.cancelAll")] == ["CANCELED"]
        again = await api.ask("order.cancel", signed=True, symbol=quiet.symbol, orderId=number)
        assert (again["status"], again["error"]) == (400, {"code": -2011, "msg": "Unknown order sent."})


async def test_lists_of_orders(quiet: Quiet) -> None:
    async with calling(quiet) as api:
        oco = await api.call("orderList.place.oco", listClientOrderId="one", **OCO)
        old = await api.call("orderList.place", side="SELL", quantity="10", price="100.05", stopPrice="99.95")
        working = {f"working{name[0].upper()}{name[1:]}": value for name, value in LIMIT.items()}
        pending = {"pendingType": "MARKET", "pendingSide": "SELL", "pendingQuantity": "10"}
        oto = await api.call("orderList.place.oto", **working, **pending)
        legs = {f"pending{name[0].upper()}{name[1:]}": value for name, value in OCO.items()}
        otoco = await api.call("orderList.place.otoco", **working, **legs)
        lists = [oco, old, oto, otoco]
        assert [one["contingencyType"] for one in lists] == ["OCO", "OCO", "OTO", "OTO"]
        assert [len(one["orderReports"]) for one in lists] == [2, 2, 2, 3]
        opened = await api.plain("openOrderLists.status")
        assert [one["orderListId"] for one in opened] == [one["orderListId"] for one in lists]
        every = (await quiet.signed("GET", "/api/v3/allOrderList")).json()
        assert await api.plain("allOrderLists") == every == opened
        one = await api.plain("orderList.status", origClientOrderId="one")
        assert one == opened[0]
        for state in lists:
            gone = await api.call("orderList.cancel", orderListId=state["orderListId"])
            assert {report["status"] for report in gone["orderReports"]} == {"CANCELED"}
        assert await api.plain("openOrderLists.status") == []
        missing = await api.ask("orderList.status", signed=True, orderListId=99)
        assert missing["error"]["code"] == -2018


async def test_reads_say_what_rest_says(quiet: Quiet) -> None:
    await quiet.new("LIMIT", "BUY", timeInForce="IOC", price="100.20", quantity="150")
    await quiet.new("LIMIT", "BUY", timeInForce="GTC", price="99.00", quantity="10")
    async with calling(quiet) as api:
        for method, path in (
            ("openOrders.status", "/api/v3/openOrders"),
            ("allOrders", "/api/v3/allOrders"),
            ("myTrades", "/api/v3/myTrades"),
            ("account.commission", "/api/v3/account/commission"),
        ):
            answer = await quiet.send("GET", path)
            assert answer
            assert await api.call(method) == answer, method
        for method, path in (
            ("account.status", "/api/v3/account"),
            ("account.rateLimits.orders", "/api/v3/rateLimit/order"),
        ):
            answer = (await quiet.signed("GET", path)).json()
            assert await api.plain(method) == answer, method


@pytest.mark.parametrize("method", sorted(one.socket for one in ENDPOINTS if one.socket and not one.legacy))
async def test_each_method_wants_what_rest_wants(quiet: Quiet, method: str) -> None:
    endpoint = next(one for one in ENDPOINTS if one.socket == method)
    reader = quiet.rig.keys.create("reader", permissions=(Permission.READ,))
    async with calling(quiet) as api:
        public = await api.ask(method)
        if not endpoint.security.is_signed:
            assert public["status"] == 200 or public["error"]["code"] == -1102, public
            return
        assert public["error"]["code"] == -1102
        assert "'apiKey'" in public["error"]["msg"]
        api.key = reader
        looked = await api.ask(method, signed=True)
        if endpoint.security.value == "TRADE":
            assert (looked["status"], looked["error"]["code"]) == (401, -2015)
        else:
            assert looked["status"] == 200 or looked["error"]["code"] == -1102, looked
        forged = await api.ask(method, apiKey=reader.api_key, timestamp=quiet.rig.now_ms, signature="0" * 64)
        assert forged["error"]["code"] == (-2015 if endpoint.security.value == "TRADE" else -1022)
