"""KuCoin, spot and futures: matches, incremental and shown books, tickers, and the REST order books.

Stop on the data path: one of the normalisers. Shapes: kucoin.com/docs-new, "Orderbook - Increment",
"Orderbook - Level5", "Ticker", "Match", `/api/v3/market/orderbook/level2`, `/api/v1/level2/snapshot`.
Invariant: as all normalisers.

Update numbers of a symbol count up by one without a hole; an update at price 0 only moves the number.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import ClassVar

import msgspec

from engine.core.types import Side
from engine.feeds.drops import DropReason
from engine.feeds.venues.events import BookDelta, BookL2, Level, MarketEvent, Quote, Trade
from engine.feeds.venues.normaliser import Normaliser
from engine.feeds.venues.numbers import (
    Refused,
    WireNumber,
    checked_quote_sides,
    epoch_ns,
    id_of,
    side_of,
    trade_id_of,
)

__all__ = ["Kucoin"]

_MESSAGE = re.compile(
    rb'"topic"\s*:\s*"/(market|spotMarket|contractMarket)/'
    rb"(match|execution|ticker(V2)?|level1|level2(Depth\d+|Snapshot)?):"
    rb'|^\s*\{\s*"code"\s*:\s*"200000"\s*,\s*"data"\s*:\s*\{[^\[]*"sequence"\s*:'
)
_HEAD_BYTES = 4096
"""Part of a message by which it is recognised."""
_URL = re.compile(r"https?://[^?#]*/(?:orderbook/level2|level2/(?:snapshot|depth))")
_URL_SYMBOL = re.compile(r"[?&]symbol=([^&#]*)")
_WHOLE = 1 << 32
_ROW_PARTS = 3

_Rows = list[tuple[WireNumber, WireNumber]]


class _Envelope(msgspec.Struct):
    type: str = ""
    topic: str = ""
    subject: str = ""
    data: msgspec.Raw = msgspec.Raw(b"null")


class _Answer(msgspec.Struct):
    data: msgspec.Raw


class _Trade(msgspec.Struct):
    side: str
    """The taker's."""
    price: WireNumber
    size: WireNumber
    trade_id: int | str | None = msgspec.field(name="tradeId", default=None)
    time: WireNumber = ""
    ts: WireNumber = ""


class _Ticker(msgspec.Struct):
    """Of spot, then of futures."""

    bid: WireNumber | None = msgspec.field(name="bestBid", default=None)
    ask: WireNumber | None = msgspec.field(name="bestAsk", default=None)
    bid_size: WireNumber | None = msgspec.field(name="bestBidSize", default=None)
    ask_size: WireNumber | None = msgspec.field(name="bestAskSize", default=None)
    bid_price: WireNumber | None = msgspec.field(name="bestBidPrice", default=None)
    ask_price: WireNumber | None = msgspec.field(name="bestAskPrice", default=None)
    sequence: int | str | None = None
    time: WireNumber = ""
    ts: WireNumber = ""


class _Level1(msgspec.Struct):
    bids: tuple[WireNumber, WireNumber] | None = None
    asks: tuple[WireNumber, WireNumber] | None = None
    timestamp: WireNumber = ""


class _Changes(msgspec.Struct):
    """Rows of price, size and the update's number."""

    bids: list[tuple[WireNumber, WireNumber, WireNumber]] = msgspec.field(default_factory=list)
    asks: list[tuple[WireNumber, WireNumber, WireNumber]] = msgspec.field(default_factory=list)


class _SpotDelta(msgspec.Struct):
    changes: _Changes
    first_id: int | str = msgspec.field(name="sequenceStart")
    last_id: int | str = msgspec.field(name="sequenceEnd")
    time: WireNumber = ""


class _FuturesDelta(msgspec.Struct):
    change: str
    """`price,side,size`"""
    sequence: int | str
    timestamp: WireNumber = ""


class _Book(msgspec.Struct):
    bids: _Rows | None = None
    asks: _Rows | None = None
    sequence: int | str | None = None
    symbol: str = ""
    time: WireNumber = ""
    ts: WireNumber = ""
    timestamp: WireNumber = ""


_ENVELOPE = msgspec.json.Decoder(_Envelope)
_ANSWER = msgspec.json.Decoder(_Answer)
_TRADE = msgspec.json.Decoder(_Trade)
_TICKER = msgspec.json.Decoder(_Ticker)
_LEVEL1 = msgspec.json.Decoder(_Level1)
_SPOT_DELTA = msgspec.json.Decoder(_SpotDelta)
_FUTURES_DELTA = msgspec.json.Decoder(_FuturesDelta)
_BOOK = msgspec.json.Decoder(_Book)


