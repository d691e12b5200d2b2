"""Coinbase: Exchange (formerly Pro) and Advanced Trade.

Stop on the data path: wire JSON in, events out. Shapes: docs.cdp.coinbase.com, "Exchange WebSocket channels"
(match, level2, ticker) and "Advanced Trade WebSocket channels" (market_trades, level2, ticker).

- `side` of a trade is the maker's on both: the aggressor is the other one.
- Exchange: `snapshot`, then `l2update` without numbers; a lost message cannot be seen.
- Advanced Trade: `sequence_num` counts all messages of a connection, so a message that is missing breaks the
  chain of every book from there on, until its next snapshot. A count that starts again is a new connection.
- `last_match` is the trade before the subscription, once; the `snapshot` of market_trades is a list of such
  trades, which on every new connection would be told again: counted drops.
- A ticker of Exchange before 2022 has no sizes and is no quote: a counted drop.

Invariant: a book message with one bad level goes whole; trades in one message stand alone.
"""

from __future__ import annotations

import re

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

__all__ = ["Coinbase"]

_RECOGNISED = re.compile(
    rb'^\s*\{\s*"(?:type"\s*:\s*"(?:(?:last_)?match|snapshot|l2update|ticker)".*"product_id"\s*:'
    rb'|channel"\s*:\s*"(?:market_trades|l2_data|ticker)"\s*,.*"sequence_num"\s*:)',
    re.DOTALL,
)
_RECOGNISED_BYTES = 4096
_IGNORED = ("subscriptions", "heartbeat", "heartbeats", "error", "status")


class _Message(msgspec.Struct):
    """What all messages of Exchange share, and those of Advanced Trade."""

    type: str | None = None
    channel: str | None = None
    sequence: int | str = msgspec.field(name="sequence_num", default=-1)
    time: WireNumber | None = msgspec.field(name="timestamp", default=None)
    events: list[msgspec.Raw] = []


class _Match(msgspec.Struct):
    symbol: str = msgspec.field(name="product_id")
    price: WireNumber
    size: WireNumber
    side: str
    time: WireNumber
    trade_id: int | str | None = None


class _Snapshot(msgspec.Struct):
    symbol: str = msgspec.field(name="product_id")
    bids: list[tuple[WireNumber, WireNumber]]
    asks: list[tuple[WireNumber, WireNumber]]
    time: WireNumber | None = None


class _Update(msgspec.Struct):
    symbol: str = msgspec.field(name="product_id")
    changes: list[tuple[str, WireNumber, WireNumber]]
    time: WireNumber | None = None


class _Ticker(msgspec.Struct):
    symbol: str = msgspec.field(name="product_id")
    best_bid: WireNumber | None = None
    best_bid_size: WireNumber | None = None
    best_bid_quantity: WireNumber | None = None
    best_ask: WireNumber | None = None
    best_ask_size: WireNumber | None = None
    best_ask_quantity: WireNumber | None = None
    time: WireNumber | None = None


class _TradesEvent(msgspec.Struct):
    trades: list[_Match]
    type: str = ""


class _Change(msgspec.Struct):
    side: str
    price: WireNumber = msgspec.field(name="price_level")
    size: WireNumber = msgspec.field(name="new_quantity")


class _BookEvent(msgspec.Struct):
    symbol: str = msgspec.field(name="product_id")
    type: str
    updates: list[_Change]


class _TickersEvent(msgspec.Struct):
    tickers: list[_Ticker]


_MESSAGE = msgspec.json.Decoder(_Message)
_MATCH = msgspec.json.Decoder(_Match)
_SNAPSHOT = msgspec.json.Decoder(_Snapshot)
_UPDATE = msgspec.json.Decoder(_Update)
_TICKER = msgspec.json.Decoder(_Ticker)
_TRADES_EVENT = msgspec.json.Decoder(_TradesEvent)
_BOOK_EVENT = msgspec.json.Decoder(_BookEvent)
_TICKERS_EVENT = msgspec.json.Decoder(_TickersEvent)


