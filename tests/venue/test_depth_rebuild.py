"""The book that a client rebuilds from the depth stream is the venue's: in load, storms and faults.

The client (local_book.py) speaks HTTP and WebSocket to a real server and knows the exchange's documentation
only. Beside the book, what the other public streams say must be what REST says.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect

from engine.api.server import OrderApi, VenueOptions
from engine.core.clock import NS_PER_MS, NS_PER_S
from engine.core.types import FaultKind, StormKind
from engine.host.live import LiveOptions, SessionHost
from engine.inputs import storm_command
from engine.scenarios import load_scenario
from engine.session import SessionConfig
from engine.storms import ChaosKind, StormRequest
from engine.venue.keys import KeyStore
from tests.venue.local_book import ClosedForSlowness, LocalBook, StreamReader
from tests.venue.rig import WIDE, Api, Rig

pytestmark = pytest.mark.usefixtures("machine_code")

FAST, SLOW = "depth@100ms", "depth"
STREAMS = (FAST, SLOW, "depth20@100ms", "bookTicker", "trade", "aggTrade", "kline_1s")
ORDERS_A_ROUND = 6
ROUND_NS = 170 * NS_PER_MS
"""With the 5 ms of each order, five rounds are a second, which ends where a snapshot is asked for."""


class Scene:
    """A venue, a client of its streams, and somebody who trades over the WS-API."""

    def __init__(self, rig: Rig, api: Api, reader: StreamReader) -> None:
        self.rig = rig
        self.reader = reader
        self._api = api
        self._count = 0

    @property
    def book(self) -> LocalBook:
        return self.reader.books[FAST]

    def fire(self, kind: ChaosKind, severity: float = 1.0, duration_s: float = 6.0) -> None:
        session = self.rig.port._session
        session.accept(session.stamp(storm_command(StormRequest(kind, severity, duration_s))))

    async def trade(self, rounds: int) -> None:
        """Orders at and through the touch while the market goes on, and a snapshot after each round."""
        for _ in range(rounds):
            for _ in range(ORDERS_A_ROUND):
                await self._order()
            for _ in range(ORDERS_A_ROUND):
                answer = await self._api.receive()
                assert answer["status"] in (200, 400), answer
            self.rig.port.advance(ROUND_NS)
            await self.reader.catch_up()
            await self.reader.check()

    async def _order(self) -> None:
        self._count += 1
        number = self._count
        side = "BUY" if number % 2 else "SELL"
        image = self.rig.port.market_data.image
        own, other = ("bid", "ask") if side == "BUY" else ("ask", "bid")
        if not len(image.bids.prices) or not len(image.asks.prices):
            await self._place(side=side, price="1.00" if side == "BUY" else "900.00")
        elif number % 7 == 0:
            await self._place(side=side, price=self.rig.price(other), timeInForce="IOC", quantity="25")
        else:
            depth = min(number % 5, len((image.bids if own == "bid" else image.asks).prices) - 1)
            await self._place(side=side, price=self.rig.price(own, depth), quantity=str(1 + number % 9))

    async def _place(self, **terms: str) -> None:
        usual = {"symbol": self.rig.symbol, "type": "LIMIT", "timeInForce": "GTC", "quantity": "10"}
        await self._api.send("order.place", signed=True, **(usual | terms))


@contextlib.asynccontextmanager
async def scene() -> AsyncIterator[Scene]:
    rig = Rig()
    rig.app.streams.incoming_limit = 100_000
    async with (
        rig.serve(),
        httpx.AsyncClient(base_url=f"http://{rig.url}") as http,
        connect(f"ws://{rig.url}/ws-api/v3", compression=None) as orders,
        reading(rig.url, http, rig.symbol) as reader,
    ):
        yield Scene(rig, Api(rig, orders), reader)


@contextlib.asynccontextmanager
async def reading(url: str, http: httpx.AsyncClient, symbol: str) -> AsyncIterator[StreamReader]:
    names = "/".join(f"{symbol.lower()}@{name}" for name in STREAMS)
    async with connect(f"ws://{url}/stream?streams={names}", compression=None) as connection:
        reader = StreamReader(connection, http, symbol)
        task = asyncio.create_task(reader.run())
        try:
            yield reader
            if task.done():
                await task
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def test_the_streams_say_what_rest_says_while_orders_come_in() -> None:
    async with scene() as here:
        await here.trade(30)
        fast, slow = here.reader.books[FAST], here.reader.books[SLOW]
        assert fast.gaps == slow.gaps == 0
        assert fast.compared >= 25
        assert slow.compared >= 4
        assert_partial_books(here.reader)
        await assert_trades(here)
        await assert_candles(here)


@pytest.mark.parametrize("kind", list(StormKind))
async def test_a_client_rebuilds_the_book_in_every_storm(kind: StormKind) -> None:
    async with scene() as here:
        await here.trade(3)
        here.fire(kind)
        await here.trade(24)
        assert here.book.gaps == 0
        assert here.book.compared >= 20
        assert_partial_books(here.reader)


@pytest.mark.parametrize("kind", [FaultKind.GAP, FaultKind.REORDER, FaultKind.DUPLICATE, FaultKind.STALE])
async def test_a_client_notices_what_a_fault_does_to_the_feed_and_goes_on(kind: FaultKind) -> None:
    async with scene() as here:
        await here.trade(3)
        before = here.book.compared
        here.fire(kind, severity=0.8, duration_s=5.0)
        await here.trade(25)
        assert (here.book.gaps > 0) == (kind in (FaultKind.GAP, FaultKind.REORDER))
        during = here.book.compared
        assert during > before
        here.rig.port.advance(3 * NS_PER_S)
        gaps = here.book.gaps
        await here.trade(10)
        assert here.book.gaps <= gaps + 1
        assert here.book.compared >= during + 9
        assert here.book.update_id == (await here.reader.snapshot())["lastUpdateId"]


async def test_a_cut_connection_ends_the_book_and_another_begins_one() -> None:
    async with scene() as here:
        await here.trade(3)
        assert here.book.compared
        async with (
            httpx.AsyncClient(base_url=f"http://{here.rig.url}") as http,
            reading(here.rig.url, http, here.rig.symbol) as second,
        ):
            for _ in range(10):
                here.rig.port.advance(ROUND_NS)
                await second.catch_up()
                await second.check()
            assert second.books[FAST].compared >= 9


def assert_partial_books(reader: StreamReader) -> None:
    """depth20 and bookTicker show what the rebuilt book had at their update ids."""
    book, compared = reader.books[FAST], 0
    known = dict(book.tops)
    for event in reader.heard["depth20@100ms"]:
        top = known.get(event["lastUpdateId"])
        if top is not None:
            assert tuple(tuple(map(tuple, event[key])) for key in ("bids", "asks")) == top
            compared += 1
    assert compared > 10
    for event in reader.heard.get("bookTicker", []):
        top = known.get(event["u"])
        if top is not None and top[0] and top[1]:
            assert (event["b"], event["B"]) == top[0][0]
            assert (event["a"], event["A"]) == top[1][0]
            compared += 1
    assert compared > 20


async def get(here: Scene, name: str, **params: Any) -> Any:
    async with httpx.AsyncClient(base_url=f"http://{here.rig.url}") as http:
        response = await http.get(f"/api/v3/{name}", params={"symbol": here.rig.symbol, **params})
        return response.json()


async def assert_trades(here: Scene) -> None:
    """Trades and aggregates: each once, in order, as REST lists them."""
    trades, groups = here.reader.heard["trade"], here.reader.heard["aggTrade"]
    assert len(trades) > 100
    assert [event["t"] for event in trades] == list(range(trades[0]["t"], trades[-1]["t"] + 1))
    listed = await get(here, "historicalTrades", fromId=trades[0]["t"], limit=1000)
    told = [(e["t"], e["p"], e["q"], e["T"], e["m"]) for e in trades[: len(listed)]]
    assert told == [(t["id"], t["price"], t["qty"], t["time"], t["isBuyerMaker"]) for t in listed]
    assert [event["a"] for event in groups] == list(range(groups[0]["a"], groups[-1]["a"] + 1))
    rows = await get(here, "aggTrades", fromId=groups[0]["a"], limit=1000)
    assert [{key: event[key] for key in rows[0]} for event in groups[: len(rows)]] == rows
    quantities = {event["t"]: Decimal(event["q"]) for event in trades}
    for event in groups:
        inside = range(event["f"], event["l"] + 1)
        assert sum(quantities[number] for number in inside) == Decimal(event["q"])


async def assert_candles(here: Scene) -> None:
    """Each closed candle is said once, and is what REST says."""
    closed = [event["k"] for event in here.reader.heard["kline_1s"] if event["k"]["x"]]
    assert len(closed) >= 4
    assert all(after["t"] == before["t"] + 1_000 for before, after in pairwise(closed))
    rows = await get(here, "klines", interval="1s", startTime=closed[0]["t"], limit=len(closed))
    fields = ("t", "o", "h", "l", "c", "v", "T", "q", "n", "V", "Q")
    assert [[candle[name] for name in fields] for candle in closed] == [row[:11] for row in rows]


# -- a session that runs by itself ---------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def running(folder: Path, *, seed: int, speed: float | None) -> AsyncIterator[tuple[SessionHost, str]]:
    """A live host with its engine thread, and a server in another."""
    config = SessionConfig(load_scenario("balanced"), seed=seed)
    host = SessionHost(config, LiveOptions(runs_root=folder, speed=speed))
    keys = KeyStore()
    keys.create("one")
    api = OrderApi(host, venue=VenueOptions(keys, limits=WIDE))
    api.start()
    try:
        assert api.wait_listening(20)
        assert api.url is not None
        host.run_thread()
        yield host, api.url.removeprefix("http://")
    finally:
        host.stop()
        api.stop()


MOST_SNAPSHOTS = 20_000
"""More than any machine needs: what never agrees ends with what was seen."""


async def follow(
    folder: Path, *, seed: int, speed: float | None, wanted: int, storms: bool
) -> tuple[int, int]:
    """Compares snapshots until so many have agreed: (compared, events applied).

    A client that cannot keep up is closed with 1008; it comes again and begins a new book, as clients do.
    """
    compared = applied = snapshots = 0
    async with running(folder, seed=seed, speed=speed) as (host, url):
        while compared < wanted:
            book = await compare_while_connected(host, url, wanted - compared, snapshots, storms=storms)
            compared, applied, snapshots = compared + book[0], applied + book[1], snapshots + book[2]
    return compared, applied


async def compare_while_connected(
    host: SessionHost, url: str, wanted: int, before: int, *, storms: bool
) -> tuple[int, int, int]:
    """(compared, applied, snapshots) of one connection, until so many agreed or the venue closed it."""
    kinds, snapshots = list(StormKind), 0
    book = LocalBook()
    with contextlib.suppress(ClosedForSlowness):
        async with (
            httpx.AsyncClient(base_url=f"http://{url}") as http,
            reading(url, http, host.venue.market_data.money.symbol) as reader,
        ):
            while book.compared < wanted and not reader.closed:
                snapshot = await reader.snapshot()
                snapshots += 1
                for one in reader.books.values():
                    one.check(snapshot)
                book = reader.books.get(FAST, book)
                if storms and not host.frame().market.storms:
                    host.start_storm(kinds[book.compared % len(kinds)], 1.0, 5.0)
                if before + snapshots > MOST_SNAPSHOTS:
                    pytest.fail(
                        f"{snapshots} snapshots: {book.compared} of {wanted} compared, {book.gaps} gaps"
                    )
    return book.compared, book.applied, snapshots


async def test_the_book_agrees_while_the_engine_runs(tmp_path: Path) -> None:
    compared, applied = await follow(tmp_path, seed=3, speed=20.0, wanted=20, storms=False)
    assert compared >= 20
    assert applied >= 19


@pytest.mark.long
@pytest.mark.parametrize("speed", [1.0, 100.0, None])
async def test_the_book_agrees_for_long_in_storms_at_any_speed(tmp_path: Path, speed: float | None) -> None:
    compared, applied = await follow(tmp_path, seed=4, speed=speed, wanted=300, storms=True)
    assert compared >= 300
    assert applied > 250
