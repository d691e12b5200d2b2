"""Request weights, order counts, 429 and 418: what each request costs and what its answer shows."""

from __future__ import annotations

from typing import Any

import pytest
from websockets.asyncio.client import connect

from engine.core.clock import NS_PER_MS, NS_PER_S
from engine.venue.binance import errors
from engine.venue.binance.endpoints import ENDPOINTS, Security
from engine.venue.binance.limits import PATIENCE, Limits
from tests.venue.quiet import Quiet, serve_quiet
from tests.venue.rig import Api, Rig, quiet_scenario

# (method, path, parameters) -> weight; the published ones.
WEIGHTS: list[tuple[str, str, dict[str, Any], int]] = [
    ("GET", "/api/v3/ping", {}, 1),
    ("GET", "/api/v3/time", {}, 1),
    ("GET", "/api/v3/exchangeInfo", {}, 20),
    ("GET", "/api/v3/depth", {"symbol": "ACMEUSD"}, 5),
    ("GET", "/api/v3/depth", {"symbol": "ACMEUSD", "limit": 100}, 5),
    ("GET", "/api/v3/depth", {"symbol": "ACMEUSD", "limit": 101}, 25),
    ("GET", "/api/v3/depth", {"symbol": "ACMEUSD", "limit": 1000}, 50),
    ("GET", "/api/v3/depth", {"symbol": "ACMEUSD", "limit": 5000}, 250),
    ("GET", "/api/v3/trades", {"symbol": "ACMEUSD"}, 25),
    ("GET", "/api/v3/historicalTrades", {"symbol": "ACMEUSD"}, 25),
    ("GET", "/api/v3/aggTrades", {"symbol": "ACMEUSD"}, 4),
    ("GET", "/api/v3/klines", {"symbol": "ACMEUSD", "interval": "1m"}, 2),
    ("GET", "/api/v3/avgPrice", {"symbol": "ACMEUSD"}, 2),
    ("GET", "/api/v3/ticker/24hr", {"symbol": "ACMEUSD"}, 2),
    ("GET", "/api/v3/ticker/24hr", {}, 80),
    ("GET", "/api/v3/ticker/price", {"symbol": "ACMEUSD"}, 2),
    ("GET", "/api/v3/ticker/price", {}, 4),
    ("GET", "/api/v3/ticker/bookTicker", {}, 4),
    ("POST", "/api/v3/order/test", {"computeCommissionRates": "true"}, 20),
    ("POST", "/api/v3/order/test", {}, 1),
    ("POST", "/api/v3/order", {}, 1),
    ("GET", "/api/v3/order", {}, 4),
    ("DELETE", "/api/v3/order", {}, 1),
    ("POST", "/api/v3/order/cancelReplace", {}, 1),
    ("PUT", "/api/v3/order/amend/keepPriority", {}, 4),
    ("POST", "/api/v3/orderList/oco", {}, 1),
    ("POST", "/api/v3/orderList/otoco", {}, 1),
    ("GET", "/api/v3/openOrders", {"symbol": "ACMEUSD"}, 6),
    ("GET", "/api/v3/openOrders", {}, 80),
    ("DELETE", "/api/v3/openOrders", {}, 1),
    ("GET", "/api/v3/allOrders", {}, 20),
    ("GET", "/api/v3/myTrades", {}, 20),
    ("GET", "/api/v3/myTrades", {"orderId": 1}, 5),
    ("GET", "/api/v3/account", {}, 20),
    ("GET", "/api/v3/account/commission", {}, 20),
    ("GET", "/api/v3/rateLimit/order", {}, 40),
]


async def test_every_request_costs_what_is_published_whatever_becomes_of_it(quiet: Quiet) -> None:
    used = int((await quiet.get("/api/v3/ping")).headers["x-mbx-used-weight-1m"])
    security = {(endpoint.method, endpoint.path): endpoint.security for endpoint in ENDPOINTS}
    for method, path, params, weight in WEIGHTS:
        if security[method, path] is Security.NONE:
            answer = await quiet.http.request(method, path, params=params)
        else:
            answer = await quiet.signed(method, path, **params)
        used += weight
        assert answer.headers["x-mbx-used-weight-1m"] == str(used), (path, params, answer.text)
        assert answer.headers["x-mbx-used-weight"] == str(used)


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/api/v3/nothing"), ("PATCH", "/api/v3/order"), ("GET", "/sapi/v1/asset/tradeFee")],
)
async def test_refusals_show_the_weight_used_too(quiet: Quiet, method: str, path: str) -> None:
    answer = await quiet.http.request(method, path)
    assert answer.status_code in (401, 404, 405)
    assert answer.headers["x-mbx-used-weight-1m"].isdigit()