class Kucoin(Normaliser):
    """Messages of one connection, and answers of the order book endpoints whose URL comes in `about`."""

    venue: ClassVar[str] = "kucoin"

    def __init__(self) -> None:
        super().__init__()
        self._topics: dict[str, Callable[[str, msgspec.Raw, int], MarketEvent]] = {
            "/market/match": self._trade,
            "/contractMarket/execution": self._trade,
            "/market/ticker": self._ticker,
            "/contractMarket/ticker": self._ticker,
            "/contractMarket/tickerV2": self._ticker,
            "/spotMarket/level1": self._level1,
            "/market/level2": self._spot_delta,
            "/contractMarket/level2": self._futures_delta,
            "/market/level2Snapshot": self._whole_book,
            "/contractMarket/level2Snapshot": self._whole_book,
            "/spotMarket/level2Depth5": self._book_of_5,
            "/contractMarket/level2Depth5": self._book_of_5,
            "/spotMarket/level2Depth50": self._book_of_50,
            "/contractMarket/level2Depth50": self._book_of_50,
        }

    @classmethod
    def recognises(cls, text: bytes) -> bool:
        """Whether this is one of its market data messages."""
        return _MESSAGE.search(text[:_HEAD_BYTES]) is not None

    def _read(self, text: bytes, receive_time_ns: int, about: str) -> list[MarketEvent]:
        if _URL.match(about):
            symbol = _URL_SYMBOL.search(about)
            data = _ANSWER.decode(text).data
            return [self._whole_book(symbol[1] if symbol else "", data, receive_time_ns)]
        envelope = _ENVELOPE.decode(text)
        if envelope.type != "message":
            return []
        self._stream(envelope.topic)
        topic, _, symbol_text = envelope.topic.partition(":")
        read = self._topics.get(topic)
        if read is None:
            raise Refused(DropReason.UNKNOWN_STREAM)
        if symbol_text == "all":
            symbol_text = envelope.subject
        return [read(symbol_text, envelope.data, receive_time_ns)]

    def _trade(self, symbol: str, data: msgspec.Raw, receive_time_ns: int) -> Trade:
        trade = _TRADE.decode(data)
        return Trade(
            self.venue,
            self._symbol(symbol),
            _time_ns(trade.time or trade.ts),
            receive_time_ns,
            self.numbers.price(trade.price),
            self.numbers.size(trade.size),
            side_of(trade.side),
            trade_id_of(trade.trade_id),
        )

    def _ticker(self, symbol: str, data: msgspec.Raw, receive_time_ns: int) -> Quote:
        ticker = _TICKER.decode(data)
        bid = self.numbers.quote_side(ticker.bid_price or ticker.bid, ticker.bid_size)
        ask = self.numbers.quote_side(ticker.ask_price or ticker.ask, ticker.ask_size)
        return Quote(
            self.venue,
            self._symbol(symbol),
            _time_ns(ticker.time or ticker.ts),
            receive_time_ns,
            *checked_quote_sides(bid, ask),
            None if ticker.sequence is None else id_of(ticker.sequence),
        )

    def _level1(self, symbol: str, data: msgspec.Raw, receive_time_ns: int) -> Quote:
        level1 = _LEVEL1.decode(data)
        bid, ask = (
            None if side is None else self.numbers.quote_side(*side) for side in (level1.bids, level1.asks)
        )
        sides = checked_quote_sides(bid, ask)
        return Quote(self.venue, self._symbol(symbol), _time_ns(level1.timestamp), receive_time_ns, *sides)

    def _spot_delta(self, symbol: str, data: msgspec.Raw, receive_time_ns: int) -> BookDelta:
        delta = _SPOT_DELTA.decode(data)
        bids, asks = self._changed(delta.changes.bids), self._changed(delta.changes.asks)
        return self._delta(symbol, delta.time, receive_time_ns, bids, asks, delta.first_id, delta.last_id)

    def _changed(self, rows: list[tuple[WireNumber, WireNumber, WireNumber]]) -> tuple[Level, ...]:
        number = self.numbers.number
        return self.numbers.levels([(price, size) for price, size, _ in rows if number(price)])

    def _futures_delta(self, symbol: str, data: msgspec.Raw, receive_time_ns: int) -> BookDelta:
        delta = _FUTURES_DELTA.decode(data)
        parts = delta.change.split(",")
        side = side_of(parts[1]) if len(parts) == _ROW_PARTS else None
        if side is None:
            raise Refused(DropReason.BAD_FIELD)
        levels = self._changed([(parts[0], parts[2], 0)])
        bids, asks = (levels, ()) if side is Side.BID else ((), levels)
        return self._delta(
            symbol, delta.timestamp, receive_time_ns, bids, asks, delta.sequence, delta.sequence
        )

    def _delta(
        self,
        symbol: str,
        time: WireNumber,
        receive_time_ns: int,
        bids: tuple[Level, ...],
        asks: tuple[Level, ...],
        first: int | str,
        last: int | str,
    ) -> BookDelta:
        name, first_id, last_id = self._symbol(symbol), id_of(first), id_of(last)
        self._follow(name, _WHOLE)
        if first_id > last_id:
            raise Refused(DropReason.IDS_REVERSED)
        return BookDelta(
            self.venue, name, _time_ns(time), receive_time_ns, bids, asks, first_id - 1, first_id, last_id
        )

    def _whole_book(self, symbol: str, data: msgspec.Raw, receive_time_ns: int) -> BookL2:
        return self._book(symbol, data, receive_time_ns, _WHOLE)

    def _book_of_5(self, symbol: str, data: msgspec.Raw, receive_time_ns: int) -> BookL2:
        return self._book(symbol, data, receive_time_ns, 5)

    def _book_of_50(self, symbol: str, data: msgspec.Raw, receive_time_ns: int) -> BookL2:
        return self._book(symbol, data, receive_time_ns, 50)

    def _book(self, symbol: str, data: msgspec.Raw, receive_time_ns: int, depth: int) -> BookL2:
        book = _BOOK.decode(data)
        name = self._symbol(symbol or book.symbol)
        self._follow(name, depth)
        return BookL2(
            self.venue,
            name,
            _time_ns(book.time or book.ts or book.timestamp),
            receive_time_ns,
            self.numbers.levels(book.bids or []),
            self.numbers.levels(book.asks or []),
            None if book.sequence is None else id_of(book.sequence),
        )


def _time_ns(stamp: WireNumber) -> int | None:
    return epoch_ns(stamp) if stamp else None
