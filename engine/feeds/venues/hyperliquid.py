"""Hyperliquid: whole books (l2Book), trades and best prices (bbo), and the book of its info endpoint.

Stop on the data path: one of the normalisers. Shapes: hyperliquid.gitbook.io, "Websocket - Subscriptions".
Invariant: as all normalisers. Coins are its symbols (`BTC`, `@107`, `PURR/USDC`).
"""

from __future__ import annotations

import re
from typing import ClassVar, Literal

import msgspec

from engine.core.types import Side
from engine.feeds.drops import DropReason
from engine.feeds.venues.events import BookL2, Level, MarketEvent, Quote, Trade
from engine.feeds.venues.normaliser import Normaliser
from engine.feeds.venues.numbers import (
    Refused,
    WireNumber,
    checked_quote_sides,
    epoch_ns,
    trade_id_of,
)

__all__ = ["Hyperliquid"]

_MESSAGE = re.compile(rb'"channel"\s*:\s*"(l2Book|trades|bbo)".*"coin"\s*:', re.S)
_ANSWERS = frozenset(("subscriptionResponse", "pong", "error"))
_HEAD_BYTES = 4096
"""Part of a message by which it is recognised."""


class _Envelope(msgspec.Struct):
    channel: str = ""
    data: msgspec.Raw = msgspec.Raw(b"null")


class _Level(msgspec.Struct):
    px: WireNumber
    sz: WireNumber


class _Book(msgspec.Struct):
    coin: str
    levels: tuple[list[_Level], list[_Level]]
    """Bids and asks, best first."""
    time: WireNumber


class _Trade(msgspec.Struct):
    coin: str
    side: Literal["A", "B"]
    """The aggressor's: B bought."""
    px: WireNumber
    sz: WireNumber
    time: WireNumber
    tid: int | str | None = None


class _Quote(msgspec.Struct):
    coin: str
    bbo: tuple[_Level | None, _Level | None]
    time: WireNumber


_ENVELOPE = msgspec.json.Decoder(_Envelope)
_BOOK = msgspec.json.Decoder(_Book)
_TRADES = msgspec.json.Decoder(list[_Trade])
_QUOTE = msgspec.json.Decoder(_Quote)


class Hyperliquid(Normaliser):
    """Messages of one connection; a message without a channel is the answer of the info endpoint."""

    venue: ClassVar[str] = "hyperliquid"

    @classmethod
    def recognises(cls, text: bytes) -> bool:
        """Whether this is one of its market data messages."""
        return _MESSAGE.search(text[:_HEAD_BYTES]) is not None

    def _read(self, text: bytes, receive_time_ns: int, about: str) -> list[MarketEvent]:
        envelope = _ENVELOPE.decode(text)
        self._stream(envelope.channel)
        match envelope.channel:
            case "l2Book":
                return [self._book(_BOOK.decode(envelope.data), receive_time_ns)]
            case "trades":
                return self._each(
                    _TRADES.decode(envelope.data), lambda row: self._trade(row, receive_time_ns)
                )
            case "bbo":
                return [self._quote(_QUOTE.decode(envelope.data), receive_time_ns)]
            case "":
                return [self._book(_BOOK.decode(text), receive_time_ns)]
        if envelope.channel in _ANSWERS:
            return []
        raise Refused(DropReason.UNKNOWN_STREAM)

    def _book(self, book: _Book, receive_time_ns: int) -> BookL2:
        bids, asks = (tuple([self._level(level) for level in side]) for side in book.levels)
        return BookL2(self.venue, self._symbol(book.coin), epoch_ns(book.time), receive_time_ns, bids, asks)

    def _level(self, level: _Level) -> Level:
        return self.numbers.level(level.px, level.sz)

    def _trade(self, row: _Trade, receive_time_ns: int) -> Trade:
        return Trade(
            self.venue,
            self._symbol(row.coin),
            epoch_ns(row.time),
            receive_time_ns,
            self.numbers.price(row.px),
            self.numbers.size(row.sz),
            Side.BID if row.side == "B" else Side.ASK,
            trade_id_of(row.tid),
        )

    def _quote(self, quote: _Quote, receive_time_ns: int) -> Quote:
        bid, ask = checked_quote_sides(
            *(None if side is None else self.numbers.quote_side(side.px, side.sz) for side in quote.bbo)
        )
        return Quote(self.venue, self._symbol(quote.coin), epoch_ns(quote.time), receive_time_ns, bid, ask)
