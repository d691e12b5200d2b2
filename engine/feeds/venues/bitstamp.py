"""Bitstamp: trades, the full and the differential order book, the detailed book, and the REST order book.

Stop on the data path: one of the normalisers. Shapes: bitstamp.net/websocket/v2 and its HTTP API v2,
`order_book`. Invariant: as all normalisers.

The venue numbers nothing: the microsecond stamp of a book orders its updates, and stands for their ids.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import ClassVar

import msgspec

from engine.core.types import Side
from engine.feeds.drops import DropReason
from engine.feeds.venues.events import BookDelta, BookL2, Level, MarketEvent, Trade
from engine.feeds.venues.normaliser import Normaliser
from engine.feeds.venues.numbers import Refused, WireNumber, epoch_ns, trade_id_of

__all__ = ["Bitstamp"]

_MESSAGE = re.compile(
    rb'"channel"\s*:\s*"(live_trades|(diff_|detail_)?order_book)_|"microtimestamp"\s*:\s*"\d+"\s*,\s*"bids"'
)
_URL = re.compile(r"https?://[^?#]*/order_book/([^/?#]+)")
_US = 1000
"""ns"""
_WHOLE = 1 << 32
_PUSHED = 100
"""Levels of the books that come whole by every message; the differential one has all."""
_HEAD_BYTES = 4096
"""Part of a message by which it is recognised."""


class _Envelope(msgspec.Struct):
    event: str = ""
    channel: str = ""
    data: msgspec.Raw = msgspec.Raw(b"null")


class _Trade(msgspec.Struct):
    id: int | str | None = None
    price_str: str = ""
    amount_str: str = ""
    price: WireNumber | None = None
    amount: WireNumber | None = None
    type: int | None = None
    """0: a buyer took asks; 1: a seller took bids."""
    microtimestamp: WireNumber = ""
    timestamp: WireNumber = ""


class _Stamps(msgspec.Struct):
    microtimestamp: WireNumber = ""
    timestamp: WireNumber = ""


class _Book(_Stamps):
    bids: list[tuple[WireNumber, WireNumber]] = msgspec.field(default_factory=list)
    asks: list[tuple[WireNumber, WireNumber]] = msgspec.field(default_factory=list)


class _DetailBook(_Stamps):
    """One row per order: price, amount, order id."""

    bids: list[tuple[WireNumber, WireNumber, WireNumber]] = msgspec.field(default_factory=list)
    asks: list[tuple[WireNumber, WireNumber, WireNumber]] = msgspec.field(default_factory=list)


_ENVELOPE = msgspec.json.Decoder(_Envelope)
_TRADE = msgspec.json.Decoder(_Trade)
_BOOK = msgspec.json.Decoder(_Book)
_DETAIL_BOOK = msgspec.json.Decoder(_DetailBook)


class Bitstamp(Normaliser):
    """Messages of one connection, and answers of `/api/v2/order_book/<pair>/` whose URL comes in `about`."""

    venue: ClassVar[str] = "bitstamp"

    @classmethod
    def recognises(cls, text: bytes) -> bool:
        """Whether this is one of its market data messages."""
        return _MESSAGE.search(text[:_HEAD_BYTES]) is not None

    def _read(self, text: bytes, receive_time_ns: int, about: str) -> list[MarketEvent]:
        if url := _URL.match(about):
            book = _DETAIL_BOOK.decode(text) if "group=2" in about else _BOOK.decode(text)
            return [self._book(url[1], book, _WHOLE, receive_time_ns)]
        event, channel, data = msgspec.structs.astuple(_ENVELOPE.decode(text))
        if event.startswith("bts:"):
            return []
        self._stream(channel)
        kind, _, pair = channel.rpartition("_")
        match event, kind:
            case "data", "diff_order_book":
                return [self._delta(pair, _BOOK.decode(data), receive_time_ns)]
            case "snapshot", "diff_order_book":
                return [self._book(pair, _BOOK.decode(data), _WHOLE, receive_time_ns)]
            case "data", "order_book":
                return [self._book(pair, _BOOK.decode(data), _PUSHED, receive_time_ns)]
            case "data", "detail_order_book":
                return [self._book(pair, _DETAIL_BOOK.decode(data), _PUSHED, receive_time_ns)]
            case "trade", "live_trades":
                return [self._trade(pair, _TRADE.decode(data), receive_time_ns)]
        raise Refused(DropReason.UNKNOWN_STREAM)

    def _trade(self, pair: str, trade: _Trade, receive_time_ns: int) -> Trade:
        price, amount = trade.price_str or trade.price, trade.amount_str or trade.amount
        if price is None or amount is None or trade.type not in (None, 0, 1):
            raise Refused(DropReason.BAD_FIELD)
        return Trade(
            self.venue,
            self._symbol(pair),
            _time_ns(trade),
            receive_time_ns,
            self.numbers.price(price),
            self.numbers.size(amount),
            None if trade.type is None else Side(trade.type),
            trade_id_of(trade.id),
        )

    def _delta(self, pair: str, book: _Book, receive_time_ns: int) -> BookDelta:
        symbol = self._symbol(pair)
        time_ns = _time_ns(book)
        self._follow(symbol, _WHOLE)
        bids, asks = self.numbers.levels(book.bids), self.numbers.levels(book.asks)
        return BookDelta(self.venue, symbol, time_ns, receive_time_ns, bids, asks, last_id=time_ns // _US)

    def _book(self, pair: str, book: _Book | _DetailBook, depth: int, receive_time_ns: int) -> BookL2:
        symbol = self._symbol(pair)
        time_ns = _time_ns(book)
        self._follow(symbol, depth)
        if isinstance(book, _DetailBook):
            bids, asks = self._sums(book.bids), self._sums(book.asks)
        else:
            bids, asks = self.numbers.levels(book.bids), self.numbers.levels(book.asks)
        return BookL2(self.venue, symbol, time_ns, receive_time_ns, bids, asks, time_ns // _US)

    def _sums(self, rows: list[tuple[WireNumber, WireNumber, WireNumber]]) -> tuple[Level, ...]:
        """Orders as levels, in order of their first order."""
        sizes: dict[Decimal, Decimal] = {}
        for price, amount, _ in rows:
            level, size = self.numbers.level(price, amount)
            sizes[level] = sizes.get(level, Decimal(0)) + size
        return tuple(sizes.items())


def _time_ns(stamps: _Stamps | _Trade) -> int:
    """The finer stamp, else the one in seconds: with that, updates of the same second come after a book."""
    return epoch_ns(stamps.microtimestamp or stamps.timestamp)
