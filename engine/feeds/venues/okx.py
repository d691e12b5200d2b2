"""OKX (OKEx): v5 channels, its spreads (`sprd-`), and the tables of v3, which OKCoin sends too.

Stop on the data path: wire JSON in, events out. Shapes: okx.com/docs-v5, "Order book channel", "Trades
channel", "Tickers channel"; v3 from the venue's older documentation and captures.

- Books: `snapshot` (v3: `partial`), then `update`s that name their predecessor (`prevSeqId`); messages before
  the numbers were introduced have none. Of several book channels of a symbol the deepest is read; bbo-tbt is
  the quote. books5 states its levels whole every time.
- `checksum` is a signed 32-bit number; 0, which it always is since June 2026, is none.
- Trades are told by `trades` and, one by one, by `trades-all`: the first of the two that comes is read.
- Sizes are contracts on futures, swaps and options, else base currency.
- A ticker of v3 before 2020 has no sizes and is no quote: a counted drop.

Invariant: a book message with one bad level goes whole; trades in one message stand alone.
"""

from __future__ import annotations

import re

import msgspec

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

__all__ = ["Okx"]

_SHALLOW = 5
_DEPTHS = {
    "books": 400,
    "books-l2-tbt": 401,
    "books50-l2-tbt": 50,
    "books5": _SHALLOW,
    "depth_l2_tbt": 401,
    "depth": 400,
    "depth5": _SHALLOW,
}
"""Levels that a book channel (v5) or table (v3) states; one more where every change comes at once."""
_TRADES = ("trades", "trades-all", "public-trades", "trade")
_TICKERS = ("tickers", "ticker")
_MAX_CHECKSUM = (1 << 32) - 1
_RECOGNISED = re.compile(
    rb'^\s*\{\s*"(?:arg"\s*:\s*\{[^{}]*"(?:instId|sprdId)"\s*:'
    rb'|table"\s*:\s*"(?:spot|futures|swap|option)/)'
)


class _Argument(msgspec.Struct):
    channel: str
    instrument: str = msgspec.field(name="instId", default="")
    spread: str = msgspec.field(name="sprdId", default="")


class _Message(msgspec.Struct):
    argument: _Argument | None = msgspec.field(name="arg", default=None)
    table: str | None = None
    action: str = ""
    event: str | None = None
    data: msgspec.Raw = msgspec.Raw(b"[]")


class _Row(msgspec.Struct, array_like=True):
    """A level; what follows (liquidated orders, number of orders) does not matter."""

    price: WireNumber
    size: WireNumber


class _Book(msgspec.Struct):
    bids: list[_Row]
    asks: list[_Row]
    time: WireNumber | None = msgspec.field(name="ts", default=None)
    old_time: WireNumber | None = msgspec.field(name="timestamp", default=None)
    old_symbol: str = msgspec.field(name="instrument_id", default="")
    checksum: int | None = None
    last_id: int | str | None = msgspec.field(name="seqId", default=None)
    previous_id: int | str | None = msgspec.field(name="prevSeqId", default=None)


class _Trade(msgspec.Struct):
    price: WireNumber = msgspec.field(name="px")
    size: WireNumber = msgspec.field(name="sz")
    side: str
    time: WireNumber = msgspec.field(name="ts")
    trade_id: int | str | None = msgspec.field(name="tradeId", default=None)


class _OldTrade(msgspec.Struct):
    symbol: str = msgspec.field(name="instrument_id")
    price: WireNumber
    side: str
    time: WireNumber = msgspec.field(name="timestamp")
    size: WireNumber | None = None
    qty: WireNumber | None = None
    trade_id: int | str | None = None


class _Ticker(msgspec.Struct):
    bid: WireNumber = msgspec.field(name="bidPx")
    bid_size: WireNumber = msgspec.field(name="bidSz")
    ask: WireNumber = msgspec.field(name="askPx")
    ask_size: WireNumber = msgspec.field(name="askSz")
    time: WireNumber = msgspec.field(name="ts")


class _OldTicker(msgspec.Struct):
    symbol: str = msgspec.field(name="instrument_id")
    time: WireNumber = msgspec.field(name="timestamp")
    best_bid: WireNumber | None = None
    best_bid_size: WireNumber | None = None
    best_ask: WireNumber | None = None
    best_ask_size: WireNumber | None = None


_MESSAGE = msgspec.json.Decoder(_Message)
_BOOK_ROWS = msgspec.json.Decoder(list[_Book])
_TRADE_ROWS = msgspec.json.Decoder(list[_Trade])
_OLD_TRADE_ROWS = msgspec.json.Decoder(list[_OldTrade])
_TICKER_ROWS = msgspec.json.Decoder(list[_Ticker])
_OLD_TICKER_ROWS = msgspec.json.Decoder(list[_OldTicker])


