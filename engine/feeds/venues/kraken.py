"""Kraken spot: WebSocket v1 (arrays) and v2 (objects).

Stop on the data path: wire JSON in, events out. Shapes: docs.kraken.com, "WebSocket v1" (trade, book, spread,
ticker) and "WebSocket v2" (trade, book, ticker).

- Books have no numbers but a checksum (chain.py verifies it): v1 in every update, v2 in snapshots too. They
  are subscribed at a depth, and a level that falls out of it is gone without being told: BookL2.depth. v1
  names the depth in the channel; v2 in the answer to the subscription, else the snapshot's length tells.
- v1 may split an update of both sides into two objects, and gives every level a time: the event's is the
  last of them.
- v2 writes numbers as JSON numbers with the digits that the checksum needs.
- v1 trades have no ids. The `snapshot` of v2's trades happened before the subscription: counted drops.

Invariant: a book message with one bad level goes whole; trades in one message stand alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal

import msgspec

from engine.feeds.drops import DropReason
from engine.feeds.venues.events import BookDelta, BookL2, Level, MarketEvent, Quote, Trade
from engine.feeds.venues.normaliser import Normaliser
from engine.feeds.venues.numbers import (
    Refused,
    WireNumber,
    checked_quote_sides,
    epoch_ns,
    side_of,
    trade_id_of,
)

__all__ = ["Kraken"]

_DEPTHS = (10, 25, 100, 500, 1000)
"""That a book can be subscribed at."""
_MAX_CHECKSUM = (1 << 32) - 1
_RECOGNISED = re.compile(
    rb'^\s*(?:\[\s*\d+\s*,.*,\s*"(?:book-\d+|trade|spread|ticker)"\s*,\s*"[^"/]+/[^"/]+"\s*\]\s*$'
    rb'|\{\s*"channel"\s*:\s*"(?:book|trade|ticker)"\s*,\s*"type"\s*:\s*"(?:snapshot|update)")',
    re.DOTALL,
)


class _Row(msgspec.Struct, array_like=True):
    """A level of v1; what follows the time (`r` for republished) does not matter."""

    price: WireNumber
    size: WireNumber
    time: WireNumber


class _Book(msgspec.Struct):
    all_bids: list[_Row] | None = msgspec.field(name="bs", default=None)
    all_asks: list[_Row] | None = msgspec.field(name="as", default=None)
    bids: list[_Row] = msgspec.field(name="b", default=[])
    asks: list[_Row] = msgspec.field(name="a", default=[])
    checksum: int | str | None = msgspec.field(name="c", default=None)


class _Trade(msgspec.Struct, array_like=True):
    price: WireNumber
    size: WireNumber
    time: WireNumber
    side: str


class _Spread(msgspec.Struct, array_like=True):
    bid: WireNumber
    ask: WireNumber
    time: WireNumber
    bid_size: WireNumber
    ask_size: WireNumber


class _Ticker(msgspec.Struct):
    ask: tuple[WireNumber, WireNumber, WireNumber] = msgspec.field(name="a")
    bid: tuple[WireNumber, WireNumber, WireNumber] = msgspec.field(name="b")
    """Price, size in whole units, size."""


class _Answer(msgspec.Struct):
    """What tells the kind of an object: an event of v1, an answer or a channel of v2."""

    event: str | None = None
    method: str | None = None
    result: msgspec.Raw = msgspec.Raw(b"null")
    channel: str | None = None
    type: str = ""
    data: msgspec.Raw = msgspec.Raw(b"null")


class _Subscribed(msgspec.Struct):
    symbol: str = ""
    channel: str = ""
    depth: int = 0


class _LevelV2(msgspec.Struct):
    price: Decimal
    qty: Decimal


class _BookV2(msgspec.Struct):
    symbol: str
    bids: list[_LevelV2]
    asks: list[_LevelV2]
    checksum: int | None = None
    time: WireNumber | None = msgspec.field(name="timestamp", default=None)


class _TradeV2(msgspec.Struct):
    symbol: str
    side: str
    price: Decimal
    qty: Decimal
    time: WireNumber = msgspec.field(name="timestamp")
    trade_id: int | str | None = None


class _TickerV2(msgspec.Struct):
    symbol: str
    bid: Decimal
    bid_qty: Decimal
    ask: Decimal
    ask_qty: Decimal
    time: WireNumber | None = msgspec.field(name="timestamp", default=None)


_PARTS = msgspec.json.Decoder(list[msgspec.Raw])
_NAME = msgspec.json.Decoder(str)
_BOOK = msgspec.json.Decoder(_Book | None)
_TRADES = msgspec.json.Decoder(list[_Trade])
_SPREAD = msgspec.json.Decoder(_Spread)
_TICKER = msgspec.json.Decoder(_Ticker)
_ANSWER = msgspec.json.Decoder(_Answer)
_SUBSCRIBED = msgspec.json.Decoder(_Subscribed | None)
_BOOKS_V2 = msgspec.json.Decoder(list[_BookV2])
_TRADES_V2 = msgspec.json.Decoder(list[_TradeV2])
_TICKERS_V2 = msgspec.json.Decoder(list[_TickerV2])


class Kraken(Normaliser):
    """Messages of one connection, or of one capture, to Kraken."""

    venue = "kraken"

    @classmethod
    def recognises(cls, text: bytes) -> bool:
        return _RECOGNISED.match(text) is not None

    def __init__(self) -> None:
        super().__init__()
        self._subscribed_depths: dict[str, int] = {}

    def _read(self, text: bytes, receive_time_ns: int, about: str) -> list[MarketEvent]:
        if not text.lstrip().startswith(b"["):
            return self._read_object(_ANSWER.decode(text), receive_time_ns)
        parts = _PARTS.decode(text)
        if len(parts) < 4:
            raise Refused(DropReason.BAD_FIELD)
        *_, channel_part, symbol_part = parts
        channel = _NAME.decode(channel_part)
        self._stream(channel)
        symbol, payload = self._symbol(_NAME.decode(symbol_part)), parts[1]
        if channel.startswith("book-"):
            return [self._book(symbol, channel, parts[1:-2], receive_time_ns)]
        match channel:
            case "trade":
                rows = _TRADES.decode(payload)
                return self._each(rows, lambda row: self._trade(symbol, row, receive_time_ns))
            case "spread":
                spread = _SPREAD.decode(payload)
                bid, ask = (spread.bid, spread.bid_size), (spread.ask, spread.ask_size)
                return [self._quote(symbol, spread.time, bid, ask, receive_time_ns)]
            case "ticker":
                ticker = _TICKER.decode(payload)
                return [self._quote(symbol, None, ticker.bid[::2], ticker.ask[::2], receive_time_ns)]
        raise Refused(DropReason.UNKNOWN_STREAM)

    def _book(
        self, symbol: str, channel: str, parts: Sequence[msgspec.Raw], receive_time_ns: int
    ) -> BookL2 | BookDelta:
        books = [book for book in map(_BOOK.decode, parts) if book is not None]
        is_snapshot = any(book.all_bids is not None or book.all_asks is not None for book in books)
        bid_rows = [row for book in books for row in book.all_bids or book.bids]
        ask_rows = [row for book in books for row in book.all_asks or book.asks]
        bids, asks = self._levels(bid_rows), self._levels(ask_rows)
        time_ns = max((epoch_ns(row.time) for row in (*bid_rows, *ask_rows)), default=None)
        checksum = next((_checksum(book.checksum) for book in books if book.checksum is not None), None)
        head = (self.venue, symbol, time_ns, receive_time_ns, bids, asks)
        if not is_snapshot:
            return BookDelta(*head, checksum=checksum)
        depth = channel[len("book-") :]
        return BookL2(*head, checksum=checksum, depth=int(depth) if depth in map(str, _DEPTHS) else None)

    def _levels(self, rows: Sequence[_Row]) -> tuple[Level, ...]:
        return self.numbers.levels([(row.price, row.size) for row in rows])

    def _trade(self, symbol: str, row: _Trade, receive_time_ns: int) -> Trade:
        data = _TradeV2(symbol, row.side, self.numbers[row.price], self.numbers[row.size], row.time)
        return self._trade_v2(data, receive_time_ns)

    def _quote(
        self,
        symbol: str,
        time: WireNumber | None,
        bid: Sequence[WireNumber | Decimal],
        ask: Sequence[WireNumber | Decimal],
        receive_time_ns: int,
    ) -> Quote:
        """A quote of (price, size) on both sides; without a time where there is none."""
        sides = checked_quote_sides(self._quote_side(*bid), self._quote_side(*ask))
        time_ns = None if time is None else epoch_ns(time)
        return Quote(self.venue, symbol, time_ns, receive_time_ns, *sides)

    def _quote_side(self, price: WireNumber | Decimal, size: WireNumber | Decimal) -> Level | None:
        level = self.numbers.number(price), self.numbers.number(size)
        return level if all(level) else None

    # -- v2 --------------------------------------------------------------------------------------------

    def _read_object(self, message: _Answer, receive_time_ns: int) -> list[MarketEvent]:
        if message.method == "subscribe":
            self._learn_depth(_SUBSCRIBED.decode(message.result))
        if message.event is not None or message.method is not None:
            return []
        if message.channel is None:
            raise Refused(DropReason.BAD_FIELD)
        if message.channel in ("heartbeat", "status"):
            return []
        self._stream(message.channel)
        match message.channel:
            case "book":
                is_snapshot = message.type == "snapshot"
                rows = _BOOKS_V2.decode(message.data)
                return self._each(rows, lambda row: self._book_v2(row, receive_time_ns, is_snapshot))
            case "trade":
                trades = _TRADES_V2.decode(message.data)
                if message.type == "snapshot":
                    for _ in trades:
                        self.drops.add(DropReason.BEFORE_START)
                    return []
                return self._each(trades, lambda row: self._trade_v2(row, receive_time_ns))
            case "ticker":
                return self._each(
                    _TICKERS_V2.decode(message.data), lambda row: self._ticker_v2(row, receive_time_ns)
                )
        raise Refused(DropReason.UNKNOWN_STREAM)

    def _learn_depth(self, answer: _Subscribed | None) -> None:
        if answer is not None and answer.channel == "book" and answer.depth in _DEPTHS:
            self._subscribed_depths[self._symbol(answer.symbol)] = answer.depth

    def _book_v2(self, data: _BookV2, receive_time_ns: int, is_snapshot: bool) -> BookL2 | BookDelta:
        symbol = self._symbol(data.symbol)
        time_ns = None if data.time is None else epoch_ns(data.time)
        bids = self.numbers.levels([(row.price, row.qty) for row in data.bids])
        asks = self.numbers.levels([(row.price, row.qty) for row in data.asks])
        checksum = None if data.checksum is None else _checksum(data.checksum)
        head = (self.venue, symbol, time_ns, receive_time_ns, bids, asks)
        if not is_snapshot:
            return BookDelta(*head, checksum=checksum)
        shown = max(len(bids), len(asks))
        depth = self._subscribed_depths.get(symbol) or next((d for d in _DEPTHS if d >= shown), None)
        return BookL2(*head, checksum=checksum, depth=depth)

    def _trade_v2(self, data: _TradeV2, receive_time_ns: int) -> Trade:
        aggressor = side_of(data.side)
        if aggressor is None:
            raise Refused(DropReason.BAD_FIELD)
        return Trade(
            venue=self.venue,
            symbol=self._symbol(data.symbol),
            exchange_time_ns=epoch_ns(data.time),
            receive_time_ns=receive_time_ns,
            price=self.numbers.price(data.price),
            size=self.numbers.price(data.qty),
            aggressor_side=aggressor,
            trade_id=trade_id_of(data.trade_id),
        )

    def _ticker_v2(self, row: _TickerV2, receive_time_ns: int) -> Quote:
        symbol = self._symbol(row.symbol)
        return self._quote(symbol, row.time, (row.bid, row.bid_qty), (row.ask, row.ask_qty), receive_time_ns)


def _checksum(value: int | str) -> int:
    """Unsigned 32 bits, as a number or as text."""
    if isinstance(value, str):
        value = int(value) if value.isascii() and value.isdigit() and len(value) <= 10 else -1
    if not 0 <= value <= _MAX_CHECKSUM:
        raise Refused(DropReason.BAD_FIELD)
    return value
