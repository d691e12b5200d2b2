"""A venue around a real session without an engine thread: a request is carried out when it is queued, so
that a test sees the same answers every time; and a real server on a loopback port around it."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import socket
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import httpx
import uvicorn
from websockets.asyncio.client import ClientConnection, connect

from engine.api.http import GuardedHttp
from engine.broker.terms import BrokerRequest
from engine.core.clock import NS_PER_MS, NS_PER_S
from engine.core.types import Command
from engine.host.venue_port import VenuePort
from engine.scenarios import load_scenario
from engine.scenarios.loader import Scenario, parse_scenario
from engine.session import Session, SessionConfig
from engine.venue.binance.app import VenueApp
from engine.venue.binance.gateway import Gateway
from engine.venue.binance.limits import Limits
from engine.venue.keys import KeyStore, NewKey

NOW_MS = 1_790_000_000_000
STEP_NS = 5 * NS_PER_MS
QUIET = """
name = "quiet"
description = "Nobody is here: the book holds what the test sends."
[instrument]
symbol = "ACME"
tick_size = "0.01"
lot_size = "1"
currency = "USD"
unit_lots = 10
[fees]
maker_ppm = 100
taker_ppm = 200
[fundamental]
anchor_ticks = 10000
sigma_ticks = 0.7
"""
WIDE = Limits(weight_1m=10**9, orders_10s=10**9, orders_1d=10**9)


class Port(VenuePort):
    """A session's door that carries every request out at once, unless it is `silent` or `full`."""

    def __init__(self, session: Session, session_id: str = "one") -> None:
        self.silent = False
        self.full = False
        self.requests: list[BrokerRequest] = []
        self.time_ns = session.now_ns
        super().__init__(session, session_id=session_id, frame=self._picture, put=self._carry_out)

    def request(self, request: BrokerRequest) -> bool:
        self.requests.append(request)
        return not self.full and super().request(request)

    def advance(self, duration_ns: int = STEP_NS) -> None:
        """Let the market go on."""
        session, end_ns = self._session, self._session.now_ns + duration_ns
        while session.now_ns < end_ns:
            session.advance(min(end_ns, self.next_stop_ns))
            self.look()

    def _picture(self) -> Any:
        exchange = self._session.exchange
        return SimpleNamespace(
            market=SimpleNamespace(last_price_ticks=exchange.last_price_ticks, time_ns=self._session.now_ns),
            host=SimpleNamespace(mode="live"),
        )

    def _carry_out(self, commands: list[Command]) -> bool:
        for command in commands:
            self._session.accept(self._session.stamp(command))
        if not self.silent:
            self.advance()
        return True


class Rig:
    """Host, keys and application."""

    def __init__(
        self,
        *,
        limits: Limits = WIDE,
        patience_s: float = 10.0,
        legacy: bool = False,
        scenario: Scenario | None = None,
        connection_limit: int | None = None,
    ) -> None:
        self.connection_limit = connection_limit
        self.now_ms = NOW_MS
        self.keys = KeyStore()
        self.key = self.keys.create("one")
        self.port = new_port("one", scenario)
        self.gateway = Gateway(
            self.port,
            self.keys,
            limits=limits,
            clock_ns=lambda: self.now_ms * NS_PER_MS,
            patience_s=patience_s,
        )
        self.app = VenueApp(self.gateway, legacy_listen_keys=legacy)
        self.symbol = self.gateway.symbol
        self.url = ""

    def price(self, side: str, level: int = 0) -> str:
        """A price that is in the book now, e.g. of its fifth bid."""
        book = self.port.market_data.image
        levels = book.bids if side == "bid" else book.asks
        return self.gateway.codec.price(int(levels[0][level]))

    @contextlib.asynccontextmanager
    async def serve(self) -> AsyncIterator[Rig]:
        """Serve on a free port."""
        listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        config = uvicorn.Config(
            self.app,
            http=GuardedHttp,
            ws=self.app.socket_protocol,
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=1,
            limit_concurrency=self.connection_limit,
        )
        server = uvicorn.Server(config)
        self.url = f"127.0.0.1:{listener.getsockname()[1]}"
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:
            await asyncio.sleep(0)
        self.app.start()
        try:
            yield self
        finally:
            self.app.stop()
            server.should_exit = True
            await serving
            listener.close()

    @contextlib.asynccontextmanager
    async def client(self) -> AsyncIterator[Rest]:
        """Serve, with an HTTP client of the first key."""
        async with self.serve(), httpx.AsyncClient(base_url=f"http://{self.url}") as http:
            yield Rest(self, http)

    @contextlib.asynccontextmanager
    async def socket(self) -> AsyncIterator[Api]:
        """Serve, with a WS-API connection."""
        async with self.serve(), connect(f"ws://{self.url}/ws-api/v3", compression=None) as connection:
            yield Api(self, connection)