class Okx(Normaliser):
    """Messages of one connection, or of one capture, to OKX."""

    venue = "okx"

    @classmethod
    def recognises(cls, text: bytes) -> bool:
        return _RECOGNISED.match(text) is not None

    def __init__(self) -> None:
        super().__init__()
        self._trade_channels: dict[str, str] = {}
        """The channel that a symbol's trades are read from."""

    def _read(self, text: bytes, receive_time_ns: int, about: str) -> list[MarketEvent]:
        if text == b"pong":
            return []
        message = _MESSAGE.decode(text)
        if message.event is not None:
            return []
        if message.argument is not None:
            channel, symbol = message.argument.channel, message.argument.instrument or message.argument.spread
            name = channel.removeprefix("sprd-")
        elif message.table is not None:
            channel, symbol = message.table, ""
            name = channel.partition("/")[2]
        else:
            raise Refused(DropReason.BAD_FIELD)
        self._stream(channel)
        if name in _DEPTHS:
            return self._books(message, symbol, _DEPTHS[name], receive_time_ns)
        if name == "bbo-tbt":
            rows = _BOOK_ROWS.decode(message.data)
            return self._each(rows, lambda row: self._best(row, symbol, receive_time_ns))
        if name in _TRADES:
            return self._trades(message, channel, symbol, receive_time_ns)
        if name in _TICKERS:
            return self._tickers(message, symbol, receive_time_ns)
        raise Refused(DropReason.UNKNOWN_STREAM)

    def _books(self, message: _Message, symbol: str, depth: int, receive_time_ns: int) -> list[MarketEvent]:
        is_snapshot = depth == _SHALLOW or message.action in ("snapshot", "partial")
        if not is_snapshot and message.action != "update":
            raise Refused(DropReason.BAD_FIELD)
        return [
            self._book(row, symbol or row.old_symbol, depth, receive_time_ns, is_snapshot)
            for row in _BOOK_ROWS.decode(message.data)
        ]

    def _book(
        self, row: _Book, symbol: str, depth: int, receive_time_ns: int, is_snapshot: bool
    ) -> BookL2 | BookDelta:
        symbol = self._symbol(symbol)
        self._follow(symbol, depth)
        time_ns = _time_ns(row)
        bids, asks = self._levels(row.bids), self._levels(row.asks)
        last_id = None if row.last_id is None else id_of(row.last_id)
        checksum = _unsigned(row.checksum)
        head = (self.venue, symbol, time_ns, receive_time_ns, bids, asks)
        if is_snapshot:
            return BookL2(*head, last_id=last_id, checksum=checksum)
        previous_id = None if row.previous_id is None else id_of(row.previous_id)
        return BookDelta(*head, previous_id=previous_id, first_id=last_id, last_id=last_id, checksum=checksum)

    def _levels(self, rows: list[_Row]) -> tuple[Level, ...]:
        return self.numbers.levels([(row.price, row.size) for row in rows])

    def _best(self, row: _Book, symbol: str, receive_time_ns: int) -> Quote:
        bids, asks = self._levels(row.bids[:1]), self._levels(row.asks[:1])
        sides = checked_quote_sides(bids[0] if bids else None, asks[0] if asks else None)
        last_id = None if row.last_id is None else id_of(row.last_id)
        symbol = self._symbol(symbol)
        return Quote(self.venue, symbol, _time_ns(row), receive_time_ns, *sides, update_id=last_id)

    def _trades(
        self, message: _Message, channel: str, symbol: str, receive_time_ns: int
    ) -> list[MarketEvent]:
        if message.table is not None:
            old_rows = _OLD_TRADE_ROWS.decode(message.data)
            return self._each(old_rows, lambda row: self._old_trade(row, receive_time_ns))
        if self._trade_channels.setdefault(self._symbol(symbol), channel) != channel:
            raise Refused(DropReason.TOLD_TWICE)
        rows = _TRADE_ROWS.decode(message.data)
        return self._each(rows, lambda row: self._trade(row, symbol, receive_time_ns))

    def _trade(self, row: _Trade, symbol: str, receive_time_ns: int) -> Trade:
        aggressor = side_of(row.side)
        if aggressor is None:
            raise Refused(DropReason.BAD_FIELD)
        return Trade(
            venue=self.venue,
            symbol=self._symbol(symbol),
            exchange_time_ns=epoch_ns(row.time),
            receive_time_ns=receive_time_ns,
            price=self.numbers.price(row.price),
            size=self.numbers.price(row.size),
            aggressor_side=aggressor,
            trade_id=trade_id_of(row.trade_id),
        )

    def _old_trade(self, row: _OldTrade, receive_time_ns: int) -> Trade:
        size = row.qty if row.size is None else row.size
        if size is None:
            raise Refused(DropReason.BAD_FIELD)
        data = _Trade(row.price, size, row.side, row.time, trade_id=row.trade_id)
        return self._trade(data, row.symbol, receive_time_ns)

    def _tickers(self, message: _Message, symbol: str, receive_time_ns: int) -> list[MarketEvent]:
        if message.table is not None:
            old_rows = _OLD_TICKER_ROWS.decode(message.data)
            return self._each(old_rows, lambda row: self._old_ticker(row, receive_time_ns))
        rows = _TICKER_ROWS.decode(message.data)
        return self._each(rows, lambda row: self._ticker(row, symbol, receive_time_ns))

    def _ticker(self, row: _Ticker, symbol: str, receive_time_ns: int) -> Quote:
        side = self.numbers.quote_side
        sides = checked_quote_sides(side(row.bid, row.bid_size), side(row.ask, row.ask_size))
        return Quote(self.venue, self._symbol(symbol), epoch_ns(row.time), receive_time_ns, *sides)

    def _old_ticker(self, row: _OldTicker, receive_time_ns: int) -> Quote:
        if row.best_bid_size is None and row.best_ask_size is None:
            raise Refused(DropReason.NO_SIZES)
        side = self.numbers.quote_side
        bid, ask = side(row.best_bid, row.best_bid_size), side(row.best_ask, row.best_ask_size)
        symbol, time_ns = self._symbol(row.symbol), epoch_ns(row.time)
        return Quote(self.venue, symbol, time_ns, receive_time_ns, *checked_quote_sides(bid, ask))


def _time_ns(row: _Book) -> int | None:
    time = row.old_time if row.time is None else row.time
    return None if time is None else epoch_ns(time)


def _unsigned(checksum: int | None) -> int | None:
    """The signed checksum without its sign; None where there is none."""
    if not checksum:
        return None
    if not -(1 << 31) <= checksum <= _MAX_CHECKSUM:
        raise Refused(DropReason.BAD_FIELD)
    return checksum & _MAX_CHECKSUM
