"""Bybit: v5 public streams (also v3, whose shapes are the same) and v2.

Stop on the data path: wire JSON in, events out. Shapes: bybit-exchange.github.io/docs/v5/websocket/public,
"Orderbook" and "Trade"; v2 from the venue's older "Realtime" documentation and captures.

- v5 `orderbook.N`: a snapshot, then deltas whose `u` counts up by one; a service restart sends u = 1 in a new
  snapshot. Of several depths of a symbol the deepest one is read.
- v2 `orderBookL2_25`, `orderBook_200.100ms`: levels by id under delete, update, insert; no chain of numbers.
- Trades: `S` is the taker's side; block trades (`BT`) met no order of the book. Sizes are contracts (USD) on
  inverse markets, else base currency.

Invariant: a book message with one bad level goes whole; trades in one message stand alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from engine.core.types import Side
from engine.feeds.drops import DropReason
from engine.feeds.venues.events import BookDelta, BookL2, Level, MarketEvent, Trade
from engine.feeds.venues.normaliser import Normaliser
from engine.feeds.venues.numbers import Refused, WireNumber, epoch_ns, id_of, side_of, trade_id_of

__all__ = ["Bybit"]

_RECOGNISED = re.compile(
    rb'^\s*\{\s*"topic"\s*:\s*"(?:orderbook|publicTrade|orderBookL2_|orderBook_|trade)\.?'
)


class _Envelope(msgspec.Struct):
    topic: str | None = None
    type: str = ""
    time: WireNumber | None = msgspec.field(name="ts", default=None)
    time_us: WireNumber | None = msgspec.field(name="timestamp_e6", default=None)
    data: msgspec.Raw = msgspec.Raw(b"null")


class _Book(msgspec.Struct):
    symbol: str = msgspec.field(name="s")
    bids: list[tuple[WireNumber, WireNumber]] = msgspec.field(name="b")
    asks: list[tuple[WireNumber, WireNumber]] = msgspec.field(name="a")
    update_id: int | str = msgspec.field(name="u")


class _Trade(msgspec.Struct):
    time: WireNumber = msgspec.field(name="T")
    symbol: str = msgspec.field(name="s")
    side: str = msgspec.field(name="S")
    size: WireNumber = msgspec.field(name="v")
    price: WireNumber = msgspec.field(name="p")
    trade_id: str | int | None = msgspec.field(name="i", default=None)
    is_block: bool = msgspec.field(name="BT", default=False)


class _OldLevel(msgspec.Struct):
    symbol: str
    price: WireNumber
    side: str
    size: WireNumber = 0


class _OldSnapshot(msgspec.Struct):
    order_book: list[_OldLevel]


class _OldDelta(msgspec.Struct):
    delete: list[_OldLevel] = []
    update: list[_OldLevel] = []
    insert: list[_OldLevel] = []


class _OldTrade(msgspec.Struct):
    symbol: str
    side: str
    size: WireNumber
    price: WireNumber
    time: WireNumber = msgspec.field(name="trade_time_ms")
    trade_id: str | int | None = None


_ENVELOPE = msgspec.json.Decoder(_Envelope)
_BOOK = msgspec.json.Decoder(_Book)
_TRADES = msgspec.json.Decoder(list[_Trade])
_OLD_SNAPSHOT = msgspec.json.Decoder(list[_OldLevel] | _OldSnapshot)
_OLD_DELTA = msgspec.json.Decoder(_OldDelta)
_OLD_TRADES = msgspec.json.Decoder(list[_OldTrade])


class Bybit(Normaliser):
    """Messages of one connection, or of one capture, to Bybit."""

    venue = "bybit"

    @classmethod
    def recognises(cls, text: bytes) -> bool:
        return _RECOGNISED.match(text) is not None

    def _read(self, text: bytes, receive_time_ns: int, about: str) -> list[MarketEvent]:
        message = _ENVELOPE.decode(text)
        if message.topic is None:
            return []
        self._stream(message.topic)
        channel, _, rest = message.topic.partition(".")
        match channel:
            case "orderbook":
                return self._book(message, rest.partition(".")[0], receive_time_ns)
            case "publicTrade":
                return self._each(_TRADES.decode(message.data), lambda row: self._trade(row, receive_time_ns))
            case "trade":
                rows = _OLD_TRADES.decode(message.data)
                return self._each(rows, lambda row: self._old_trade(row, receive_time_ns))
        if channel.startswith(("orderBookL2_", "orderBook_")):
            return self._old_book(message, receive_time_ns)
        raise Refused(DropReason.UNKNOWN_STREAM)

    def _book(self, message: _Envelope, depth: str, receive_time_ns: int) -> list[MarketEvent]:
        if not (depth.isascii() and depth.isdigit()):
            raise Refused(DropReason.UNKNOWN_STREAM)
        data = _BOOK.decode(message.data)
        symbol = self._symbol(data.symbol)
        self._follow(symbol, int(depth[:9]))
        time_ns = None if message.time is None else epoch_ns(message.time)
        bids, asks = self.numbers.levels(data.bids), self.numbers.levels(data.asks)
        last_id = id_of(data.update_id)
        head = (self.venue, symbol, time_ns, receive_time_ns, bids, asks)
        if message.type == "snapshot":
            return [BookL2(*head, last_id=last_id)]
        if message.type == "delta":
            return [BookDelta(*head, previous_id=max(0, last_id - 1), first_id=last_id, last_id=last_id)]
        raise Refused(DropReason.BAD_FIELD)

    def _trade(self, row: _Trade, receive_time_ns: int) -> Trade:
        if row.is_block:
            raise Refused(DropReason.NOT_A_MARKET_TRADE)
        old = _OldTrade(row.symbol, row.side, row.size, row.price, row.time, row.trade_id)
        return self._old_trade(old, receive_time_ns)

    def _old_trade(self, row: _OldTrade, receive_time_ns: int) -> Trade:
        aggressor = side_of(row.side)
        if aggressor is None:
            raise Refused(DropReason.BAD_FIELD)
        return Trade(
            venue=self.venue,
            symbol=self._symbol(row.symbol),
            exchange_time_ns=epoch_ns(row.time),
            receive_time_ns=receive_time_ns,
            price=self.numbers.price(row.price),
            size=self.numbers.price(row.size),
            aggressor_side=aggressor,
            trade_id=trade_id_of(row.trade_id),
        )

    def _old_book(self, message: _Envelope, receive_time_ns: int) -> list[MarketEvent]:
        is_snapshot = message.type == "snapshot"
        if is_snapshot:
            stated = _OLD_SNAPSHOT.decode(message.data)
            rows = stated.order_book if isinstance(stated, _OldSnapshot) else stated
        elif message.type == "delta":
            data = _OLD_DELTA.decode(message.data)
            for row in data.delete:
                row.size = 0
            rows = [*data.delete, *data.update, *data.insert]
        else:
            raise Refused(DropReason.BAD_FIELD)
        if not rows:
            return []
        symbol = self._symbol(rows[0].symbol)
        if any(row.symbol != rows[0].symbol for row in rows):
            raise Refused(DropReason.BAD_FIELD)
        time_ns = None if message.time_us is None else epoch_ns(message.time_us)
        bids, asks = self._old_side(rows, Side.BID), self._old_side(rows, Side.ASK)
        if len(bids) + len(asks) != len(rows):
            raise Refused(DropReason.BAD_FIELD)
        kind = BookL2 if is_snapshot else BookDelta
        return [kind(self.venue, symbol, time_ns, receive_time_ns, bids, asks)]

    def _old_side(self, rows: Iterable[_OldLevel], side: Side) -> tuple[Level, ...]:
        return self.numbers.levels([(row.price, row.size) for row in rows if side_of(row.side) is side])