def quiet_scenario() -> Scenario:
    """A market without agents."""
    return parse_scenario(QUIET, where="quiet")


def new_port(session_id: str, scenario: Scenario | None = None) -> Port:
    """A session with a market in it."""
    session = Session(SessionConfig(scenario or load_scenario("balanced"), seed=5))
    session.advance(3 * NS_PER_S)
    port = Port(session, session_id)
    port.epoch_ns = NOW_MS * NS_PER_MS - session.now_ns
    port.look()
    return port


class Rest:
    """Signed and unsigned requests."""

    def __init__(self, rig: Rig, http: httpx.AsyncClient) -> None:
        self.rig = rig
        self.http = http

    async def get(self, path: str, **params: Any) -> httpx.Response:
        return await self.http.get(path, params=params)

    async def signed(
        self, method: str, path: str, *, in_body: bool = False, key: NewKey | None = None, **params: Any
    ) -> httpx.Response:
        key = key or self.rig.key
        params.setdefault("timestamp", self.rig.now_ms)
        text = sign(key.secret, urlencode(params))
        headers = {"X-MBX-APIKEY": key.api_key}
        if in_body:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            return await self.http.request(method, path, content=text, headers=headers)
        return await self.http.request(method, f"{path}?{text}", headers=headers)

    async def order(self, **params: Any) -> httpx.Response:
        """POST order, a bid far from the market unless told otherwise."""
        terms: dict[str, Any] = {
            "symbol": self.rig.symbol,
            "side": "BUY",
            "type": "LIMIT",
            "timeInForce": "GTC",
            "quantity": "10",
            "price": self.rig.price("bid", 6),
        }
        merged = {name: value for name, value in (terms | params).items() if value is not None}
        return await self.signed("POST", "/api/v3/order", **merged)


class Api:
    """A WS-API connection; `key` signs, the rig's first unless told otherwise."""

    def __init__(self, rig: Rig, connection: ClientConnection) -> None:
        self.rig = rig
        self.connection = connection
        self.count = 0
        self.key: NewKey | None = None

    async def send(self, method: str, *, signed: bool = False, **params: Any) -> None:
        self.count += 1
        if signed:
            params = sign_params(self.rig, params, self.key)
        await self.connection.send(json.dumps({"id": self.count, "method": method, "params": params}))

    async def receive(self) -> Any:
        return json.loads(await asyncio.wait_for(self.connection.recv(), 5))

    async def ask(self, method: str, *, signed: bool = False, **params: Any) -> Any:
        await self.send(method, signed=signed, **params)
        return await self.receive()

    async def order(self, **params: Any) -> None:
        terms: dict[str, Any] = {
            "symbol": self.rig.symbol,
            "side": "BUY",
            "type": "LIMIT",
            "timeInForce": "GTC",
            "quantity": "10",
            "price": self.rig.price("bid", 6),
        }
        await self.send("order.place", signed=True, **(terms | params))


def sign(secret: str, text: str) -> str:
    """The query with its HMAC."""
    return f"{text}&signature={hmac.digest(secret.encode(), text.encode(), hashlib.sha256).hex()}"


def sign_params(rig: Rig, params: dict[str, Any], key: NewKey | None = None) -> dict[str, Any]:
    """WS-API parameters with key, timestamp and HMAC."""
    key = key or rig.key
    params = {"timestamp": rig.now_ms} | params | {"apiKey": key.api_key}
    text = "&".join(f"{name}={params[name]}" for name in sorted(params))
    return params | {"signature": hmac.digest(key.secret.encode(), text.encode(), hashlib.sha256).hex()}
