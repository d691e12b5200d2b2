"""The bot on Binance's API: orders over WS-API and REST, events on its user data stream."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any
from urllib.parse import urlencode

import httpx
from websockets.asyncio.client import connect

from engine.core.clock import wall_ns
from tests.venue.traders import PATIENCE_S, SeenFill, Trader, until

__all__ = ["BinanceTrader"]

REST_PERCENT = 15
"""Orders that are sent over REST."""
PAGE = 1000
_MODES = ("NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "DECREMENT")
_ENDED = ("FILLED", "CANCELED", "REJECTED", "EXPIRED", "EXPIRED_IN_MATCH")
_PATHS = {
    "order.place": ("POST", "/api/v3/order"),
    "order.cancel": ("DELETE", "/api/v3/order"),
    "order.cancelReplace": ("POST", "/api/v3/order/cancelReplace"),
    "order.amend.keepPriority": ("PUT", "/api/v3/order/amend/keepPriority"),
    "orderList.place.oco": ("POST", "/api/v3/orderList/oco"),
    "orderList.place.oto": ("POST", "/api/v3/orderList/oto"),
    "orderList.place.otoco": ("POST", "/api/v3/orderList/otoco"),
    "openOrders.cancelAll": ("DELETE", "/api/v3/openOrders"),
}
Request = tuple[str, dict[str, Any]]


class BinanceTrader(Trader):
    """All order types and lists; hears of its orders on the stream alone, and asks REST after a cut."""

    name = "restbot"

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        assert self.venue.api.url is not None
        self.rest = httpx.AsyncClient(base_url=self.venue.api.url, timeout=PATIENCE_S)
        self.open: dict[int, dict[str, Any]] = {}
        """Last report of each open order, by orderId."""
        self.final: dict[int, tuple[str, str]] = {}
        """By orderId: status and executed quantity, as last told."""
        self.balances: dict[str, tuple[str, str]] = {}
        """Free and locked, as last told."""
        self.missed: list[SeenFill] = []
        """Fills that only REST told, after a cut."""
        self._told: dict[int, int] = {}
        """By orderId: number of the last event."""
        self._pending: set[int] = set()
        self._count = 0

    # -- connection ------------------------------------------------------------------------------------

    async def connect(self) -> None:
        assert self.venue.api.url is not None
        url = self.venue.api.url.replace("http", "ws") + "/ws-api/v3"
        self._socket = await connect(url, compression=None)
        self._pending.clear()
        await self._send("userDataStream.subscribe.signature", {})
        await until(lambda: not self._pending, self.read)

    async def close(self) -> None:
        await self._socket.close()
        await self.rest.aclose()

    def cut(self) -> None:
        self._socket.transport.abort()

    async def lose(self) -> None:
        for _ in range(3):
            await self._send(*self._request())
        self.cut()
        self.reconnected += 1
        await self._socket.wait_closed()
        await self.connect()
        await self._catch_up()

    async def _catch_up(self) -> None:
        """What was missed: the stream does not tell it again, REST does."""
        known = {fill.trade_id for fill in (*self.fills, *self.missed)}
        self.missed += [fill for fill in await self.all_fills() if fill.trade_id not in known]
        for order in await self.all_orders():
            number = order["orderId"]
            self.final[number] = (order["status"], order["executedQty"])
            if order["status"] in _ENDED:
                self.open.pop(number, None)
            else:
                self.open[number] = {"i": number, "c": order["clientOrderId"], "q": order["origQty"]}

    async def read(self) -> None:
        self._take(json.loads(await self._socket.recv()))

    def _take(self, frame: dict[str, Any]) -> None:
        if "event" in frame:
            self._hear(frame["event"])
            return
        self._pending.discard(frame["id"])
        self._note(frame.get("error"))

    def _note(self, error: Any) -> None:
        self.outcomes["ok" if error is None else f"{error['code']} {error['msg']}"] += 1
        assert error is None or error["code"] in (-2010, -2011, -2021, -2022, -2038, -1013, -2013), error

    def _hear(self, event: dict[str, Any]) -> None:
        if event["e"] == "outboundAccountPosition":
            self.balances = {one["a"]: (one["f"], one["l"]) for one in event["B"]}
        if event["e"] != "executionReport":
            return
        number = event["i"]
        self.outcomes[f"report {event['x']}/{event['X']}"] += 1
        assert event["I"] > self._told.get(number, 0), "an order's events came out of order"
        self._told[number] = event["I"]
        if event["x"] == "TRADE":
            self.fills.append(self._fill(number, event["t"], event["L"], event["l"], event["n"]))
        self.final[number] = (event["X"], event["z"])
        if event["X"] in _ENDED:
            self.open.pop(number, None)
        else:
            name = event["c"] if event["x"] != "CANCELED" else event["C"]
            self.open[number] = {"i": number, "c": name, "q": event["q"]}

    # -- asking ----------------------------------------------------------------------------------------

    async def _send(self, method: str, params: dict[str, Any]) -> None:
        self._count += 1
        params = {"timestamp": wall_ns() // 1_000_000, **params, "apiKey": self.key.api_key}
        params["signature"] = self._sign("&".join(f"{name}={params[name]}" for name in sorted(params)))
        self._pending.add(self._count)
        await self._socket.send(json.dumps({"id": self._count, "method": method, "params": params}))

    async def signed(self, method: str, path: str, **params: Any) -> Any:
        """A REST request; an error becomes an outcome."""
        text = urlencode({"timestamp": wall_ns() // 1_000_000, **params})
        headers = {"X-MBX-APIKEY": self.key.api_key}
        answer = await self.rest.request(
            method, f"{path}?{text}&signature={self._sign(text)}", headers=headers
        )
        assert answer.status_code in (200, 400, 409), answer.text
        return answer.json()

    async def all_orders(self) -> list[dict[str, Any]]:
        """Every order, page by page."""
        symbol, found, first = self.venue.money.symbol, [], 0
        while True:
            more = {"orderId": first} if first else {"orderId": 1}
            page = await self.signed("GET", "/api/v3/allOrders", symbol=symbol, limit=PAGE, **more)
            found += page
            if len(page) < PAGE:
                return found
            first = page[-1]["orderId"] + 1

    async def all_fills(self) -> list[SeenFill]:
        """Every fill, page by page. A trade with oneself is two fills of one id."""
        symbol, first = self.venue.money.symbol, 0
        found: list[SeenFill] = []
        while True:
            page = await self.signed("GET", "/api/v3/myTrades", symbol=symbol, limit=PAGE, fromId=first)
            found += [
                self._fill(one["orderId"], one["id"], one["price"], one["qty"], one["commission"])
                for one in page
            ]
            if len(page) < PAGE:
                return found
            first = page[-1]["id"] + 1

    def _fill(self, order_id: int, trade_id: int, price: str, quantity: str, fee: str) -> SeenFill:
        money = self.venue.money
        ticks, lots, micro = money.ticks(price), money.lots(quantity), money.micro(fee)
        assert ticks is not None
        assert lots is not None
        assert micro is not None
        return SeenFill(order_id, ticks, lots, trade_id, micro)

    def _sign(self, text: str) -> str:
        return hmac.digest(self.key.secret.encode(), text.encode(), hashlib.sha256).hex()

    # -- orders ----------------------------------------------------------------------------------------

    async def burst(self, count: int) -> None:
        for _ in range(count):
            method, params = self._request()
            if self.chance(REST_PERCENT):
                answer = await self.signed(*_PATHS[method], **params)
                self._note(answer if isinstance(answer, dict) and "code" in answer else None)
            else:
                await self._send(method, params)
        await until(lambda: not self._pending, self.read)

    async def withdraw(self) -> None:
        await self._send("openOrders.cancelAll", {"symbol": self.venue.money.symbol})
        await self._send("account.status", {})
        await until(lambda: not self._pending and not self.open, self.read)
        await self._send("account.status", {})
        await until(lambda: not self._pending, self.read)

    def _request(self) -> Request:
        kind = self.draw.below(20)
        if kind < 7 and self.open:
            return self._about(self.pick(self.open.values()))
        if kind < 17:
            self.sent += 1
            return "order.place", self._order()
        return self._list()

    def _order(self) -> dict[str, Any]:
        side, price = self.side_and_price()
        money, kind = self.venue.money, self.draw.below(14)
        order: dict[str, Any] = {
            "symbol": money.symbol,
            "side": ("BUY", "SELL")[side],
            "newClientOrderId": self.new_name(),
            "selfTradePreventionMode": self.pick(_MODES),
        }
        lots = self.lots()
        limit = {"price": money.price_text(price), "quantity": lots, "timeInForce": "GTC"}
        stop = {"stopPrice": money.price_text(self.venue.price(1 - side, 1 + self.draw.below(4)))}
        if kind < 5:
            return order | limit | {"type": "LIMIT", "timeInForce": self.pick(("GTC", "GTC", "IOC", "FOK"))}
        if kind < 6:
            return order | limit | {"type": "LIMIT", "icebergQty": 1 + lots // 4}
        if kind < 8:
            return order | {"type": "MARKET", "quantity": lots}
        if kind < 9:
            return order | {"type": "MARKET", "quoteOrderQty": 100 * lots}
        if kind < 10:
            return order | {"type": "LIMIT_MAKER", "price": limit["price"], "quantity": lots}
        if kind < 11:
            return order | {"type": "STOP_LOSS", "quantity": lots} | stop
        if kind < 12:
            return order | {"type": "STOP_LOSS", "quantity": lots, "trailingDelta": 10 + self.draw.below(20)}
        if kind < 13:
            return order | limit | stop | {"type": "STOP_LOSS_LIMIT"}
        below = self.venue.price(side, 1 + self.draw.below(4))
        return order | limit | {"type": "TAKE_PROFIT_LIMIT", "stopPrice": money.price_text(below)}

    def _list(self) -> Request:
        money, name, lots = self.venue.money, self.new_name(), self.lots()
        text, away = money.price_text, 1 + self.draw.below(3)
        pair = {
            "AboveType": "LIMIT_MAKER", "AbovePrice": text(self.venue.price(1, away)),
            "AboveClientOrderId": f"{name}a",
            "BelowType": "STOP_LOSS", "BelowStopPrice": text(self.venue.price(0, away)),
            "BelowClientOrderId": f"{name}b",
        }  # fmt: skip
        working = {
            "symbol": money.symbol, "listClientOrderId": name, "workingType": "LIMIT", "workingSide": "BUY",
            "workingPrice": text(self.venue.price(0, self.draw.below(4) - 2)), "workingQuantity": lots,
            "workingTimeInForce": "GTC", "workingClientOrderId": f"{name}w", "pendingSide": "SELL",
            "pendingQuantity": lots,
        }  # fmt: skip
        kind = self.draw.below(3)
        if kind == 0:
            self.sent += 2
            legs = {key[0].lower() + key[1:]: value for key, value in pair.items()}
            about = {"symbol": money.symbol, "listClientOrderId": name, "side": "SELL", "quantity": lots}
            return "orderList.place.oco", about | legs
        if kind == 1:
            self.sent += 2
            pending = {"pendingType": "MARKET", "pendingClientOrderId": f"{name}p"}
            return "orderList.place.oto", working | pending
        self.sent += 3
        return "orderList.place.otoco", working | {f"pending{key}": value for key, value in pair.items()}

    def _about(self, order: dict[str, Any]) -> Request:
        symbol, kind = self.venue.money.symbol, self.draw.below(12)
        if kind < 6:
            named = {"orderId": order["i"]} if self.chance(50) else {"origClientOrderId": order["c"]}
            return "order.cancel", {"symbol": symbol, **named}
        if kind < 9:
            self.sent += 1
            mode = self.pick(("STOP_ON_FAILURE", "ALLOW_FAILURE"))
            cancel = {"cancelReplaceMode": mode, "cancelOrderId": order["i"]}
            return "order.cancelReplace", self._order() | cancel
        if kind < 11:
            less = max(1, int(float(order["q"])) - 1)
            amend = {"orderId": order["i"], "newQty": less, "newClientOrderId": self.new_name()}
            return "order.amend.keepPriority", {"symbol": symbol, **amend}
        return "openOrders.cancelAll", {"symbol": symbol}