class Coinbase(Normaliser):
    """Messages of one connection, or of one capture, to Coinbase."""

    venue = "coinbase"

    @classmethod
    def recognises(cls, text: bytes) -> bool:
        return _RECOGNISED.match(text[:_RECOGNISED_BYTES]) is not None

    def __init__(self) -> None:
        super().__init__()
        self._sequence = -1
        """Of the last message; -1 before the first."""
        self._unbroken_since = 0
        """Sequence of the first message behind the last hole."""
        self._book_sequences: dict[str, int] = {}
        """Of the last book message, by symbol."""

    def _read(self, text: bytes, receive_time_ns: int, about: str) -> list[MarketEvent]:
        message = _MESSAGE.decode(text)
        if message.channel is not None:
            return self._read_advanced(message, receive_time_ns)
        if message.type is None:
            raise Refused(DropReason.BAD_FIELD)
        if message.type in _IGNORED:
            return []
        self._stream(message.type)
        match message.type:
            case "match" | "last_match":
                return [self._trade(_MATCH.decode(text), receive_time_ns)]
            case "l2update":
                return [self._update(_UPDATE.decode(text), receive_time_ns)]
            case "snapshot":
                return [self._snapshot(_SNAPSHOT.decode(text), receive_time_ns)]
            case "ticker":
                return [self._quote(_TICKER.decode(text), None, receive_time_ns)]
        raise Refused(DropReason.UNKNOWN_STREAM)

    def _trade(self, data: _Match, receive_time_ns: int) -> Trade:
        maker = side_of(data.side)
        if maker is None:
            raise Refused(DropReason.BAD_FIELD)
        return Trade(
            venue=self.venue,
            symbol=self._symbol(data.symbol),
            exchange_time_ns=epoch_ns(data.time),
            receive_time_ns=receive_time_ns,
            price=self.numbers.price(data.price),
            size=self.numbers.price(data.size),
            aggressor_side=Side(1 - maker),
            trade_id=trade_id_of(data.trade_id),
        )

    def _update(self, data: _Update, receive_time_ns: int) -> BookDelta:
        symbol, time_ns = self._symbol(data.symbol), _time_ns(data.time)
        bids, asks = self._sides(data.changes)
        return BookDelta(self.venue, symbol, time_ns, receive_time_ns, bids, asks)

    def _snapshot(self, data: _Snapshot, receive_time_ns: int) -> BookL2:
        symbol, time_ns = self._symbol(data.symbol), _time_ns(data.time)
        bids, asks = self.numbers.levels(data.bids), self.numbers.levels(data.asks)
        return BookL2(self.venue, symbol, time_ns, receive_time_ns, bids, asks)

    def _quote(self, data: _Ticker, time: WireNumber | None, receive_time_ns: int) -> Quote:
        symbol = self._symbol(data.symbol)
        bid_size = data.best_bid_size if data.best_bid_quantity is None else data.best_bid_quantity
        ask_size = data.best_ask_size if data.best_ask_quantity is None else data.best_ask_quantity
        if bid_size is None and ask_size is None:
            raise Refused(DropReason.NO_SIZES)
        bid = self.numbers.quote_side(data.best_bid, bid_size)
        ask = self.numbers.quote_side(data.best_ask, ask_size)
        time_ns = _time_ns(time if data.time is None else data.time)
        return Quote(self.venue, symbol, time_ns, receive_time_ns, *checked_quote_sides(bid, ask))

    def _sides(
        self, changes: list[tuple[str, WireNumber, WireNumber]]
    ) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
        """Changes of both sides, apart. Raises Refused for a side that is none."""
        sides: tuple[list[tuple[WireNumber, WireNumber]], ...] = ([], [])
        for name, price, size in changes:
            side = side_of(name)
            if side is None:
                raise Refused(DropReason.BAD_FIELD)
            sides[side].append((price, size))
        return self.numbers.levels(sides[Side.BID]), self.numbers.levels(sides[Side.ASK])

    # -- Advanced Trade --------------------------------------------------------------------------------

    def _read_advanced(self, message: _Message, receive_time_ns: int) -> list[MarketEvent]:
        sequence = None if message.sequence == -1 else id_of(message.sequence)
        if sequence is not None:
            self._count(sequence)
        if message.channel in _IGNORED or message.channel is None:
            return []
        self._stream(message.channel)
        events: list[MarketEvent] = []
        match message.channel:
            case "market_trades":
                for part in message.events:
                    events += self._trades(_TRADES_EVENT.decode(part), receive_time_ns)
            case "l2_data":
                events += self._books(message, receive_time_ns, sequence)
            case "ticker" | "ticker_batch":
                for part in message.events:
                    rows = _TICKERS_EVENT.decode(part).tickers
                    events += self._each(rows, lambda row: self._quote(row, message.time, receive_time_ns))
            case _:
                raise Refused(DropReason.UNKNOWN_STREAM)
        return events

    def _count(self, sequence: int) -> None:
        """Follow the count of the connection's messages."""
        if sequence <= self._sequence:
            self._book_sequences.clear()  # another connection: every book begins again
            self._unbroken_since = sequence
        elif sequence != self._sequence + 1:
            self._unbroken_since = sequence
        self._sequence = sequence

    def _trades(self, event: _TradesEvent, receive_time_ns: int) -> list[MarketEvent]:
        if event.type == "snapshot":
            for _ in event.trades:
                self.drops.add(DropReason.BEFORE_START)
            return []
        return self._each(event.trades, lambda row: self._trade(row, receive_time_ns))

    def _books(self, message: _Message, receive_time_ns: int, sequence: int | None) -> list[MarketEvent]:
        """One event for each symbol and kind: a message has one number, which a symbol can use only once."""
        unbroken_since = self._unbroken_since
        self._unbroken_since = self._sequence + 1  # if this message is refused it is missing in every book
        time_ns = _time_ns(message.time)
        changes: dict[tuple[str, bool], list[tuple[str, WireNumber, WireNumber]]] = {}
        for part in (_BOOK_EVENT.decode(part) for part in message.events):
            if part.type not in ("snapshot", "update"):
                raise Refused(DropReason.BAD_FIELD)
            rows = changes.setdefault((self._symbol(part.symbol), part.type == "snapshot"), [])
            rows += ((row.side, row.price, row.size) for row in part.updates)
        books = [(*key, self._sides(rows)) for key, rows in changes.items()]
        self._unbroken_since = unbroken_since
        events: list[MarketEvent] = []
        for symbol, is_snapshot, (bids, asks) in books:
            head = (self.venue, symbol, time_ns, receive_time_ns, bids, asks)
            if is_snapshot:
                events.append(BookL2(*head, last_id=sequence))
            else:
                previous_id = self._previous_id(symbol, sequence)
                events.append(BookDelta(*head, previous_id=previous_id, first_id=sequence, last_id=sequence))
            if sequence is not None:
                self._book_sequences[symbol] = sequence
        return events

    def _previous_id(self, symbol: str, sequence: int | None) -> int | None:
        """The symbol's last number if no message of the connection is missing since, else one that no book
        of the symbol stands at."""
        if sequence is None:
            return None
        last = self._book_sequences.get(symbol)
        if last is None or last < self._unbroken_since:
            return max(0, sequence - 1)
        return last


def _time_ns(time: WireNumber | None) -> int | None:
    return None if time is None else epoch_ns(time)
