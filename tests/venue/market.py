"""A venue of public data around a real session, without a server: the test moves session time, sockets are
queues, and the depth client keeps a book of its own by the published rules."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import msgspec

from engine.broker.filters import Filters
from engine.core.clock import NS_PER_MS, NS_PER_S
from engine.core.types import StormKind
from engine.feeds.source import sample_path
from engine.inputs import storm_command
from engine.scenarios import history_scenario, load_scenario
from engine.session import Session, SessionConfig
from engine.storms import StormRequest
from engine.venue.binance.call import Call
from engine.venue.binance.endpoints import ENDPOINTS
from engine.venue.binance.limits import Limits
from engine.venue.binance.market_rest import market_routes
from engine.venue.binance.market_streams import MarketStreams
from engine.venue.binance.parameters import check
from engine.venue.market_data import MarketData

EPOCH_NS = 1_790_000_085_250 * NS_PER_MS
"""A wall time that is no full minute nor second."""
NOW_MS = 1_790_000_099_999

_PUBLIC = {endpoint.path: endpoint for endpoint in ENDPOINTS if endpoint.method == "GET"}


class Venue:
    """A session, its market data, and what gateways hang on it."""

    def __init__(self, session: Session, epoch_ns: int = EPOCH_NS) -> None:
        self.session = session
        self.market_data = MarketData(session, epoch_ns)
        self.listeners: list[Callable[[], None]] = []
        boundary = session.broker.boundary
        broker = SimpleNamespace(filters=Filters.of(session.exchange.instrument), market_open=True)
        self.host = SimpleNamespace(
            market_data=self.market_data, boundary=boundary, broker=broker, on_news=self._on_news
        )
        self.gateway: Any = SimpleNamespace(
            host=self.host,
            limits=Limits(),
            now_ms=lambda: NOW_MS,
            track=lambda connection, close: True,
            untrack=lambda connection: None,
        )
        self.symbol = self.market_data.money.symbol
        self.streams = MarketStreams(self.gateway)
        self._routes = {path: handler for _, path, handler in market_routes(self.gateway)}

    def _on_news(self, callback: Callable[[], None]) -> Callable[[], None]:
        self.listeners.append(callback)
        return lambda: self.listeners.remove(callback)

    def advance(self, until_ns: int, slice_ns: int = NS_PER_S) -> None:
        """Moves session time as a host does: never past a stop without a look."""
        for _ in self.steps(until_ns, slice_ns):
            pass

    def steps(self, until_ns: int, slice_ns: int = NS_PER_S) -> Iterator[int]:
        """The same, step by step."""
        session, data = self.session, self.market_data
        while session.now_ns < until_ns:
            session.advance(min(until_ns, session.now_ns + slice_ns, data.next_stop_ns))
            data.look()
            yield session.now_ns

    def storm(self, kind: StormKind, severity: float = 1.0, duration_s: float = 8.0) -> None:
        command = storm_command(StormRequest(kind, severity, duration_s))
        self.session.accept(self.session.stamp(command))

    def get(self, name: str, **params: Any) -> Any:
        """The JSON answer of GET /api/v3/<name>, parameters checked as the gateway does."""
        path = f"/api/v3/{name}"
        sent = {key: str(value) for key, value in params.items()}
        check(_PUBLIC[path].parameters, sent, self.symbol)
        answer = self._routes[path](Call(self.gateway, _PUBLIC[path], sent))
        return json.loads(msgspec.json.encode(answer))

    def public(self, name: str, **params: Any) -> Any:
        """`get` with the symbol."""
        return self.get(name, symbol=self.symbol, **params)


def simulated(scenario: str = "balanced", seed: int = 5) -> Venue:
    """A venue of a simulated market."""
    return Venue(Session(SessionConfig(load_scenario(scenario), seed=seed)))


def recorded() -> Venue:
    """A venue of the recorded sample."""
    return Venue(Session(SessionConfig(history_scenario(), source=str(sample_path()))))


class Socket:
    """One WebSocket connection to the streams of a venue."""

    def __init__(self, venue: Venue, path: str, query: str = "") -> None:
        self.venue = venue
        self.sent: list[dict[str, Any]] = []
        self.gate = asyncio.Event()
        """Cleared: the client does not read."""
        self.gate.set()
        self._incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._incoming.put_nowait({"type": "websocket.connect"})
        scope = {"type": "websocket", "path": path, "query_string": query.encode()}
        self.task = asyncio.create_task(venue.streams.serve(scope, self._incoming.get, self._send))

    async def _send(self, message: Any) -> None:
        await self.gate.wait()
        self.sent.append(message)

    async def say(self, text: str | bytes) -> None:
        key = "text" if isinstance(text, str) else "bytes"
        self._incoming.put_nowait({"type": "websocket.receive", key: text})
        await settle()

    async def ask(self, **request: Any) -> dict[str, Any]:
        """Sends a control message; its answer."""
        await self.say(json.dumps(request))
        answer: dict[str, Any] = self.take()[-1]
        return answer

    def take(self) -> list[Any]:
        """The messages since the last call."""
        texts = [json.loads(message["text"]) for message in self.sent if message["type"] == "websocket.send"]
        self.sent = [message for message in self.sent if message["type"] != "websocket.send"]
        return texts

    @property
    def close_code(self) -> int | None:
        return next((m["code"] for m in self.sent if m["type"] == "websocket.close"), None)

    async def leave(self) -> None:
        self._incoming.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await self.task


async def settle() -> None:
    """Lets everything run that can."""
    for _ in range(8):
        await asyncio.sleep(0)


class DepthClient:
    """A local book by "How to manage a local order book correctly": it knows JSON and nothing else."""

    def __init__(self, *, is_strict: bool = True) -> None:
        """`is_strict`: every event changes every level that it names."""
        self.is_strict = is_strict
        self.books: tuple[dict[str, str], dict[str, str]] = ({}, {})
        self.update_id: int | None = None
        self.buffered: list[dict[str, Any]] = []
        self.applied = 0

    def hear(self, event: dict[str, Any]) -> None:
        assert event["e"] == "depthUpdate"
        assert event["U"] <= event["u"]
        if self.update_id is None:
            if self.buffered:
                assert event["U"] == self.buffered[-1]["u"] + 1
            self.buffered.append(event)
            return
        if event["u"] <= self.update_id:
            return
        assert event["U"] <= self.update_id + 1, "a gap"
        if self.applied:
            assert event["U"] == self.update_id + 1, "U is the previous u + 1"
        self._apply(event)

    def start(self, snapshot: dict[str, Any]) -> bool:
        """Takes a snapshot; False when it is older than what was buffered."""
        last = snapshot["lastUpdateId"]
        if self.buffered and last < self.buffered[0]["U"]:
            return False
        for book, side in zip(self.books, ("bids", "asks"), strict=True):
            book.update(map(tuple, snapshot[side]))
        self.update_id = last
        buffered, self.buffered = self.buffered, []
        for event in buffered:
            self.hear(event)
        return True

    def _apply(self, event: dict[str, Any]) -> None:
        for book, side in zip(self.books, ("b", "a"), strict=True):
            for price, quantity in event[side]:
                if float(quantity) == 0:
                    assert price in book or not self.is_strict, "a level goes that was never there"
                    book.pop(price, None)
                else:
                    assert book.get(price) != quantity or not self.is_strict, "a level that did not change"
                    book[price] = quantity
        self.update_id = event["u"]
        self.applied += 1

    def equals(self, snapshot: dict[str, Any]) -> bool:
        return all(
            dict(map(tuple, snapshot[side])) == book
            for book, side in zip(self.books, ("bids", "asks"), strict=True)
        )
