"""Alpaca: trades, quotes and crypto order books of its data stream, and the same of its REST endpoints.

Stop on the data path: one of the normalisers. Shapes: docs.alpaca.markets, "Real-time Stock Data",
"Real-time Crypto Data", and the market data REST reference. Invariant: as all normalisers.

A message is an array of records, which stand for themselves: a bad one goes alone, counted. A side of a quote
with price 0 is not there. Bars, news, statuses, corrections and cancels are streams that are not read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import ClassVar

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

__all__ = ["Alpaca"]

_MESSAGE = re.compile(rb'"T"\s*:\s*"[tqo]".*?"S"\s*:\s*"', re.S)
_ANSWERS = frozenset(("success", "subscription", "error"))
_OUTSIDE_BOOK = frozenset("CHMNPQRVW479")
"""Trade conditions of the tapes whose price was not made in the market now: other settlement (C cash, N next
day, R seller), H price variation, M Q 9 official closes and opens, P prior reference price, V contingent,
W average price, 4 derivatively priced, 7 qualified contingent."""
_AVERAGE_PRICE = "B"
"""Average price on tapes A and B; on tape C it is a bunched trade, which is made in the market."""
_HEAD_BYTES = 4096
"""Part of a message by which it is recognised."""


class _Kind(msgspec.Struct):
    kind: str = msgspec.field(name="T", default="")
    symbol: str = msgspec.field(name="S", default="")


class _Trade(msgspec.Struct):
    price: WireNumber = msgspec.field(name="p")
    size: WireNumber = msgspec.field(name="s")
    time: WireNumber | None = msgspec.field(name="t", default=None)
    trade_id: int | str | None = msgspec.field(name="i", default=None)
    conditions: list[str] | None = msgspec.field(name="c", default=None)
    tape: str = msgspec.field(name="z", default="")
    taker_side: str = msgspec.field(name="tks", default="")


class _Quote(msgspec.Struct):
    bid: WireNumber | None = msgspec.field(name="bp", default=None)
    bid_size: WireNumber | None = msgspec.field(name="bs", default=None)
    ask: WireNumber | None = msgspec.field(name="ap", default=None)
    ask_size: WireNumber | None = msgspec.field(name="as", default=None)
    time: WireNumber | None = msgspec.field(name="t", default=None)


class _Level(msgspec.Struct):
    price: WireNumber = msgspec.field(name="p")
    size: WireNumber = msgspec.field(name="s")


class _Book(msgspec.Struct):
    bids: list[_Level] = msgspec.field(name="b", default_factory=list)
    asks: list[_Level] = msgspec.field(name="a", default_factory=list)
    time: WireNumber | None = msgspec.field(name="t", default=None)
    is_whole: bool = msgspec.field(name="r", default=False)


class _Snapshot(msgspec.Struct):
    trade: msgspec.Raw = msgspec.field(name="latestTrade", default=msgspec.Raw(b"null"))
    quote: msgspec.Raw = msgspec.field(name="latestQuote", default=msgspec.Raw(b"null"))


_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_KIND = msgspec.json.Decoder(_Kind)
_TEXT = msgspec.json.Decoder(str)
_TRADE = msgspec.json.Decoder(_Trade)
_QUOTE = msgspec.json.Decoder(_Quote)
_BOOK = msgspec.json.Decoder(_Book)
_SNAPSHOT = msgspec.json.Decoder(_Snapshot)

_Reader = Callable[[str, msgspec.Raw, int], MarketEvent]
_Record = tuple[_Reader, str, msgspec.Raw]


class Alpaca(Normaliser):
    """Messages of one connection, or answers of the market data endpoints, which tell their kind."""

    venue: ClassVar[str] = "alpaca"

    def __init__(self) -> None:
        super().__init__()
        self._kinds: dict[str, _Reader] = {"t": self._trade, "q": self._quote, "o": self._book}
        self._endpoints: dict[str, _Reader] = {
            "trade": self._trade,
            "trades": self._trade,
            "quote": self._quote,
            "quotes": self._quote,
            "orderbook": self._whole_book,
            "orderbooks": self._whole_book,
        }

    @classmethod
    def recognises(cls, text: bytes) -> bool:
        """Whether this is one of its market data messages."""
        return _MESSAGE.search(text[:_HEAD_BYTES]) is not None

    def _read(self, text: bytes, receive_time_ns: int, about: str) -> list[MarketEvent]:
        if not text.lstrip().startswith(b"{"):
            return self._stream_records(_ARRAY.decode(text), receive_time_ns)
        fields = _OBJECT.decode(text)
        if "T" in fields:
            return self._stream_records([msgspec.Raw(text)], receive_time_ns)
        return self._events(self._rest_records(fields, msgspec.Raw(text)), receive_time_ns)

    def _stream_records(self, rows: list[msgspec.Raw], receive_time_ns: int) -> list[MarketEvent]:
        records: list[_Record] = []
        for row in rows:
            try:
                kind = _KIND.decode(row)
            except msgspec.ValidationError:
                self.drops.add(DropReason.BAD_FIELD)
                continue
            if kind.kind in _ANSWERS:
                continue
            self._stream(kind.kind)
            read = self._kinds.get(kind.kind)
            if read is None:
                self.drops.add(DropReason.UNKNOWN_STREAM)
            else:
                records.append((read, kind.symbol, row))
        return self._events(iter(records), receive_time_ns)

    def _events(self, records: Iterator[_Record], receive_time_ns: int) -> list[MarketEvent]:
        events: list[MarketEvent] = []
        for read, symbol, row in records:
            try:
                events.append(read(symbol, row, receive_time_ns))
            except Refused as refused:
                self.drops.add(refused.reason)
            except msgspec.ValidationError:
                self.drops.add(DropReason.BAD_FIELD)
        return events

    def _rest_records(self, fields: dict[str, msgspec.Raw], answer: msgspec.Raw) -> Iterator[_Record]:
        """The records of an answer: one kind of one or many symbols, or snapshots by symbol."""
        symbol = _TEXT.decode(fields["symbol"]) if "symbol" in fields else None
        named = [name for name in self._endpoints if name in fields]
        for name in named:
            read, value = self._endpoints[name], fields[name]
            by_symbol = {symbol: value} if symbol is not None else _OBJECT.decode(value)
            for text, rows in by_symbol.items():
                yield from ((read, text, row) for row in _rows(rows))
        if named or "bars" in fields or "bar" in fields:
            return
        if symbol is not None:
            fields = {symbol: answer}
        elif "snapshots" in fields:
            fields = _OBJECT.decode(fields["snapshots"])
        for text, value in fields.items():
            snapshot = _SNAPSHOT.decode(value)
            for read, row in ((self._trade, snapshot.trade), (self._quote, snapshot.quote)):
                if bytes(row) != b"null":
                    yield read, text, row

    def _trade(self, symbol: str, row: msgspec.Raw, receive_time_ns: int) -> Trade:
        trade = _TRADE.decode(row)
        for condition in trade.conditions or ():
            if condition in _OUTSIDE_BOOK or (condition == _AVERAGE_PRICE and trade.tape != "C"):
                raise Refused(DropReason.NOT_A_MARKET_TRADE)
        return Trade(
            self.venue,
            self._symbol(symbol),
            _time_ns(trade.time),
            receive_time_ns,
            self.numbers.price(trade.price),
            self.numbers.size(trade.size),
            side_of(trade.taker_side),
            trade_id_of(trade.trade_id),
        )

    def _quote(self, symbol: str, row: msgspec.Raw, receive_time_ns: int) -> Quote:
        quote = _QUOTE.decode(row)
        side = self.numbers.quote_side
        bid, ask = checked_quote_sides(side(quote.bid, quote.bid_size), side(quote.ask, quote.ask_size))
        return Quote(self.venue, self._symbol(symbol), _time_ns(quote.time), receive_time_ns, bid, ask)

    def _book(self, symbol: str, row: msgspec.Raw, receive_time_ns: int) -> BookL2 | BookDelta:
        book = _BOOK.decode(row)
        return self._levels_event(BookL2 if book.is_whole else BookDelta, symbol, book, receive_time_ns)

    def _whole_book(self, symbol: str, row: msgspec.Raw, receive_time_ns: int) -> BookL2 | BookDelta:
        return self._levels_event(BookL2, symbol, _BOOK.decode(row), receive_time_ns)

    def _levels_event(
        self, kind: type[BookL2] | type[BookDelta], symbol: str, book: _Book, receive_time_ns: int
    ) -> BookL2 | BookDelta:
        name, time_ns = self._symbol(symbol), _time_ns(book.time)
        bids, asks = self._levels(book.bids), self._levels(book.asks)
        return kind(self.venue, name, time_ns, receive_time_ns, bids, asks)

    def _levels(self, rows: list[_Level]) -> tuple[Level, ...]:
        return self.numbers.levels([(row.price, row.size) for row in rows])


def _rows(rows: msgspec.Raw) -> list[msgspec.Raw]:
    """The records of a symbol: an array, or the latest one alone."""
    text = bytes(rows)
    if text == b"null":
        return []
    return _ARRAY.decode(text) if text.startswith(b"[") else [rows]


def _time_ns(stamp: WireNumber | None) -> int | None:
    return epoch_ns(stamp) if stamp else None
