"""A client of the public depth stream that knows the exchange's documentation and nothing else.

The rules are those of "How to manage a local order book correctly" (web-socket-streams.md): buffer, snapshot,
discard, apply; what does not follow on is a gap, after which all begins anew. It asks for further snapshots
all the time and holds each against its own book, level for level, at the instant of its lastUpdateId.
"""

from __future__ import annotations

import asyncio
import json
from bisect import bisect_right
from collections import deque
from decimal import Decimal
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

__all__ = ["ClosedForSlowness", "LocalBook", "StreamReader"]

Event = dict[str, Any]
Top = tuple[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]]
MOST_LEVELS = 5_000
TOP_LEVELS = 20


POLICY_VIOLATION = 1008


class ClosedForSlowness(Exception):
    """The venue closed the stream of a client that did not keep up."""


class LocalBook:
    """The book: `hear` events, `take` snapshots, `check` against more of them."""

    def __init__(self) -> None:
        self.bids: dict[Decimal, str] = {}
        self.asks: dict[Decimal, str] = {}
        self.update_id: int | None = None
        """None: a snapshot is needed."""
        self.gaps = 0
        self.applied = 0
        self.compared = 0
        """Update ids at which snapshots agreed."""
        self._compared_id = -1
        self.tops: list[tuple[int, Top]] = []
        """The best levels after each update id."""
        self._buffer: list[Event] = []
        self._waiting: deque[Event] = deque()
        """Snapshots beyond what was heard."""

    @property
    def needs_snapshot(self) -> bool:
        """Whether events are being buffered."""
        return self.update_id is None and bool(self._buffer)

    def hear(self, event: Event) -> None:
        assert event["e"] == "depthUpdate"
        if self.update_id is None:
            self._buffer.append(event)
            return
        if event["u"] < self.update_id:
            return
        if event["U"] > self.update_id + 1:
            self.gaps += 1
            self.update_id = None
            self._waiting.clear()
            self._buffer = [event]
            return
        for side, key in ((self.bids, "b"), (self.asks, "a")):
            for price, quantity in event[key]:
                if Decimal(quantity) == 0:
                    side.pop(Decimal(price), None)
                else:
                    side[Decimal(price)] = quantity
        self.update_id = event["u"]
        self.applied += 1
        self._note_top()
        while self._waiting and self._waiting[0]["lastUpdateId"] <= self.update_id:
            snapshot = self._waiting.popleft()
            if snapshot["lastUpdateId"] == self.update_id:
                self._compare(snapshot)

    def take(self, snapshot: Event) -> bool:
        """Begins with a snapshot; False when it is older than the first event heard: get another."""
        assert max(len(snapshot["bids"]), len(snapshot["asks"])) < MOST_LEVELS, "there may be more levels"
        if snapshot["lastUpdateId"] < self._buffer[0]["U"]:
            return False
        self.bids, self.asks = (
            {Decimal(price): quantity for price, quantity in snapshot[key]} for key in ("bids", "asks")
        )
        self.update_id = snapshot["lastUpdateId"]
        self._note_top()
        buffered, self._buffer = self._buffer, []
        for event in buffered:
            if self.update_id is None:
                self._buffer.append(event)
            elif event["u"] > self.update_id:
                self.hear(event)
        return True

    def check(self, snapshot: Event) -> None:
        """Holds another snapshot against the book, when its update id is the book's, now or later."""
        if self.update_id == snapshot["lastUpdateId"]:
            self._compare(snapshot)
        elif self.update_id is not None and self.update_id < snapshot["lastUpdateId"]:
            self._waiting.append(snapshot)

    def top_at(self, update_id: int) -> Top | None:
        """The best levels as they were at an update id; None: not known."""
        at = bisect_right(self.tops, update_id, key=lambda entry: entry[0])
        return self.tops[at - 1][1] if at else None

    def _compare(self, snapshot: Event) -> None:
        for side, key in ((self.bids, "bids"), (self.asks, "asks")):
            told = {Decimal(price): quantity for price, quantity in snapshot[key]}
            wrong = {price: (told.get(price), side.get(price)) for price in told.keys() | side.keys()}
            wrong = {price: pair for price, pair in wrong.items() if pair[0] != pair[1]}
            assert not wrong, f"{key} at {snapshot['lastUpdateId']}: (snapshot, ours) {wrong}"
            prices = [Decimal(price) for price, _ in snapshot[key]]
            assert prices == sorted(prices, reverse=key == "bids")
        self.compared += snapshot["lastUpdateId"] != self._compared_id
        self._compared_id = snapshot["lastUpdateId"]

    def _note_top(self) -> None:
        assert self.update_id is not None
        sides = (sorted(self.bids, reverse=True), sorted(self.asks))
        bids, asks = (
            tuple((f"{price:f}", book[price]) for price in prices[:TOP_LEVELS])
            for prices, book in zip(sides, (self.bids, self.asks), strict=True)
        )
        if self.tops and self.tops[-1][0] == self.update_id:
            self.tops.pop()
        if self.tops and self.tops[-1][0] > self.update_id:
            self.tops.clear()
        self.tops.append((self.update_id, (bids, asks)))


class StreamReader:
    """One combined connection: keeps what it hears by stream, and its books up to date by REST."""

    def __init__(self, connection: ClientConnection, http: httpx.AsyncClient, symbol: str) -> None:
        self.books: dict[str, LocalBook] = {}
        """By stream: depth and depth@100ms have update ids of their own."""
        self.heard: dict[str, list[Event]] = {}
        self._connection = connection
        self._http = http
        self._symbol = symbol
        self._answers: asyncio.Queue[int] = asyncio.Queue()
        self._asked = 0
        self.closed = False

    async def run(self) -> None:
        """Reads until the connection ends; ClosedForSlowness when the venue ended it for that."""
        try:
            await self._read()
        except ConnectionClosed as closed:
            if closed.rcvd is None or closed.rcvd.code != POLICY_VIOLATION:
                raise
            raise ClosedForSlowness from None
        finally:
            self.closed = True

    async def _read(self) -> None:
        async for text in self._connection:
            message = json.loads(text)
            if "id" in message:
                self._answers.put_nowait(message["id"])
                continue
            stream, event = message["stream"].partition("@")[2], message["data"]
            self.heard.setdefault(stream, []).append(event)
            if stream.startswith("depth") and not stream.startswith("depth20"):
                await self._follow(self.books.setdefault(stream, LocalBook()), event)

    async def snapshot(self) -> Event:
        """GET depth, all levels."""
        params: dict[str, Any] = {"symbol": self._symbol, "limit": MOST_LEVELS}
        response = await self._http.get("/api/v3/depth", params=params)
        assert response.status_code == 200, response.text
        found: Event = response.json()
        return found

    async def check(self) -> None:
        """Has all books that are up to date compared with one more snapshot."""
        snapshot = await self.snapshot()
        for book in self.books.values():
            book.check(snapshot)

    async def catch_up(self) -> None:
        """Returns when all that was sent before an answer of this connection has been read."""
        self._asked += 1
        await self._connection.send(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": self._asked}))
        while await asyncio.wait_for(self._answers.get(), 20) != self._asked:
            pass

    async def _follow(self, book: LocalBook, event: Event) -> None:
        book.hear(event)
        if book.needs_snapshot:
            book.take(await self.snapshot())