async def test_every_answer_to_a_new_order_shows_the_order_counts() -> None:
    async with serve_quiet(Rig(scenario=quiet_scenario(), limits=Limits(orders_10s=6))) as quiet:
        order = {"symbol": quiet.symbol, "type": "LIMIT", "side": "BUY", "timeInForce": "GTC",
                 "price": "99.00", "quantity": "10"}  # fmt: skip
        path = "/api/v3/order"
        placed = await quiet.signed("POST", path, **order)
        refused = await quiet.signed("POST", path, **(order | {"quantity": "5000"}))
        replaced = await quiet.signed(
            "POST", f"{path}/cancelReplace", cancelReplaceMode="ALLOW_FAILURE", cancelOrderId=1, **order
        )
        tested = await quiet.signed("POST", f"{path}/test", **order)
        oco = await quiet.signed(
            "POST", "/api/v3/orderList/oco", symbol=quiet.symbol, side="SELL", quantity="10",
            aboveType="LIMIT_MAKER", abovePrice="100.05", belowType="STOP_LOSS", belowStopPrice="99.95",
        )  # fmt: skip
        assert [a.headers.get("x-mbx-order-count-10s") for a in (placed, refused, replaced, tested, oco)] == [
            "1", "2", "3", None, "5",
        ]  # fmt: skip
        last = await quiet.signed("POST", path, **order)
        assert last.headers["x-mbx-order-count-1d"] == "6"
        over = await quiet.signed("POST", path, **order)
        assert (over.status_code, over.json()) == (
            429, {"code": -1015, "msg": "Too many new orders; current limit is 6 orders per 10 SECOND."},
        )  # fmt: skip
        assert over.headers["x-mbx-order-count-10s"] == "6"
        assert "retry-after" not in over.headers
        quiet.rig.now_ms += 10_000
        again = await quiet.signed("POST", path, **order)
        assert (again.headers["x-mbx-order-count-10s"], again.headers["x-mbx-order-count-1d"]) == ("1", "7")


async def test_who_goes_on_after_429_is_banned_and_then_banned_longer() -> None:
    rig = Rig(limits=Limits(weight_1m=4))
    windows = rig.gateway.windows
    for _ in range(4):
        windows.charge("a", 1, rig.now_ms)

    def refused() -> errors.RequestRefused:
        with pytest.raises(errors.RequestRefused) as refusal:
            windows.charge("a", 1, rig.now_ms)
        return refusal.value

    first = refused()
    assert (first.status, first.code) == (429, -1003)
    assert first.message == (
        "Too much request weight used; current limit is 4 request weight per 1 MINUTE. "
        "Please use WebSocket Streams for live updates to avoid polling the API."
    )
    assert windows.charge("b", 1, rig.now_ms) == 1, "another address has its own window"
    for _ in range(PATIENCE - 1):
        assert refused().status == 429
    ban = refused()
    until_ms = rig.now_ms + 120_000
    assert (ban.status, ban.retry_at_ms) == (418, until_ms)
    assert ban.message == (
        f"Way too much request weight used; IP banned until {until_ms}. "
        "Please use WebSocket Streams for live updates to avoid bans."
    )
    rig.now_ms = until_ms
    for _ in range(4):
        windows.charge("a", 1, rig.now_ms)
    for _ in range(PATIENCE):
        refused()
    assert refused().retry_at_ms == rig.now_ms + 240_000
    assert windows.statistics()["bans"] == 2


@pytest.mark.parametrize("is_banned", [False, True])
@pytest.mark.parametrize("skew_ms", [0, 7_000])
async def test_a_fault_limits_until_its_session_time_however_the_clocks_stand(
    quiet: Quiet, is_banned: bool, skew_ms: int
) -> None:
    port = quiet.rig.port
    boundary = port.boundary
    boundary.clock_skew_ms, boundary.is_banned = skew_ms, is_banned
    # The market's clock stands at the session's time; the wall clock of the test at its end.
    quiet.rig.now_ms = (port.epoch_ns + boundary._kernel.now_ns) // NS_PER_MS
    boundary.limited_until_ns = boundary._kernel.now_ns + 3 * NS_PER_S
    until_ms = (port.epoch_ns + boundary.limited_until_ns) // NS_PER_MS + skew_ms
    error = errors.banned(until_ms) if is_banned else quiet.rig.gateway.windows.limit_error(until_ms)
    for answer in (await quiet.get("/api/v3/ping"), await quiet.signed("GET", "/api/v3/account")):
        assert answer.status_code == (418 if is_banned else 429)
        assert answer.json() == {"code": -1003, "msg": error.message}
        assert answer.headers["retry-after"] == "3"
        assert "x-mbx-used-weight-1m" in answer.headers
    async with connect(f"ws://{quiet.rig.url}/ws-api/v3") as connection:
        told = await Api(quiet.rig, connection).ask("ping")
        assert told["status"] == (418 if is_banned else 429)
        assert told["error"]["code"] == -1003
        assert told["error"]["data"] == {
            "serverTime": quiet.rig.gateway.now_ms(),
            "retryAfter": until_ms,
        }
    # A limit whose time has come is still in force until the fault says that it is over.
    boundary.limited_until_ns = 1
    assert (await quiet.get("/api/v3/ping")).status_code == (418 if is_banned else 429)
    boundary.limited_until_ns = 0
    assert (await quiet.get("/api/v3/ping")).status_code == 200


async def test_order_limits_over_the_socket_show_what_is_left() -> None:
    async with (
        serve_quiet(Rig(scenario=quiet_scenario(), limits=Limits(orders_10s=6))) as quiet,
        connect(f"ws://{quiet.rig.url}/ws-api/v3") as connection,
    ):
        api = Api(quiet.rig, connection)
        terms = {"symbol": quiet.symbol, "type": "LIMIT", "side": "BUY", "timeInForce": "GTC",
                 "price": "99.00", "quantity": "1"}  # fmt: skip
        for number in range(1, 7):
            answer = await api.ask("order.place", signed=True, **terms)
            assert [limit["count"] for limit in answer["rateLimits"][1:]] == [number, number]
        refused = await api.ask("order.place", signed=True, **terms)
        assert (refused["status"], refused["error"]["code"]) == (429, -1015)
        assert [limit["count"] for limit in refused["rateLimits"][1:]] == [6, 6]
        assert "data" not in refused["error"]
