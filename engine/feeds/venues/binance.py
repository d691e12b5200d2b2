"""Binance: spot (also .us), USD-M and COIN-M futures; combined streams, raw messages, REST order books.

Stop on the data path: wire JSON in, events out. Shapes: binance-docs, "Diff. Depth Stream", "Partial Book
Depth Streams", "Trade Streams", "Aggregate Trade Streams", "Individual Symbol Book Ticker Streams", and the
REST order book (`lastUpdateId`), whose URL names its symbol.

- Times are T (of the matching engine) where it is stated, else E (of sending); spot's bookTicker has none.
- A spot update follows the id before its `U`, a futures update names its predecessor `pu`.
- Sizes on COIN-M (`ps` key) are contracts; everywhere else base currency.
- Every trade is told by `trade` and again, with others, by `aggTrade`: only one of the two is read, `trade`
  unless the head of the connection (`begin`) has nothing but `aggTrade`. The same with depth: the diffs, or
  where there are none the deepest partial book.
- `X` other than MARKET (insurance fund, ADL): no order of the book was hit, so no trade of it; its id counts.

Invariant: one message becomes one event or one counted drop. A depth update with one bad level goes whole,
so that its absence shows as a sequence gap and not as a silently wrong book.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Any, TypeAlias

import msgspec

from engine.core.types import Side
from engine.feeds.book_sync import COINM, SPOT, USDM
from engine.feeds.drops import DropReason
from engine.feeds.venues.events import BookDelta, BookL2, Level, MarketEvent, Quote, Trade
from engine.feeds.venues.normaliser import MAX_SYMBOLS, Normaliser
from engine.feeds.venues.numbers import Refused, WireNumber, checked_quote_sides, epoch_ns

__all__ = ["Binance"]

_Id = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
_Payload: TypeAlias = bytes | msgspec.Raw
_Reader: TypeAlias = Callable[[_Payload, int, str], MarketEvent]
_Levels: TypeAlias = list[tuple[WireNumber, WireNumber]]
_DIFFS = 1 << 30
"""Depth of a stream that states every level."""
_NO_DATA = msgspec.Raw(b"")

_NAMED_SYMBOL = re.compile(r"[?&]symbol=([^&\s]{1,64})|([^/@=?&\s]{1,64})@depth")
_RECOGNISED = re.compile(
    rb'^\s*\{(?:"stream"\s*:\s*"!?\w+@\w|"e"\s*:\s*"(?:depthUpdate|trade|aggTrade|bookTicker)"\s*,(?!\s*"E"\s*:\s*\d{17})'
    rb'|"lastUpdateId"\s*:\s*\d|"u"\s*:\s*\d+\s*,\s*(?:"e"\s*:\s*"bookTicker"\s*,\s*)?"s"\s*:)'
)


class _Envelope(msgspec.Struct, gc=False):
    """What tells the kind of a message, wrapped in a combined stream or not."""

    stream: str | None = None
    data: msgspec.Raw = _NO_DATA
    event: str | None = msgspec.field(name="e", default=None)
    snapshot_id: Any = msgspec.field(name="lastUpdateId", default=None)
    quote_size: Any = msgspec.field(name="B", default=None)
    request_id: Any = msgspec.field(name="id", default=None)


class _Named(msgspec.Struct, gc=False):
    event: str | None = msgspec.field(name="e", default=None)
    symbol: str | None = msgspec.field(name="s", default=None)


class _Peek(_Named, gc=False):
    """What tells the streams of a connection and their symbols."""

    stream: str | None = None
    data: _Named = msgspec.field(default_factory=_Named)


class _Depth(msgspec.Struct, gc=False):
    symbol: str = msgspec.field(name="s")
    event_time: WireNumber = msgspec.field(name="E")
    first_id: _Id = msgspec.field(name="U")
    last_id: _Id = msgspec.field(name="u")
    bids: _Levels = msgspec.field(name="b")
    asks: _Levels = msgspec.field(name="a")
    previous_id: _Id | None = msgspec.field(name="pu", default=None)
    transaction_time: WireNumber | None = msgspec.field(name="T", default=None)
    pair: str | None = msgspec.field(name="ps", default=None)


class _Trade(msgspec.Struct, gc=False):
    symbol: str = msgspec.field(name="s")
    time: WireNumber = msgspec.field(name="T")
    price: WireNumber = msgspec.field(name="p")
    qty: WireNumber = msgspec.field(name="q")
    buyer_is_maker: bool = msgspec.field(name="m")
    trade_id: _Id | None = msgspec.field(name="t", default=None)
    aggregate_id: _Id | None = msgspec.field(name="a", default=None)
    execution: str = msgspec.field(name="X", default="MARKET")


class _Quote(msgspec.Struct, gc=False):
    symbol: str = msgspec.field(name="s")
    update_id: _Id = msgspec.field(name="u")
    bid: WireNumber = msgspec.field(name="b")
    bid_qty: WireNumber = msgspec.field(name="B")
    ask: WireNumber = msgspec.field(name="a")
    ask_qty: WireNumber = msgspec.field(name="A")
    event_time: WireNumber | None = msgspec.field(name="E", default=None)
    transaction_time: WireNumber | None = msgspec.field(name="T", default=None)


class _Snapshot(msgspec.Struct, gc=False):
    last_id: _Id = msgspec.field(name="lastUpdateId")
    bids: _Levels
    asks: _Levels
    event_time: WireNumber | None = msgspec.field(name="E", default=None)
    transaction_time: WireNumber | None = msgspec.field(name="T", default=None)
    symbol: str | None = None


_ENVELOPE = msgspec.json.Decoder(_Envelope)
_PEEK = msgspec.json.Decoder(_Peek)
_DEPTH = msgspec.json.Decoder(_Depth)
_TRADE = msgspec.json.Decoder(_Trade)
_QUOTE = msgspec.json.Decoder(_Quote)
_SNAPSHOT = msgspec.json.Decoder(_Snapshot)


class Binance(Normaliser):
    """Messages of one connection, or of one capture, to Binance."""

    venue = "binance"

    @classmethod
    def recognises(cls, text: bytes) -> bool:
        return _RECOGNISED.match(text) is not None

    def __init__(self) -> None:
        super().__init__()
        self._reads_aggregated = False
        self._markets: dict[str, str] = {}
        self._last_trade_ids: dict[str, int] = {}
        self._only_symbol: str | None = None
        """The symbol of messages that name none, when the head of the connection is all of one symbol."""
        self._kinds: dict[str, _Reader] = {
            "depth": self._depth,
            "depthUpdate": self._depth,
            "depthSnapshot": self._snapshot,
            "bookTicker": self._quote,
            "trade": self._trade,
            "aggTrade": self._aggregated_trade,
        }
        self._readers: dict[str, _Reader] = {}
        """What reads a stream, by its name."""

    def begin(self, head: Sequence[bytes]) -> None:
        kinds: set[str] = set()
        symbols: set[str] = set()
        for text in head:
            try:
                peek = _PEEK.decode(text)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                continue
            name, _, kind = (peek.stream or "").partition("@")
            symbol = peek.symbol or peek.data.symbol or ""
            kinds.add(peek.event or peek.data.event or kind)
            symbols.add(symbol.upper())
            if kind.partition("@")[0] == "depth" and len(self._depths) < MAX_SYMBOLS:
                self._depths[name.upper()] = _DIFFS
        self._reads_aggregated = "aggTrade" in kinds and "trade" not in kinds
        symbols.discard("")
        self._only_symbol = symbols.pop() if len(symbols) == 1 else None

    def market(self, symbol: str) -> str:
        return self._markets.get(symbol, SPOT)

    def _read(self, text: bytes, receive_time_ns: int, about: str) -> list[MarketEvent]:
        envelope = _ENVELOPE.decode(text)
        payload: _Payload = text
        if envelope.stream is not None:
            payload = envelope.data
            stream = about = envelope.stream
        else:
            stream = about.rpartition("/")[2] if "@" in about else _stream_by_keys(envelope)
            if not stream:
                return []
        if stream in self.streams:
            self.streams[stream] += 1
        else:
            self._stream(stream)
        if payload is _NO_DATA:
            raise Refused(DropReason.BAD_FIELD)
        read = self._readers.get(stream) or self._find_reader(stream)
        return [read(payload, receive_time_ns, about)]

    def _find_reader(self, stream: str) -> _Reader:
        """What reads the messages of this stream: by `depth` of btcusdt@depth@100ms, `bookTicker` of
        !bookTicker. Raises Refused for a stream that is not read."""
        kind = stream.partition("@")[2].partition("@")[0] or stream.lstrip("!")
        if kind in self._kinds:
            reader = self._kinds[kind]
        elif kind.startswith("depth") and kind[5:].isdecimal() and len(kind) < 10:
            reader = partial(self._partial_book, int(kind[5:]))
        else:
            raise Refused(DropReason.UNKNOWN_STREAM)
        if len(self._readers) < MAX_SYMBOLS:
            self._readers[stream] = reader
        return reader

    def _depth(self, payload: _Payload, receive_time_ns: int, about: str) -> BookDelta:
        data = _DEPTH.decode(payload)
        symbol = self._symbol(data.symbol)
        if data.previous_id is None:
            market, previous_id = SPOT, max(0, data.first_id - 1)
        else:
            market, previous_id = USDM if data.pair is None else COINM, data.previous_id
        if self._markets.get(symbol, market) != market:
            raise Refused(DropReason.BAD_FIELD)
        if data.first_id > data.last_id:
            raise Refused(DropReason.IDS_REVERSED)
        self._follow(symbol, _DIFFS)
        time_ns = _time_ns(data.transaction_time, data.event_time)
        bids, asks = self.numbers.levels(data.bids), self.numbers.levels(data.asks)
        self._markets[symbol] = market
        ids = (previous_id, data.first_id, data.last_id)
        return BookDelta(self.venue, symbol, time_ns, receive_time_ns, bids, asks, *ids)

    def _partial_book(self, depth: int, payload: _Payload, receive_time_ns: int, about: str) -> BookL2:
        """The best levels: on spot like a REST answer, on futures in the shape of an update."""
        if b'"lastUpdateId"' in bytes(payload):
            return self._book(_SNAPSHOT.decode(payload), depth, receive_time_ns, about)
        data = _DEPTH.decode(payload)
        times = (data.event_time, data.transaction_time)
        snapshot = _Snapshot(data.last_id, data.bids, data.asks, *times, symbol=data.symbol)
        return self._book(snapshot, depth, receive_time_ns, about)

    def _snapshot(self, payload: _Payload, receive_time_ns: int, about: str) -> BookL2:
        return self._book(_SNAPSHOT.decode(payload), _DIFFS, receive_time_ns, about)

    def _book(self, data: _Snapshot, depth: int, receive_time_ns: int, about: str) -> BookL2:
        symbol = self._symbol_of_snapshot(data, about)
        self._follow(symbol, depth)
        time_ns = _time_ns(data.transaction_time, data.event_time)
        bids, asks = self.numbers.levels(data.bids), self.numbers.levels(data.asks)
        return BookL2(self.venue, symbol, time_ns, receive_time_ns, bids, asks, data.last_id)

    def _symbol_of_snapshot(self, data: _Snapshot, about: str) -> str:
        """By the message, else by its stream or URL, else the only symbol that the connection has shown."""
        if data.symbol is not None:
            return self._symbol(data.symbol)
        if (named := _NAMED_SYMBOL.search(about)) is not None:
            return self._symbol(named[1] or named[2])
        if self._only_symbol is not None:
            return self._symbol(self._only_symbol)
        if len(self._symbols) == 1:
            return next(iter(self._symbols.values()))
        raise Refused(DropReason.BAD_SYMBOL)

    def _trade(self, payload: _Payload, receive_time_ns: int, about: str) -> Trade:
        if self._reads_aggregated:
            raise Refused(DropReason.TOLD_TWICE)
        data = _TRADE.decode(payload)
        return self._execution(data, data.trade_id, receive_time_ns)

    def _aggregated_trade(self, payload: _Payload, receive_time_ns: int, about: str) -> Trade:
        if not self._reads_aggregated:
            raise Refused(DropReason.TOLD_TWICE)
        data = _TRADE.decode(payload)
        return self._execution(data, data.aggregate_id, receive_time_ns)

    def _execution(self, data: _Trade, trade_id: int | None, receive_time_ns: int) -> Trade:
        if trade_id is None:
            raise Refused(DropReason.BAD_FIELD)
        symbol = self._symbol(data.symbol)
        previous_id = self._last_trade_ids.get(symbol, trade_id - 1)
        if data.execution != "MARKET":
            self._last_trade_ids[symbol] = max(previous_id, trade_id)
            raise Refused(DropReason.NOT_A_MARKET_TRADE)
        price, size = self.numbers.price(data.price), self.numbers.price(data.qty)
        time_ns = epoch_ns(data.time)
        self._last_trade_ids[symbol] = max(previous_id, trade_id)
        aggressor = Side.ASK if data.buyer_is_maker else Side.BID
        venue, identity = self.venue, str(trade_id)
        return Trade(venue, symbol, time_ns, receive_time_ns, price, size, aggressor, identity, previous_id)

    def _quote(self, payload: _Payload, receive_time_ns: int, about: str) -> Quote:
        data = _QUOTE.decode(payload)
        symbol = self._symbols.get(data.symbol) or self._symbol(data.symbol)
        numbers = self.numbers
        bid_price, bid_size = numbers[data.bid], numbers[data.bid_qty]
        ask_price, ask_size = numbers[data.ask], numbers[data.ask_qty]
        bid: Level | None = (bid_price, bid_size)
        ask: Level | None = (ask_price, ask_size)
        if not (bid_price and bid_size and ask_price and ask_size and bid_price <= ask_price):
            side = numbers.quote_side
            bid, ask = checked_quote_sides(side(data.bid, data.bid_qty), side(data.ask, data.ask_qty))
        time = data.transaction_time or data.event_time
        time_ns = epoch_ns(time) if time else None
        return Quote(self.venue, symbol, time_ns, receive_time_ns, bid, ask, data.update_id)


def _stream_by_keys(envelope: _Envelope) -> str:
    """What stands for the stream of a message without one, empty for the answer to a request. Raises Refused
    when no key tells it."""
    if envelope.event is not None:
        return envelope.event
    if envelope.snapshot_id is not None:
        return "depthSnapshot"
    if envelope.quote_size is not None:
        return "bookTicker"
    if envelope.request_id is not None:
        return ""
    raise Refused(DropReason.BAD_FIELD)


def _time_ns(first: WireNumber | None, second: WireNumber | None) -> int | None:
    """The first of the two times that is stated; 0 is none."""
    time = first or second
    return epoch_ns(time) if time else None
