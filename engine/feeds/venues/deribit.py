"""Deribit: trades, raw and grouped books, quotes and tickers of its JSON-RPC notifications.

Stop on the data path: one of the normalisers. Shapes: docs.deribit.com, subscriptions `trades.*`, `book.*`,
`quote.*`, `ticker.*`. Invariant: as all normalisers. Prices of spreads may be negative there: such a record
is a counted drop.
"""

from __future__ import annotations

import re
from typing import ClassVar, Literal

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
    trade_id_of,
)

__all__ = ["Deribit"]

_BOOK_MESSAGE = re.compile(
    rb'"method"\s*:\s*"subscription".*"channel"\s*:\s*"(trades|book|quote|ticker)\.', re.S
)
_PLACED = frozenset(("new", "change"))
_DEPTHS = {"raw": 1 << 32, "100ms": (1 << 32) - 1, "agg2": (1 << 32) - 2}
"""Of ungrouped books, which are whole, by interval: the finest counts as the deepest."""
_HEAD_BYTES = 4096
"""Part of a message by which it is recognised."""


class _Params(msgspec.Struct):
    channel: str = ""
    data: msgspec.Raw = msgspec.Raw(b"null")


class _Envelope(msgspec.Struct):
    params: _Params | None = None


class _Trade(msgspec.Struct):
    instrument_name: str
    price: WireNumber
    amount: WireNumber
    direction: Literal["buy", "sell"]
    timestamp: WireNumber
    trade_id: int | str | None = None


class _Book(msgspec.Struct):
    instrument_name: str
    bids: list[tuple[str, WireNumber, WireNumber]]
    asks: list[tuple[str, WireNumber, WireNumber]]
    change_id: int
    timestamp: WireNumber
    prev_change_id: int | None = None
    type: str = ""


class _GroupedBook(msgspec.Struct):
    """Levels of a price interval each, always all that are shown."""

    instrument_name: str
    bids: list[tuple[WireNumber, WireNumber]]
    asks: list[tuple[WireNumber, WireNumber]]
    change_id: int
    timestamp: WireNumber


class _Quote(msgspec.Struct):
    """A quote, or a ticker's part of it."""

    instrument_name: str
    timestamp: WireNumber
    best_bid_price: WireNumber | None = None
    best_bid_amount: WireNumber | None = None
    best_ask_price: WireNumber | None = None
    best_ask_amount: WireNumber | None = None


_ENVELOPE = msgspec.json.Decoder(_Envelope)
_TRADES = msgspec.json.Decoder(list[_Trade])
_BOOK = msgspec.json.Decoder(_Book)
_GROUPED_BOOK = msgspec.json.Decoder(_GroupedBook)
_QUOTE = msgspec.json.Decoder(_Quote)


class Deribit(Normaliser):
    """Notifications of one connection; answers to requests are ignored."""

    venue: ClassVar[str] = "deribit"

    @classmethod
    def recognises(cls, text: bytes) -> bool:
        """Whether this is one of its market data messages."""
        return _BOOK_MESSAGE.search(text[:_HEAD_BYTES]) is not None

    def _read(self, text: bytes, receive_time_ns: int, about: str) -> list[MarketEvent]:
        params = _ENVELOPE.decode(text).params
        if params is None or not params.channel:
            return []
        self._stream(params.channel)
        kind, *rest = params.channel.split(".")
        if kind == "trades":
            return self._each(_TRADES.decode(params.data), lambda row: self._trade(row, receive_time_ns))
        if kind == "book":
            # book.BTC-PERPETUAL.raw, or .100ms; grouped: book.BTC-PERPETUAL.none.10.100ms
            if len(rest) >= 4:
                depth = id_of(rest[2])
                return [self._grouped_book(_GROUPED_BOOK.decode(params.data), depth, receive_time_ns)]
            depth = _DEPTHS.get(rest[-1], 0) if rest else 0
            return [self._book(_BOOK.decode(params.data), depth, receive_time_ns)]
        if kind in ("quote", "ticker"):
            return [self._quote(_QUOTE.decode(params.data), receive_time_ns)]
        raise Refused(DropReason.UNKNOWN_STREAM)

    def _trade(self, row: _Trade, receive_time_ns: int) -> Trade:
        return Trade(
            self.venue,
            self._symbol(row.instrument_name),
            epoch_ns(row.timestamp),
            receive_time_ns,
            self.numbers.price(row.price),
            self.numbers.size(row.amount),
            Side.BID if row.direction == "buy" else Side.ASK,
            trade_id_of(row.trade_id),
        )

    def _book(self, book: _Book, depth: int, receive_time_ns: int) -> BookL2 | BookDelta:
        symbol = self._symbol(book.instrument_name)
        self._follow(symbol, depth)
        time_ns = epoch_ns(book.timestamp)
        last_id = id_of(book.change_id)
        bids, asks = self._levels(book.bids), self._levels(book.asks)
        # Books of new instruments start with a change that follows nothing.
        if book.type == "snapshot" or not book.prev_change_id:
            bids, asks = (tuple(level for level in side if level[1]) for side in (bids, asks))
            return BookL2(self.venue, symbol, time_ns, receive_time_ns, bids, asks, last_id)
        previous_id = id_of(book.prev_change_id)
        return BookDelta(
            self.venue, symbol, time_ns, receive_time_ns, bids, asks, previous_id=previous_id, last_id=last_id
        )

    def _levels(self, rows: list[tuple[str, WireNumber, WireNumber]]) -> tuple[Level, ...]:
        levels: list[Level] = []
        for action, price, amount in rows:
            if action in _PLACED:
                levels.append(self.numbers.level(price, amount))
            elif action == "delete":
                levels.append(self.numbers.level(price, 0))
            else:
                raise Refused(DropReason.BAD_FIELD)
        return tuple(levels)

    def _grouped_book(self, book: _GroupedBook, depth: int, receive_time_ns: int) -> BookL2:
        symbol = self._symbol(book.instrument_name)
        self._follow(symbol, depth)
        return BookL2(
            self.venue,
            symbol,
            epoch_ns(book.timestamp),
            receive_time_ns,
            self.numbers.levels(book.bids),
            self.numbers.levels(book.asks),
            id_of(book.change_id),
        )

    def _quote(self, quote: _Quote, receive_time_ns: int) -> Quote:
        side = self.numbers.quote_side
        bid, ask = checked_quote_sides(
            side(quote.best_bid_price, quote.best_bid_amount),
            side(quote.best_ask_price, quote.best_ask_amount),
        )
        return Quote(
            self.venue,
            self._symbol(quote.instrument_name),
            epoch_ns(quote.timestamp),
            receive_time_ns,
            bid,
            ask,
        )
