"""The venue over HTTP, against a real server."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from websockets.asyncio.client import connect

import engine.api.http
from engine.broker.terms import Refusal
from engine.venue.binance.endpoints import ENDPOINTS
from engine.venue.binance.errors import ANSWERS
from engine.venue.binance.limits import Limits
from engine.venue.keys import Permission
from tests.venue.rig import Rig, new_port


async def test_an_order_lives_from_placement_to_cancel() -> None:
    async with Rig().client() as rest:
        symbol = rest.rig.symbol
        placed = await rest.order(newClientOrderId="mine")
        assert placed.status_code == 200, placed.text
        answer = placed.json()
        assert (answer["status"], answer["clientOrderId"], answer["fills"]) == ("NEW", "mine", [])
        assert placed.headers["x-mbx-order-count-10s"] == "1"
        assert int(placed.headers["x-mbx-used-weight-1m"]) == 1
        assert placed.headers["content-type"].startswith("application/json")

        opened = (await rest.signed("GET", "/api/v3/openOrders", symbol=symbol)).json()
        assert [order["orderId"] for order in opened] == [answer["orderId"]]
        account = (await rest.signed("GET", "/api/v3/account")).json()
        assert any(float(balance["locked"]) > 0 for balance in account["balances"])

        amended = await rest.signed(
            "PUT", "/api/v3/order/amend/keepPriority", symbol=symbol, orderId=answer["orderId"], newQty="6"
        )
        assert amended.json()["amendedOrder"]["qty"] == "6.00000000"
        assert amended.json()["amendedOrder"]["origClientOrderId"] == "mine"

        gone = await rest.signed(
            "DELETE", "/api/v3/order", in_body=True, symbol=symbol, orderId=answer["orderId"],
            newClientOrderId="bye",
        )  # fmt: skip
        assert (gone.json()["status"], gone.json()["clientOrderId"]) == ("CANCELED", "bye")
        again = await rest.signed("DELETE", "/api/v3/order", symbol=symbol, orderId=answer["orderId"])
        assert (again.status_code, again.json()) == (400, {"code": -2011, "msg": "Unknown order sent."})
        account = (await rest.signed("GET", "/api/v3/account")).json()
        assert all(float(balance["locked"]) == 0 for balance in account["balances"])


async def test_a_market_order_fills_and_shows_in_own_trades() -> None:
    async with Rig().client() as rest:
        symbol = rest.rig.symbol
        answer = (await rest.order(type="MARKET", price=None, timeInForce=None)).json()
        assert answer["status"] == "FILLED"
        assert sum(float(fill["qty"]) for fill in answer["fills"]) == 10
        trades = (
            await rest.signed("GET", "/api/v3/myTrades", symbol=symbol, orderId=answer["orderId"])
        ).json()
        assert [trade["id"] for trade in trades] == [fill["tradeId"] for fill in answer["fills"]]
        assert {trade["commission"] for trade in trades} == {fill["commission"] for fill in answer["fills"]}
        assert (await rest.signed("GET", "/api/v3/myAllocations", symbol=symbol)).json() == []


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        (
            {"timeInForce": None},
            -1102,
            "Mandatory parameter 'timeInForce' was not sent, was empty/null, or malformed.",
        ),
        ({"timeInForce": "GTX"}, -1115, "Invalid timeInForce."),
        ({"type": "FOO"}, -1116, "Invalid orderType."),
        ({"side": "HOLD"}, -1117, "Invalid side."),
        ({"symbol": "NOPE"}, -1121, "Invalid symbol."),
        ({"stopPrice": "1"}, -1106, "Parameter 'stopPrice' sent when not required."),
        ({"price": "1.123456789"}, -1111, "Parameter 'price' has too much precision."),
        ({"price": "99.123"}, -1013, "Filter failure: PRICE_FILTER"),
        ({"quantity": "0.5"}, -1013, "Filter failure: LOT_SIZE"),
        ({"quantity": "99999999"}, -1013, "Filter failure: LOT_SIZE"),
        ({"price": "0.01", "quantity": "1"}, -1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
        ({"quantity": "90000"}, -2010, "Account has insufficient balance for requested action."),
        ({"newClientOrderId": ""}, -1105, "Parameter 'newClientOrderId' was empty."),
        (
            {"newClientOrderId": "a b"},
            -1100,
            r"Illegal characters found in parameter 'newClientOrderId'; "
            r"legal range is '^[\.A-Z\:/a-z0-9_-]{1,36}$'.",
        ),
        (
            {"colour": "red"},
            -1104,
            "Not all sent parameters were read; read '8' parameter(s) but was sent '9'.",
        ),
    ],
)
async def test_a_wrong_order_gets_the_exchange_s_own_words(
    change: dict[str, Any], code: int, message: str
) -> None:
    async with Rig().client() as rest:
        answer = await rest.order(**change)
        assert answer.status_code == 400
        assert answer.json() == {"code": code, "msg": message}


async def test_a_post_only_order_that_would_trade_and_a_stop_that_would_trigger_are_refused() -> None:
    async with Rig().client() as rest:
        crossing = await rest.order(type="LIMIT_MAKER", timeInForce=None, price=rest.rig.price("ask", 3))
        assert crossing.json() == {"code": -2010, "msg": "Order would immediately match and take."}
        stop = await rest.order(
            type="STOP_LOSS", timeInForce=None, price=None, stopPrice=rest.rig.price("bid", 8)
        )
        assert stop.json() == {"code": -2010, "msg": "Order would trigger immediately."}


async def test_cancel_replace_says_what_became_of_each_half() -> None:
    async with Rig().client() as rest:
        rig = rest.rig
        terms = {
            "symbol": rig.symbol, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "5",
            "price": rig.price("bid", 6), "cancelOrigClientOrderId": "first",
        }  # fmt: skip
        await rest.order(newClientOrderId="first")
        path = "/api/v3/order/cancelReplace"
        done = await rest.signed("POST", path, **terms, cancelReplaceMode="STOP_ON_FAILURE")
        assert (done.json()["cancelResult"], done.json()["newOrderResult"]) == ("SUCCESS", "SUCCESS")
        stopped = await rest.signed("POST", path, **terms, cancelReplaceMode="STOP_ON_FAILURE")
        assert (stopped.status_code, stopped.json()["code"]) == (400, -2022)
        assert stopped.json()["data"]["newOrderResult"] == "NOT_ATTEMPTED"
        partly = await rest.signed("POST", path, **terms, cancelReplaceMode="ALLOW_FAILURE")
        assert (partly.status_code, partly.json()["code"]) == (409, -2021)
        assert partly.json()["data"]["cancelResponse"] == {"code": -2011, "msg": "Unknown order sent."}
        assert partly.json()["data"]["newOrderResponse"]["status"] == "NEW"


async def test_lists_in_both_spellings_are_placed_queried_and_cancelled() -> None:
    async with Rig().client() as rest:
        rig = rest.rig
        high, low = rig.price("ask", 6), rig.price("bid", 6)
        common = {"symbol": rig.symbol, "side": "SELL", "quantity": "5"}
        new = await rest.signed(
            "POST", "/api/v3/orderList/oco", **common, aboveType="LIMIT_MAKER", abovePrice=high,
            belowType="STOP_LOSS", belowStopPrice=low, listClientOrderId="pair",
        )  # fmt: skip
        assert new.status_code == 200, new.text
        assert [report["type"] for report in new.json()["orderReports"]] == ["LIMIT_MAKER", "STOP_LOSS"]
        old = await rest.signed("POST", "/api/v3/order/oco", **common, price=high, stopPrice=low)
        assert old.status_code == 200, old.text
        lists = (await rest.signed("GET", "/api/v3/openOrderList")).json()
        assert [one["orderListId"] for one in lists] == [0, 1]
        one = (await rest.signed("GET", "/api/v3/orderList", origClientOrderId="pair")).json()
        assert one["orderListId"] == 0
        wrong = await rest.signed(
            "POST", "/api/v3/orderList/oco", **common, aboveType="STOP_LOSS", aboveStopPrice=high,
            belowType="LIMIT_MAKER", belowPrice=low,
        )  # fmt: skip
        assert wrong.json() == {"code": -1166, "msg": "A limit order in a sell OCO must be above."}
        gone = await rest.signed("DELETE", "/api/v3/orderList", symbol=rig.symbol, orderListId=0)
        assert gone.json()["listOrderStatus"] == "ALL_DONE"
        assert {report["status"] for report in gone.json()["orderReports"]} == {"CANCELED"}
        every = await rest.signed("DELETE", "/api/v3/openOrders", symbol=rig.symbol)
        assert [entry["orderListId"] for entry in every.json()] == [1]
        missing = await rest.signed("GET", "/api/v3/orderList", orderListId=7)
        assert missing.json()["code"] == -2018


async def test_requests_without_a_valid_key_read_public_data_only() -> None:
    rig = Rig()
    reader = rig.keys.create("reader", permissions=(Permission.READ,))
    async with rig.client() as rest:
        assert (await rest.get("/api/v3/depth", symbol=rig.symbol)).status_code == 200
        for endpoint in ENDPOINTS:
            if endpoint.security.value == "NONE" or endpoint.legacy:
                continue
            answer = await rest.http.request(endpoint.method, endpoint.path)
            assert (answer.status_code, answer.json()["code"]) == (401, -2014), endpoint.path
            unknown = await rest.http.request(
                endpoint.method, endpoint.path, headers={"X-MBX-APIKEY": "a" * 64}
            )
            assert (unknown.status_code, unknown.json()["code"]) == (401, -2015), endpoint.path
        refused = await rest.signed("DELETE", "/api/v3/openOrders", key=reader, symbol=rig.symbol)
        assert (refused.status_code, refused.json()["code"]) == (401, -2015)
        assert (await rest.signed("GET", "/api/v3/account", key=reader)).json()["canTrade"] is False
        assert not rig.port.requests or rig.port.requests[-1].__class__.__name__ == "OpenAccount"


async def test_the_clock_may_be_skewed_by_a_fault() -> None:
    async with Rig().client() as rest:
        rest.rig.port.boundary.clock_skew_ms = 30_000
        assert (await rest.get("/api/v3/time")).json()["serverTime"] == rest.rig.now_ms + 30_000
        late = await rest.order()
        assert late.json()["code"] == -1021


async def test_a_request_without_a_reply_is_answered_as_unknown() -> None:
    async with Rig(patience_s=0.05).client() as rest:
        await rest.signed("GET", "/api/v3/account")
        rest.rig.port.silent = True
        answer = await rest.order()
        assert (answer.status_code, answer.json()["code"]) == (503, -1007)
        assert rest.rig.gateway.statistics()["timeouts"] == 1
        assert rest.rig.gateway.statistics()["waiters"] == 0


async def test_a_full_queue_and_a_replaced_session_answer_at_once() -> None:
    async with Rig().client() as rest:
        rig = rest.rig
        await rest.signed("GET", "/api/v3/account")
        rig.port.full = True
        busy = await rest.order()
        assert (busy.status_code, busy.json()["code"]) == (503, -1008)
        rig.port.full, rig.port.silent = False, True
        waiting = asyncio.create_task(rest.order())
        while not rig.gateway.statistics()["waiters"]:
            await asyncio.sleep(0)
        rig.app.attach(new_port("two"))
        answer = await waiting
        assert (answer.status_code, answer.json()["code"]) == (500, -1001)
        assert (await rest.signed("GET", "/api/v3/openOrders")).json() == []


async def test_weight_is_counted_limited_and_then_banned() -> None:
    rig = Rig(limits=Limits(weight_1m=50))
    async with rig.client() as rest:
        assert (await rest.get("/api/v3/exchangeInfo")).headers["x-mbx-used-weight-1m"] == "20"
        assert (await rest.get("/api/v3/exchangeInfo")).status_code == 200
        refused = await rest.get("/api/v3/exchangeInfo")
        assert (refused.status_code, refused.json()["code"]) == (429, -1003)
        assert refused.json()["msg"].startswith("Too much request weight used; current limit is 50 request")
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        for _ in range(200):
            refused = await rest.get("/api/v3/ping")
        assert refused.status_code == 418
        assert refused.headers["retry-after"] == "120"
        rig.now_ms += 119_000
        assert (await rest.get("/api/v3/ping")).status_code == 418
        rig.now_ms += 1_001
        assert (await rest.get("/api/v3/ping")).status_code == 200


async def test_new_orders_are_limited_per_account() -> None:
    rig = Rig(limits=Limits(orders_10s=2))
    async with rig.client() as rest:
        await rest.order()
        await rest.order()
        refused = await rest.order()
        assert refused.status_code == 429
        assert refused.json() == {
            "code": -1015,
            "msg": "Too many new orders; current limit is 2 orders per 10 SECOND.",
        }
        assert "retry-after" not in refused.headers
        counts = (await rest.signed("GET", "/api/v3/rateLimit/order")).json()
        assert [entry["count"] for entry in counts] == [2, 2]


async def test_faults_limit_ban_and_stop_the_venue() -> None:
    async with Rig().client() as rest:
        boundary = rest.rig.port.boundary
        boundary.limited_until_ns = rest.rig.port._session.now_ns + 2_000_000_000
        limited = await rest.get("/api/v3/ping")
        assert (limited.status_code, limited.headers["retry-after"]) == (429, "2")
        boundary.is_banned = True
        assert (await rest.get("/api/v3/ping")).status_code == 418
        boundary.limited_until_ns = 0
        boundary.is_down = True
        assert (await rest.get("/api/v3/ping")).status_code == 502


async def test_bodies_paths_hosts_and_origins_that_do_not_belong_here_are_refused() -> None:
    async with Rig().client() as rest:
        http = rest.http
        large = await http.post("/api/v3/order", content=b"x" * 20_000)
        assert large.status_code == 413
        assert (await http.get("/api/v3/nope")).json()["code"] == -5000
        assert (await http.put("/api/v3/order")).status_code == 405
        for headers, status in (
            ({"Host": "evil.example"}, 403),
            ({"Host": "api.binance.com"}, 200),
            ({"Host": "api.binance.com", "Origin": "https://api.binance.com"}, 200),
            ({"Origin": "https://evil.example"}, 403),
        ):
            assert (await http.get("/api/v3/ping", headers=headers)).status_code == status


async def test_a_client_that_trickles_its_request_loses_its_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine.api.http, "REQUEST_PATIENCE_S", 0.05)
    async with Rig().serve() as rig:
        host, port = rig.url.split(":")
        for start in (b"", b"GET /api/v3/ping HTTP/1.1\r\nHost: a", b"POST /api/v3/order HTTP/1.1\r\n"):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(start)
            assert await asyncio.wait_for(_read_to_end(reader), 5) == b""
            writer.close()
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET / HTTP/1.1\r\n" + b"X: " + b"y" * 60_000)
        assert await asyncio.wait_for(_read_to_end(reader), 5) == b""
        writer.close()


async def _read_to_end(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionError:
        return b""


async def test_the_description_names_every_endpoint_with_its_parameters() -> None:
    async with Rig().client() as rest:
        described = (await rest.get("/api/v3/openapi.json")).json()["paths"]
        for endpoint in ENDPOINTS:
            if endpoint.legacy:
                continue
            operation = described[endpoint.path][endpoint.method.lower()]
            names = {parameter["name"] for parameter in operation["parameters"]}
            assert {parameter.name for parameter in endpoint.parameters} <= names
            assert ("signature" in names) == endpoint.security.is_signed


async def test_listen_keys_are_there_only_behind_the_switch() -> None:
    async with Rig().client() as rest:
        answer = await rest.http.post("/api/v3/userDataStream", headers=_key(rest.rig))
        assert answer.status_code == 404


@pytest.mark.parametrize("combined", [False, True])
async def test_behind_the_switch_a_listen_key_streams_user_events(combined: bool) -> None:
    async with Rig(legacy=True).client() as rest:
        rig, http, headers = rest.rig, rest.http, _key(rest.rig)
        path = "/api/v3/userDataStream"
        name = (await http.post(path, headers=headers)).json()["listenKey"]
        assert (await http.post(path, headers=headers)).json()["listenKey"] == name
        assert (await http.put(path, headers=headers, params={"listenKey": name})).json() == {}
        unknown = await http.put(path, headers=headers, params={"listenKey": "x" * 64})
        assert unknown.json() == {"code": -1125, "msg": "This listenKey does not exist."}
        place = f"/stream?streams={name}" if combined else f"/ws/{name}"
        async with connect(f"ws://{rig.url}{place}") as stream:
            while not rig.gateway.statistics()["users_listeners"]:
                await asyncio.sleep(0)
            await rest.order(newClientOrderId="mine")
            message = json.loads(await asyncio.wait_for(stream.recv(), 5))
            event = message["data"] if combined else message
            while event["e"] != "executionReport":
                message = json.loads(await asyncio.wait_for(stream.recv(), 5))
                event = message["data"] if combined else message
            assert event["c"] == "mine"
        while rig.gateway.statistics()["users_listeners"]:
            await asyncio.sleep(0)
        assert (await http.delete(path, headers=headers, params={"listenKey": name})).json() == {}
        name = (await http.post(path, headers=headers)).json()["listenKey"]
        rig.keys.remove("one")
        rig.keys.create("one", api_key="A" * 64)
        kept = await http.put(path, headers={"X-MBX-APIKEY": "A" * 64}, params={"listenKey": name})
        assert kept.status_code == 200, "another key of the same name has the same account"
        rig.keys.remove("one")
        assert rig.app._listen_keys is not None
        assert rig.app._listen_keys.account_of(name) is None


def _key(rig: Rig) -> dict[str, str]:
    return {"X-MBX-APIKEY": rig.key.api_key}


def test_every_refusal_of_the_broker_has_an_answer() -> None:
    assert set(ANSWERS) == set(Refusal)


async def test_wallet_calls_of_client_starts_are_answered() -> None:
    async with Rig().client() as rest:
        for path in (
            "/sapi/v1/asset/tradeFee",
            "/sapi/v1/capital/config/getall",
            "/sapi/v1/margin/allPairs",
            "/sapi/v1/margin/isolated/allPairs",
            "/sapi/v1/account/status",
            "/sapi/v1/account/apiTradingStatus",
            "/sapi/v1/account/apiRestrictions",
        ):
            assert (await rest.signed("GET", path)).status_code == 200, path
        assets = (await rest.signed("GET", "/sapi/v1/capital/config/getall")).json()
        assert json.dumps(assets).count('"coin"') == 4
