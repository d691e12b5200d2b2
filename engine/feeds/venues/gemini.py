"""Gemini: market data v2 (l2_updates, trade), v1 (update), the newer streams, and the REST book and trades.

Stop on the data path: one of the normalisers. Shapes: docs.gemini.com, websocket "Market Data v1",
"Market Data v2", "Streams" (`@depth`, `@trade`, `@bookTicker`), REST `/v1/book`, `/v1/trades`.
Invariant: as all normalisers.

No stream has a chain of numbers: a lost message cannot be seen here. What v1 and the streams leave out comes
in `about`: the URL of the connection (the symbol of v1; `snapshot=`, with which a stream starts with a whole
book) or the stream's name (`btcusd@depth10`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import ClassVar, Literal

import msgspec

from engine.core.types import Side
from engine.feeds.drops import DropReason
from engine.feeds.venues.events import BookDelta, BookL2, Level, MarketEvent, Quote, Trade
from engine.feeds.venues.normaliser import MAX_SYMBOLS, Normaliser
from engine.feeds.venues.numbers import (
    Refused,
    WireNumber,
    checked_quote_sides,
    epoch_ns,
    id_of,
    side_of,
    trade_id_of,
)

__all__ = ["Gemini"]

_MESSAGE = re.compile(
    rb'"type"\s*:\s*"l2_updates"|"type"\s*:\s*"trade".*"event_id"\s*:|"socket_sequence"\s*:|"E"\s*:\s*\d{19}\b.*"s"\s*:',
    re.S,
)
_URL = re.compile(r"https?://[^?#]*/v1/(book|trades)/([^/?#]+)")
_V1_SOCKET = re.compile(r"wss?://[^?#]*/v1/marketdata/([^/?#]+)")

_Change = tuple[Literal["buy", "sell"], WireNumber, WireNumber]
_Rows = list[tuple[WireNumber, WireNumber]]
_HEAD_BYTES = 4096
"""Part of a message by which it is recognised."""


class _Kind(msgspec.Struct):
    """What tells the kinds apart."""

    type: str = ""
    event: str = msgspec.field(name="e", default="")
    update_id: int | None = msgspec.field(name="u", default=None)
    trade_id: int | None = msgspec.field(name="t", default=None)
    last_id: int | None = msgspec.field(name="lastUpdateId", default=None)

    def stream(self) -> str:
        """Which of the newer streams it is of; empty for an answer to a request."""
        if self.event:
            return self.event
        if self.trade_id is not None:
            return "trade"
        if self.update_id is not None:
            return "bookTicker"
        return "" if self.last_id is None else "depth"


class _Seen(msgspec.Struct):
    """Something of which only the presence counts."""


class _L2Updates(msgspec.Struct):
    symbol: str
    changes: list[_Change]
    trades: list[_Seen] | None = None
    """Only in the first message of a symbol, like auction_events: the last ones before the subscription."""
    auction_events: list[_Seen] | None = None


class _Trade(msgspec.Struct):
    symbol: str
    price: WireNumber
    quantity: WireNumber
    side: str
    event_id: int | str | None = None
    timestamp: WireNumber = ""


class _V1Event(msgspec.Struct):
    type: str
    symbol: str = ""
    side: str = ""
    price: WireNumber = ""
    remaining: WireNumber = ""
    reason: str = ""
    amount: WireNumber = ""
    maker_side: str = msgspec.field(name="makerSide", default="")
    tid: int | str | None = None


class _V1Update(msgspec.Struct):
    events: list[_V1Event]
    timestampms: WireNumber = ""


class _StreamDepth(msgspec.Struct):
    symbol: str = msgspec.field(name="s")
    event_time: WireNumber = msgspec.field(name="E")
    first_id: int = msgspec.field(name="U")
    last_id: int = msgspec.field(name="u")
    bids: _Rows = msgspec.field(name="b")
    asks: _Rows = msgspec.field(name="a")


class _StreamTrade(msgspec.Struct):
    symbol: str = msgspec.field(name="s")
    event_time: WireNumber = msgspec.field(name="E")
    trade_id: int = msgspec.field(name="t")
    price: WireNumber = msgspec.field(name="p")
    size: WireNumber = msgspec.field(name="q")
    buyer_is_maker: bool = msgspec.field(name="m")


class _StreamQuote(msgspec.Struct):
    symbol: str = msgspec.field(name="s")
    event_time: WireNumber = msgspec.field(name="E")
    update_id: int = msgspec.field(name="u")
    bid: WireNumber | None = msgspec.field(name="b", default=None)
    bid_size: WireNumber | None = msgspec.field(name="B", default=None)
    ask: WireNumber | None = msgspec.field(name="a", default=None)
    ask_size: WireNumber | None = msgspec.field(name="A", default=None)


class _StreamBook(msgspec.Struct):
    bids: _Rows
    asks: _Rows
    last_id: int = msgspec.field(name="lastUpdateId")


class _RestLevel(msgspec.Struct):
    price: WireNumber
    amount: WireNumber


class _RestBook(msgspec.Struct):
    bids: list[_RestLevel]
    asks: list[_RestLevel]


class _RestTrade(msgspec.Struct):
    price: WireNumber
    amount: WireNumber
    type: str
    tid: int | str | None = None
    timestampms: WireNumber = ""


_KIND = msgspec.json.Decoder(_Kind)
_L2_UPDATES = msgspec.json.Decoder(_L2Updates)
_TRADE = msgspec.json.Decoder(_Trade)
_V1_UPDATE = msgspec.json.Decoder(_V1Update)
_STREAM_DEPTH = msgspec.json.Decoder(_StreamDepth)
_STREAM_TRADE = msgspec.json.Decoder(_StreamTrade)
_STREAM_QUOTE = msgspec.json.Decoder(_StreamQuote)
_STREAM_BOOK = msgspec.json.Decoder(_StreamBook)
_REST_BOOK = msgspec.json.Decoder(_RestBook)
_REST_TRADES = msgspec.json.Decoder(list[_RestTrade])


class Gemini(Normaliser):
    """Messages of one connection, and answers of `/v1/book` and `/v1/trades` whose URL comes in `about`."""

    venue: ClassVar[str] = "gemini"

    def __init__(self) -> None:
        super().__init__()
        self._started: dict[str, None] = {}
        """Symbols whose stream of changes has begun; no more than there are symbols."""

    @classmethod
    def recognises(cls, text: bytes) -> bool:
        """Whether this is one of its market data messages."""
        return _MESSAGE.search(text[:_HEAD_BYTES]) is not None

    def statistics(self) -> dict[str, int]:
        """Those of all normalisers, and how many symbols' streams have begun."""
        return super().statistics() | {"started": len(self._started), "started_limit": MAX_SYMBOLS}

    def _read(self, text: bytes, receive_time_ns: int, about: str) -> list[MarketEvent]:
        if url := _URL.match(about):
            return self._rest(url[1], url[2], text, receive_time_ns)
        kind = _KIND.decode(text)
        if kind.type:
            return self._typed(kind.type, text, receive_time_ns, about)
        stream = kind.stream()
        if not stream:
            return []
        self._stream(stream)
        if stream == "depthUpdate":
            return [self._depth(_STREAM_DEPTH.decode(text), receive_time_ns, "snapshot=" in about)]
        if stream == "trade":
            return [self._stream_trade(_STREAM_TRADE.decode(text), receive_time_ns)]
        if stream == "bookTicker":
            return [self._stream_quote(_STREAM_QUOTE.decode(text), receive_time_ns)]
        if stream == "depth":
            return [self._stream_book(about, _STREAM_BOOK.decode(text), receive_time_ns)]
        raise Refused(DropReason.UNKNOWN_STREAM)

    def _typed(self, kind: str, text: bytes, receive_time_ns: int, about: str) -> list[MarketEvent]:
        """Market data v2 and v1."""
        self._stream(kind)
        match kind:
            case "l2_updates":
                return [self._l2_updates(_L2_UPDATES.decode(text), receive_time_ns)]
            case "trade":
                return [self._trade(_TRADE.decode(text), receive_time_ns)]
            case "update":
                socket = _V1_SOCKET.match(about)
                return self._v1_update(_V1_UPDATE.decode(text), socket[1] if socket else "", receive_time_ns)
            case "heartbeat" | "subscription_ack":
                return []
        raise Refused(DropReason.UNKNOWN_STREAM)

    def _l2_updates(self, updates: _L2Updates, receive_time_ns: int) -> BookL2 | BookDelta:
        symbol = self._symbol(updates.symbol)
        bids, asks = (self._changed(updates.changes, side) for side in ("buy", "sell"))
        if updates.auction_events is None and updates.trades is None:
            return BookDelta(self.venue, symbol, None, receive_time_ns, bids, asks)
        for _ in updates.trades or ():
            self.drops.add(DropReason.BEFORE_START)
        return BookL2(self.venue, symbol, None, receive_time_ns, bids, asks)

    def _changed(self, changes: list[_Change], side: str) -> tuple[Level, ...]:
        return self.numbers.levels([(price, size) for of_side, price, size in changes if of_side == side])

    def _trade(self, trade: _Trade, receive_time_ns: int) -> Trade:
        # Block and auction trades have no aggressor.
        return Trade(
            self.venue,
            self._symbol(trade.symbol),
            epoch_ns(trade.timestamp) if trade.timestamp else None,
            receive_time_ns,
            self.numbers.price(trade.price),
            self.numbers.size(trade.quantity),
            side_of(trade.side),
            trade_id_of(trade.event_id),
        )

    def _v1_update(self, update: _V1Update, symbol: str, receive_time_ns: int) -> list[MarketEvent]:
        """Trades in their order, then what they and other orders left of the levels, per symbol."""
        time_ns = epoch_ns(update.timestampms) if update.timestampms else None
        trades = [event for event in update.events if event.type == "trade"]
        events = self._each(trades, lambda event: self._v1_trade(event, symbol, time_ns, receive_time_ns))
        changes: dict[str, list[_V1Event]] = {}
        for event in update.events:
            if event.type == "change":
                changes.setdefault(event.symbol or symbol, []).append(event)
        for name, rows in changes.items():
            bids, asks = (self._v1_levels(rows, side) for side in ("bid", "ask"))
            if rows[0].reason == "initial":
                events.append(BookL2(self.venue, self._symbol(name), time_ns, receive_time_ns, bids, asks))
            else:
                events.append(BookDelta(self.venue, self._symbol(name), time_ns, receive_time_ns, bids, asks))
        return events

    def _v1_levels(self, rows: Iterable[_V1Event], side: str) -> tuple[Level, ...]:
        return self.numbers.levels([(row.price, row.remaining) for row in rows if row.side == side])

    def _v1_trade(self, event: _V1Event, symbol: str, time_ns: int | None, receive_time_ns: int) -> Trade:
        maker = side_of(event.maker_side)
        return Trade(
            self.venue,
            self._symbol(event.symbol or symbol),
            time_ns,
            receive_time_ns,
            self.numbers.price(event.price),
            self.numbers.size(event.amount),
            None if maker is None else Side(1 - maker),
            trade_id_of(event.tid),
        )

    def _depth(self, depth: _StreamDepth, receive_time_ns: int, starts_whole: bool) -> BookL2 | BookDelta:
        symbol = self._symbol(depth.symbol)
        time_ns = epoch_ns(depth.event_time)
        bids, asks = self.numbers.levels(depth.bids), self.numbers.levels(depth.asks)
        first_id, last_id = id_of(depth.first_id), id_of(depth.last_id)
        if first_id > last_id:
            raise Refused(DropReason.IDS_REVERSED)
        is_first = symbol not in self._started
        self._started[symbol] = None
        if starts_whole and is_first:
            bids, asks = (tuple(level for level in side if level[1]) for side in (bids, asks))
            return BookL2(self.venue, symbol, time_ns, receive_time_ns, bids, asks, last_id)
        return BookDelta(
            self.venue, symbol, time_ns, receive_time_ns, bids, asks, first_id=first_id, last_id=last_id
        )

    def _stream_trade(self, trade: _StreamTrade, receive_time_ns: int) -> Trade:
        return Trade(
            self.venue,
            self._symbol(trade.symbol),
            epoch_ns(trade.event_time),
            receive_time_ns,
            self.numbers.price(trade.price),
            self.numbers.size(trade.size),
            Side.ASK if trade.buyer_is_maker else Side.BID,
            trade_id_of(trade.trade_id),
        )

    def _stream_quote(self, quote: _StreamQuote, receive_time_ns: int) -> Quote:
        side = self.numbers.quote_side
        return Quote(
            self.venue,
            self._symbol(quote.symbol),
            epoch_ns(quote.event_time),
            receive_time_ns,
            *checked_quote_sides(side(quote.bid, quote.bid_size), side(quote.ask, quote.ask_size)),
            id_of(quote.update_id),
        )

    def _stream_book(self, about: str, book: _StreamBook, receive_time_ns: int) -> BookL2:
        symbol = self._symbol(about.partition("@")[0])
        bids, asks = self.numbers.levels(book.bids), self.numbers.levels(book.asks)
        return BookL2(self.venue, symbol, None, receive_time_ns, bids, asks, id_of(book.last_id))

    def _rest(self, kind: str, symbol: str, text: bytes, receive_time_ns: int) -> list[MarketEvent]:
        if kind == "trades":
            rows = _REST_TRADES.decode(text)
            return self._each(rows, lambda row: self._rest_trade(symbol, row, receive_time_ns))
        book = _REST_BOOK.decode(text)
        bids, asks = (
            self.numbers.levels([(level.price, level.amount) for level in side])
            for side in (book.bids, book.asks)
        )
        return [BookL2(self.venue, self._symbol(symbol), None, receive_time_ns, bids, asks)]

    def _rest_trade(self, symbol: str, trade: _RestTrade, receive_time_ns: int) -> Trade:
        return Trade(
            self.venue,
            self._symbol(symbol),
            epoch_ns(trade.timestampms) if trade.timestampms else None,
            receive_time_ns,
            self.numbers.price(trade.price),
            self.numbers.size(trade.amount),
            side_of(trade.type),
            trade_id_of(trade.tid),
        )
